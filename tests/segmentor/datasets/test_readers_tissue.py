"""BCSS, NuCLS, SegPath, plain folders and manifests, in their layouts."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pathexplain.errors import ConfigError

Save = Callable[[Path, np.ndarray], Path]


@pytest.mark.parametrize("images", ["rgbs_colorNormalized", "images"])
def test_bcss(
    tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable, images: str
) -> None:
    codes = np.zeros(stained.shape[:2], np.uint8)
    codes[:, 8:16], codes[:, 16:24], codes[:, 24:32] = 1, 20, 2
    codes[:, 32:40], codes[:, 40:48], codes[:, 48:56] = 9, 7, 15
    train = "TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500"
    test = "TCGA-OL-A66I-DX1_xmin1_ymin2_MPP-0.2300"
    for name in (train, test):
        save(tmp_path / "0_Public-data" / images / f"{name}.png", stained)
        save(tmp_path / "0_Public-data" / "masks" / f"{name}.png", codes)
    outside = "TCGA-AR-A1AR-DX1_xmin3_ymin4_MPP-0.2500"
    save(tmp_path / "0_Public-data" / images / f"{outside}.png", stained)
    save(tmp_path / "0_Public-data" / "masks" / f"{outside}.png", codes * 0)
    made = converted("bcss", tmp_path)
    assert made.pictures == [train, test]  # of the third nothing is known, so it has no row
    tumor = made.values(train, "tumor")
    expected = np.where(np.isin(codes, (1, 20)), 1, 0)
    expected[np.isin(codes, (0, 7, 15))] = 65535
    assert (tumor == expected).all()
    assert made.objects(train, "intraductal carcinoma") == {1}
    assert (made.values(train, "adipose") == 1).sum() == (codes == 9).sum()
    assert made.objects(train, "nerve") == set()
    row = made.rows[train, "stroma"]
    assert (row.mpp, row.split, row.patient) == (0.25, "train", "TCGA-A1-A0SK")
    assert (row.kind, row.ignore, row.region) == ("region", 65535, "breast")
    assert (made.rows[test, "stroma"].mpp, made.rows[test, "stroma"].split) == (0.23, "test")


NUCLS = "TCGA-A1-A0SP-DX1_id-5ea4095addda5f8398977ebc_left-7053_top-53763_bottom-53971_right-7311"


def nucls_rows() -> list[dict[str, str]]:
    """A drawn tumor nucleus, a drawn one without type, a boxed lymphocyte, and the field."""
    columns = ("raw_classification", "type", "xmin", "ymin", "xmax", "ymax", "coords_x", "coords_y")
    found = [
        ("tumor", "polyline", "6", "5", "18", "15", "6,18,18,6,6", "5,5,15,15,5"),
        ("unlabeled", "polyline", "40", "30", "48", "38", "40,48,48,40,40", "30,30,38,38,30"),
        ("lymphocyte", "rectangle", "24", "4", "32", "12", "24,32,32,24,24", "4,4,12,12,4"),
        ("fov", "rectangle", "2", "2", "60", "46", "", ""),
    ]
    return [dict(zip(columns, row, strict=True)) for row in found]


@pytest.mark.parametrize("has_mask", [True, False])
def test_nucls(
    tmp_path: Path, save: Save, stained: np.ndarray, converted: Callable, has_mask: bool
) -> None:
    rows = nucls_rows()
    save(tmp_path / "rgb" / f"{NUCLS}.png", stained)
    (tmp_path / "csv").mkdir()
    with (tmp_path / "csv" / f"{NUCLS}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:3] if has_mask else rows)
    field = np.zeros(stained.shape[:2], bool)
    field[2:46, 2:60] = True
    if has_mask:
        codes = np.zeros_like(stained)
        codes[field] = (253, 1, 1)
        save(tmp_path / "mask" / f"{NUCLS}.png", codes)
    made = converted("nucls", tmp_path)
    box = np.zeros_like(field)
    box[4:12, 24:32] = True
    nucleus = made.values(NUCLS, "nucleus")
    assert made.objects(NUCLS, "nucleus") == {1, 2}
    assert ((nucleus == 65535) == (~field | box)).all()  # boxes are no outlines
    assert (made.values(NUCLS, "neoplastic")[5:15, 6:18] == 1).all()
    assert (made.values(NUCLS, "neoplastic")[30:38, 40:48] == 65535).all()  # type not known
    assert made.objects(NUCLS, "lymphocyte") == set()
    assert made.objects(NUCLS, "epithelial") == {1}
    row = made.rows[NUCLS, "nucleus"]
    assert (row.patient, row.mpp, row.licence) == ("TCGA-A1-A0SP", 0.2, "CC0")


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_segpath(
    tmp_path: Path,
    save: Save,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
    is_gzipped: bool,
) -> None:
    mask = (two_objects > 0).astype(np.uint8)
    names = {
        "panCK_Epithelium_000_010240_020480": "train",
        "panCK_Epithelium_003_000000_000000": "val",
        "CD3CD20_Lymphocyte_011_000984_000000": "test",
    }
    for antibody in ("panCK", "CD3CD20"):
        lines = ["filename,train_val_test"]
        for name, split in names.items():
            if name.startswith(antibody):
                place = tmp_path / "_".join(name.split("_")[:2])
                save(place / f"{name}_HE.png", stained)
                save(place / f"{name}_mask.png", mask)
                lines += [f"{name}_HE.png,{split}", f"{name}_mask.png,{split}"]
        text = "\n".join(lines).encode()
        content = gzip.compress(text) if is_gzipped else text
        (tmp_path / f"{antibody}_fileinfo.csv").write_bytes(content)
    made = converted("segpath", tmp_path)
    # One antibody a picture: nothing is known of the others.
    assert sorted((p[:5], r.structure, r.category) for (p, _), r in made.rows.items()) == [
        ("CD3CD", "cell", "lymphocyte"),
        ("panCK", "tissue", "epithelium"),
        ("panCK", "tissue", "epithelium"),
    ]
    row = made.rows["CD3CD20_Lymphocyte_011_000984_000000", "lymphocyte"]
    assert row.prompt == "cell-level lymphocyte in multiple pathology"
    assert (row.kind, row.split, row.mpp) == ("region", "test", 0.220818)
    assert row.patient == "CD3CD20_Lymphocyte_011"
    assert made.rows["panCK_Epithelium_003_000000_000000", "epithelium"].split == "validation"


def test_folder_of_masks(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    binary = np.where(two_objects > 0, 255, 0).astype(np.uint8)
    for part, mask in (("train", two_objects), ("val", binary)):
        save(tmp_path / part / "images" / "1.jpg", stained)
        save(tmp_path / part / "masks" / "1.png", mask)
    made = converted("folder", tmp_path, prompt="tissue-level glomerulus in kidney", source_mpp=1.0)
    train = made.rows["train_1", "glomerulus"]
    assert (train.kind, train.split, train.region) == ("instances", "train", "kidney")
    assert (made.values("train_1", "glomerulus") == two_objects).all()
    validation = made.rows["val_1", "glomerulus"]
    assert (validation.kind, validation.split) == ("instances", "validation")
    assert (made.values("val_1", "glomerulus") == two_objects).all()  # two patches, two objects
    assert validation.licence == "as stated by the owner"


@pytest.mark.parametrize("prompt", ["tissue-level metastasis in lymph node", "tissue-level pearl"])
def test_folder_of_areas(
    tmp_path: Path,
    save: Save,
    stained: np.ndarray,
    two_objects: np.ndarray,
    converted: Callable,
    prompt: str,
) -> None:
    save(tmp_path / "images" / "1.png", stained)
    save(tmp_path / "masks" / "1.png", two_objects)
    made = converted("folder", tmp_path, prompt=prompt, source_mpp=1.0)
    ((picture, category),) = made.rows
    assert made.rows[picture, category].kind == "region"
    assert (made.values(picture, category) == (two_objects > 0)).all()


def test_folder_needs_a_prompt_with_a_structure_and_others_none(
    tmp_path: Path, converted: Callable
) -> None:
    with pytest.raises(ConfigError, match="needs a prompt"):
        converted("folder", tmp_path)
    with pytest.raises(ConfigError, match="say the structure"):
        converted("folder", tmp_path, prompt="keratin pearl")
    with pytest.raises(ConfigError, match="its own categories"):
        converted("glas", tmp_path, prompt="colon glands")


def test_manifest(
    tmp_path: Path, save: Save, stained: np.ndarray, two_objects: np.ndarray, converted: Callable
) -> None:
    columns = "source,image,mask,kind,mpp,organ,patient,split,label"
    lines = [columns]
    for source, kind, label in (
        ("glas", "instances", "malignant"),
        ("tnbc", "instances", ""),
        ("cryonuseg", "semantic", ""),
        ("crc_tiles", "tile label", "mucus"),
        ("elsewhere", "instances", ""),
    ):
        save(tmp_path / source / "images" / "1.png", stained)
        save(tmp_path / source / "masks" / "1.png", two_objects)
        mask = "" if kind == "tile label" else f"{source}/masks/1.png"
        lines.append(f"{source},{source}/images/1.png,{mask},{kind},0.5,colon,p1,test,{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    made = converted("manifest", tmp_path)
    assert made.pictures == ["crc_tiles_1", "cryonuseg_1", "glas_1", "tnbc_1"]
    assert (made.values("glas_1", "malignant gland") == two_objects).all()
    assert made.rows["glas_1", "benign gland"].mask is None
    assert made.rows["glas_1", "glomerulus"].mask is None  # cannot occur there
    row = made.rows["glas_1", "gland"]
    assert (row.source, row.kind, row.patient, row.split) == (
        "glas",
        "instances",
        "glas/p1",
        "test",
    )
    assert made.rows["cryonuseg_1", "nucleus"].kind == "region"
    assert made.rows["tnbc_1", "nucleus"].licence == "CC BY 4.0"
    assert (made.values("crc_tiles_1", "mucus") == 1).all()
    assert made.rows["crc_tiles_1", "tumor"].mask is None
