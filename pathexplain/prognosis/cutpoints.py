"""Cut-points of a continuous feature: searched with the p-value that the search costs.

Not for the primary analysis, which is continuous. References: Lausen and Schumacher (1992)
doi 10.2307/2532740; Hothorn and Lausen (2003) doi 10.1016/S0167-9473(02)00225-6; Altman et al.
(1994) doi 10.1093/jnci/86.11.829.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.max_t import permute_within
from pathexplain.prognosis.residuals import martingale_residuals
from pathexplain.prognosis.risk_sets import RiskOrder, risk_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CutPoint",
    "CutTest",
    "assess_cut_point",
    "candidate_cuts",
    "compare_groups",
    "lausen_schumacher_p",
    "risk_of",
    "search_cut_point",
    "spread_of",
    "statistics_of",
]

_Z = float(stats.norm.ppf(0.975))
_CHUNK = 200


@dataclass(frozen=True)
class CutTest:
    """Patients above `cut` against those at or below it; `p` is the log-rank test's.

    Honest where the cut was given before anyone looked (median, published, prespecified). Estimates
    are NaN where `status` is not ``"ok"``.
    """

    cut: float
    hr: float
    low: float
    high: float
    p: float
    n_low: int
    n_high: int
    events_low: int
    events_high: int
    status: str


@dataclass(frozen=True)
class CutPoint:
    """The cut with the largest standardized log-rank statistic among `n_candidates`.

    `naive` is the test as if the cut had been given: its p and hazard ratio are too good.
    `p_lausen_schumacher` is the asymptotic correction, `p_permutation` the exact one given the
    data (least 1 / (n_permutations + 1)).
    """

    cut: float
    statistic: float
    n_candidates: int
    min_share: float
    naive: CutTest
    p_lausen_schumacher: float
    p_permutation: float
    n_permutations: int


def assess_cut_point(
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    cut: float,
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
) -> CutTest:
    """Compare patients above `cut` with the others; NaN in `x` (n,) is left out.

    Raises
    ------
    CohortError
        If nobody is on one side.

    Examples
    --------
    >>> x = np.array([1.0, 2, 3, 4, 5, 6])
    >>> test = assess_cut_point(x, np.array([6.0, 3, 5, 4, 2, 1]), np.ones(6, bool), 3.0)
    >>> test.n_low, test.n_high, test.hr > 1
    (3, 3, True)
    """
    kept = np.isfinite(x)
    above = x[kept] > cut
    if not 0 < above.sum() < above.size:
        message = f"cut {cut:g}: {int(above.sum())} of {above.size} patients are above; need both"
        raise CohortError(message)
    risk = risk_of(time, event, entry, strata, kept)
    return compare_groups(above, event[kept], risk, cut)


def search_cut_point(
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    min_share: float = 0.1,
    n_permutations: int = 1000,
    seed: int = 0,
) -> CutPoint:
    """Search the cut that separates survival best, and say what p the search leaves.

    Parameters
    ----------
    x : (n,) float64
        The feature; NaN is left out.
    time, event, entry, strata
        As in `risk_order`; permutations stay within strata.
    min_share : float
        Each side keeps at least this share of the patients, above 0 and below 0.5.
    n_permutations : int
        Of the log-rank scores.
    seed : int
        Same seed, same result.

    Raises
    ------
    CohortError
        If there is no event, or no cut leaves `min_share` on both sides.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, time = rng.normal(size=100), rng.exponential(size=100)
    >>> found = search_cut_point(x, time, np.ones(100, bool), n_permutations=199)
    >>> found.naive.p < found.p_permutation
    True
    """
    if not 0 < min_share < 0.5:  # noqa: PLR2004  two sides
        message = f"min_share is {min_share}; it lies above 0 and below 0.5"
        raise CohortError(message)
    kept = np.isfinite(x)
    values, order, places = candidate_cuts(x[kept], min_share)
    risk = risk_of(time, event, entry, strata, kept)
    scores = martingale_residuals(risk)
    if risk.events == 0 or not np.any(scores):
        message = "no event among the patients with a value; no cut can be judged"
        raise CohortError(message)
    spread = spread_of(scores, places)
    statistics = statistics_of(scores[order][None, :], places, spread)[0]
    best = int(statistics.argmax())
    cut = float(values[places[best] - 1])
    groups = np.zeros(values.size, np.int64) if strata is None else strata[kept]
    largest = _permuted(scores, order, places, groups, (n_permutations, seed))
    reached = (largest >= statistics[best] * (1 - 1e-12)).sum()
    return CutPoint(
        cut=cut,
        statistic=float(statistics[best]),
        n_candidates=int(places.size),
        min_share=min_share,
        naive=compare_groups(x[kept] > cut, event[kept], risk, cut),
        p_lausen_schumacher=lausen_schumacher_p(
            float(statistics[best]), places[0] / values.size, places[-1] / values.size
        ),
        p_permutation=float((1 + reached) / (1 + n_permutations)),
        n_permutations=n_permutations,
    )


def lausen_schumacher_p(statistic: float, first: float, last: float) -> float:
    """Return P(largest standardized statistic >= `statistic`) for cuts between two shares.

    `first` and `last` are the shares of patients at or below the lowest and the highest cut.

    References
    ----------
    Lausen and Schumacher (1992), equation 4, doi 10.2307/2532740 (after Miller and Siegmund 1982,
    doi 10.2307/2529881).

    Examples
    --------
    >>> round(lausen_schumacher_p(2.54, 0.25, 0.75), 3), lausen_schumacher_p(0.5, 0.1, 0.9)
    (0.1, 1.0)
    """
    if statistic <= 1:
        return 1.0  # the expansion is for large statistics
    density = stats.norm.pdf(statistic)
    width = np.log(last * (1.0 - first) / ((1.0 - last) * first))
    tail = density * (statistic - 1.0 / statistic) * width + 4.0 * density / statistic
    return float(min(tail, 1.0))


def risk_of(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    entry: NDArray[np.float64] | None,
    strata: NDArray[np.int64] | None,
    kept: NDArray[np.bool_],
) -> RiskOrder:
    """Sort the kept patients."""
    return risk_order(
        time[kept],
        event[kept],
        entry=None if entry is None else entry[kept],
        strata=None if strata is None else strata[kept],
    )


def compare_groups(
    above: NDArray[np.bool_], event: NDArray[np.bool_], risk: RiskOrder, cut: float
) -> CutTest:
    """Fit the two groups; the score test of a Cox model with two groups is the log-rank test."""
    fit = fit_joint(above[:, None].astype(np.float64), risk)
    beta, se = float(fit.beta[0]), float(fit.se[0])
    hr, low, high = (float(np.exp(beta + side * _Z * se)) for side in (0, -1, 1))
    p = float(stats.chi2.sf(fit.score, 1))
    counts = (int((~above).sum()), int(above.sum()))
    events = (int(event[~above].sum()), int(event[above].sum()))
    return CutTest(cut, hr, low, high, p, *counts, *events, fit.status)


def candidate_cuts(
    x: NDArray[np.float64], min_share: float
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return sorted values, their order, and after how many patients a cut may lie."""
    order = np.argsort(x, kind="stable")
    values = x[order]
    places = np.flatnonzero(np.diff(values) > 0) + 1
    least = max(min_share * x.size, 1)
    places = places[(places >= least) & (places <= x.size - least)]
    if places.size == 0:
        message = (
            f"no cut leaves {min_share:.0%} of {x.size} patients on both sides; the feature has "
            f"{np.unique(x).size} distinct values"
        )
        raise CohortError(message)
    return values, order, places


def spread_of(scores: NDArray[np.float64], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the permutation standard deviation of the sum below each cut."""
    n = scores.size
    return np.asarray(np.sqrt(places * (n - places) / n * scores.var(ddof=1)))


def statistics_of(
    ordered: NDArray[np.float64], places: NDArray[np.intp], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return absolute standardized sums (k, cuts) of scores (k, n) that sum to 0."""
    return np.asarray(np.abs(np.cumsum(ordered, axis=1)[:, places - 1]) / spread)


def _permuted(
    scores: NDArray[np.float64],
    order: NDArray[np.intp],
    places: NDArray[np.intp],
    groups: NDArray[np.int64],
    plan: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the largest statistic of each permutation; `plan` is how many and the seed."""
    generator, spread = np.random.default_rng(plan[1]), spread_of(scores, places)
    largest = []
    for start in range(0, plan[0], _CHUNK):
        width = min(_CHUNK, plan[0] - start)
        drawn = np.stack([scores[permute_within(groups, generator)][order] for _ in range(width)])
        largest.append(statistics_of(drawn, places, spread).max(axis=1))
    return np.concatenate(largest) if largest else np.empty(0)
