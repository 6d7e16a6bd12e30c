"""The stages of an importance analysis in their order, from arrays to the result.

Not for checking options or reading tables: see `analysis` and `inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pathexplain.diagnosis.agreement import agree
from pathexplain.diagnosis.clusters import cluster_features, membership
from pathexplain.diagnosis.compare import COMPARED, compare, comparison_tasks
from pathexplain.diagnosis.crossval import CrossValidated, cross_validate_all
from pathexplain.diagnosis.draws import draw_counts
from pathexplain.diagnosis.explain import explain_model, gather_evidence
from pathexplain.diagnosis.judging import judge, refusal, summarize_folds
from pathexplain.diagnosis.mixed import describe_mixed_model, mixed_tests
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.notes import notes_for
from pathexplain.diagnosis.null import permuted_nulls
from pathexplain.diagnosis.result import ImportanceResult, Importances
from pathexplain.diagnosis.splits import check_folds, folds_named, make_folds
from pathexplain.diagnosis.stability import refit_bootstraps
from pathexplain.diagnosis.univariate import compare_classes, patient_means

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pathexplain.diagnosis.checkpoint import Checkpoint
    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.result import (
        Cluster,
        Comparison,
        ModelImportance,
        ModelResult,
        Settings,
        UnivariateTest,
    )
    from pathexplain.diagnosis.splits import Fold

__all__ = ["Plan", "Progress", "run_plan"]


class Progress(Protocol):
    """Called with a stage's name, how many of its steps are done and how many there are."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take note."""


@dataclass(frozen=True)
class Plan:
    """What is to be computed, and how."""

    inputs: Inputs
    settings: Settings
    jobs: int
    progress: Progress
    checkpoint: Checkpoint

    def told(self, stage: str) -> Callable[[int, int], None]:
        """Return what a stage reports its steps to."""

        def tell(done: int, total: int) -> None:
            self.progress(stage, done, total)

        return tell


def run_plan(plan: Plan) -> ImportanceResult:
    """Run all stages."""
    inputs, settings = plan.inputs, plan.settings
    folds = _folds(inputs, settings)
    drawn = draw_counts(
        inputs.patients, inputs.strata, n_draws=settings.n_bootstrap, seed=settings.seed
    )
    weights = drawn * inputs.weights
    runs, comparison = _cross_validate(plan, folds, weights)
    scored = _judge(plan, runs, folds, weights)
    univariate = _univariate(inputs, seed=settings.seed)
    clusters = cluster_features(inputs.values, inputs.features)
    accepted = [run for run, one in zip(runs, scored, strict=True) if one.is_better_than_chance]
    explained = _explain(plan, accepted, clusters, weights) if accepted else ()
    return ImportanceResult(
        target=inputs.target,
        folds=summarize_folds(folds, inputs),
        models=scored,
        comparison=comparison,
        clusters=clusters,
        importances=(
            Importances(explained, agree(explained, clusters, univariate)) if explained else None
        ),
        reason="" if explained else refusal(scored),
        univariate=univariate,
        mixed=mixed_tests(inputs, jobs=plan.jobs, progress=plan.told("mixed models")),
        mixed_model=describe_mixed_model(inputs),
        settings=settings,
        notes=notes_for(inputs, scored, univariate),
    )


def _folds(inputs: Inputs, settings: Settings) -> tuple[Fold, ...]:
    """Make the outer folds, and check that no patient is on both sides of one."""
    if inputs.own_folds is not None:
        folds = folds_named(inputs.own_folds, inputs.codes)
    else:
        whole = inputs.sites if inputs.sites is not None else inputs.data().patients
        folds = make_folds(
            inputs.codes, groups=whole, n_splits=settings.n_splits, seed=settings.seed
        )
    check_folds(folds, inputs.patients.tolist())
    return folds


def _cross_validate(
    plan: Plan, folds: Sequence[Fold], weights: NDArray[np.float64]
) -> tuple[list[CrossValidated], Comparison | None]:
    """Cross-validate all models, and those that are compared with the covariates."""
    inputs, names = plan.inputs, plan.settings.models
    compared = comparison_tasks(inputs)
    if compared and COMPARED in names:
        # The model of the features alone is one of those below.
        compared = [compared[0], compared[2]]
    tasks = [(MODELS[name], inputs.data()) for name in names] + compared
    runs = cross_validate_all(
        tasks,
        folds=folds,
        seed=plan.settings.seed,
        jobs=plan.jobs,
        checkpoint=plan.checkpoint,
        progress=plan.told("nested cross-validation"),
    )
    models, others = runs[: len(names)], runs[len(names) :]
    if others and COMPARED in names:
        others.insert(1, models[names.index(COMPARED)])
    return models, compare(others, inputs, weights)


def _judge(
    plan: Plan,
    runs: Sequence[CrossValidated],
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
) -> tuple[ModelResult, ...]:
    """Compare each model with permuted labels and judge it."""
    inputs, settings = plan.inputs, plan.settings
    nulls = permuted_nulls(
        runs,
        inputs,
        n_splits=len(folds),
        n_permutations=settings.n_permutations,
        seed=settings.seed,
        jobs=plan.jobs,
        checkpoint=plan.checkpoint,
        progress=plan.told("permuted labels"),
    )
    return tuple(
        judge(run, null, inputs, folds, weights) for run, null in zip(runs, nulls, strict=True)
    )


def _univariate(inputs: Inputs, *, seed: int) -> tuple[UnivariateTest, ...]:
    """Test each feature alone, one value a patient."""
    values, codes = inputs.values, inputs.codes
    if inputs.is_repeated:
        values, codes = patient_means(values, codes, inputs.patients)
    return compare_classes(
        values,
        codes,
        features=inputs.features,
        units=inputs.units,
        kind=inputs.target.kind,
        seed=seed,
    )


def _explain(
    plan: Plan,
    runs: Sequence[CrossValidated],
    clusters: Sequence[Cluster],
    weights: NDArray[np.float64],
) -> tuple[ModelImportance, ...]:
    """Explain the models that beat chance."""
    inputs, settings = plan.inputs, plan.settings
    evidence = gather_evidence(
        runs,
        inputs,
        clusters,
        seed=settings.seed,
        jobs=plan.jobs,
        progress=plan.told("importance"),
    )
    refits = refit_bootstraps(
        runs,
        inputs,
        membership(clusters, inputs.features),
        n_refits=settings.n_refits,
        seed=settings.seed,
        jobs=plan.jobs,
        checkpoint=plan.checkpoint,
        progress=plan.told("stability of ranks"),
    )
    return tuple(
        explain_model(
            run, one, inputs, clusters, weights, refits[run.spec.name], n_top=settings.n_top
        )
        for run, one in zip(runs, evidence, strict=True)
    )
