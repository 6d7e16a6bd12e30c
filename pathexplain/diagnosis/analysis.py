"""`importance`: which features does a diagnosis rest on, asked of a table of patients.

Held-out performance comes first; a model no better than chance is not explained. Not for images:
this works on features that were measured before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain import __version__
from pathexplain.diagnosis.checkpoint import Checkpoint, fingerprint
from pathexplain.diagnosis.inputs import Columns, Inputs, read_inputs
from pathexplain.diagnosis.judging import SIGNIFICANT
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.result import ImportanceResult, Settings
from pathexplain.diagnosis.stages import Plan, run_plan
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData

    from pathexplain.diagnosis.stages import Progress

__all__ = ["importance"]


def importance(  # noqa: PLR0913 - keyword-only choices, each with a default
    cohort: AnnData,
    *,
    target: str,
    groups: str | None = None,
    site: str | None = None,
    folds: str | None = None,
    covariates: Sequence[str] = (),
    order: Sequence[str] = (),
    robustness: str | Path | None = None,
    min_icc: float = 0.75,
    seed: int = 0,
    n_splits: int = 5,
    n_permutations: int = 59,
    n_bootstrap: int = 1000,
    n_refits: int = 200,
    n_top: int = 10,
    models: Sequence[str] = tuple(MODELS),
    jobs: int = 1,
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
) -> ImportanceResult:
    """Find which features a diagnosis rests on, held-out performance first.

    Each model is cross-validated by patient, with imputing, scaling and the search for
    hyperparameters inside the folds. It is explained only if the permuted-label p-value, adjusted
    for the number of models, is below 0.05 and the 95 % interval of its AUROC is above 0.5.

    Parameters
    ----------
    cohort : AnnData
        One row a patient, or with `groups` one row a slide or image; features in ``X`` (NaN where
        undefined), clinical columns in ``obs``. The order of the rows does not matter.
    target : name of the clinical column with the diagnosis, 2 to 10 classes
    groups : clinical column that names the patient, where a patient has several rows; rows of a
        patient share its weight and stay in one fold
    site : clinical column whose values (hospitals, scanners) are held out whole (Howard 2021,
        10.1038/s41467-021-24698-1), or None
    folds : clinical column that assigns each row to the fold in which it is held out, or None;
        refused when it parts the rows of a patient
    covariates : clinical columns of the model that the features are compared with
    order : classes from low to high; the target is then ordinal (two classes: the last is positive)
    robustness : folder of `pathexplain robustness`, or None; features whose intraclass correlation
        over all its conditions is below `min_icc`, or was not measured, are left out before
        anything is fitted
    seed : of folds, models, permutations and resamples
    n_splits : outer folds
    n_permutations : most permutations of the labels; the smallest p-value is 1 / (1 + this)
    n_bootstrap : resamples of patients for intervals, fitted models held fixed
    n_refits : bootstraps of patients with a new fit, for the stability of ranks
    n_top : features with beeswarm and dose curve
    models : names out of ``elastic_net``, ``random_forest``, ``gradient_boosting``
    jobs : processes; the result is the same for any number
    progress : called with a stage, how many of its steps are done and how many there are
    checkpoint : folder where finished steps are kept until all are done, so that the same call goes
        on where it was stopped

    Raises
    ------
    CohortError
        When the target or another column cannot be used, with counts; when a patient has several
        rows and `groups` is not given, or stands in two folds or at two sites; when a class is too
        small for the folds.
    ConfigError
        When a number or a model name makes no sense.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 4))
    >>> obs = pd.DataFrame({"dx": np.where(x[:, 2] > 0, "malignant", "benign")})
    >>> obs.index = [f"P{i}" for i in range(60)]
    >>> var = pd.DataFrame(index=["a", "b", "c", "d"])
    >>> result = importance(anndata.AnnData(x, obs=obs, var=var), target="dx",
    ...                     models=["elastic_net"], n_refits=20)
    >>> result.importances.models[0].features[0].feature
    'c'
    """
    settings = Settings(
        seed=seed,
        n_splits=n_splits,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        n_refits=n_refits,
        n_top=n_top,
        groups=groups,
        site=site,
        folds=folds,
        covariates=tuple(covariates),
        models=tuple(models),
        min_icc=None if robustness is None else min_icc,
    )
    _check(settings, jobs=jobs)
    columns = Columns(target, groups, site, folds, tuple(covariates), tuple(order))
    dropped = {} if robustness is None else _not_robust(cohort, robustness, min_icc=min_icc)
    inputs = read_inputs(cohort, columns, n_splits=n_splits, dropped=dropped)
    key = _key(inputs, settings)
    plan = Plan(inputs, settings, jobs, progress or _silent, Checkpoint(checkpoint, key))
    result = run_plan(plan)
    plan.checkpoint.remove()
    return result


def _check(settings: Settings, *, jobs: int) -> None:
    """Refuse settings that cannot give what they promise."""
    unknown = [name for name in settings.models if name not in MODELS]
    if unknown or not settings.models:
        message = f"unknown models {unknown}; choose out of {', '.join(MODELS)}"
        raise ConfigError(message)
    least = round(1 / SIGNIFICANT)
    if settings.n_permutations < least:
        message = (
            f"n_permutations is {settings.n_permutations}; with fewer than {least} no p-value can "
            f"be below {SIGNIFICANT}"
        )
        raise ConfigError(message)
    counts = {"n_bootstrap": settings.n_bootstrap, "n_refits": settings.n_refits}
    for name, value in {**counts, "n_top": settings.n_top, "jobs": jobs}.items():
        if value < 1:
            message = f"{name} is {value}; it must be at least 1"
            raise ConfigError(message)


def _not_robust(cohort: AnnData, folder: str | Path, *, min_icc: float) -> dict[str, str]:
    """Return the features that are not robust enough, with reasons that can be counted."""
    from pathexplain.robustness import robust_features

    names = [str(name) for name in cohort.var_names]
    _, dropped = robust_features(folder, names, min_icc=min_icc)
    low = f"robustness (ICC over all conditions) below {min_icc:g}"
    return {name: low if why.startswith("ICC ") else why for name, why in dropped.items()}


def _key(inputs: Inputs, settings: Settings) -> str:
    """Return what changes with anything that decides the numbers."""
    return fingerprint(
        inputs.values,
        inputs.codes,
        inputs.patients,
        inputs.sites,
        inputs.own_folds,
        settings=settings,
        features=inputs.features,
        kind=inputs.target.kind,
        version=__version__,
    )


def _silent(_stage: str, _done: int, _total: int, /) -> None:
    """Tell nobody."""
