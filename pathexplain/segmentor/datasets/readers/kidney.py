"""Glomeruli: KPIs 2024 (patches of mouse kidney) and HuBMAP (whole slides of human kidney)."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import ConfigError, SlideError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.readers.files import by_stem, read_rgb, read_table
from pathexplain.segmentor.datasets.readers.imagescope import draw_outlines
from pathexplain.segmentor.datasets.readers.pairs import read_semantic
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.table import Split

__all__ = ["hubmap", "kpis"]

_SPLITS: dict[str, Split] = {"train": "train", "validation": "validation", "test": "test"}
_INFORMATION = "HuBMAP-20-dataset_information.csv"


def kpis(folder: Path) -> list[Item]:
    """KPIs 2024, patch level: glomeruli of mouse kidney, PAS, patches of 2048 px.

    Layout: ``Task1_patch_level/train/56Nx/12-299/img/…_img.jpg`` and ``mask/…_mask.jpg``, groups
    56Nx, DN, NEP25 and normal, a folder a slide; also ``validation`` and ``test``. Each connected
    patch is a glomerulus. The magnifications of the groups differ, and their µm per pixel could not
    be confirmed: state it. KPIs 2024 Challenge, arXiv:2502.07288.
    """
    items = []
    for images in sorted(path for path in folder.rglob("img") if path.is_dir()):
        masks = by_stem((images.parent / "mask").iterdir(), drop="_mask")
        slide, group = images.parent, images.parent.parent
        split = _SPLITS.get(group.parent.name.lower(), "")
        for name, image in by_stem(images.iterdir(), drop="_img").items():
            mask = masks.get(name, slide / "mask" / f"{name}_mask.jpg")
            read = partial(read_semantic, "kpis", image, mask, "glomerulus", connected=True)
            unique = f"{group.name}_{name}"
            items.append(Item(unique, (image, mask), read, f"{group.name}_{slide.name}", split))
    return items


def hubmap(folder: Path) -> list[Item]:
    """HuBMAP, Hacking the Kidney: glomeruli of human kidney, PAS, whole slides.

    Layout: ``train/<id>.tiff`` and ``train/<id>.json``, a list of GeoJSON features with polygons in
    px (x, y), beside ``HuBMAP-20-dataset_information.csv`` (image_file, patient_number). µm per
    pixel are in the tags of some files only: state it where they are not. A slide is read as a
    whole, which takes about 3 bytes a pixel and 4 for the mask. Jain et al. 2023, Communications
    Biology 6:717.
    """
    tables = sorted(folder.rglob(_INFORMATION))
    rows = read_table(tables[0], required=("image_file", "patient_number")) if tables else []
    patients = {row["image_file"].partition(".")[0]: row["patient_number"] for row in rows}
    items = []
    for outlines in sorted(folder.rglob("*.json")):
        if outlines.stem.endswith("anatomical-structure"):
            continue
        image = outlines.with_suffix(".tiff")
        read = partial(_read_hubmap, image, outlines)
        patient = patients.get(outlines.stem, "")
        items.append(Item(outlines.stem, (image, outlines), read, patient))
    return items


def _read_hubmap(image: Path, outlines: Path) -> Annotated:
    """Fill the polygons of one slide."""
    pixels = read_rgb(image)
    instances = draw_outlines(_polygons(outlines), pixels.shape)
    codes = (instances > 0).astype(np.uint8)
    mpp = _tag_mpp(image)
    return annotated("hubmap", pixels, codes, {1: "glomerulus"}, instances=instances, mpp=mpp)


def _polygons(path: Path) -> list[NDArray[np.float64]]:
    """Outer rings of all polygons.

    Raises
    ------
    ConfigError
        When the file is no list of GeoJSON features.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        features = content["features"] if isinstance(content, dict) else content
        rings = []
        for feature in features:
            geometry = feature["geometry"]
            is_multiple = geometry["type"] == "MultiPolygon"
            polygons = geometry["coordinates"] if is_multiple else [geometry["coordinates"]]
            rings += [np.array(polygon[0], float) for polygon in polygons]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        message = f"{path}: no list of GeoJSON polygons ({error!r})"
        raise ConfigError(message, path=str(path)) from error
    return rings


def _tag_mpp(path: Path) -> float | None:
    """µm per pixel that the file says; None where it says nothing plausible."""
    try:
        with open_slide(path) as slide:
            return float(slide.mpp)
    except SlideError:
        return None
