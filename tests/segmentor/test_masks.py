"""Masks of other tools: every layout and format gives the objects that were put in."""

import json
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from pathexplain.errors import ConfigError, PathExplainError, SegmentationError
from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor import load_segmentor, mask_files
from pathexplain.segmentor.backends import PerSlide, SlideSegmentor
from pathexplain.slides import ArraySlide

MPP = 0.5
PROMPT = Prompt.from_text("colon glands", min_area_um2=0)


@pytest.fixture
def labels():
    """Two touching squares, a thin line and an object in two parts, with numbers far apart."""
    field = np.zeros((120, 160), np.uint16)
    field[10:30, 10:30] = 7
    field[10:30, 30:50] = 4000
    field[60, 5:155] = 12
    field[90:100, 10:20] = field[90:100, 100:110] = 300
    return field


def slide_of(labels, mpp=MPP, scale=1, slide_id="S1"):
    shape = (labels.shape[0] * scale, labels.shape[1] * scale, 3)
    return ArraySlide(np.full(shape, 200, np.uint8), mpp=mpp / scale, slide_id=slide_id)


def whole(folder, labels, *, prompt=PROMPT, scale=1, slide_id="S1", mpp=MPP):
    """The objects of a whole slide, in one window."""
    backend = load_segmentor(f"masks:{folder}")
    bound = backend.for_slide(slide_of(labels, scale=scale, slide_id=slide_id), [prompt])
    image = np.zeros((*labels.shape, 3), np.uint8)
    result = bound.segment(image, [prompt], mpp=mpp, origin_um=(0.0, 0.0))
    return bound, result


def same_objects(found, labels):
    """Whether two label images have the same objects under different numbers."""
    pairs = np.unique(np.stack([found.ravel(), labels.ravel()]), axis=1)
    return len(set(pairs[0])) == len(set(pairs[1])) == pairs.shape[1]


def save(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(labels).save(path)
    else:
        tifffile.imwrite(path, labels, tile=(64, 64), compression="zlib")
    return path


@pytest.mark.parametrize("name", ["S1/gland.png", "S1/gland.tif", "gland/S1.tiff", "gland/S1.png"])
def test_label_images_keep_every_object(tmp_path, labels, name):
    save(tmp_path / name, labels)
    bound, result = whole(tmp_path, labels)
    assert bound.numbered == (True,)
    assert same_objects(result.objects[0], labels)
    found = result.instances(0)
    assert same_objects(found, labels)
    assert found.max() == 4
    np.testing.assert_array_equal(result.masks[0], labels > 0)
    assert result.presence.tolist() == [1.0]


def test_a_large_tiff_is_read_window_by_window(tmp_path, labels, monkeypatch):
    save(tmp_path / "S1" / "gland.tif", labels)
    monkeypatch.setattr(mask_files, "IN_MEMORY_BYTES", 0)
    bound, result = whole(tmp_path, labels)
    assert not isinstance(bound.sources[0].array, np.ndarray)
    assert same_objects(result.objects[0], labels)
    part = bound.segment(
        np.zeros((30, 40, 3), np.uint8), [PROMPT], mpp=MPP, origin_um=(5 * MPP, 20 * MPP)
    )
    np.testing.assert_array_equal(part.objects[0], labels[5:35, 20:60])


def test_a_mask_at_another_resolution_is_stretched_over_the_slide(tmp_path, labels):
    save(tmp_path / "S1" / "gland.png", labels)
    _, result = whole(tmp_path, np.repeat(np.repeat(labels, 2, 0), 2, 1), mpp=MPP)
    np.testing.assert_array_equal(result.objects[0][::2, ::2], labels)
    np.testing.assert_array_equal(result.objects[0][1::2, 1::2], labels)


def test_beyond_the_slide_there_is_nothing(tmp_path, labels):
    save(tmp_path / "S1" / "gland.png", labels + 1)
    bound, _ = whole(tmp_path, labels)
    image = np.zeros((20, 20, 3), np.uint8)
    low = bound.segment(image, [PROMPT], mpp=MPP, origin_um=(-10 * MPP, 155 * MPP))
    expected = np.zeros((20, 20), bool)
    expected[10:, :5] = True
    np.testing.assert_array_equal(low.masks[0], expected)


def test_one_value_is_a_mask_whose_areas_are_the_objects(tmp_path, labels):
    save(tmp_path / "S1" / "gland.png", ((labels > 0) * 255).astype(np.uint8))
    bound, result = whole(tmp_path, labels)
    assert bound.numbered == (False,)
    assert result.instances(0).max() == 4  # the touching squares are one, the two parts are two


def test_regions_are_not_numbered(tmp_path, labels):
    save(tmp_path / "S1" / "tumor.png", labels)
    prompt = Prompt.from_text("tumor")
    bound, result = whole(tmp_path, labels, prompt=prompt)
    assert bound.numbered == (False,)
    np.testing.assert_array_equal(result.masks[0], labels > 0)


def feature(x, y, side, name=None, nucleus=None):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    about = {} if name is None else {"classification": {"name": name}}
    made = {"type": "Feature", "properties": about}
    made["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    if nucleus is not None:
        made["nucleusGeometry"] = feature(*nucleus)["geometry"]
    return made


def test_geojson_is_in_pixels_of_the_full_resolution(tmp_path, labels):
    (tmp_path / "S1").mkdir()
    content = {"type": "FeatureCollection", "features": [feature(40, 20, 16), feature(56, 20, 8)]}
    (tmp_path / "S1" / "gland.geojson").write_text(json.dumps(content))
    bound, result = whole(tmp_path, labels, scale=4)
    assert bound.numbered == (True,)
    expected = np.zeros(labels.shape, int)
    expected[5:9, 10:14], expected[5:7, 14:16] = 1, 2
    np.testing.assert_array_equal(result.instances(0), expected)


def test_classes_of_one_geojson_are_prompts(tmp_path, labels):
    features = [
        feature(0, 0, 30, "Tumor"),
        feature(40, 40, 20, "TILs", nucleus=(45, 45, 10)),
        feature(70, 70, 20, None),
    ]
    (tmp_path / "S1.geojson").write_text(json.dumps(features))
    (tmp_path / "S2.geojson").write_text(json.dumps(features[:1]))
    lymphocyte = Prompt.from_text("lymphocyte", min_area_um2=0)
    _, tumor = whole(tmp_path, labels, prompt=Prompt.from_text("tumor"))
    _, nuclei = whole(tmp_path, labels, prompt=lymphocyte)
    _, absent = whole(tmp_path, labels, prompt=lymphocyte, slide_id="S2")
    assert tumor.masks.sum() == 900
    assert nuclei.masks.sum() == 100
    assert absent.is_present.tolist() == [False]
    with pytest.raises(SegmentationError, match=r"'gland'; its classes are 'TILs', 'Tumor'"):
        whole(tmp_path, labels)


@pytest.fixture
def spatial_store(tmp_path, labels):
    import geopandas
    from shapely.geometry import box
    from spatialdata import SpatialData
    from spatialdata.models import Labels2DModel, ShapesModel
    from spatialdata.transformations import Scale

    to_um = {"global": Scale([MPP, MPP], axes=("y", "x"))}
    pyramid = Labels2DModel.parse(
        labels.astype(np.int32), dims=("y", "x"), scale_factors=[2], transformations=to_um
    )
    frame = geopandas.GeoDataFrame(geometry=[box(10, 20, 30, 40), box(50, 50, 60, 70)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ShapesModel.parse(frame, transformations=to_um)
        store = SpatialData(labels={"gland_labels": pyramid}, shapes={"tumor": shapes})
        store.write(tmp_path / "S1.zarr")
    return tmp_path


def test_spatialdata_labels_and_shapes(spatial_store, labels):
    _, glands = whole(spatial_store, labels)
    assert same_objects(glands.objects[0], labels)
    _, tumor = whole(spatial_store, labels, prompt=Prompt.from_text("tumor"))
    expected = np.zeros(labels.shape, bool)
    expected[20:40, 10:30] = expected[50:70, 50:60] = True
    np.testing.assert_array_equal(tumor.masks[0], expected)
    with pytest.raises(SegmentationError, match="neither labels nor shapes are named 'stroma'"):
        whole(spatial_store, labels, prompt=Prompt.from_text("stroma"))


def test_one_image_without_a_slide(tmp_path, labels):
    save(tmp_path / "gland.png", labels)
    image = np.zeros((*labels.shape, 3), np.uint8)
    backend = load_segmentor(f"masks:{tmp_path}")
    assert same_objects(backend.segment(image, PROMPT, mpp=MPP).instances(0), labels)
    with pytest.raises(SegmentationError, match="the image: no mask of prompt 'tumor'"):
        backend.segment(image, "tumor", mpp=MPP)


def test_what_is_missing_ambiguous_or_does_not_fit_is_said(tmp_path, labels):
    with pytest.raises(SegmentationError, match="slide S1: no mask of prompt 'gland'"):
        whole(tmp_path, labels)
    save(tmp_path / "S1" / "gland.png", labels)
    save(tmp_path / "gland" / "S1.tif", labels)
    with pytest.raises(SegmentationError, match=r"several masks.*: S1/gland\.png, gland/S1\.tif"):
        whole(tmp_path, labels)
    (tmp_path / "gland" / "S1.tif").unlink()
    with pytest.raises(SegmentationError, match=r"120 × 160 px cannot cover a slide of"):
        whole(tmp_path, labels[:60])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((120, 160), np.float32), "float32 of shape"),
        (np.zeros((120, 160, 3), np.uint8), r"\(120, 160, 3\)"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, labels, array, message):
    (tmp_path / "S1").mkdir()
    tifffile.imwrite(tmp_path / "S1" / "gland.tif", array)
    with pytest.raises(SegmentationError, match=message):
        whole(tmp_path, labels)


def test_a_damaged_file_is_named(tmp_path, labels):
    (tmp_path / "S1").mkdir()
    for name in ("gland.png", "gland.tif", "gland.geojson"):
        (tmp_path / "S1" / name).write_bytes(b"nothing")
        with pytest.raises(PathExplainError, match=name):
            whole(tmp_path, labels)
        (tmp_path / "S1" / name).unlink()


def test_the_fingerprint_follows_the_content_of_a_slides_files_alone(tmp_path, labels):
    save(tmp_path / "S1" / "gland.png", labels)
    backend = load_segmentor(f"masks:{tmp_path}")
    first = backend.fingerprint("S1")
    save(tmp_path / "S2" / "gland.png", labels)
    assert backend.fingerprint("S1") == first
    save(tmp_path / "tumor" / "S1.png", labels)
    second = backend.fingerprint("S1")
    (tmp_path / "S1.geojson").write_text("[]")
    assert len({first, second, backend.fingerprint("S1")}) == 3


def test_it_is_a_backend_of_slides_and_names_its_folder(tmp_path, labels):
    backend = load_segmentor(f"masks:{tmp_path}")
    assert isinstance(backend, PerSlide)
    assert not isinstance(load_segmentor("stain"), PerSlide)
    assert backend.name == f"masks:{tmp_path.name}"
    assert backend.describe(as_prompts("bicycle")[0])[0] == "trained"
    save(tmp_path / "S1" / "gland.png", labels)
    assert isinstance(whole(tmp_path, labels)[0], SlideSegmentor)
    for name, message in (("masks", "as masks:FOLDER"), ("masks:/no/such", "no such folder")):
        with pytest.raises(ConfigError, match=message):
            load_segmentor(name)
