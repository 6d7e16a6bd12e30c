"""The `stain` family: how much of each stain an object and its surroundings took up.

Optical density is -log10((I + 1) / 256) per channel, split into stains by the vectors of the view
(`pathexplain.slides.stains`). What the columns are is in `stain_columns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import FeatureError
from pathexplain.features.columns import FeatureFamily
from pathexplain.features.histogram_kernels import BIN
from pathexplain.features.objects import ObjectView, over_objects
from pathexplain.features.stain_columns import RING_UM, STAIN_COLUMNS, STAINS
from pathexplain.features.stain_kernels import PER_STAIN, stain_objects
from pathexplain.slides.stains import OPTICAL_DENSITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.slides.stains import StainVectors

__all__ = ["STAIN", "density_table", "measure_stain"]


def measure_stain(view: ObjectView) -> NDArray[np.float64]:
    """Measure the stains of every object; one column a feature, in the order of `STAIN.columns`.

    Parameters
    ----------
    view : ObjectView
        Objects of one label image, with pixels and stain vectors.

    Returns
    -------
    (n, k) float64
        NaN for a stain that the vectors lack, where the ring has fewer than 10 pixels, fewer than
        10 pixels have all neighbors inside (gradient), fewer than 5 lie in a shell (radial), or
        the density does not vary (skewness, kurtosis).

    Raises
    ------
    FeatureError
        The view has no pixels.

    Examples
    --------
    >>> from pathexplain.features.objects import view_objects
    >>> labels = np.zeros((9, 9), np.int32)
    >>> labels[3:6, 3:6] = 1
    >>> pixels = np.full((9, 9, 3), 255, np.uint8)
    >>> values = measure_stain(view_objects(labels, pixels, mpp=0.5))
    >>> float(abs(values[0, 0]).round(6))
    0.0
    """
    if view.pixels is None:
        message = "the stain family needs pixels (H, W, 3) uint8; pass them or leave stain out"
        raise FeatureError(message)
    pixels = view.pixels
    carried = [name for name in STAINS if name in view.stains.names]
    table = density_table(view.stains, carried)
    lowest = float(table.min(axis=2).sum(axis=1).min()) - BIN
    n_bins = int((table.max(axis=2).sum(axis=1).max() - lowest) / BIN) + 3
    reach = _reach(RING_UM / view.mpp)
    raw = np.zeros((view.n, len(carried), len(PER_STAIN)))
    over_objects(
        view,
        lambda start, stop: stain_objects(
            view.labels,
            pixels,
            table,
            lowest,
            n_bins,
            view.target,
            view.box,
            view.centroid_px,
            reach,
            view.mpp,
            raw,
            start,
            stop,
        ),
    )
    values = np.full((view.n, len(STAINS), len(PER_STAIN)), np.nan)
    values[:, [STAINS.index(name) for name in carried]] = raw
    return values.reshape(view.n, len(STAIN_COLUMNS))


def density_table(stains: StainVectors, names: list[str]) -> NDArray[np.float64]:
    """(S, 3, 256) float64: what each level of each channel adds to the density of each stain."""
    columns = [stains.names.index(name) for name in names]
    return np.stack([stains.unmixing[:, s, None] * OPTICAL_DENSITY for s in columns])


def _reach(radius_px: float) -> NDArray[np.int64]:
    """How far a disk reaches along a row, px, at each row distance."""
    rows = np.arange(int(radius_px + 1e-9) + 1.0)
    return np.sqrt(radius_px**2 - rows**2 + 1e-9).astype(np.int64)


def _lacking(view: ObjectView) -> Mapping[str, str]:
    """Columns of stains that the vectors of a view do not have."""
    return {
        f"{stain}_{statistic}": f"the stain vectors ({view.stains.method}) have no {stain}"
        for stain in STAINS
        if stain not in view.stains.names
        for statistic in PER_STAIN
    }


STAIN = FeatureFamily("stain", STAIN_COLUMNS, measure_stain, needs_pixels=True, lacking=_lacking)
