"""Nuclei as label maps in MATLAB files or text: CoNSeP, CPM-15, CPM-17, Kumar, Lizard."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import ConfigError, SlideError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.readers.files import (
    by_stem,
    check_shape,
    find_folder,
    find_table,
    read_mat,
    read_rgb,
    read_table,
    tcga_patient,
)
from pathexplain.segmentor.datasets.readers.imagescope import outlined
from pathexplain.segmentor.datasets.taxonomy import UNANNOTATED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.table import Split

__all__ = ["consep", "cpm15", "cpm17", "kumar", "lizard"]

_PARTS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "test_same": "test",
    "test_diff": "test",
}
_CONSEP = {
    1: "other",
    2: "inflammatory",
    3: "healthy epithelial",
    4: "dysplastic/malignant epithelial",
    5: "fibroblast",
    6: "muscle",
    7: "endothelial",
}
_LIZARD = {
    1: "Neutrophil",
    2: "Epithelial",
    3: "Lymphocyte",
    4: "Plasma",
    5: "Eosinophil",
    6: "Connective tissue",
}
_LIZARD_SPLITS: dict[str, Split] = {"1": "train", "2": "validation", "3": "test"}
_CPM15_AT_20X = 7
_MPP_20X, _MPP_40X = 0.5, 0.25


def consep(folder: Path) -> list[Item]:
    """CoNSeP: nuclei of seven types in colorectal adenocarcinoma, 40x.

    Layout: ``Train`` and ``Test``, each with ``Images/train_1.png`` and ``Labels/train_1.mat``
    (``inst_map``, ``type_map``: 1 other, 2 inflammatory, 3 healthy epithelial, 4
    dysplastic/malignant epithelial, 5 fibroblast, 6 muscle, 7 endothelial). Which of the 16
    patients a picture is of is not told. Graham et al. 2019, doi:10.1016/j.media.2019.101563.
    """
    return _split_folders(folder, "consep")


def kumar(folder: Path) -> list[Item]:
    """Kumar: nuclei of seven organs, TCGA, 40x, as prepared for HoVer-Net or as first published.

    Layout: ``train``, ``test_same``, ``test_diff``, each with ``Images/*.tif`` and ``Labels/*.mat``
    (``inst_map``); or ``Tissue Images`` and ``Annotations`` of XML, as in MoNuSeg. Kumar et al.
    2017, doi:10.1109/TMI.2017.2677499.
    """
    return outlined("kumar", folder) or _split_folders(folder, "kumar")


def cpm17(folder: Path) -> list[Item]:
    """CPM-17: nuclei of four cancers, 20x and 40x mixed, which of them is not told.

    Layout: ``train`` and ``test``, each with ``Images/*.png`` and ``Labels/*.mat`` (``inst_map``);
    or ``image*.png`` with ``image*_mask.txt`` as in CPM-15. Vu et al. 2019,
    doi:10.3389/fbioe.2019.00053.
    """
    return _text_masks(folder, "cpm17") or _split_folders(folder, "cpm17")


def cpm15(folder: Path) -> list[Item]:
    """CPM-15: nuclei of brain tumors, 15 pictures; 01 to 07 at 20x, 08 to 15 at 40x.

    Layout: ``imageXX.png`` with ``imageXX_mask.txt`` (width and height, then a label a line, row by
    row), or ``Images/*.png`` and ``Labels/*.mat`` (``inst_map``). The magnifications are those of
    its read-me; other names need the resolution stated. Vu et al. 2019,
    doi:10.3389/fbioe.2019.00053.
    """
    texts = _text_masks(folder, "cpm15")
    if texts:
        return texts
    images, labels = find_folder(folder, "Images"), find_folder(folder, "Labels")
    return _mat_pairs(images, labels, "cpm15", "", "")


def lizard(folder: Path) -> list[Item]:
    """Lizard: nuclei of six types in the colon, 20x, from five sources.

    Layout: ``Lizard_Images1`` and ``Lizard_Images2`` of PNG, ``Lizard_Labels/Labels`` of MATLAB
    files (``inst_map``, ``id``, ``class``: 1 neutrophil, 2 epithelial, 3 lymphocyte, 4 plasma, 5
    eosinophil, 6 connective) and ``info.csv`` (Filename, Source, Split). Its three folds are taken
    as train, validation and test. Graham et al. 2021, arXiv:2108.11195.
    """
    rows = read_table(find_table(folder, "info.csv"), required=("Filename", "Split"))
    folds = {row["Filename"].removesuffix(".png"): row["Split"] for row in rows}
    labels = find_folder(folder, "Labels")
    items = []
    for name, image in by_stem(folder.rglob("*.png")).items():
        if name not in folds:
            continue
        mat = labels / f"{name}.mat"
        split = _LIZARD_SPLITS.get(folds[name].removesuffix(".0"), "")
        items.append(Item(name, (image, mat), partial(_read_lizard, image, mat), "", split))
    return items


def _split_folders(folder: Path, source: str) -> list[Item]:
    """Pictures of every split folder below `folder`.

    Raises
    ------
    ConfigError
        When there is none.
    """
    places = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    places = [path for path in places if path.name.lower() in _PARTS]
    if not places:
        message = f"{folder}: no folder {' or '.join(_PARTS)} in it; give the unpacked dataset"
        raise ConfigError(message, path=str(folder))
    items = []
    for place in places:
        part = place.name.lower()
        images, labels = find_folder(place, "Images"), find_folder(place, "Labels")
        items += _mat_pairs(images, labels, source, _PARTS[part], f"{part}_")
    return items


def _mat_pairs(images: Path, labels: Path, source: str, split: Split, prefix: str) -> list[Item]:
    """Pictures with a MATLAB file each."""
    items = []
    for name, image in by_stem(images.iterdir()).items():
        mat = labels / f"{name}.mat"
        unique = name if name.lower().startswith(prefix) else f"{prefix}{name}"
        items.append(
            Item(
                unique,
                (image, mat),
                partial(_read_mat_pair, source, image, mat),
                tcga_patient(name),
                split,
                mpp=_cpm15_mpp(name) if source == "cpm15" else None,
            )
        )
    return items


def _read_mat_pair(source: str, image: Path, mat: Path) -> Annotated:
    """Read nuclei, with their types where the source has them."""
    pixels = read_rgb(image)
    if source != "consep":
        (instances,) = read_mat(mat, "inst_map")
        codes, names = (instances > 0).astype(np.int32), {1: "nucleus"}
    else:
        instances, types = read_mat(mat, "inst_map", "type_map")
        codes, names = types, _CONSEP
    check_shape(pixels, instances, mat)
    return annotated(source, pixels, codes, names, instances=instances)


def _read_lizard(image: Path, mat: Path) -> Annotated:
    """Read nuclei whose types stand in a list of their own."""
    pixels = read_rgb(image)
    instances, ids, types = read_mat(mat, "inst_map", "id", "class")
    check_shape(pixels, instances, mat)
    type_of = np.full(max(instances.max(initial=0), ids.max(initial=0)) + 1, len(_LIZARD) + 1)
    type_of[0] = 0
    type_of[ids.ravel()] = types.ravel()
    names = {**_LIZARD, len(_LIZARD) + 1: UNANNOTATED}
    return annotated("lizard", pixels, type_of[instances], names, instances=instances)


def _text_masks(folder: Path, source: str) -> list[Item]:
    """Pictures with a mask in text each."""
    items = []
    for mask in sorted(folder.rglob("*_mask.txt")):
        name = mask.stem.removesuffix("_mask")
        image = mask.parent / f"{name}.png"
        part = next((p for p in mask.relative_to(folder.parent).parts if p.lower() in _PARTS), "")
        read = partial(_read_text_pair, source, image, mask)
        split = _PARTS.get(part.lower(), "")
        unique = f"{part.lower()}_{name}" if part else name
        mpp = _cpm15_mpp(name) if source == "cpm15" else None
        items.append(Item(unique, (image, mask), read, "", split, mpp=mpp))
    return items


def _cpm15_mpp(name: str) -> float | None:
    """Nominal µm per pixel by the number of a picture of CPM-15."""
    match = re.fullmatch(r"image_?(\d\d)", name)
    if match is None:
        return None
    return _MPP_20X if int(match[1]) <= _CPM15_AT_20X else _MPP_40X


def _read_text_pair(source: str, image: Path, mask: Path) -> Annotated:
    """Read a mask in text: width and height, then a label a pixel."""
    pixels = read_rgb(image)
    labels = _read_text(mask)
    check_shape(pixels, labels, mask)
    return annotated(
        source, pixels, (labels > 0).astype(np.uint8), {1: "nucleus"}, instances=labels
    )


def _read_text(path: Path) -> NDArray[np.int32]:
    """Labels of a mask in text.

    Raises
    ------
    SlideError
        When it holds no numbers, or not as many as it says.
    """
    try:
        width, height, *values = map(int, path.read_text(encoding="ascii").split())
        return np.array(values, np.int32).reshape(height, width)
    except (OSError, ValueError) as error:
        message = f"{path}: no mask of width, height and a label a pixel ({error})"
        raise SlideError(message, path=str(path)) from error
