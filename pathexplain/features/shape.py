"""The `shape` family: size and form of each object, in micrometers.

Area by pixel count, perimeter by Crofton's formula in four directions, hull and Feret diameters of
pixel centers, moments of the pixel squares. Not for what lies around an object, nor for its color.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.features.columns import FeatureFamily
from pathexplain.features.contour_kernels import CONTOUR_RAW, contour_objects
from pathexplain.features.hull_columns import FORM_COLUMNS, HULL_COLUMNS
from pathexplain.features.interior_kernels import INTERIOR_RAW, interior_objects
from pathexplain.features.moment_columns import HU_COLUMNS, ZERNIKE_COLUMNS
from pathexplain.features.objects import ObjectView, over_objects
from pathexplain.features.outline_columns import OUTLINE_COLUMNS
from pathexplain.features.shape_columns import AXIS_COLUMNS, SIZE_COLUMNS
from pathexplain.features.shape_kernels import RAW, scan_objects
from pathexplain.features.zernike_kernels import ZERNIKE, ZERNIKE_FROM_MOMENTS, zernike_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SHAPE", "SHAPE_COLUMNS", "measure_shape"]

SHAPE_COLUMNS = (
    *SIZE_COLUMNS,
    *AXIS_COLUMNS,
    *HULL_COLUMNS,
    *FORM_COLUMNS,
    *HU_COLUMNS,
    *OUTLINE_COLUMNS,
    *ZERNIKE_COLUMNS,
)
"""The columns of the family, in the order of its table."""

_PIXEL_MOMENT = 1.0 / 12.0
"""Second moment of a unit pixel about its own center: objects are unions of squares, not points."""


def measure_shape(view: ObjectView) -> NDArray[np.float64]:
    """Measure the form of every object; one column a feature, in the order of `SHAPE_COLUMNS`.

    Parameters
    ----------
    view : ObjectView
        Objects of one label image.

    Returns
    -------
    (n, k) float64
        NaN where the object is degenerate (its pixel centers lie on one line) or, for contour
        features, in several pieces. Minimum pixel counts are applied by `measure_objects`.

    Examples
    --------
    >>> from pathexplain.features.objects import view_objects
    >>> square = np.zeros((12, 12), np.int32)
    >>> square[1:11, 1:11] = 1
    >>> values = measure_shape(view_objects(square, mpp=0.5))
    >>> names = [column.name for column in SHAPE_COLUMNS]
    >>> float(values[0, names.index("area_um2")]), float(values[0, names.index("solidity")])
    (25.0, 1.0)
    """
    raw = _raw(view)
    table = _size(view, raw) | _axes(view, raw) | _hull(view, raw) | _moments(view, raw)
    table |= _contour(view, raw) | _interior(view) | _zernike(view)
    values = np.column_stack([table[column.name] for column in SHAPE_COLUMNS])
    degenerate = raw["hull_twice_area"] == 0
    lasting = np.array([column.undefined == "" for column in SHAPE_COLUMNS])
    values[np.ix_(degenerate, ~lasting)] = np.nan
    return values


def _raw(view: ObjectView) -> dict[str, NDArray[np.float64]]:
    """Count and sum over every object, in pixels."""
    raw = np.zeros((view.n, len(RAW)))
    over_objects(
        view,
        lambda start, stop: scan_objects(
            view.labels, view.target, view.box, view.area_px, view.centroid_px, raw, start, stop
        ),
    )
    return dict(zip(RAW, raw.T, strict=True))


def _size(view: ObjectView, raw: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Area, perimeter and what follows from the two."""
    area = view.area_px.astype(float)
    diagonals = (raw["runs_main"] + raw["runs_anti"]) / np.sqrt(2)
    perimeter = np.pi / 4 * (raw["runs_h"] + raw["runs_v"] + diagonals)
    height, width = (view.box[:, 2:] - view.box[:, :2]).T.astype(float)
    diagonals = (raw["extent_main"] + raw["extent_anti"]) / np.sqrt(2)
    convex_perimeter = np.pi / 4 * (height + width + diagonals)
    return {
        "area_um2": area * view.mpp**2,
        "filled_area_um2": (area + raw["hole_px"]) * view.mpp**2,
        "perimeter_um": perimeter * view.mpp,
        "equivalent_diameter_um": 2 * np.sqrt(area / np.pi) * view.mpp,
        "circularity": 4 * np.pi * area / perimeter**2,
        "irregularity": 1 - 4 * np.pi * area / raw["boundary"] ** 2,
        "extent": area / (height * width),
        "convex_perimeter_um": convex_perimeter * view.mpp,
        "n_pieces": _n_pieces(view, raw),
        "convexity": np.where(_n_pieces(view, raw) > 1, np.nan, convex_perimeter / perimeter),
        "n_holes": raw["n_holes"],
        "hole_share": raw["hole_px"] / (area + raw["hole_px"]),
    }


def _axes(view: ObjectView, raw: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Axes of the ellipse of equal second moments."""
    vy = raw["mu20"] / view.area_px + _PIXEL_MOMENT
    vx = raw["mu02"] / view.area_px + _PIXEL_MOMENT
    cross = raw["mu11"] / view.area_px
    spread = np.hypot((vy - vx) / 2, cross)
    large = (vy + vx) / 2 + spread
    small = np.maximum((vy + vx) / 2 - spread, _PIXEL_MOMENT)
    return {
        "major_axis_um": 4 * np.sqrt(large) * view.mpp,
        "minor_axis_um": 4 * np.sqrt(small) * view.mpp,
        "aspect_ratio": np.sqrt(large / small),
        "eccentricity": np.sqrt(np.maximum(1 - small / large, 0.0)),
        "roundness": view.area_px / (4 * np.pi * large),
    }


def _hull(view: ObjectView, raw: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Convex hull and Feret diameters."""
    return {
        "convex_area_um2": raw["hull_lattice"] * view.mpp**2,
        "solidity": view.area_px / raw["hull_lattice"],
        "rectangularity": view.area_px / raw["rectangle"],
        "feret_max_um": (raw["feret_max"] + 1) * view.mpp,
        "feret_min_um": (raw["feret_min"] + 1) * view.mpp,
    }


def _moments(
    view: ObjectView, raw: dict[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Hu's seven moment invariants, of pixel centers; the last without its sign."""
    area = view.area_px.astype(float)
    n20, n02, n11 = (raw[name] / area**2 for name in ("mu20", "mu02", "mu11"))
    n30, n03, n21, n12 = (raw[name] / area**2.5 for name in ("mu30", "mu03", "mu21", "mu12"))
    a, b = n30 - 3 * n12, 3 * n21 - n03
    c, d = n30 + n12, n21 + n03
    e, f = c * (c**2 - 3 * d**2), d * (3 * c**2 - d**2)
    invariants = (
        n20 + n02,
        (n20 - n02) ** 2 + 4 * n11**2,
        a**2 + b**2,
        c**2 + d**2,
        a * e + b * f,
        (n20 - n02) * (c**2 - d**2) + 4 * n11 * c * d,
        np.abs(b * e - a * f),
    )
    return {f"hu_{k}": value for k, value in enumerate(invariants, start=1)}


def _contour(
    view: ObjectView, raw: dict[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Fourier descriptors and curvature of the outer contour; NaN for objects in pieces."""
    values = np.zeros((view.n, len(CONTOUR_RAW)))
    most = 2 * (raw["runs_h"] + raw["runs_v"]).astype(np.int64) + 1
    over_objects(
        view,
        lambda start, stop: contour_objects(
            view.labels, view.target, view.box, most, values, start, stop
        ),
    )
    values[_n_pieces(view, raw) > 1] = np.nan
    table = dict(zip(CONTOUR_RAW, values.T, strict=True))
    per_um = ("curvature_abs_mean", "curvature_sd", "curvature_min", "curvature_max")
    plain = {name: column for name, column in table.items() if name not in per_um}
    plain["bending_energy_per_um2"] = plain.pop("bending_energy") / view.mpp**2
    return plain | {f"{name}_per_um": table[name] / view.mpp for name in per_um}


def _interior(view: ObjectView) -> dict[str, NDArray[np.float64]]:
    """Depth inside the object and the fractal dimension of its outline."""
    values = np.zeros((view.n, len(INTERIOR_RAW)))
    over_objects(
        view,
        lambda start, stop: interior_objects(
            view.labels, view.target, view.box, values, start, stop
        ),
    )
    table = dict(zip(INTERIOR_RAW, values.T, strict=True))
    radii = {
        f"{name}_um": (table[name] - 0.5) * view.mpp
        for name in ("radius_max", "radius_mean", "radius_median")
    }
    return radii | {"fractal_dimension": table["fractal_dimension"]}


def _zernike(view: ObjectView) -> dict[str, NDArray[np.float64]]:
    """Magnitudes of the Zernike moments."""
    values = np.zeros((view.n, len(ZERNIKE)))
    over_objects(
        view,
        lambda start, stop: zernike_objects(
            view.labels,
            view.target,
            view.box,
            view.centroid_px,
            ZERNIKE_FROM_MOMENTS,
            values,
            start,
            stop,
        ),
    )
    return {f"zernike_{n}_{m}": values[:, k] for k, (n, m) in enumerate(ZERNIKE)}


def _n_pieces(view: ObjectView, raw: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """8-connected pieces of each object: Euler number of the pixel clique complex plus holes."""
    runs = raw["runs_h"] + raw["runs_v"] + raw["runs_main"] + raw["runs_anti"]
    euler = runs - 3 * view.area_px + raw["triangles"] + 3 * raw["blocks"]
    return euler + raw["n_holes"]


SHAPE = FeatureFamily("shape", SHAPE_COLUMNS, measure_shape)
