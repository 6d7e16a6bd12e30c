"""Which features may be reported as biomarkers, and how the selected ones would split patients.

Not for the methods (`stability`, `cutpoints`, `cut_validation`, `max_t`): here they are called for
a study and turned into plain numbers. A reported biomarker has a max-T p up to `alpha` and is
selected by stability: the first bounds the chance of any false one, the second keeps neighbors of
a true one out.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.cut_validation import cross_validated_cut
from pathexplain.prognosis.cutpoints import assess_cut_point, search_cut_point
from pathexplain.prognosis.execution import spawn_seed
from pathexplain.prognosis.result import WithInterval
from pathexplain.prognosis.stability import artificial_feature_control, stability_selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.prognosis.cutpoints import CutTest
    from pathexplain.prognosis.execution import Execution
    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.result import Screen
    from pathexplain.prognosis.study import Study

__all__ = [
    "CutPoints",
    "Split",
    "Stability",
    "StableFeature",
    "cut_points",
    "find_stable",
    "known_cuts",
]

STABILITY, CUTS = 4, 5  # places of these steps among the seeds
N_DRAWS = 3
MAX_FALSE = 0.5  # as in `discovery`, whose error rates docs/error-rates.md counts


@dataclass(frozen=True)
class StableFeature:
    """How often half samples selected a feature; `is_reported` where max-T agrees."""

    feature: str
    frequency: float
    is_selected: bool
    is_reported: bool
    beats_artificial: bool | None


@dataclass(frozen=True)
class Stability:
    """Stability selection over the whole family, most frequent first; empty with `reason`.

    `bound_mb` and `bound_ss` bound the expected number of false selections (Meinshausen and
    Buhlmann; Shah and Samworth). `artificial_highest` are the highest frequencies of artificial
    features, one a draw; none where the screen found nothing to hold against them.
    """

    features: tuple[StableFeature, ...]
    threshold: float
    q: int
    bound_mb: float
    bound_ss: float
    n_samples: int
    n_failed: int
    artificial_highest: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class Split:
    """Patients above a cut against the others; NaN where they cannot be compared."""

    cut: float
    hr: WithInterval
    p: float
    n_low: int
    n_high: int


@dataclass(frozen=True)
class CutPoints:
    """One feature split at its median, where it separates best, and out of fold.

    The p of `searched` is naive: `p_maximal` (maximally selected rank statistic) and
    `p_permutation` correct it for the search. `p_cross_validated` permutes the whole
    cross-validated search. `prespecified` is at the cut that the user fixed beforehand, if any.
    """

    feature: str
    median: Split
    searched: Split
    p_maximal: float
    p_permutation: float
    cross_validated: Split
    p_cross_validated: float
    n: int
    events: int
    reason: str
    prespecified: Split | None = None


def known_cuts(study: Study, cuts: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return cuts fixed beforehand, of features that the study has and that split its patients.

    Raises
    ------
    CohortError
        If a feature is not there, or nobody lies on one side of its cut.
    """
    for name, cut in cuts.items():
        if name not in study.names:
            near = difflib.get_close_matches(name, study.names, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            message = f"a cut-point is given for {name!r}, which is no feature of the cohort{hint}"
            raise CohortError(message)
        x = study.features[:, study.names.index(name)]
        if not ((x > cut).any() and (x <= cut).any()):
            message = (
                f"no patient is on one side of the cut-point {cut:g} of {name!r}, whose values run "
                f"from {np.nanmin(x):g} to {np.nanmax(x):g}; check its unit"
            )
            raise CohortError(message)
    return tuple((name, float(cut)) for name, cut in cuts.items())


def find_stable(
    study: Study,
    columns: NDArray[np.intp],
    screen: Screen,
    options: Options,
    execution: Execution,
) -> Stability:
    """Run stability selection, and artificial features where the screen found something."""
    seed = spawn_seed(options.seed, STABILITY)
    try:
        (found,) = execution.run(
            "stability", _selected, [(study, columns, options.n_stability, seed)]
        )
    except CohortError as error:
        nan = float("nan")
        return Stability((), nan, 0, nan, nan, 0, 0, (), str(error))
    control: list[dict[str, Any]] = []
    if screen.n_discoveries:
        pairs = max(options.n_stability // 2, 1)
        pieces = [
            (study, columns, found["q"], pairs, spawn_seed(options.seed, STABILITY, k))
            for k in range(N_DRAWS)
        ]
        control = execution.run("artificial features", _controlled, pieces)
    p_max_t = {row.feature: row.p_max_t for row in screen.rows}
    order = np.argsort(-np.asarray(found["frequency"]), kind="stable")
    return Stability(
        features=tuple(
            _feature(study, columns, k, found, control, p_max_t, options) for k in order
        ),
        threshold=found["threshold"],
        q=found["q"],
        bound_mb=found["bound_mb"],
        bound_ss=found["bound_ss"],
        n_samples=found["n_samples"],
        n_failed=found["n_failed"],
        artificial_highest=tuple(one["highest"] for one in control),
        reason="",
    )


def cut_points(study: Study, columns: NDArray[np.intp], options: Options) -> tuple[CutPoints, ...]:
    """Split each feature of `columns`, and those with a cut fixed beforehand, in each way."""
    fixed = dict(options.cuts)
    asked = [study.names.index(name) for name in fixed if name in study.names]
    every = list(dict.fromkeys([*(int(column) for column in columns), *asked]))
    return tuple(
        _cuts(
            study,
            column,
            options,
            seed=spawn_seed(options.seed, CUTS, k),
            cut=fixed.get(study.names[column]),
        )
        for k, column in enumerate(every)
    )


def _design(study: Study) -> dict[str, Any]:
    """Return entry, strata and covariates as the array functions take them."""
    beside = study.covariates if study.covariates.shape[1] else None
    return {"entry": study.outcome.entry, "strata": study.strata, "covariates": beside}


def _selected(study: Study, columns: NDArray[np.intp], n_pairs: int, seed: int) -> dict[str, Any]:
    """Run stability selection; plain values, so that the piece can be kept."""
    outcome = study.outcome
    found = stability_selection(
        study.features[:, columns],
        outcome.time,
        outcome.event,
        max_false=MAX_FALSE,
        n_pairs=n_pairs,
        seed=seed,
        **_design(study),
    )
    return {
        "frequency": found.frequency.tolist(),
        "selected": found.selected.tolist(),
        "q": int(found.q),
        "threshold": float(found.threshold),
        "bound_mb": float(found.bound_mb),
        "bound_ss": float(found.bound_ss),
        "n_samples": int(found.n_samples),
        "n_failed": int(found.n_failed),
    }


def _controlled(
    study: Study, columns: NDArray[np.intp], q: int, n_pairs: int, seed: int
) -> dict[str, Any]:
    """Run one draw of artificial features."""
    outcome = study.outcome
    found = artificial_feature_control(
        study.features[:, columns],
        outcome.time,
        outcome.event,
        q=q,
        n_pairs=n_pairs,
        n_draws=1,
        seed=seed,
        **_design(study),
    )
    return {
        "highest": float(found.artificial_highest[0]),
        "exceeds": found.exceeds.tolist(),
    }


def _feature(
    study: Study,
    columns: NDArray[np.intp],
    k: int,
    found: dict[str, Any],
    control: list[dict[str, Any]],
    p_max_t: dict[str, float],
    options: Options,
) -> StableFeature:
    """Put one feature's line together."""
    name = study.names[columns[k]]
    is_selected = bool(found["selected"][k])
    return StableFeature(
        feature=name,
        frequency=float(found["frequency"][k]),
        is_selected=is_selected,
        is_reported=is_selected and p_max_t.get(name, 1.0) <= options.alpha,
        beats_artificial=all(one["exceeds"][k] for one in control) if control else None,
    )


def _cuts(
    study: Study, column: int, options: Options, *, seed: int, cut: float | None
) -> CutPoints:
    """Split one feature at the median, at the searched cut, out of fold, and at a cut given."""
    x, outcome = study.features[:, column], study.outcome
    known = ~np.isnan(x)
    design: dict[str, Any] = {"entry": outcome.entry, "strata": study.strata}
    fixed: dict[str, Any] = {
        "n": int(known.sum()),
        "events": int(outcome.event[known].sum()),
    }
    name, nan = study.names[column], float("nan")
    try:
        median = assess_cut_point(x, outcome.time, outcome.event, float(np.nanmedian(x)), **design)
        given = None
        if cut is not None:
            given = _split(assess_cut_point(x, outcome.time, outcome.event, cut, **design))
        best = search_cut_point(
            x, outcome.time, outcome.event, n_permutations=options.n_max_t, seed=seed, **design
        )
        held_out = cross_validated_cut(
            x,
            outcome.time,
            outcome.event,
            n_splits=options.n_splits,
            n_permutations=min(options.n_max_t, 200),
            seed=seed,
            **design,
        )
    except CohortError as error:
        none = Split(nan, WithInterval(nan, nan, nan), nan, 0, 0)
        return CutPoints(name, none, none, nan, nan, none, nan, reason=str(error), **fixed)
    return CutPoints(
        feature=name,
        median=_split(median),
        searched=_split(best.naive),
        p_maximal=float(best.p_lausen_schumacher),
        p_permutation=float(best.p_permutation),
        cross_validated=_split(held_out.test),
        p_cross_validated=float(held_out.p_permutation),
        reason="",
        prespecified=given,
        **fixed,
    )


def _split(test: CutTest) -> Split:
    """Copy a comparison."""
    return Split(
        cut=float(test.cut),
        hr=WithInterval(float(test.hr), float(test.low), float(test.high)),
        p=float(test.p),
        n_low=int(test.n_low),
        n_high=int(test.n_high),
    )
