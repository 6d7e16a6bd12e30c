"""Nuclei: MATLAB, text, XML, arrays and pictures, in the layouts that their publishers chose."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pathexplain.errors import ConfigError

Save = Callable[[Path, np.ndarray], Path]

IMAGESCOPE = """<?xml version="1.0"?>
<Annotations MicronsPerPixel="{mpp}">{annotations}</Annotations>"""
ANNOTATION = """<Annotation Id="1" Name="" ReadOnly="0" Type="4">
 <Attributes><Attribute Name="{name}" Id="0" Value=""/></Attributes>
 <Regions><RegionAttributeHeaders><AttributeHeader Id="9999"/></RegionAttributeHeaders>
 {regions}</Regions><Plots/></Annotation>"""
REGION = '<Region Id="{i}" Type="0"><Attributes/><Vertices>{vertices}</Vertices></Region>'


def outlines(boxes: dict[str, list[tuple[int, int, int, int]]], mpp: float = 0.252) -> str:
    """An ImageScope file with a rectangle (y0, x0, y1, x1) a nucleus."""
    annotations = []
    for name, found in boxes.items():
        regions = []
        for index, (y0, x0, y1, x1) in enumerate(found, start=1):
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
            vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in corners)
            regions.append(REGION.format(i=index, vertices=vertices))
        annotations.append(ANNOTATION.format(name=name, regions="".join(regions)))
    return IMAGESCOPE.format(mpp=mpp, annotations="".join(annotations))


def test_monuseg_train_and_test(
    tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable
) -> None:
    train = tmp_path / "MoNuSeg 2018 Training Data"
    save(train / "Tissue Images" / "TCGA-A7-A13E-01Z-00-DX1.tif", stained)
    (train / "Annotations").mkdir()
    drawn = outlines({"": [(5, 6, 15, 18), (30, 40, 38, 48), (32, 42, 34, 44)]})
    (train / "Annotations" / "TCGA-A7-A13E-01Z-00-DX1.xml").write_text(drawn)
    test = tmp_path / "MoNuSegTestData"
    save(test / "TCGA-FG-A4MU-01B-01-TS1.tif", stained)
    (test / "TCGA-FG-A4MU-01B-01-TS1.xml").write_text(outlines({"": [(0, 0, 4, 4)]}, mpp=0))
    made = converted("monuseg", tmp_path)
    row = made.rows["TCGA-A7-A13E-01Z-00-DX1", "nucleus"]
    assert (row.split, row.region, row.patient) == ("train", "breast", "TCGA-A7-A13E")
    assert row.mpp == 0.252
    expected = np.zeros(stained.shape[:2], int)
    expected[5:15, 6:18], expected[30:38, 40:48], expected[32:34, 42:44] = 1, 2, 3
    assert (made.values("TCGA-A7-A13E-01Z-00-DX1", "nucleus") == expected).all()
    other = made.rows["TCGA-FG-A4MU-01B-01-TS1", "nucleus"]
    assert (other.split, other.region, other.mpp) == ("test", "brain", 0.25)


def test_monusac(tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable) -> None:
    slide = "TCGA-5P-A9K0-01Z-00-DX1"
    place = tmp_path / "MoNuSAC_images_and_annotations" / slide
    rgba = np.dstack([stained, np.full(stained.shape[:2], 255, np.uint8)])
    save(place / f"{slide}_1.tif", rgba)
    boxes = {"Epithelial": [(2, 2, 8, 8), (20, 20, 28, 28)], "Lymphocyte": [(10, 40, 14, 44)]}
    (place / f"{slide}_1.xml").write_text(outlines({**boxes, "Ambiguous": [(30, 0, 40, 10)]}))
    held = tmp_path / "MoNuSAC Testing Data and Annotations" / "TCGA-2Z-A9JG-01Z-00-DX1"
    save(held / "TCGA-2Z-A9JG-01Z-00-DX1_1.tif", stained)
    (held / "TCGA-2Z-A9JG-01Z-00-DX1_1.xml").write_text(outlines({"Neutrophil": [(1, 1, 5, 5)]}))
    made = converted("monusac", tmp_path)
    name = f"{slide}_1"
    assert made.objects(name, "epithelial") == {1, 2}
    assert made.objects(name, "inflammatory") == made.objects(name, "lymphocyte") == {3}
    assert made.rows[name, "neutrophil"].ignore == 65535  # absent, but for the ambiguous
    assert made.objects(name, "neutrophil") == set()
    epithelial = made.values(name, "epithelial")
    assert (epithelial[30:40, :10] == 65535).all()
    assert epithelial[0, 0] == 0
    # Nuclei of other types are not outlined: elsewhere nobody knows of nuclei.
    nucleus = made.values(name, "nucleus")
    assert set(np.unique(nucleus)) == {1, 2, 3, 65535}
    row = made.rows[name, "epithelial"]
    assert (row.region, row.split, row.patient) == ("kidney", "train", "TCGA-5P-A9K0")
    assert made.rows["TCGA-2Z-A9JG-01Z-00-DX1_1", "neutrophil"].split == "test"
    (place / f"{slide}_1.xml").write_text(outlines({"Platelet": [(2, 2, 8, 8)]}))


def test_consep(
    tmp_path: Path,
    save: Save,
    save_mat: Callable,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
) -> None:
    types = np.where(two_objects == 1, 4, np.where(two_objects == 2, 6, 0)).astype(float)
    for part in ("Train", "Test"):
        name = f"{part.lower()}_1"
        save(tmp_path / "CoNSeP" / part / "Images" / f"{name}.png", stained)
        save_mat(
            tmp_path / "CoNSeP" / part / "Labels" / f"{name}.mat",
            inst_map=two_objects.astype(float),
            type_map=types,
            inst_type=np.array([[4.0], [6.0]]),
            inst_centroid=np.array([[11.5, 9.5], [43.5, 33.5]]),
        )
    made = converted("consep", tmp_path)
    assert made.pictures == ["test_1", "train_1"]
    found = {c: made.objects("train_1", c) for p, c in made.rows if p == "train_1"}
    assert found == {
        "nucleus": {1, 2},
        "epithelial": {1},
        "normal epithelial": set(),
        "neoplastic": {1},
        "inflammatory": set(),
        "connective": {2},
        "fibroblast": set(),
        "myocyte": {2},
        "endothelial": set(),
    }
    row = made.rows["test_1", "nucleus"]
    assert (row.split, row.mpp, row.region) == ("test", 0.25, "colon")
    assert row.prompt == "nuclei-level nucleus in colon pathology"


def test_kumar_as_prepared_for_hovernet_and_cpm17(
    tmp_path: Path,
    save: Save,
    save_mat: Callable,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
) -> None:
    for part in ("train", "test_same", "test_diff"):
        name = f"TCGA-A7-A13E-01Z-00-DX{len(part)}{part[-1]}"
        save(tmp_path / "kumar" / part / "Images" / f"{name}.tif", stained)
        save_mat(
            tmp_path / "kumar" / part / "Labels" / f"{name}.mat", inst_map=two_objects.astype(float)
        )
    made = converted("kumar", tmp_path / "kumar")
    assert sorted(row.split for row in made.rows.values()) == ["test", "test", "train"]
    assert all(made.objects(picture, "nucleus") == {1, 2} for picture in made.pictures)


def test_cpm17_needs_its_resolution_stated(
    tmp_path: Path,
    save: Save,
    save_mat: Callable,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
) -> None:
    for part in ("train", "test"):
        save(tmp_path / "cpm17" / part / "Images" / "image_00.png", stained)
        save_mat(tmp_path / "cpm17" / part / "Labels" / "image_00.mat", inst_map=two_objects)
    with pytest.raises(ConfigError, match="source-mpp"):
        converted("cpm17", tmp_path)
    made = converted("cpm17", tmp_path, source_mpp=0.25)
    assert made.pictures == ["test_image_00", "train_image_00"]
    assert made.rows["test_image_00", "nucleus"].split == "test"


def test_cpm15_in_text(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    height, width = two_objects.shape
    lines = [f"{width} {height}", *map(str, two_objects.ravel().tolist())]
    for name in ("image07", "image08"):
        save(tmp_path / f"{name}.png", stained)
        (tmp_path / f"{name}_mask.txt").write_text("\n".join(lines) + "\n")
    made = converted("cpm15", tmp_path)
    assert {p: made.rows[p, "nucleus"].mpp for p in made.pictures} == {
        "image07": 0.5,
        "image08": 0.25,
    }
    assert (made.values("image07", "nucleus") == two_objects).all()


def test_lizard(
    tmp_path: Path, save: Save, save_mat: Callable, stained: np.ndarray, converted: Callable
) -> None:
    labels = np.zeros(stained.shape[:2], np.int32)
    for value, column in ((2, 2), (5, 12), (9, 22), (11, 32)):
        labels[4:10, column : column + 6] = value
    for number, name in enumerate(("consep_1", "dpath_3", "glas_7"), start=1):
        place = tmp_path / f"Lizard_Images{1 + number // 3}"
        save(place / f"{name}.png", stained)
        save_mat(
            tmp_path / "Lizard_Labels" / "Labels" / f"{name}.mat",
            inst_map=labels,
            id=np.array([[5], [2], [9], [11]]),
            **{"class": np.array([[2], [3], [6], [4]]), "bbox": np.zeros((4, 4))},
        )
    (tmp_path / "Lizard_Labels" / "info.csv").write_text(
        "Filename,Source,Split\nconsep_1,consep,1\ndpath_3,dpath,2\nglas_7,glas,3\n"
    )
    made = converted("lizard", tmp_path)
    assert {p: made.rows[p, "nucleus"].split for p in made.pictures} == {
        "consep_1": "train",
        "dpath_3": "validation",
        "glas_7": "test",
    }
    assert made.objects("glas_7", "nucleus") == {2, 5, 9, 11}
    assert made.objects("glas_7", "lymphocyte") == {2}
    assert made.objects("glas_7", "epithelial") == {5}
    assert made.objects("glas_7", "plasma cell") == {11}
    assert made.objects("glas_7", "inflammatory") == {2, 11}
    assert made.objects("glas_7", "connective") == {9}
    assert made.rows["glas_7", "eosinophil"].mask is None
    fibroblast = made.values("glas_7", "fibroblast")
    assert (fibroblast == np.where(labels == 9, 65535, 0)).all()
    assert made.rows["glas_7", "nucleus"].mpp == 0.5


def test_pannuke(tmp_path: Path, converted: Callable) -> None:
    rng = np.random.default_rng(0)
    for fold in (1, 2, 3):
        images = tmp_path / f"Fold {fold}" / "images" / f"fold{fold}"
        masks = tmp_path / f"Fold {fold}" / "masks" / f"fold{fold}"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        channels = np.zeros((2, 32, 32, 6))
        channels[0, 2:8, 2:8, 0] = 4
        channels[0, 2:8, 12:18, 0] = 7
        channels[0, 20:26, 2:8, 2] = 4
        channels[1, 5:9, 5:9, 4] = 1
        channels[..., 5] = channels[..., :5].sum(axis=-1) == 0
        np.save(images / "images.npy", rng.integers(0, 256, (2, 32, 32, 3)).astype(float))
        np.save(images / "types.npy", np.array(["HeadNeck", "Bile-duct"]))
        np.save(masks / "masks.npy", channels)
    made = converted("pannuke", tmp_path)
    assert len(made.pictures) == 6
    assert {made.rows[f"fold{i}_0000", "nucleus"].split for i in (1, 2, 3)} == {
        "train",
        "validation",
        "test",
    }
    first = "fold1_0000"
    assert len(made.objects(first, "nucleus")) == 3  # equal values of two channels stay apart
    assert len(made.objects(first, "neoplastic")) == 2
    assert len(made.objects(first, "connective")) == 1
    assert made.rows[first, "dead cell"].mask is None
    # Neoplastic nuclei may be epithelial: unknown.
    assert (made.values(first, "epithelial") == 65535).sum() == 72
    assert made.rows[first, "nucleus"].region == "oral cavity"
    assert made.rows["fold2_0001", "normal epithelial"].region == "bile duct"
    assert len(made.objects("fold2_0001", "epithelial")) == 1


def test_pannuke_folds_must_be_whole(tmp_path: Path, converted: Callable) -> None:
    place = tmp_path / "Fold 1" / "images" / "fold1"
    place.mkdir(parents=True)
    np.save(place / "images.npy", np.zeros((2, 8, 8, 3)))
    with pytest.raises(ConfigError, match=r"types\.npy"):
        converted("pannuke", tmp_path)
    np.save(place / "types.npy", np.array(["Breast"]))
    (tmp_path / "Fold 1" / "masks" / "fold1").mkdir(parents=True)
    np.save(tmp_path / "Fold 1" / "masks" / "fold1" / "masks.npy", np.zeros((2, 8, 8, 6)))
    with pytest.raises(ConfigError, match=r"differ in number: \[1, 2\]"):
        converted("pannuke", tmp_path)


@pytest.mark.parametrize("vague_folder", ["vague areas", "ambiguous area masks"])
def test_nuinsseg(
    tmp_path: Path,
    save: Save,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
    vague_folder: str,
) -> None:
    vague = np.zeros_like(two_objects)
    vague[:, 60:] = 255
    for organ in ("human oesophagus", "mouse liver"):
        name = f"{organ.replace(' ', '_')}_01"
        save(tmp_path / organ / "tissue images" / f"{name}.png", stained)
        save(tmp_path / organ / "label masks modify" / f"{name}.tif", two_objects.astype(np.uint16))
    inner = tmp_path / "human oesophagus" / vague_folder
    inner = inner / "mask binary" if vague_folder.startswith("vague") else inner
    save(inner / "human_oesophagus_01.png", vague)
    made = converted("nuinsseg", tmp_path)
    assert made.pictures == ["human_oesophagus_01", "mouse_liver_01"]
    values = made.values("human_oesophagus_01", "nucleus")
    assert (values == np.where(vague > 0, 65535, two_objects.astype(int))).all()
    assert made.rows["human_oesophagus_01", "nucleus"].region == "esophagus"
    assert made.rows["mouse_liver_01", "nucleus"].region == "liver"
    assert made.rows["mouse_liver_01", "nucleus"].ignore is None


def test_cryonuseg(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    name = "Human_AdrenalGland_01"
    save(tmp_path / "tissue images" / f"{name}.tif", stained)
    first = tmp_path / "Annotator 1 (biologist)"
    second = tmp_path / "Annotator 1 (biologist second round of manual marks up)"
    other = tmp_path / "Annotator 2 (bioinformatician)"
    save(first / "label masks modify" / f"{name}.tif", two_objects.astype(np.uint16))
    for place in (second / second.name, other / other.name):
        save(place / "label masks modify" / f"{name}.tif", (two_objects * 0).astype(np.uint16))
    made = converted("cryonuseg", tmp_path)
    assert made.objects(name, "nucleus") == {1, 2}
    row = made.rows[name, "nucleus"]
    assert (row.region, row.mpp, row.licence) == ("adrenal gland", 0.25, "CC BY-NC-SA 4.0")


def test_tnbc(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    rgba = np.dstack([stained, np.full(stained.shape[:2], 255, np.uint8)])
    binary = np.where(two_objects > 0, 255, 0).astype(np.uint8)
    for slide in ("01", "11"):
        save(tmp_path / "TNBC_NucleiSegmentation" / f"Slide_{slide}" / f"{slide}_1.png", rgba)
        save(tmp_path / "TNBC_NucleiSegmentation" / f"GT_{slide}" / f"{slide}_1.png", binary)
    made = converted("tnbc", tmp_path)
    assert made.pictures == ["01_1", "11_1"]
    assert made.objects("01_1", "nucleus") == {1, 2}
    row = made.rows["11_1", "nucleus"]
    assert (row.patient, row.region, row.split, row.mpp) == ("Slide_11", "breast", "", 0.25)


def test_dsb2018_takes_stained_pictures_and_sizes_them_by_their_nuclei(
    tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable
) -> None:
    yy, xx = np.mgrid[: stained.shape[0], : stained.shape[1]] + 0.5
    gray = np.repeat((stained[..., :1] // 8), 3, axis=-1)
    for name, pixels in (("0f1e", stained), ("dark", gray)):
        save(tmp_path / "stage1_train" / name / "images" / f"{name}.png", pixels)
        for index, x in enumerate((16, 44)):
            mask = np.where(np.hypot(yy - 24, xx - x) < 10, 255, 0).astype(np.uint8)
            save(tmp_path / "stage1_train" / name / "masks" / f"{index}.png", mask)
    made = converted("dsb2018", tmp_path)
    assert made.pictures == ["0f1e"]
    assert made.objects("0f1e", "nucleus") == {1, 2}
    assert made.rows["0f1e", "nucleus"].mpp == pytest.approx(8 / 20, rel=0.02)


def test_stated_resolution_goes_before_the_pictures_own(
    tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable
) -> None:
    save(tmp_path / "TCGA-A7-A13E-01Z-00-DX1.tif", stained)
    (tmp_path / "TCGA-A7-A13E-01Z-00-DX1.xml").write_text(outlines({"": [(5, 6, 15, 18)]}))
    made = converted("monuseg", tmp_path, source_mpp=0.3)
    assert made.rows["TCGA-A7-A13E-01Z-00-DX1", "nucleus"].mpp == 0.3
