"""Each feature against the target by ranks, with effect sizes, over the whole family.

No model, no fold: these are descriptive tests of all patients, corrected for their number. Where a
patient has several rows the mean of its rows is tested here, and all rows in `mixed`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import (
    false_discovery_control,
    kruskal,
    mannwhitneyu,
    norm,
    rankdata,
    spearmanr,
)

from pathexplain.diagnosis.result import Interval, UnivariateTest
from pathexplain.diagnosis.target import BINARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.target import Kind

__all__ = ["cliffs_delta", "compare_classes", "patient_means", "spearman_interval"]

Z95 = float(norm.ppf(0.975))
MIN_PER_CLASS = 2


def cliffs_delta(first: NDArray[np.float64], second: NDArray[np.float64]) -> Interval:
    """Return P(second > first) - P(second < first) with Cliff's asymmetric 95 % interval.

    -1 to 1; 0 when neither tends to be larger; twice the AUROC minus 1 (Cliff 1993,
    10.1037/0033-2909.114.3.494; interval as in Feng 2004, 10.1177/0049124103262727). When all pairs
    point one way the variance is 0 and the far bound is (m - z^2) / (m + z^2), m the smaller group.

    Examples
    --------
    >>> delta = cliffs_delta(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 5.0, 6.0]))
    >>> delta.value
    0.75
    """
    n1, n2 = len(first), len(second)
    signs = np.sign(second[None, :] - first[:, None])
    delta = float(signs.mean())
    m = min(n1, n2)
    if abs(delta) == 1.0:
        bound = (m - Z95**2) / (m + Z95**2)
        return Interval(delta, bound, 1.0) if delta > 0 else Interval(delta, -1.0, -bound)
    rows = ((signs.mean(axis=1) - delta) ** 2).sum()
    columns = ((signs.mean(axis=0) - delta) ** 2).sum()
    pairs = ((signs - delta) ** 2).sum()
    variance = (n2**2 * rows + n1**2 * columns - pairs) / (n1 * n2 * (n1 - 1) * (n2 - 1))
    variance = max(variance, (1 - delta**2) / (n1 * n2 - 1))
    half = Z95 * np.sqrt(variance) * np.sqrt((1 - delta**2) ** 2 + Z95**2 * variance)
    center, scale = delta - delta**3, 1 - delta**2 + Z95**2 * variance
    return Interval(
        delta, float(max((center - half) / scale, -1.0)), float(min((center + half) / scale, 1.0))
    )


@dataclass(frozen=True)
class _Outcome:
    """What one test gives before the family is known."""

    statistic: float
    p_value: float
    effect: Interval
    reason: str


def compare_classes(
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    features: Sequence[str],
    units: Sequence[str],
    kind: Kind | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> tuple[UnivariateTest, ...]:
    """Test every feature: Mann-Whitney for two classes, Kruskal-Wallis or Spearman for more.

    Missing values are left out feature by feature, so `n` differs. Benjamini and Hochberg's
    q-values (1995, 10.1111/j.2517-6161.1995.tb02031.x) are over all tests that could be made.

    Parameters
    ----------
    values : (n, p) float64, NaN where undefined
    codes : (n,) int64
    features, units : p names each
    kind : ``ordinal`` for ordered classes; by default as their number says
    n_bootstrap : resamples for the interval of epsilon squared (more than two classes)
    seed : of the resamples

    Examples
    --------
    >>> x = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [4.0, 7.0]])
    >>> codes = np.array([0, 0, 1, 1])
    >>> first, second = compare_classes(x, codes, features=["a", "b"], units=["", ""])
    >>> first.effect.value, first.n_tests, second.reason
    (1.0, 1, 'constant')
    """
    n_classes = int(codes.max()) + 1
    kind = kind or ("binary" if n_classes == BINARY else "nominal")
    test, effect_name = _NAMES[kind]
    tests = []
    for i, feature in enumerate(features):
        known = ~np.isnan(values[:, i])
        x, y = values[known, i], codes[known]
        parts = [x[y == k] for k in range(n_classes)]
        outcome = _test(x, parts, kind, n_bootstrap=n_bootstrap, seed=seed)
        tests.append(
            UnivariateTest(
                feature=feature,
                unit=units[i],
                test=test,
                statistic=outcome.statistic,
                p_value=outcome.p_value,
                q_value=float("nan"),
                effect_name=effect_name,
                effect=outcome.effect,
                n=len(x),
                n_per_class=tuple(len(part) for part in parts),
                median_per_class=tuple(
                    float(np.median(part)) if len(part) else float("nan") for part in parts
                ),
                n_tests=0,
                reason=outcome.reason,
            )
        )
    return _correct(tests)


_NAMES: dict[Kind, tuple[str, str]] = {
    "binary": ("Mann-Whitney", "Cliff's delta"),
    "nominal": ("Kruskal-Wallis", "epsilon squared"),
    "ordinal": ("Spearman", "Spearman's rho"),
}


def patient_means(
    values: NDArray[np.float64], codes: NDArray[np.int64], patients: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return one row a patient and class, the mean of its known values, and its class.

    Examples
    --------
    >>> x = np.array([[1.0], [3.0], [np.nan], [7.0]])
    >>> patient_means(x, np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"]))[0].ravel().tolist()
    [2.0, 7.0]
    """
    keys = np.char.add(np.char.add(codes.astype(str), "|"), patients)
    _, first, row_of = np.unique(keys, return_index=True, return_inverse=True)
    is_known = ~np.isnan(values)
    n_known, total = np.zeros((2, len(first), values.shape[1]))
    np.add.at(n_known, row_of, is_known)
    np.add.at(total, row_of, np.where(is_known, values, 0.0))
    means = np.divide(total, n_known, out=np.full_like(total, np.nan), where=n_known > 0)
    return means, codes[first]


def spearman_interval(rho: float, n: int) -> Interval:
    """Return Spearman's rho with its 95 % interval (Bonett 2000, 10.1007/BF02294183).

    Examples
    --------
    >>> found = spearman_interval(0.5, 50)
    >>> round(found.low, 3), round(found.high, 3)
    (0.241, 0.692)
    """
    least = 4
    if n < least or abs(rho) >= 1:
        return Interval(rho, float("nan"), float("nan"))
    half = Z95 * np.sqrt((1 + rho**2 / 2) / (n - 3))
    center = np.arctanh(rho)
    return Interval(rho, float(np.tanh(center - half)), float(np.tanh(center + half)))


def _test(
    x: NDArray[np.float64],
    parts: list[NDArray[np.float64]],
    kind: Kind,
    *,
    n_bootstrap: int,
    seed: int,
) -> _Outcome:
    """Make one test, or say why it cannot be made."""
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    smallest = min(len(part) for part in parts)
    if smallest < MIN_PER_CLASS:
        reason = f"only {smallest} known values in a class"
        return _Outcome(float("nan"), float("nan"), nothing, reason)
    if x.min() == x.max():
        return _Outcome(float("nan"), float("nan"), nothing, "constant")
    if kind == "binary":
        u, p_value = mannwhitneyu(parts[1], parts[0])
        return _Outcome(float(u), float(p_value), cliffs_delta(*parts), "")
    if kind == "ordinal":
        steps = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        rho, p_value = spearmanr(np.concatenate(parts), steps)
        return _Outcome(float(rho), float(p_value), spearman_interval(float(rho), len(x)), "")
    h, p_value = kruskal(*parts)
    return _Outcome(float(h), float(p_value), _epsilon(parts, n_bootstrap, seed), "")


def _epsilon(parts: list[NDArray[np.float64]], n_bootstrap: int, seed: int) -> Interval:
    """Return H / (n - 1) with a percentile interval, resampled within classes.

    The share of rank variance between classes, 0 to 1 (Tomczak 2014, Trends in Sport Sciences
    1(21):19-25). It is never negative, so its interval does not reach 0 under no effect.
    """
    rng = np.random.default_rng(seed)
    sizes = [len(part) for part in parts]
    drawn = np.concatenate(
        [part[rng.integers(0, len(part), (n_bootstrap, len(part)))].T for part in parts]
    )
    resampled = _rank_share(drawn, sizes)
    value = float(_rank_share(np.concatenate(parts)[:, None], sizes)[0])
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _rank_share(columns: NDArray[np.float64], sizes: list[int]) -> NDArray[np.float64]:
    """Return between-class over total sum of squares of the ranks of each column."""
    ranks = rankdata(columns, axis=0)
    ranks -= ranks.mean(axis=0)
    total = (ranks**2).sum(axis=0)
    edges = np.cumsum([0, *sizes])
    between = sum(ranks[a:b].mean(axis=0) ** 2 * (b - a) for a, b in itertools.pairwise(edges))
    return np.asarray(between / np.where(total > 0, total, np.nan))


def _correct(tests: list[UnivariateTest]) -> tuple[UnivariateTest, ...]:
    """Fill in q-values and the size of the family."""
    p_values = np.array([test.p_value for test in tests])
    made = ~np.isnan(p_values)
    q_values = np.full(len(tests), np.nan)
    if made.any():
        q_values[made] = false_discovery_control(p_values[made])
    return tuple(
        replace(test, q_value=float(q), n_tests=int(made.sum()))
        for test, q in zip(tests, q_values, strict=True)
    )
