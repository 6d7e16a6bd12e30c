"""SegPath: areas that antibodies drew, transferred to H&E."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.segmentor.datasets.annotation import Annotated, Annotation, Item, annotate
from pathexplain.segmentor.datasets.readers.files import (
    binary,
    check_shape,
    lookup,
    read_labels,
    read_rgb,
    read_table,
)
from pathexplain.segmentor.datasets.taxonomy import TAXONOMY

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.segmentor.datasets.table import Split

__all__ = ["segpath"]

_SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_NAME = re.compile(r"[^_]+_(?P<label>[^_]+)_(?P<slide>\d+)_")
_LABELS = {label: label for category in TAXONOMY["segpath"] for label in category.labels}


def segpath(folder: Path) -> list[Item]:
    """SegPath: 158,687 patches of 984 px of many cancers, one antibody a patch, 0.2208 µm a pixel.

    Layout: folders such as ``panCK_Epithelium`` or ``CD3CD20_Lymphocyte`` of
    ``panCK_Epithelium_000_010240_020480_HE.png`` and ``…_mask.png``, and a table an antibody,
    ``panCK_fileinfo.csv`` (filename, train_val_test), plain or gzipped. That the first number of a
    name is the slide could not be confirmed; it is taken for what must not be split. Komura et al.
    2023, doi:10.1016/j.patter.2023.100688.
    """
    splits: dict[str, Split] = {}
    for table in sorted(folder.rglob("*_fileinfo.csv")):
        for row in read_table(table, required=("filename", "train_val_test")):
            name = row["filename"].rpartition("/")[2].removesuffix(".png")
            splits[name] = _SPLITS.get(row["train_val_test"], "")
    items = []
    for image in sorted(folder.rglob("*_HE.png")):
        mask = image.with_name(image.name.replace("_HE.png", "_mask.png"))
        match = _NAME.match(image.name)
        patient = image.name[: match.end() - 1] if match else ""
        name = image.stem.removesuffix("_HE")
        items.append(
            Item(
                name,
                (image, mask),
                partial(_read, image, mask),
                patient,
                splits.get(image.stem, ""),
            )
        )
    return items


def _read(image: Path, mask: Path) -> Annotated:
    """Read one patch: the antibody's category is annotated, and no other."""
    pixels, values = read_rgb(image), binary(read_labels(mask))
    check_shape(pixels, values, mask)
    match = _NAME.match(image.name)
    label = lookup(_LABELS, match["label"] if match else image.name, image, "antibody")
    codes = values.astype(np.uint8)
    made: list[Annotation] = [
        annotate(category, codes, {1: label}, codes)
        for category in TAXONOMY["segpath"]
        if label in category.labels
    ]
    return Annotated(pixels, tuple(made))
