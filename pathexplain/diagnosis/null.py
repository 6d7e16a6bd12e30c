"""What AUROC the models reach when the labels are dealt anew.

Not a test of single features: see `univariate`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.checkpoint import Checkpoint
from pathexplain.diagnosis.crossval import CrossValidated, Data, cross_validate, prepare
from pathexplain.diagnosis.draws import permute_labels
from pathexplain.diagnosis.evaluate import pooled_auroc
from pathexplain.diagnosis.result import NullDistribution
from pathexplain.diagnosis.splits import make_folds
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.models import ModelSpec

__all__ = ["ENOUGH_EXCEEDED", "permuted_nulls"]

ENOUGH_EXCEEDED = 5
"""Stop once every model was reached this often by chance (Besag 1991, 10.1093/biomet/78.2.301).

With 59 permutations three are too many for p < 0.05 already, so no verdict depends on stopping.
"""

TRIES = 100
"""Deals of the labels tried for one that leaves every class in every fold."""


@dataclass(frozen=True)
class _Deal:
    """One permutation of the labels, as a task of its own; number -1 leaves them as they are."""

    data: Data
    base: NDArray[np.float64]
    patients: NDArray[np.str_]
    models: tuple[tuple[ModelSpec, Mapping[str, float]], ...]
    n_splits: int
    seed: int
    i_deal: int


def permuted_nulls(
    runs: Sequence[CrossValidated],
    inputs: Inputs,
    *,
    n_splits: int,
    n_permutations: int,
    seed: int,
    jobs: int = 1,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NullDistribution, ...]:
    """Deal the labels anew among patients, refit every model in every fold, compare the AUROC.

    Folds are made anew for each deal. To keep it cheap the hyperparameters are not searched
    again: each model takes those that most folds took on the real labels, with fewer trees. What
    is compared with the deals is therefore the AUROC that this lighter fit reaches on the real
    labels, or that of `runs` where it is lower, since these hyperparameters have seen the real
    labels: another fit's would not be of their kind (a penalty that leaves no feature gives 0.5 on
    every deal, and any search would seem to beat that). All models see the same deals, so the
    highest of them gives p-values that hold for all models together (Westfall and Young 1993).
    p = (1 + number reached) / (1 + number made) (Phipson 2010, 10.2202/1544-6115.1585). It stops
    early once no model can be better than chance.

    Returns
    -------
    One distribution a model, in the order of `runs`.
    """
    data, base, patients = inputs.data(), inputs.weights, inputs.patients
    settings = [{**run.most_chosen(), **run.spec.light} for run in runs]
    models = tuple((run.spec, chosen) for run, chosen in zip(runs, settings, strict=True))
    tasks = [
        _Deal(data, base, patients, models, n_splits, seed, i) for i in range(-1, n_permutations)
    ]
    kept = checkpoint or Checkpoint(None, "")
    found = kept.stream("null", _aurocs, tasks, jobs=jobs)
    tuned = np.array([pooled_auroc(run, data.codes, base) for run in runs])
    observed = np.minimum(next(found), tuned)
    rows: list[NDArray[np.float64]] = []
    for row in found:
        rows.append(row)
        if progress is not None:
            progress(len(rows), n_permutations)
        if (np.sum(np.array(rows) >= observed, axis=0) >= ENOUGH_EXCEEDED).all():
            break
    null = np.array(rows).reshape(len(rows), len(runs))
    return tuple(_describe(null, i, observed[i], settings[i]) for i in range(len(runs)))


def _aurocs(deal: _Deal) -> NDArray[np.float64]:
    """Deal the labels once and return the AUROC of each model, (m,)."""
    is_real = deal.i_deal < 0
    rng = np.random.default_rng([deal.seed, max(deal.i_deal, 0)])
    whole = deal.data.sites if deal.data.sites is not None else deal.data.patients
    for attempt in range(TRIES):
        codes = deal.data.codes if is_real else permute_labels(deal.data.codes, deal.patients, rng)
        try:
            folds = make_folds(codes, groups=whole, n_splits=deal.n_splits, seed=deal.seed)
            break
        except CohortError:
            # A deal may put nearly all of a class into one site; another will not.
            if is_real or attempt + 1 == TRIES:
                raise
    dealt = replace(deal.data, codes=codes)
    prepared = [prepare(dealt.values, fold) for fold in folds]
    runs = [
        cross_validate(
            spec, dealt, folds=folds, seed=deal.seed, parameters=chosen, prepared=prepared
        )
        for spec, chosen in deal.models
    ]
    return np.array([pooled_auroc(run, codes, deal.base) for run in runs])


def _describe(
    null: NDArray[np.float64], i_model: int, observed: float, chosen: Mapping[str, float]
) -> NullDistribution:
    """Sum up one model's null distribution."""
    n = len(null)
    settings = ", ".join(f"{name}={value:g}" for name, value in sorted(chosen.items()))
    return NullDistribution(
        n_permutations=n,
        observed=float(observed),
        aurocs=tuple(null[:, i_model].tolist()),
        p_value=float((1 + np.sum(null[:, i_model] >= observed)) / (1 + n)),
        p_adjusted=float((1 + np.sum(null.max(axis=1) >= observed)) / (1 + n)),
        description=(
            f"{n} permutations of the labels among patients, refitted in all folds with fixed "
            f"hyperparameters ({settings}), and compared with the AUROC of {observed:.2f}: the "
            "lower of what the same fit and the tuned model reach on the real labels"
        ),
    )
