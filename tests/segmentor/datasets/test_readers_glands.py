"""GlaS, CRAG, EBHI-Seg and glomeruli, in the layouts that their publishers chose."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pathexplain.errors import ConfigError

Save = Callable[[Path, np.ndarray], Path]


def test_glas(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    folder = tmp_path / "Warwick QU Dataset (Released 2016_07_08)"
    for name in ("train_1", "testA_1", "testB_2"):
        save(folder / f"{name}.bmp", stained)
        save(folder / f"{name}_anno.bmp", two_objects)
    (folder / "Grade.csv").write_text(
        "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)\n"
        "testA_1,4, benign, adenomatous\ntestB_2,9, malignant, moderately differentiated\n"
        "train_1,4, malignant, poorly differentiated\n"
    )
    made = converted("glas", tmp_path)
    assert made.pictures == ["testA_1", "testB_2", "train_1"]
    assert made.objects("testA_1", "benign gland") == {1, 2}
    assert made.rows["testA_1", "malignant gland"].mask is None
    assert (made.values("train_1", "malignant gland") == two_objects).all()
    row = made.rows["train_1", "gland"]
    assert (row.mpp, row.region, row.kind, row.split) == (0.62, "colon", "instances", "train")
    assert row.prompt == "tissue-level gland in colon pathology"
    assert row.licence == "research only (Warwick-QU)"
    # The official split shares patient 4: said, and kept apart.
    assert row.patient == "4 train"
    assert made.rows["testA_1", "gland"].patient == "4 test"
    assert made.rows["testB_2", "gland"].patient == "9"
    (warning,) = made.conversion.warnings
    assert "shares 1 patients" in warning


@pytest.mark.parametrize(("test_part", "masks"), [("valid", "Annotation"), ("test", "Annotations")])
def test_crag_in_both_versions(
    tmp_path: Path,
    save: Save,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
    test_part: str,
    masks: str,
) -> None:
    for part in ("train", test_part):
        save(tmp_path / "CRAG" / part / "Images" / f"{part}_1.png", stained)
        save(tmp_path / "CRAG" / part / masks / f"{part}_1.png", two_objects)
        save(tmp_path / "CRAG" / part / "Overlay" / f"{part}_1.png", stained)
    made = converted("crag", tmp_path)
    rows = list(made.rows.values())
    assert [(row.split, row.category, row.mpp) for row in rows] == [
        ("train", "gland", 0.55),
        ("test", "gland", 0.55),
    ]
    assert made.objects(rows[0].image.stem, "gland") == {1, 2}


def test_ebhi(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    binary = np.where(two_objects > 0, 255, 0).astype(np.uint8)
    names = {"Normal": "GT2012221-1-400-001", "Adenocarcinoma": "GT2012324-1-400-003"}
    names["Polyp"] = "GT2012400-2-400-001"
    for label, name in names.items():
        save(tmp_path / "EBHI-SEG" / label / "image" / f"{name}.png", stained)
        save(tmp_path / "EBHI-SEG" / label / "label" / f"{name}.png", binary)
    with pytest.raises(ConfigError, match=r"3 of 3 pictures.*source-mpp"):
        converted("ebhi", tmp_path)
    made = converted("ebhi", tmp_path, source_mpp=0.5)
    normal, cancer, polyp = (f"{label}_{name}" for label, name in names.items())
    assert (made.values(normal, "benign gland") == (two_objects > 0)).all()
    assert made.rows[normal, "gland"].kind == "region"
    assert made.rows[normal, "malignant gland"].mask is None
    assert made.rows[cancer, "adenocarcinoma"].mask is not None
    assert made.rows[cancer, "gland"].patient == "GT2012324"
    # A polyp's glands are glands, whether benign is not told.
    assert made.objects(polyp, "gland") == {1}
    assert (made.values(polyp, "benign gland") == np.where(two_objects > 0, 65535, 0)).all()
    assert made.rows[polyp, "benign gland"].ignore == 65535


def test_kpis(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    binary = np.where(two_objects > 0, 255, 0).astype(np.uint8)
    for part, slide in (("train", "12-299"), ("validation", "12-300"), ("test", "12-301")):
        place = tmp_path / "Task1_patch_level" / part / "56Nx" / slide
        save(place / "img" / f"{slide}_5_0_2048_img.jpg", stained)
        save(place / "mask" / f"{slide}_5_0_2048_mask.jpg", binary)
    made = converted("kpis", tmp_path, source_mpp=0.25)
    assert [row.split for row in made.rows.values()] == ["test", "train", "validation"]
    row = made.rows["56Nx_12-299_5_0_2048", "glomerulus"]
    assert (row.patient, row.region, row.kind) == ("56Nx_12-299", "kidney", "instances")
    # Two glomeruli survive the lossy mask.
    assert made.objects("56Nx_12-299_5_0_2048", "glomerulus") == {1, 2}
    assert ((made.values("56Nx_12-299_5_0_2048", "glomerulus") > 0) == (two_objects > 0)).all()


@pytest.mark.parametrize("channels_first", [False, True])
def test_hubmap(
    tmp_path: Path,
    save: Save,
    stained: np.ndarray,
    converted: Callable,
    channels_first: bool,
) -> None:
    import tifffile

    pixels = np.moveaxis(stained, -1, 0) if channels_first else stained
    (tmp_path / "train").mkdir()
    tifffile.imwrite(tmp_path / "train" / "2f6ecfcdf.tiff", pixels, photometric="rgb")
    ring = [[10, 4], [30, 4], [30, 12], [10, 12], [10, 4]]
    feature = {
        "type": "Feature",
        "id": "PathAnnotationObject",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "glomerulus", "colorRGB": -3140401}},
    }
    (tmp_path / "train" / "2f6ecfcdf.json").write_text(json.dumps([feature]))
    (tmp_path / "train" / "2f6ecfcdf-anatomical-structure.json").write_text("[]")
    (tmp_path / "HuBMAP-20-dataset_information.csv").write_text(
        "image_file,width_pixels,height_pixels,patient_number,race\n"
        "2f6ecfcdf.tiff,64,48,63921,White\n"
    )
    made = converted("hubmap", tmp_path, source_mpp=0.5)
    row = made.rows["2f6ecfcdf", "glomerulus"]
    assert (row.patient, row.mpp, row.region) == ("63921", 0.5, "kidney")
    expected = np.zeros(stained.shape[:2], int)
    expected[4:12, 10:30] = 1
    assert (made.values("2f6ecfcdf", "glomerulus") == expected).all()
