"""The `stain` family: how much hematoxylin and eosin an object and its surroundings took up.

Optical density is -log10((I + 1) / 256) per channel; it is unmixed with the fixed vectors of
Ruifrok 2001 for hematoxylin, eosin and DAB. Not for stain normalization, which happens before.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import FeatureError
from pathexplain.features.columns import Column, FeatureFamily, Law, LawName
from pathexplain.features.objects import ObjectView, over_objects
from pathexplain.features.stain_kernels import PER_STAIN, stain_objects
from pathexplain.slides.stains import OPTICAL_DENSITY, RUIFROK

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RING_UM", "STAIN", "measure_stain"]

RING_UM = 2.0
"""Width of the ring around an object."""

_STAINS = ("hematoxylin", "eosin")
_SOURCE = "Ruifrok 2001, Anal Quant Cytol Histol 23:291-299, PMID 11531144"


def measure_stain(view: ObjectView) -> NDArray[np.float64]:
    """Measure the stains of every object; one column a feature, in the order of `STAIN.columns`.

    Parameters
    ----------
    view : ObjectView
        Objects of one label image, with pixels.

    Returns
    -------
    (n, 20) float64
        NaN where the ring has fewer than 10 pixels, fewer than 10 pixels have all neighbors
        inside (gradient), or the density does not vary (skewness, kurtosis).

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
    weights = RUIFROK.unmixing
    table = np.stack([weights[:, s, None] * OPTICAL_DENSITY for s in range(len(_STAINS))])
    radius = int(RING_UM / view.mpp + 1e-9)
    reach = np.sqrt((RING_UM / view.mpp) ** 2 - np.arange(radius + 1.0) ** 2 + 1e-9)
    raw = np.zeros((view.n, len(_STAINS) * len(PER_STAIN)))
    over_objects(
        view,
        lambda start, stop: stain_objects(
            view.labels,
            pixels,
            table,
            view.target,
            view.box,
            reach.astype(np.int64),
            view.mpp,
            raw,
            start,
            stop,
        ),
    )
    return raw


_GRID: tuple[LawName, ...] = ("rotation90", "flip", "translation", "relabel")
_TEXT: dict[str, tuple[str, str, str, str, str, int, str]] = {
    "mean": (
        "Mean {s} density inside the object",
        "mean of C",
        "OD",
        "much {s}",
        "little {s}",
        1,
        "",
    ),
    "sd": ("Spread of {s} inside", "sd of C (divisor n)", "OD", "uneven", "even", 10, ""),
    "p10": (
        "Pale end of {s} inside",
        "10th percentile of C",
        "OD",
        "dark throughout",
        "pale parts",
        10,
        "",
    ),
    "median": ("Median {s} density inside", "median of C", "OD", "much {s}", "little {s}", 10, ""),
    "p90": (
        "Dark end of {s} inside",
        "90th percentile of C",
        "OD",
        "dark parts",
        "pale throughout",
        10,
        "",
    ),
    "skewness": (
        "Asymmetry of the {s} density inside",
        "m3 / m2^1.5",
        "1",
        "few dark spots on pale ground (clumps, nucleoli)",
        "few pale spots on dark ground (vacuoles)",
        30,
        "the density does not vary",
    ),
    "kurtosis": (
        "Tail weight of the {s} density inside, 0 for a normal distribution",
        "m4 / m2^2 - 3",
        "1",
        "rare extreme densities",
        "two-phase or flat distribution",
        30,
        "the density does not vary",
    ),
    "gradient_mean": (
        "Mean steepness of the {s} density inside",
        "mean of |grad C| (central differences) over pixels whose 4 neighbors are inside",
        "OD/um",
        "coarse, sharp texture",
        "smooth",
        30,
        "fewer than 10 pixels have all four neighbors inside",
    ),
    "ring_mean": (
        "Mean {s} density in a ring of 2 um around the object",
        "mean of C over background pixels within 2 um (center to center) of the object",
        "OD",
        "{s}-rich surroundings",
        "pale surroundings",
        1,
        "the ring has fewer than 10 pixels (other objects are left out)",
    ),
    "contrast": (
        "{s} density inside minus around",
        "mean - ring_mean",
        "OD",
        "stands out from its surroundings",
        "like its surroundings, or paler where negative",
        1,
        "the ring has fewer than 10 pixels (other objects are left out)",
    ),
}
_SHIFTED = frozenset({"mean", "p10", "median", "p90", "ring_mean"})
"""Statistics that half the light moves by a constant; all others it leaves as they are."""
_NOT_NEGATIVE = frozenset({"sd", "gradient_mean"})


def _stain_column(stain: str, statistic: str) -> Column:
    """Fill the text of one statistic in for one stain."""
    definition, formula, unit, high, low, least, undefined = _TEXT[statistic]
    tolerance = 1e-6
    laws = tuple(Law(name, tolerance) for name in _GRID)
    if statistic not in _SHIFTED:
        laws = (*laws, Law("intensity_scale", tolerance))
    definition = definition.format(s=stain)
    return Column(
        f"{stain}_{statistic}",
        unit,
        definition[0].upper() + definition[1:],
        f"{formula}; C = {stain} density, OD = -log10((I + 1) / 256) = C V, V = Ruifrok H, E, DAB",
        (0.0 if statistic in _NOT_NEGATIVE else -inf, inf),
        high.format(s=stain),
        low.format(s=stain),
        _SOURCE,
        "any",
        least,
        undefined,
        laws,
    )


STAIN = FeatureFamily(
    "stain",
    tuple(_stain_column(stain, statistic) for stain in _STAINS for statistic in PER_STAIN),
    measure_stain,
    needs_pixels=True,
)
