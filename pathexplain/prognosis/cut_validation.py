"""A searched cut-point judged on patients that the search did not see.

Not for the search (`cutpoints`). Reference: Faraggi and Simon (1996)
doi 10.1002/(SICI)1097-0258(19961030)15:20<2203::AID-SIM357>3.0.CO;2-G.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.cutpoints import (
    CutTest,
    candidate_cuts,
    compare_groups,
    risk_of,
    spread_of,
    statistics_of,
)
from pathexplain.prognosis.max_t import permute_within
from pathexplain.prognosis.residuals import martingale_residuals

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CrossValidatedCut", "cross_validated_cut"]

MIN_SIDE = 2


@dataclass(frozen=True)
class CrossValidatedCut:
    """Each patient split by a cut that was searched without the patient.

    `above` (n,) is 1 above the cut of the patient's fold, 0 below, -1 where the feature is missing
    or the fold had no cut; `cuts` are those of the folds. `test` compares the two groups (its `cut`
    is the mean one, its `p` descriptive since folds share patients); `p_permutation` repeats all of
    it on permuted outcomes.
    """

    above: NDArray[np.int64]
    cuts: tuple[float, ...]
    test: CutTest
    p_permutation: float
    n_permutations: int


def cross_validated_cut(  # noqa: PLR0913  the outcome, its design, and the choices of the method
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    min_share: float = 0.1,
    n_splits: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
) -> CrossValidatedCut:
    """Search the cut in all folds but one and apply it to the one.

    Arguments are those of `search_cut_point`.

    Raises
    ------
    CohortError
        If no fold yields two groups.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=120)
    >>> time = rng.exponential(np.where(x > 0.5, 0.3, 1.0))
    >>> split = cross_validated_cut(x, time, np.ones(120, bool), n_permutations=19)
    >>> split.test.p < 0.01, split.p_permutation
    (True, 0.05)
    """
    generator = np.random.default_rng(seed)
    groups = np.zeros(x.size, np.int64) if strata is None else strata
    fold = generator.permutation(np.arange(x.size) % n_splits)
    above, cuts = _split(x, (time, event, entry, strata), fold, min_share)
    observed = _two_groups(above, (time, event, entry, strata))
    if observed is None:
        message = "the searched cuts leave all held-out patients on one side; use a given cut"
        raise CohortError(message)
    reached = 0
    for _ in range(n_permutations):
        moved = x[permute_within(groups, generator)]
        other = _two_groups(
            _split(moved, (time, event, entry, strata), fold, min_share)[0],
            (time, event, entry, strata),
        )
        reached += other is not None and other.p <= observed.p * (1 + 1e-12)
    test = CutTest(**{**vars(observed), "cut": float(np.mean(cuts))})
    p = float((1 + reached) / (1 + n_permutations))
    return CrossValidatedCut(above, cuts, test, p, n_permutations)


_Outcome = tuple[
    "NDArray[np.float64]",
    "NDArray[np.bool_]",
    "NDArray[np.float64] | None",
    "NDArray[np.int64] | None",
]


def _split(
    x: NDArray[np.float64], outcome: _Outcome, fold: NDArray[np.int64], min_share: float
) -> tuple[NDArray[np.int64], tuple[float, ...]]:
    """Return for each patient the side of the cut searched in the other folds."""
    time, event, entry, strata = outcome
    above, cuts = np.full(x.size, -1, dtype=np.int64), []
    for code in np.unique(fold):
        train = (fold != code) & np.isfinite(x)
        try:
            values, order, places = candidate_cuts(x[train], min_share)
        except CohortError:
            continue
        scores = martingale_residuals(risk_of(time, event, entry, strata, train))
        statistics = statistics_of(scores[order][None, :], places, spread_of(scores, places))[0]
        cuts.append(float(values[places[int(np.nanargmax(statistics))] - 1]))
        held_out = (fold == code) & np.isfinite(x)
        above[held_out] = x[held_out] > cuts[-1]
    return above, tuple(cuts)


def _two_groups(above: NDArray[np.int64], outcome: _Outcome) -> CutTest | None:
    """Compare the held-out groups; None where there is one only."""
    time, event, entry, strata = outcome
    kept = above >= 0
    if np.unique(above[kept]).size < MIN_SIDE:
        return None
    risk = risk_of(time, event, entry, strata, kept)
    test = compare_groups(above[kept] == 1, event[kept], risk, float("nan"))
    return test if np.isfinite(test.p) else None
