"""A user's table to fields: every kind of mask, every category, every fault by name."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.held_out import held_out_units
from pathexplain.segmentor.datasets.label_images import read_label_image
from pathexplain.segmentor.datasets.qupath import Outline, paint, read_outlines
from pathexplain.segmentor.datasets.reading import IGNORE, interior_depth
from pathexplain.segmentor.datasets.table_fields import read_table_fields, read_table_images

CRESCENT = "tissue-level crescent in kidney pathology"
SHAPE = (80, 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pink images."""
    for index in range(6):
        Image.fromarray(np.full((*SHAPE, 3), (230, 180, 210), np.uint8)).save(
            tmp_path / f"{index}.png"
        )
    return tmp_path


def table(folder: Path, *rows: str, head: str = "image,mask,prompt,mpp") -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def squares(*boxes: tuple[int, int, int, int], values: list[int] | None = None) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int64)
    for i, (top, left, height, width) in enumerate(boxes):
        value = i + 1 if values is None else values[i]
        labels[top : top + height, left : left + width] = value
    return labels


def feature(ring: list[list[float]], name: str | None = None, *holes: list[list[float]]) -> dict:
    properties = {"classification": {"name": name, "color": [1, 2, 3]}} if name else {}
    geometry = {"type": "Polygon", "coordinates": [ring, *holes]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def box(left: float, top: float, width: float, height: float) -> list[list[float]]:
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def draw(path: Path, *features: dict) -> None:
    collection = {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps(collection), encoding="utf-8")


# ── masks ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.uint32, np.int64, bool])
def test_label_tiffs_of_any_integer_type_are_read(tmp_path, kind):
    values = squares((4, 4, 20, 20)).astype(kind)
    tifffile.imwrite(tmp_path / "m.tif", values)
    assert (read_label_image(tmp_path / "m.tif") == values.astype(int)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16"])
def test_label_pngs_of_any_integer_mode_are_read(tmp_path, mode):
    values = squares((4, 4, 20, 20))
    if mode == "P":
        picture = Image.fromarray(values.astype(np.uint8)).convert("P")
        picture.putdata(values.ravel().tolist())
    elif mode == "I;16":
        picture = Image.fromarray(values.astype(np.uint16))
    else:
        picture = Image.fromarray((values * (255 if mode == "1" else 1)).astype(np.uint8))
        picture = picture.convert(mode)
    picture.save(tmp_path / "m.png")
    assert (read_label_image(tmp_path / "m.png") == values).all()


def test_drawn_polygons_with_holes_are_what_shapely_says(tmp_path):
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:64, :70] + 0.5
    for _ in range(20):
        angle = np.linspace(0, 2 * np.pi, 15, endpoint=False)
        radius = rng.uniform(10, 30, 15)
        away = np.c_[np.cos(angle), np.sin(angle)] * radius[:, None]
        centre = np.array([36.2, 31.7])
        edge, hole = centre + away, centre + 0.4 * away
        expected = shapely.contains_xy(shapely.Polygon(edge, [hole]), xx, yy)
        assert (expected == (paint([Outline(((edge, hole),), None)], (64, 70)) > 0)).all()


def test_qupath_cells_give_their_nuclei_to_nuclei_level_prompts(tmp_path):
    cell = feature(box(10, 10, 20, 20), "Tumor")
    cell["nucleusGeometry"] = {"type": "Polygon", "coordinates": [box(15, 15, 5, 5)]}
    draw(tmp_path / "c.geojson", cell)
    areas = [
        int((paint(read_outlines(tmp_path / "c.geojson", structure=s), SHAPE) > 0).sum())
        for s in ("nuclei", "cell")
    ]
    assert areas == [25, 400]


# ── fields ───────────────────────────────────────────────────────────────────────────────────────
def test_the_same_objects_give_the_same_field_from_png_tiff_and_geojson(folder):
    labels = squares((10, 20, 20, 30), (40, 60, 24, 20))
    Image.fromarray(labels.astype(np.uint8)).save(folder / "m.png")
    tifffile.imwrite(folder / "m.tiff", (labels * 1000).astype(np.uint32))
    draw(folder / "m.geojson", feature(box(20, 10, 30, 20)), feature(box(60, 40, 20, 24)))
    masks = ("m.png", "m.tiff", "m.geojson")
    rows = [f"{i}.png,{mask},{CRESCENT},0.5" for i, mask in enumerate(masks)]
    head = "image,mask,prompt,mpp,kind"
    path = table(folder, *(f"{row},instances" for row in rows), head=head)
    first, *others = read_table_fields(path, mpp=0.5)["own"]
    assert first.term("crescent").structure == "tissue"
    assert (first.targets["crescent"] == (labels > 0)).all()
    assert (first.objects["crescent"] == labels).all()
    assert first.structure == "tissue"
    for other in others:
        assert (other.targets["crescent"] == first.targets["crescent"]).all()
        assert (other.interior == first.interior).all()
        assert (other.objects["crescent"] == first.objects["crescent"]).all()


def test_categories_of_one_image_come_together_and_absent_ones_are_known(folder):
    Image.fromarray(squares((10, 10, 30, 30)).astype(np.uint8)).save(folder / "g.png")
    ignored = squares((10, 10, 30, 30), (60, 60, 10, 10), values=[1, 9])
    Image.fromarray(ignored.astype(np.uint8)).save(folder / "s.png")
    path = table(
        folder,
        "0.png,g.png,glomerulus in kidney,0.25,,",
        f"0.png,s.png,{CRESCENT},0.25,region,9",
        "0.png,,tissue-level necrosis in kidney pathology,0.25,,",
        head="image,mask,prompt,mpp,kind,ignore",
    )
    ((field,),) = read_table_fields(path, mpp=0.5).values()
    assert field.image.shape == (40, 50, 3)
    assert list(field.targets) == ["glomerulus", "crescent", "necrosis"]
    assert field.absent == ("necrosis",)
    assert not field.targets["necrosis"].any()
    assert (field.targets["crescent"][30:35, 30:35] == IGNORE).all()
    assert list(field.objects) == ["glomerulus"]
    assert field.record.region == "kidney"


def test_objects_have_depth_where_they_are_and_unknown_far_away(folder):
    labels = squares((10, 10, 12, 12), (10, 22, 12, 12))
    Image.fromarray(labels.astype(np.uint8)).save(folder / "n.png")
    row = "0.png,n.png,nuclei-level {} in breast pathology,0.5"
    some, every = (
        read_table_fields(table(folder, row.format(name)), mpp=None)["own"][0]
        for name in ("lymphocyte", "nucleus")
    )
    depth = interior_depth(labels.astype(np.int32))
    assert (every.interior == depth).all()
    near = (slice(8, 24), slice(8, 36))
    assert (some.interior[near] == depth[near]).all()
    assert (some.interior[40:] == IGNORE).all()


def test_nuclei_and_tissue_of_one_image_have_a_plane_each(folder):
    Image.fromarray(squares((10, 10, 12, 12)).astype(np.uint8)).save(folder / "n.png")
    Image.fromarray(squares((5, 5, 50, 50)).astype(np.uint8)).save(folder / "g.png")
    path = table(folder, "0.png,n.png,nucleus,0.5", "0.png,g.png,gland,0.5")
    ((field,),) = read_table_fields(path, mpp=None).values()
    assert field.structure == "both"
    assert [int((plane == 254).sum() > 0) for plane in field.depths] == [1, 1]
    assert field.depths[0][30, 30] == 0
    assert 0 < field.depths[1][30, 30] <= 254


def test_one_value_for_many_objects_means_connected_parts(folder):
    mask = (squares((10, 10, 12, 12), (40, 40, 12, 12)) > 0) * 255
    Image.fromarray(mask.astype(np.uint8)).save(folder / "n.png")
    ((field,),) = read_table_fields(table(folder, "0.png,n.png,nucleus,0.5"), mpp=None).values()
    assert field.objects["nucleus"].max() == 2


def test_classes_of_a_drawing_choose_the_objects(folder):
    draw(
        folder / "0.geojson",
        feature(box(0, 0, 10, 10), "Crescents"),
        feature(box(20, 0, 10, 10), "Glomerulus"),
        feature(box(40, 0, 10, 10), "Ignore*"),
        feature(box(0, 0, 100, 40), "Region*"),
    )
    draw(folder / "1.geojson", feature(box(20, 0, 10, 10), "Glomerulus"))
    path = table(folder, f"0.png,0.geojson,{CRESCENT},0.5", f"1.png,1.geojson,{CRESCENT},0.5")
    marked, without = read_table_fields(path, mpp=None)["own"]
    target = marked.targets["crescent"]
    assert (target[:10, :10] == 1).all()
    assert (target[:10, 20:30] == 0).all()
    assert (target[:10, 40:50] == IGNORE).all()
    assert (target[40:] == IGNORE).all()
    assert without.absent == ("crescent",)


def test_validation_is_carved_out_by_patient_unless_the_table_says_so(folder):
    rows = [f"{i}.png,,{CRESCENT},0.5,,p{i // 2}" for i in range(6)]
    head = "image,mask,prompt,mpp,split,patient"
    few = read_table_images(table(folder, *rows, head=head))
    assert {image.split for image in few} == {"train"}  # three patients are too few
    rows = [f"{i}.png,,{CRESCENT},0.5,,p{i}" for i in range(6)]
    images = read_table_images(table(folder, *rows, head=head))
    held_out = held_out_units((f"own/p{i}", "own") for i in range(6))
    assert [image.split == "validation" for image in images] == [
        f"own/p{i}" in held_out for i in range(6)
    ]
    assert len(held_out) == 1
    rows[3] = f"3.png,,{CRESCENT},0.5,validation,p3"
    stated = read_table_images(table(folder, *rows, head=head))
    assert [image.split for image in stated].count("validation") == 1
    assert stated[3].split == "validation"


# ── faults ───────────────────────────────────────────────────────────────────────────────────────
def test_every_fault_of_every_file_is_told_at_once_with_its_line(folder):
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(folder / "rgb.png")
    tifffile.imwrite(folder / "rgb.tif", np.zeros((*SHAPE, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(
        folder / "stack.tif", np.zeros((4, *SHAPE), np.uint8), photometric="minisblack"
    )
    tifffile.imwrite(folder / "float.tif", np.zeros(SHAPE, np.float32))
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / "small.png")
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(folder / "m.jpg")
    (folder / "broken.png").write_bytes(b"no picture")
    draw(folder / "far.geojson", feature(box(5000, 10, 30, 20)))
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    draw(folder / "point.geojson", point)
    (folder / "text.geojson").write_text("nothing")
    masks = ["rgb.png", "rgb.tif", "stack.tif", "float.tif", "small.png", "m.jpg", "broken.png"]
    masks += ["far.geojson", "point.geojson", "text.geojson"]
    for index in range(6, len(masks)):
        (folder / f"{index}.png").write_bytes((folder / "0.png").read_bytes())
    path = table(folder, *(f"{i}.png,{mask},{CRESCENT},0.5" for i, mask in enumerate(masks)))
    with pytest.raises(ConfigError) as caught:
        read_table_images(path)
    lines = str(caught.value).splitlines()
    words = [
        r"rgb.png is a picture in colours \(RGB\)", r"rgb.tif is a picture in colours",
        "stack.tif holds 4 planes", "float.tif holds fractions",
        r"small.png is 50 × 40 px, but its image 4.png 100 × 80", "m.jpg is a JPEG",
        "cannot read broken.png", r"reaches x = 5030, y = 30 px, outside 7.png \(100 × 80 px\)",
        "a Point has no area", "text.geojson is not GeoJSON",
    ]  # fmt: skip
    assert len(lines) == len(words)
    for number, (line, expected) in enumerate(zip(lines, words, strict=True), start=2):
        assert line.startswith(f"{path}:{number}: mask: ")
        with pytest.raises(ConfigError, match=expected):
            raise ConfigError(line)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0.png,0.geojson,{c},0.5"], "no object is classified 'crescent'; .* Stroma, Tumor"),
        (["0.png,,tissue-level nucleus in breast,0.5"], "'nucleus' is a nuclei-level object"),
        (
            ["0.png,,{c},0.5", "1.png,,cell-level crescent in kidney pathology,0.5"],
            "'crescent' is cell-level, instances here, and tissue-level, region in line 2",
        ),
    ],
)
def test_contradictions_are_named(folder, rows, message):
    ring = box(1, 1, 9, 9)
    draw(folder / "0.geojson", feature(ring, "Tumor"), feature(ring, "Stroma"))
    with pytest.raises(ConfigError, match=message):
        read_table_images(table(folder, *(row.format(c=CRESCENT) for row in rows)))
