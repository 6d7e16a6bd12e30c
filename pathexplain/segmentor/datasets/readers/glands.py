"""Glands: GlaS, CRAG, EBHI-Seg."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pathexplain.segmentor.datasets.annotation import Item
from pathexplain.segmentor.datasets.readers.files import (
    by_stem,
    find_folder,
    find_table,
    read_table,
)
from pathexplain.segmentor.datasets.readers.pairs import pairs, read_instances, read_semantic
from pathexplain.segmentor.datasets.taxonomy import TAXONOMY

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.segmentor.datasets.table import Split

__all__ = ["crag", "ebhi", "glas"]


def glas(folder: Path) -> list[Item]:
    """GlaS, the Warwick-QU dataset: glands of the colon with the grade of each picture.

    Layout: ``train_1.bmp``, ``testA_1.bmp``, ``testB_1.bmp``, each with ``…_anno.bmp`` (0
    background, each gland a value), and ``Grade.csv`` (name, patient ID, grade (GlaS), …). The
    official split shares patients between train and test. Sirinukunwattana et al. 2017,
    doi:10.1016/j.media.2016.08.008.
    """
    table = find_table(folder, "Grade.csv")
    grades = {r["name"]: r for r in read_table(table, required=("name", "patient ID"))}
    masks = by_stem(table.parent.glob("*_anno.bmp"), drop="_anno")
    items = []
    for name, mask in masks.items():
        image, row = table.parent / f"{name}.bmp", grades.get(name, {})
        split: Split = "train" if name.startswith("train") else "test"
        label = row.get("grade (GlaS)", "") or "gland"
        read = partial(read_instances, "glas", image, mask, label)
        patient = row.get("patient ID", "")
        items.append(Item(name, (image, mask), read, patient, split))
    return items


def crag(folder: Path) -> list[Item]:
    """CRAG: glands of colorectal adenocarcinoma, 20x.

    Layout: ``train`` and ``test`` (``valid`` in version 1), each with ``Images`` and ``Annotation``
    (``Annotations`` in version 2) of PNG, each gland a value. Patients are not told. 0.55 µm per
    pixel is that of the scanner at 20x. Graham et al. 2019, doi:10.1016/j.media.2018.12.001.
    """
    annotation = ("Annotation", "Annotations")
    splits: dict[str, Split] = {"train": "train", "valid": "test", "test": "test"}
    items = []
    for part, split in splits.items():
        for place in sorted(p for p in folder.rglob("*") if p.name.lower() == part and p.is_dir()):
            images, masks = find_folder(place, "Images"), find_folder(place, *annotation)
            for name, image, mask in pairs(images, masks):
                read = partial(read_instances, "crag", image, mask, "gland")
                items.append(Item(f"{part}_{name}", (image, mask), read, "", split))
    return items


def ebhi(folder: Path) -> list[Item]:
    """EBHI-Seg: gland epithelium of colon biopsies, six diagnoses, a camera at 400x.

    Layout: a folder a diagnosis (``Adenocarcinoma``, ``High-grade IN``, ``Low-grade IN``,
    ``Normal``, ``Polyp``, ``Serrated adenoma``), each with ``image`` and ``label`` of PNG, 0 and
    255; names such as ``GT2012324-1-400-001`` begin with the case. Nobody published µm per pixel.
    Shi et al. 2023, doi:10.3389/fmed.2023.1114673.
    """
    labels = {label for category in TAXONOMY["ebhi"] for label in category.labels}
    by_folder = {label.lower(): label for label in labels}
    items = []
    for place in sorted(path for path in folder.rglob("*") if path.name.lower() in by_folder):
        label = by_folder[place.name.lower()]
        for name, image, mask in pairs(find_folder(place, "image"), find_folder(place, "label")):
            read = partial(read_semantic, "ebhi", image, mask, label)
            patient = name.partition("-")[0]
            items.append(Item(f"{label}_{name}", (image, mask), read, patient))
    return items
