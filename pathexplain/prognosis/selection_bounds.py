"""Bounds on the features that stability selection selects in error.

Not for running the selection (`stability`).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from pathexplain.errors import CohortError

__all__ = ["largest_q", "meinshausen_buhlmann_bound", "r_concave_tail", "shah_samworth_bound"]

HALF = 0.5
_LOG_A = np.linspace(np.log(1e-6), np.log(1e6), 4001)
_R_PAIRS, _R_SINGLE = -0.5, -0.25  # r of the simultaneous and of the single selection


def meinshausen_buhlmann_bound(q: float, m: int, threshold: float) -> float:
    """Return the bound ``q^2 / ((2 threshold - 1) m)`` on the expected number of false selections.

    Assumes that noise features are exchangeable and that selection is no worse than guessing.

    References
    ----------
    Meinshausen and Buhlmann (2010), theorem 1, doi 10.1111/j.1467-9868.2010.00740.x.

    Examples
    --------
    >>> round(meinshausen_buhlmann_bound(50, 1000, 0.6), 3)
    12.5
    """
    _check(q, m, threshold)
    return q * q / ((2.0 * threshold - 1.0) * m)


def shah_samworth_bound(q: float, m: int, threshold: float, *, n_pairs: int = 50) -> float:
    """Return the bound on the expected number of selected features that are rarely selected.

    Rarely means: selected by one subsample with a probability up to ``q / m``. Complementary pairs
    of subsamples; the distributions of selection proportions are taken to be r-concave (r = -1/2
    for both of a pair, -1/4 for single subsamples). Never above Meinshausen and Buhlmann's bound.

    Parameters
    ----------
    q : float
        Features selected in a subsample.
    m : int
        Features offered.
    threshold : float
        Share of subsamples that selects a feature, above 0.5 to 1.
    n_pairs : int
        Complementary pairs drawn.

    References
    ----------
    Shah and Samworth (2013), equation 8 and appendix A.4, doi 10.1111/j.1467-9868.2011.01034.x.

    Examples
    --------
    >>> bound = shah_samworth_bound(50, 1000, 0.6)
    >>> bound < 12.5
    True
    """
    _check(q, m, threshold)
    theta = q / m
    both = r_concave_tail(theta * theta, 2.0 * threshold - 1.0, n_pairs, _R_PAIRS)
    single = r_concave_tail(theta, threshold, 2 * n_pairs, _R_SINGLE)
    return min(m * min(both, single), meinshausen_buhlmann_bound(q, m, threshold))


def largest_q(m: int, threshold: float, *, max_false: float, n_pairs: int = 50) -> int:
    """Return the most features a subsample may select so that the bound stays at `max_false`.

    Never below 1, which may exceed `max_false`: compare the bound of the result.

    Examples
    --------
    >>> largest_q(1000, 0.75, max_false=1.0) > 22  # 22 is what the other bound allows
    True
    """
    low, high = 1, max(m // 2, 1)
    while low < high:
        middle = (low + high + 1) // 2
        if shah_samworth_bound(middle, m, threshold, n_pairs=n_pairs) <= max_false:
            low = middle
        else:
            high = middle - 1
    return low


def r_concave_tail(mean: float, threshold: float, size: int, r: float) -> float:
    """Return the largest P(X >= threshold) over r-concave laws on {0, 1/size, ..., 1}.

    Their expectation is `mean` at most. The extreme law is proportional to ``(a + i)^(1/r)`` up to
    some point, with whatever mass the mean leaves at the next one; the search runs over `a`.

    Examples
    --------
    >>> round(r_concave_tail(0.5, 0.2, 10, -0.5), 3)  # the mean may lie above the threshold
    1.0
    """
    first = int(np.ceil(threshold * size - 1e-9))
    if mean >= threshold:
        return 1.0

    def tail(log_a: float) -> float:
        return -_tail_at(np.exp(log_a), mean * size, first, size, r)

    values = np.array([tail(log_a) for log_a in _LOG_A[::20]])
    best = int(values.argmin()) * 20
    around = _LOG_A[max(best - 20, 0) : best + 21]
    fine = np.array([tail(log_a) for log_a in around])
    peak = int(fine.argmin())
    bracket = (around[max(peak - 1, 0)], around[min(peak + 1, around.size - 1)])
    found = optimize.minimize_scalar(tail, bounds=bracket, method="bounded")
    return float(min(max(-found.fun, -fine[peak], 0.0), 1.0))


def _tail_at(a: float, mean: float, first: int, size: int, r: float) -> float:
    """Return the tail of the extreme law of one `a`; `mean` in units of 1/size."""
    points = np.arange(size + 1, dtype=np.float64)
    mass = np.power(a + points, 1.0 / r)
    total, moment = np.cumsum(mass), np.cumsum(points * mass)
    below = np.flatnonzero(moment / total <= mean)
    k = int(below[-1])
    if k == size:
        return float(mass[first:].sum() / total[-1])
    rest = (mean * total[k] - moment[k]) / (k + 1 - mean)
    whole = np.append(mass[: k + 1], rest)
    return float(whole[first:].sum() / whole.sum())


def _check(q: float, m: int, threshold: float) -> None:
    """Refuse what the theorems do not speak of."""
    if not (HALF < threshold <= 1 and 0 < q <= m):
        message = (
            f"q {q}, m {m}, threshold {threshold}: a bound needs 0 < q <= m and a threshold above "
            "0.5 and up to 1"
        )
        raise CohortError(message)
