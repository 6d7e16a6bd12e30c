"""Bootstrap intervals of means and ratios over images, with whole patients drawn together.

Images of one patient resemble each other: drawing them one by one would make intervals too narrow.
Reference: Field 2007, Bootstrapping clustered data, doi:10.1111/j.1467-9868.2007.00593.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Score", "draw_units", "limits", "mean_score", "ratio_score"]

N_BOOTSTRAP = 1000
LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Score:
    """A figure with its 95 % bootstrap interval; NaN where no image defines it.

    Attributes
    ----------
    mean : float
        The figure on all images.
    low, high : float
        Percentile interval; NaN where there is one unit, of which nothing can be drawn anew.
    n_images : int
        Images that define the figure.
    n_units : int
        Units that were drawn: patients where the source tells them, else images.
    """

    mean: float
    low: float
    high: float
    n_images: int
    n_units: int = 0


def mean_score(values: Sequence[float], units: Sequence[str], *, seed: int = 0) -> Score:
    """Mean over images, with units drawn whole.

    Parameters
    ----------
    values : sequence of float
        One an image; those that are NaN are left out.
    units : sequence of str
        What each image belongs to.
    seed : int
        Of the draws.

    Examples
    --------
    >>> score = mean_score([0.0, 1.0, float("nan")], ["a", "b", "c"])
    >>> score.mean, score.low, score.high, score.n_images, score.n_units
    (0.5, 0.0, 1.0, 2, 2)
    """
    return ratio_score(values, np.ones(len(values)), units, seed=seed)


def ratio_score(
    above: Sequence[float] | NDArray[np.float64],
    below: Sequence[float] | NDArray[np.float64],
    units: Sequence[str],
    *,
    seed: int = 0,
) -> Score:
    """Ratio of two sums over images, with units drawn whole; NaN where the lower sum is 0.

    Parameters
    ----------
    above, below : (N,) sequences of float
        Images where either is NaN are left out.
    units : sequence of str, length N
    seed : int

    Examples
    --------
    >>> ratio_score([1.0, 3.0], [2.0, 6.0], ["a", "b"]).mean
    0.5
    """
    upper, lower = np.asarray(above, float), np.asarray(below, float)
    keep = np.isfinite(upper) & np.isfinite(lower)
    upper, lower = upper[keep], lower[keep]
    names = [unit for unit, kept in zip(units, keep, strict=True) if kept]
    if not names or lower.sum() == 0:
        return Score(float("nan"), float("nan"), float("nan"), len(names), len(set(names)))
    index, times = draw_units(names, seed=seed)
    n_units = times.shape[1]
    sums = np.stack([np.bincount(index, part, n_units) for part in (upper, lower)])
    drawn_upper, drawn_lower = sums @ times.T
    drawn = drawn_upper[drawn_lower > 0] / drawn_lower[drawn_lower > 0]
    low, high = limits(drawn, n_units=n_units)
    return Score(float(upper.sum() / lower.sum()), low, high, len(names), n_units)


def draw_units(
    units: Sequence[str], *, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Draw as many units as there are, with replacement, `N_BOOTSTRAP` times.

    Returns
    -------
    index : (N,) int
        Unit of each row, in order of the units' names.
    times : (N_BOOTSTRAP, U) int
        How often each unit was drawn.

    Examples
    --------
    >>> index, times = draw_units(["b", "a", "b"])
    >>> index.tolist(), times.shape, set(times.sum(axis=1).tolist())
    ([1, 0, 1], (1000, 2), {2})
    """
    _, index = np.unique(list(units), return_inverse=True)
    n_units = int(index.max()) + 1
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=N_BOOTSTRAP)
    return index, times


def limits(drawn: NDArray[np.float64], *, n_units: int) -> tuple[float, float]:
    """Percentile interval of drawn figures; NaN where one unit, or no figure, is there.

    Examples
    --------
    >>> limits(np.arange(1001.0), n_units=4)
    (25.0, 975.0)
    """
    defined = drawn[np.isfinite(drawn)]
    if n_units <= 1 or len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, LEVELS)
    return float(low), float(high)
