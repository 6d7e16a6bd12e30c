"""Patients drawn whole, with all their slides: intervals and tests where slides are the rows.

Not for tables with one row a patient: see `evaluate`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.evaluate import auroc
from pathexplain.diagnosis.result import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "auroc_resamples",
    "interval_of",
    "mean_interval",
    "patient_weights",
    "ratio_of_means",
    "sign_flip_p",
    "weighted_mean",
]

MOST_EXACT = 14
"""Patients up to which all 2^n sign flips are tried."""

LEAST_DEFINED = 0.95


def patient_weights(patients: Sequence[str], *, n_bootstrap: int, seed: int) -> NDArray[np.float64]:
    """Count how often each slide is drawn when patients are drawn, (n_bootstrap, n).

    Examples
    --------
    >>> patient_weights(["a", "a", "b"], n_bootstrap=3, seed=0).shape
    (3, 3)
    """
    names, places = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    counts = rng.multinomial(len(names), share, size=n_bootstrap)
    return counts[:, places].astype(np.float64)


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the slides where it is defined, for each row of weights; NaN where none is drawn.

    Parameters
    ----------
    values : (n,) float64
        NaN where undefined.
    weights : (B, n) float64
    """
    known = np.isfinite(values)
    mass = weights[:, known].sum(axis=1)
    total = weights[:, known] @ values[known]
    return np.asarray(np.divide(total, mass, out=np.full(len(weights), np.nan), where=mass > 0))


def ratio_of_means(
    above: NDArray[np.float64], below: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean of `above` over mean of `below`, over the slides where both are defined, (B,)."""
    known = np.isfinite(above) & np.isfinite(below)
    top = weighted_mean(np.where(known, above, np.nan), weights)
    bottom = weighted_mean(np.where(known, below, np.nan), weights)
    return np.asarray(np.divide(top, bottom, out=np.full(len(weights), np.nan), where=bottom > 0))


def mean_interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Interval:
    """Mean over slides where it is defined, with its interval over patients.

    Examples
    --------
    >>> mean_interval(np.array([1.0, 3.0]), np.array([[2.0, 0.0], [1.0, 1.0]])).value
    2.0
    """
    once = np.ones((1, len(values)))
    return interval_of(float(weighted_mean(values, once)[0]), weighted_mean(values, weights))


def auroc_resamples(
    scores: NDArray[np.float64], codes: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AUROC of slides for each row of weights, (B,); NaN where a class is not drawn.

    Parameters
    ----------
    scores : (n, K) float64
        For more than two classes, the mean over classes against the rest; classes that no slide
        has are left out.
    codes : (n,) int64
    weights : (B, n) float64

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> weights = np.array([[1.0, 1.0], [2.0, 0.0]])
    >>> auroc_resamples(scores, np.array([0, 1]), weights).tolist()
    [1.0, nan]
    """
    present, places = np.unique(codes, return_inverse=True)
    areas = np.full(len(weights), np.nan)
    drawn = np.array([weights[:, places == k].sum(axis=1) > 0 for k in range(len(present))])
    usable = drawn.all(axis=0)
    if len(present) > 1 and usable.any():
        areas[usable] = auroc(scores[:, present], places, weights[usable])
    return areas


def interval_of(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Percentile interval of a number; NaN bounds where over 5 % of the resamples are undefined.

    Examples
    --------
    >>> interval_of(1.0, np.array([0.0, 1.0, 2.0])).low
    0.05
    """
    known = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(known) < LEAST_DEFINED * max(len(resampled), 1):
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def sign_flip_p(
    differences: NDArray[np.float64], patients: Sequence[str], *, n_flips: int, seed: int
) -> tuple[float, int]:
    """One-sided test that a difference is above 0: the signs of whole patients are flipped.

    Under the null a patient's difference is as likely to point either way (Fisher 1935). Exact up
    to 14 patients, else with random flips, the observed one counted among them (Phipson 2010,
    doi:10.2202/1544-6115.1585).

    Parameters
    ----------
    differences : (n,) float64
        One a slide; NaN where undefined.
    patients : sequence of str, length n
    n_flips : int
    seed : int

    Returns
    -------
    p : float
        NaN with fewer than two patients.
    n_patients : int

    Examples
    --------
    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]), ["a", "b", "c"], n_flips=99, seed=0)
    (0.125, 3)
    """
    known = np.isfinite(differences)
    names, places = np.unique(np.asarray(patients, dtype=str)[known], return_inverse=True)
    if len(names) < 2:  # noqa: PLR2004 - one patient has no one to agree with
        return float("nan"), len(names)
    sums = np.bincount(places, weights=differences[known])
    observed = sums.sum() - 1e-12 * np.abs(sums).sum()
    if len(names) <= MOST_EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=len(names))))
        return float((signs @ sums >= observed).mean()), len(names)
    rng = np.random.default_rng(seed)
    signs = rng.choice((1.0, -1.0), size=(n_flips, len(names)))
    return float((1 + (signs @ sums >= observed).sum()) / (1 + n_flips)), len(names)
