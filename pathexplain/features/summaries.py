"""What a slide says of its objects: statistics over objects, and totals of a prompt as a whole.

Definitions with their least object counts; `aggregate` applies them, `dictionary` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["PLACE_TOTALS", "STATISTICS", "TOTALS", "Statistic", "Total"]

HALF = 0.5


@dataclass(frozen=True)
class Statistic:
    """A summary of one object feature over the objects of a slide.

    `compute` takes the defined values as they come, and the same in ascending order.
    """

    name: str
    definition: str
    minimum: int
    compute: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    unit: str = ""


@dataclass(frozen=True)
class Total:
    """A number of a prompt on a slide as a whole; patients sum counts, weigh the rest by area."""

    name: str
    unit: str
    definition: str
    formula: str
    is_share: bool = False


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Linear interpolation, the same numbers as `numpy.quantile`, which takes far longer."""
    place = (len(ordered) - 1) * share
    index = int(place)
    rest = place - index
    low, high = float(ordered[index]), float(ordered[min(index + 1, len(ordered) - 1)])
    step = high - low
    return high - step * (1 - rest) if rest >= HALF else low + step * rest


def _median(ordered: NDArray[np.float64]) -> float:
    """Middle value, or the mean of the two in the middle."""
    n = len(ordered)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def _skewness(values: NDArray[np.float64]) -> float:
    """Sample skewness g1; NaN where all values are equal."""
    centered = values - values.mean()
    variance: float = float((centered**2).mean())
    scale = float(np.abs(values).max())
    if variance <= (1e-12 * scale) ** 2:
        return float("nan")
    third = float((centered**3).mean())
    return third / float(np.sqrt(variance) ** 3)


STATISTICS: tuple[Statistic, ...] = (
    Statistic("mean", "mean over objects", 1, lambda x, _: float(x.mean())),
    Statistic("median", "median over objects", 1, lambda _, ordered: _median(ordered)),
    Statistic(
        "sd", "standard deviation (n - 1) over objects", 3, lambda x, _: float(x.std(ddof=1))
    ),
    Statistic(
        "iqr",
        "interquartile range",
        4,
        lambda _, ordered: _quantile(ordered, 0.75) - _quantile(ordered, 0.25),
    ),
    Statistic("p10", "10th percentile over objects", 5, lambda _, o: _quantile(o, 0.1)),
    Statistic("p90", "90th percentile over objects", 5, lambda _, o: _quantile(o, 0.9)),
    Statistic("skewness", "skewness m3 / m2^1.5 over objects", 10, lambda x, _: _skewness(x), "1"),
)
"""What a slide says of an object feature, with the fewest objects each needs."""

TOTALS: tuple[Total, ...] = (
    Total(
        "n",
        "count",
        "Number of objects; for a region prompt its connected parts, which merging changes",
        "count of labels, those cut by the image edge included",
    ),
    Total("density_per_mm2", "1/mm^2", "Objects per area of tissue", "n / tissue area"),
    Total(
        "area_share",
        "1",
        "Share of the tissue that the objects cover (merging does not change it)",
        "tissue under the objects / tissue area",
        is_share=True,
    ),
)
"""What a slide says of a prompt as a whole, as `{prompt}.aggregate.{name}.total`."""

PLACE_TOTALS: tuple[Total, ...] = (
    Total("n", "count", "Number of objects in the place", "objects with their centroid there"),
    Total("density_per_mm2", "1/mm^2", "Objects per area of the place", "n / window_mm2"),
    Total(
        "share",
        "1",
        "Share of the prompt's objects that lie in the place",
        "n / all objects of the prompt on the slide",
        is_share=True,
    ),
    Total("window_mm2", "mm^2", "Area of the place", "tissue of the place"),
)
"""The same of a prompt in a place, as `{prompt}@{place}.aggregate.{name}.total`."""
