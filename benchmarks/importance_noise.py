"""Cohorts of pure noise: how often importances are reported where there is nothing to report.

200 cohorts of 50 patients and 20 features in correlated pairs, labels dealt at random, through
`importance` with its defaults (three models, nested cross-validation, 59 permutations, 1,000
bootstraps; only the refits for ranks, which come after the verdict, are cut to one). The peer is
common practice on the same cohorts: select the ten features that differ most in all patients, then
cross-validate a logistic regression and permute the labels.

`PATHEXPLAIN_COHORTS` and `PATHEXPLAIN_MODELS` (names with commas) make it smaller. Each finished
cohort is kept in `PATHEXPLAIN_FOLDER` (by default ``pathexplain-importance-noise`` among
temporary files), so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, permutation_test_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pathexplain import __version__
from pathexplain.diagnosis import importance
from pathexplain.diagnosis.checkpoint import Checkpoint, fingerprint
from pathexplain.diagnosis.judging import CHANCE, SIGNIFICANT
from pathexplain.diagnosis.models import MODELS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PATIENTS, FEATURES, BLOCK, CHOSEN = 50, 20, 2, 10
COLUMNS = ("reported", "leaky", "seconds")


def noise_cohort(seed: int) -> AnnData:
    """Return a cohort in which nothing predicts the label."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(size=(PATIENTS, FEATURES // BLOCK)), BLOCK, axis=1)
    values = shared + 0.5 * rng.normal(size=shared.shape)
    labels = rng.permutation(["benign", "malignant"] * (PATIENTS // 2))
    index = [f"P{i:02}" for i in range(PATIENTS)]
    var = pd.DataFrame(index=[f"f{i:02}" for i in range(FEATURES)])
    return AnnData(values, obs=pd.DataFrame({"dx": labels}, index=index), var=var)


def run() -> dict[str, Any]:
    """Return in how many cohorts ours reports importances, and the leaky practice a finding."""
    n_cohorts = int(os.environ.get("PATHEXPLAIN_COHORTS", "200"))
    default = Path(tempfile.gettempdir()) / "pathexplain-importance-noise"
    folder = Path(os.environ.get("PATHEXPLAIN_FOLDER", default))
    models = tuple(os.environ.get("PATHEXPLAIN_MODELS", ",".join(MODELS)).split(","))
    key = fingerprint(sizes=[PATIENTS, FEATURES, BLOCK, CHOSEN], models=models, version=__version__)
    tasks, rows = [(seed, models) for seed in range(n_cohorts)], []
    for row in Checkpoint(folder, key).stream("cohort", _ask, tasks, jobs=1):
        rows.append(row)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{len(rows)} of {n_cohorts} cohorts")
    found = np.array(rows)
    reported, leaky, seconds = found[:, : len(COLUMNS)].T
    by_model = found[:, len(COLUMNS) :].reshape(n_cohorts, len(models), 3)
    area, low, p_adjusted = np.moveaxis(by_model, 2, 0)
    return {
        "cohorts": n_cohorts,
        "models": list(models),
        "reported": _share(reported),
        "reported_by_model": {
            name: _share((low[:, i] > CHANCE) & (p_adjusted[:, i] < SIGNIFICANT))
            for i, name in enumerate(models)
        },
        "any_p_adjusted_significant": _share((p_adjusted < SIGNIFICANT).any(axis=1)),
        "any_interval_above_chance": _share((low > CHANCE).any(axis=1)),
        "mean_auroc": dict(zip(models, area.mean(axis=0).tolist(), strict=True)),
        "selection_outside_folds": _share(leaky),
        "processor_seconds": float(seconds.sum()),
    }


def _ask(task: tuple[int, tuple[str, ...]]) -> NDArray[np.float64]:
    """Return what both say of one cohort, as `COLUMNS` and area, lower bound and p of each model.

    The p-value is the one adjusted for the number of models.
    """
    seed, models = task
    start, cohort = time.process_time(), noise_cohort(seed)
    result = importance(cohort, target="dx", n_refits=1, models=models)
    seconds, leaky = time.process_time() - start, _leaky_practice(cohort, seed)
    areas = [model.metric("auroc").interval for model in result.models]
    judged = [
        number
        for area, model in zip(areas, result.models, strict=True)
        for number in (area.value, area.low, model.null.p_adjusted)
    ]
    return np.array([result.importances is not None, leaky, seconds, *judged], dtype=np.float64)


def _share(yes: ArrayLike) -> dict[str, float]:
    """Return how many, and the share with its exact 95 % interval (Clopper 1934)."""
    flags = np.asarray(yes)
    n_yes = int(flags.sum())
    bounds = binomtest(n_yes, flags.size).proportion_ci(0.95, method="exact")
    return {"n": n_yes, "share": n_yes / flags.size, "low": bounds.low, "high": bounds.high}


def _leaky_practice(cohort: AnnData, seed: int) -> bool:
    """Say whether selecting with all patients, then cross-validating, is significant at 0.05."""
    values, is_second = np.asarray(cohort.X), (cohort.obs["dx"] == "malignant").to_numpy()
    gap = np.abs(values[is_second].mean(axis=0) - values[~is_second].mean(axis=0))
    chosen = values[:, np.argsort(-gap)[:CHOSEN]]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    _, _, p_value = permutation_test_score(
        model,
        chosen,
        is_second,
        scoring="roc_auc",
        cv=folds,
        n_permutations=39,
        random_state=seed,
    )
    return bool(p_value < SIGNIFICANT)
