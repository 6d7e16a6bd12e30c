"""Grouped permutation importance against scikit-learn's, and the whole analysis of a wide table.

500 patients, 1,000 features in correlated blocks of 5, of which three carry the label. (1) The same
fitted random forest of 200 trees, the same 100 held-out patients, 10 permutations: ours permutes
all 1,000 features one by one, `sklearn.inspection.permutation_importance` the first 20, scaled by
50, as each is independent of the others; processor seconds of one thread. (2) `importance` with its
defaults (three models, nested cross-validation, 59 label permutations, SHAP, plain and conditional
permutation by cluster, 200 bootstraps with a refit, dose curves) on two processes: wall-clock and
processor seconds. `PATHEXPLAIN_WHOLE=0` leaves (2) out.
"""

from __future__ import annotations

import os
import resource
import time
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from joblib.externals.loky import get_reusable_executor
from scipy.stats import spearmanr
from sklearn.inspection import permutation_importance

from pathexplain.diagnosis import importance
from pathexplain.diagnosis.crossval import Data, cross_validate
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.outputs import questions_of
from pathexplain.diagnosis.permutation import permute_in_fold
from pathexplain.diagnosis.splits import Fold

PATIENTS, FEATURES, BLOCK, PEER_FEATURES, REPEATS = 500, 1000, 5, 20, 10


def wide_table() -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, Any]]:
    """Return features (n, p) and labels (n,) of 0 and 1."""
    rng = np.random.default_rng(0)
    shared = np.repeat(rng.normal(size=(PATIENTS, FEATURES // BLOCK)), BLOCK, axis=1)
    values = 0.9 * shared + 0.45 * rng.normal(size=shared.shape)
    score = values[:, 0] + values[:, 10] - values[:, 20] + rng.logistic(size=PATIENTS)
    return values, (score > 0).astype(np.int64)


def run() -> dict[str, Any]:
    """Return the ratio to scikit-learn, and the cost of the whole analysis."""
    result = _permutation()
    if os.environ.get("PATHEXPLAIN_WHOLE", "1") != "0":
        result |= _whole()
    return result


def _permutation() -> dict[str, Any]:
    """Compare permuting features of one fitted forest."""
    values, codes = wide_table()
    data = Data(values, codes, questions_of(["no", "yes"], "binary"))
    fold = Fold(np.arange(100, PATIENTS), np.arange(100))
    chosen = {"n_estimators": 200, "min_samples_leaf": 2}
    run_ = cross_validate(MODELS["random_forest"], data, folds=[fold], seed=0, parameters=chosen)
    (fitted,) = run_.fitted
    start = time.process_time()
    found = permute_in_fold(fitted, values, np.eye(FEATURES, dtype=bool), n_repeats=REPEATS, seed=0)
    ours = time.process_time() - start
    held_out, labels = fitted.pipeline[0].transform(values[:100]), codes[:100]
    own = fitted.probabilities[np.arange(100), labels]
    drops = np.array(
        [
            np.mean([own - one[np.arange(100), labels] for one in found[i]]) if i in found else 0.0
            for i in range(FEATURES)
        ]
    )

    def probability_of_truth(model: Any, x: Any, y: Any) -> float:
        return float(model.predict_proba(x)[np.arange(len(y)), y].mean())

    class FewFeatures:
        """The fitted forest as a function of its first features, the others as they are."""

        def fit(self, *_: Any) -> None:
            """Do nothing; scikit-learn asks for it."""

        def predict_proba(self, x: Any) -> Any:
            """Predict with the other features at their own values."""
            whole = held_out.copy()
            whole[:, :PEER_FEATURES] = x
            return fitted.pipeline[-1].predict_proba(whole)

    start = time.process_time()
    peer = permutation_importance(
        FewFeatures(),
        held_out[:, :PEER_FEATURES],
        labels,
        scoring=probability_of_truth,
        n_repeats=REPEATS,
        random_state=0,
    )
    theirs = (time.process_time() - start) * FEATURES / PEER_FEATURES
    agreement = spearmanr(peer.importances_mean, drops[:PEER_FEATURES]).statistic
    return {
        "patients": PATIENTS,
        "features": FEATURES,
        "peer_features_timed": PEER_FEATURES,
        "ours_processor_seconds": ours,
        "scikit_learn_processor_seconds_scaled": theirs,
        "ratio_vs_scikit_learn": theirs / ours,
        "spearman_with_scikit_learn": float(agreement),
    }


def _whole() -> dict[str, Any]:
    """Time the whole analysis with its defaults on two processes."""
    values, codes = wide_table()
    index = [f"P{i:03}" for i in range(PATIENTS)]
    cohort = AnnData(
        values,
        obs=pd.DataFrame({"dx": np.where(codes == 1, "malignant", "benign")}, index=index),
        var=pd.DataFrame(index=[f"f{i:04}" for i in range(FEATURES)]),
    )
    stages: dict[str, float] = {}
    start = time.perf_counter()

    def note(stage: str, done: int, total: int, /) -> None:
        if done == total:
            stages[stage] = time.perf_counter() - start

    before = _processor_seconds()
    result = importance(cohort, target="dx", jobs=2, progress=note)
    wall = time.perf_counter() - start
    get_reusable_executor().shutdown(wait=True)  # only finished processes tell their seconds
    explained = result.importances.models if result.importances else ()
    return {
        "whole_wall_seconds": wall,
        "whole_processor_seconds": _processor_seconds() - before,
        "seconds_at_the_end_of": stages,
        "models_explained": [model.name for model in explained],
        "first_clusters": {
            model.name: [one.cluster for one in model.clusters[:3]] for model in explained
        },
    }


def _processor_seconds() -> float:
    """Return processor seconds of this process and of its finished children."""
    mine, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(used.ru_utime + used.ru_stime for used in (mine, children))
