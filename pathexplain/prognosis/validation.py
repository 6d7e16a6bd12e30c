"""Cross-validated discrimination of the whole procedure, with an interval over patients.

Not for calibration or time-dependent scores. The interval holds the fitted models fixed: it says
how sure the figure is for these models, not how they would vary in another cohort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.concordance import concordant_pairs
from pathexplain.prognosis.execution import Execution
from pathexplain.prognosis.fold import Fold, fit_fold
from pathexplain.prognosis.result import Validation, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = ["MIN_EVENTS_PER_FOLD", "cross_validate", "deal_folds"]

MIN_EVENTS_PER_FOLD = 2


def deal_folds(
    event: NDArray[np.bool_], n_splits: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return a random fold (n,) for each patient, events dealt evenly.

    Examples
    --------
    >>> event = np.array([True] * 4 + [False] * 6)
    >>> fold = deal_folds(event, 2, np.random.default_rng(0))
    >>> [int(event[fold == k].sum()) for k in range(2)]
    [2, 2]
    """
    fold = np.empty(event.size, dtype=np.int64)
    rows = np.concatenate([generator.permutation(np.flatnonzero(event == kind)) for kind in (1, 0)])
    fold[rows] = np.arange(event.size) % n_splits
    return fold


def cross_validate(
    study: Study,
    options: Options,
    execution: Execution | None = None,
    *,
    horizons: tuple[float, ...] = (),
) -> tuple[Validation | None, NDArray[np.float64], str, tuple[Fold, ...]]:
    """Develop on all folds but one, score the one, `n_repeats` times over.

    Returns
    -------
    validation : Validation or None
        None where the events do not suffice for the folds.
    risk : (n,) float64
        Out-of-fold score of the first repeat as a rank within its fold (0 to 1), for display;
        NaN where the fold's model has no term.
    reason : str
        Why there is no validation, else empty.
    folds : tuple of Fold
        Every fold of every repeat with its predictions.
    """
    n_splits = options.n_splits
    if study.outcome.events < MIN_EVENTS_PER_FOLD * n_splits:
        reason = (
            f"{study.outcome.events} events are too few for {n_splits} folds: at least "
            f"{MIN_EVENTS_PER_FOLD} events a fold are needed"
        )
        return None, np.full(study.outcome.n, np.nan), reason, ()
    generator = np.random.default_rng(options.seed)
    dealt = np.stack(
        [deal_folds(study.outcome.event, n_splits, generator) for _ in range(options.n_repeats)]
    )
    pieces = [
        (study, dealt[repeat] == fold, horizons, options.alpha, options.max_final)
        for repeat, fold in np.ndindex(dealt.shape[0], n_splits)
    ]
    found = (execution or Execution()).run("cross-validation", fit_fold, pieces)
    folds = tuple(
        Fold.read(index // n_splits, np.flatnonzero(piece[1]), plain)
        for index, (piece, plain) in enumerate(zip(pieces, found, strict=True))
    )
    risks, clinical = np.zeros(dealt.shape), np.zeros(dealt.shape)
    for fold in folds:
        risks[fold.repeat, fold.test] = fold.risk
        clinical[fold.repeat, fold.test] = fold.clinical_risk
    groups = dealt if study.strata is None else dealt + n_splits * study.strata
    boots = _bootstrap(study, groups, (risks, clinical), options.n_bootstrap, generator)
    validation = _assemble(study, folds, boots, dealt.shape[0])
    return validation, _ranks(risks[0], dealt[0]), "", folds


def _bootstrap(
    study: Study,
    groups: NDArray[np.int64],
    risks: tuple[NDArray[np.float64], NDArray[np.float64]],
    n_bootstrap: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Return C of both scores and the pairs (1 + n_bootstrap, 3); row 0 has every patient once."""
    n = study.outcome.n
    table = np.empty((1 + n_bootstrap, 3))
    for b in range(1 + n_bootstrap):
        drawn = np.arange(n) if b == 0 else generator.integers(0, n, n)
        weight = np.bincount(drawn, minlength=n).astype(np.float64)
        for k, risk in enumerate(risks):
            counts = np.array([_count(study, risk[r], groups[r], weight) for r in range(len(risk))])
            concordant, comparable = counts.sum(axis=0)
            table[b, k] = concordant / comparable if comparable > 0 else np.nan
            table[b, 2] = comparable / len(risk)
    return table


def _count(
    study: Study,
    risk: NDArray[np.float64],
    group: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Count concordant and comparable pairs of one repeat."""
    outcome = study.outcome
    return concordant_pairs(
        outcome.time, outcome.event, risk, group=group, weight=weight, entry=outcome.entry
    )


def _assemble(
    study: Study, folds: tuple[Fold, ...], boots: NDArray[np.float64], n_repeats: int
) -> Validation:
    """Put intervals and selection frequencies together."""
    chosen = np.concatenate([fold.columns for fold in folds])
    counts = np.bincount(chosen.astype(np.intp), minlength=len(study.names))
    ranked = np.argsort(-counts, kind="stable")
    has_clinical = study.covariates.shape[1] > 0
    return Validation(
        c_index=_interval(boots[:, 0]),
        clinical_c_index=_interval(boots[:, 1]) if has_clinical else None,
        gain=_interval(boots[:, 0] - boots[:, 1]) if has_clinical else None,
        n_splits=len(folds) // n_repeats,
        n_repeats=n_repeats,
        n_bootstrap=len(boots) - 1,
        n_models=len(folds),
        n_models_with_features=sum(fold.columns.size > 0 for fold in folds),
        selection_frequency=tuple(
            (study.names[j], float(counts[j] / len(folds))) for j in ranked if counts[j]
        ),
        n=study.outcome.n,
        events=study.outcome.events,
        n_pairs=round(boots[0, 2]),
    )


def _interval(values: NDArray[np.float64]) -> WithInterval:
    """Return the first value with the percentile interval of the others."""
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn.size else (np.nan, np.nan)
    return WithInterval(float(values[0]), float(low), float(high))


def _ranks(risk: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rank each score within its fold, 0 to 1; NaN where the fold's scores are all equal."""
    ranks = np.full(risk.size, np.nan)
    for code in np.unique(fold):
        rows = np.flatnonzero(fold == code)
        if np.ptp(risk[rows]) > 0:
            ranks[rows] = (np.argsort(np.argsort(risk[rows])) + 0.5) / rows.size
    return ranks
