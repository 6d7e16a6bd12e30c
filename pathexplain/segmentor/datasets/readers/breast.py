"""Breast cancer, annotated by many hands: BCSS (tissue) and NuCLS (nuclei)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.readers.files import (
    by_stem,
    check_shape,
    find_folder,
    read_labels,
    read_rgb,
    read_table,
    tcga_patient,
)
from pathexplain.segmentor.datasets.readers.imagescope import draw_outlines
from pathexplain.segmentor.datasets.readers.pairs import pairs
from pathexplain.segmentor.datasets.taxonomy import TAXONOMY, UNANNOTATED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["bcss", "nucls"]

_BCSS = dict(
    enumerate(
        (
            UNANNOTATED,  # outside the region of interest
            "tumor",
            "stroma",
            "lymphocytic_infiltrate",
            "necrosis_or_debris",
            "glandular_secretions",
            "blood",
            UNANNOTATED,  # excluded
            "metaplasia_NOS",
            "fat",
            "plasma_cells",
            "other_immune_infiltrate",
            "mucoid_material",
            "normal_acinus_or_duct",
            "lymphatics",
            UNANNOTATED,  # undetermined
            "nerve",
            "skin_adnexa",
            "blood_vessel",
            "angioinvasion",
            "dcis",
            "other",
        )
    )
)
_BCSS_TEST_SITES = ("OL", "LL", "E2", "EW", "GM", "S3")
_MPP = re.compile(r"MPP-(\d+\.\d+|\d+)")
_NUCLS_LABELS = tuple(dict.fromkeys(name for c in TAXONOMY["nucls"] for name in c.labels))


def bcss(folder: Path) -> list[Item]:
    """BCSS: 21 tissues of triple-negative breast cancer, TCGA, one region a slide.

    Layout: ``masks/*.png`` of codes (`meta/gtruth_codes.tsv` of the source) and pictures of the
    same names in ``images``, ``rgbs`` or ``rgbs_colorNormalized``; a name such as
    ``TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500`` tells patient and resolution. Code 0,
    outside the region, 7 and 15 are unknown. Test slides are those of the sites OL, LL, E2, EW, GM
    and S3. Amgad et al. 2019, doi:10.1093/bioinformatics/btz083.
    """
    masks = find_folder(folder, "masks")
    images = find_folder(folder, "rgbs_colorNormalized", "rgbs", "images")
    items = []
    for name, image, mask in pairs(images, masks):
        patient = tcga_patient(name)
        found = _MPP.search(name)
        items.append(
            Item(
                name,
                (image, mask),
                partial(_read_bcss, image, mask),
                patient,
                "test" if patient[5:7] in _BCSS_TEST_SITES else "train",
                "breast",
                (float(found[1]) or None) if found else None,
            )
        )
    return items


def _read_bcss(image: Path, mask: Path) -> Annotated:
    """Read one region of codes."""
    pixels, codes = read_rgb(image), read_labels(mask)
    check_shape(pixels, codes, mask)
    names = {code + 1: label for code, label in _BCSS.items()}
    return annotated("bcss", pixels, codes + 1, names)


def nucls(folder: Path) -> list[Item]:
    """NuCLS: nuclei of 12 types in breast cancer, TCGA, at 0.2 µm per pixel.

    Layout: ``rgb/*.png``, ``csv/*.csv`` (raw_classification, type, xmin, ymin, xmax, ymax,
    coords_x, coords_y) and ``mask/*.png``, whose first channel is 0 outside the field. Only
    outlines (type polyline) make masks; nuclei that were marked by a box alone are unknown inside
    it, since nobody drew them. Where there is no mask, rows named ``fov…`` give the field, and
    without those it is the whole picture. Amgad et al. 2022, doi:10.1093/gigascience/giac037.
    """
    images = by_stem(find_folder(folder, "rgb").iterdir())
    tables, masks = find_folder(folder, "csv"), folder / "mask"
    known = {path.stem: path for path in tables.glob("*.csv")}
    fields = by_stem(masks.iterdir()) if masks.is_dir() else {}
    items = []
    for name, image in images.items():
        table = known.get(name, tables / f"{name}.csv")
        files = (image, table, *([fields[name]] if name in fields else []))
        items.append(Item(name, files, partial(_read_nucls, *files), tcga_patient(name)))
    return items


def _read_nucls(image: Path, table: Path, field: Path | None = None) -> Annotated:
    """Draw the outlines of one field."""
    pixels = read_rgb(image)
    rows = read_table(table, required=("raw_classification", "type", "xmin", "coords_x"))
    codes_of = {label: code for code, label in enumerate(_NUCLS_LABELS, start=1)}
    unknown_code = len(_NUCLS_LABELS) + 1
    nuclei = [row for row in rows if not row["raw_classification"].lower().startswith("fov")]
    drawn = [row for row in nuclei if row["type"] == "polyline"]
    instances = draw_outlines([_outline(row, table) for row in drawn], pixels.shape)
    labels = [row["raw_classification"].removeprefix("correction_") for row in drawn]
    types = np.array([0, *(codes_of.get(label, unknown_code) for label in labels)], np.int32)
    codes = types[instances]
    boxed = np.zeros(codes.shape, bool)
    for row in nuclei:
        if row["type"] != "polyline":
            boxed[_box(row, table)] = True
    codes[(boxed & (codes == 0)) | ~_inside(rows, field, pixels, table)] = unknown_code
    names = {**dict(enumerate(_NUCLS_LABELS, start=1)), unknown_code: UNANNOTATED}
    return annotated("nucls", pixels, codes, names, instances=instances)


def _outline(row: Mapping[str, str], table: Path) -> NDArray[np.float64]:
    """Vertices (x, y) of a nucleus."""
    try:
        xs, ys = (np.array(row[key].split(","), float) for key in ("coords_x", "coords_y"))
        return np.stack([xs, ys], axis=1)
    except (KeyError, ValueError) as error:
        message = f"{table}: no outline in {row.get('coords_x', '')[:40]!r}"
        raise ConfigError(message, path=str(table)) from error


def _box(row: Mapping[str, str], table: Path) -> tuple[slice, slice]:
    """Rows and columns of a box."""
    try:
        x0, y0, x1, y1 = (float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
    except (KeyError, ValueError) as error:
        message = f"{table}: a box without xmin, ymin, xmax and ymax"
        raise ConfigError(message, path=str(table)) from error
    edges = (round(max(0.0, edge)) for edge in (y0, y1, x0, x1))
    top, bottom, left, right = edges
    return slice(top, bottom), slice(left, right)


def _inside(
    rows: list[dict[str, str]], field: Path | None, pixels: NDArray[np.uint8], table: Path
) -> NDArray[np.bool_]:
    """Where the field was annotated."""
    if field is not None:
        codes = read_rgb(field)[..., 0]
        check_shape(pixels, codes, field)
        return codes > 0
    fovs = [row for row in rows if row["raw_classification"].lower().startswith("fov")]
    inside = np.full(pixels.shape[:2], not fovs)
    for row in fovs:
        inside[_box(row, table)] = True
    return inside
