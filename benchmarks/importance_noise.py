"""Cohorts of pure noise: how often importances are reported where there is nothing to report.

200 cohorts of 60 patients and 30 features in correlated blocks of 3, labels dealt at random, the
default criterion. The peer is common practice on the same cohorts: select the ten features that
differ most in all patients, then cross-validate a logistic regression and permute the labels.
`PATHEXPLAIN_COHORTS` and `PATHEXPLAIN_MODELS` (names with commas) make it smaller or larger.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, permutation_test_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pathexplain.diagnosis import importance
from pathexplain.diagnosis.evaluate import wilson

PATIENTS, FEATURES, BLOCK, CHOSEN = 60, 30, 3, 10


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
    named = os.environ.get("PATHEXPLAIN_MODELS", "elastic_net")
    models = tuple(named.split(","))
    start, ours, leaky = time.process_time(), 0, 0
    for seed in range(n_cohorts):
        cohort = noise_cohort(seed)
        result = importance(
            cohort, target="dx", models=models, n_permutations=39, n_bootstrap=500, n_refits=1
        )
        ours += result.importances is not None
        leaky += _leaky_practice(cohort, seed)
    reported, fooled = wilson(ours, n_cohorts), wilson(leaky, n_cohorts)
    return {
        "cohorts": n_cohorts,
        "models": list(models),
        "ours_reported": ours,
        "ours_share_with_interval": [reported.value, reported.low, reported.high],
        "selection_outside_folds_reported": leaky,
        "selection_outside_folds_share": [fooled.value, fooled.low, fooled.high],
        "processor_seconds": time.process_time() - start,
    }


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
    return bool(p_value < 0.05)
