"""SHAP values of held-out patients: exact for linear models, TreeSHAP for trees.

All models play the same game: the output for a patient against its mean over training patients of
the fold, features taken as independent ("interventional"; Lundberg 2017, arXiv 1705.07874; Lundberg
2020, 10.1038/s42256-019-0138-9). Not for permutation importance: see `permutation`.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.diagnosis.margins import margin
from pathexplain.diagnosis.questionwise import QuestionwiseClassifier
from pathexplain.diagnosis.target import BINARY
from pathexplain.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from pathexplain.diagnosis.crossval import CrossValidated

__all__ = ["Attribution", "attribute", "attribute_rows", "linear_shap", "summed", "tree_shap"]

MAX_BACKGROUND = 100
"""Training patients a tree model is compared with; more only costs time."""

ADDITIVITY_TOLERANCE = 1e-6
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class Attribution:
    """SHAP values of every row by the model that did not see its patient.

    Attributes
    ----------
    values : (n, p, L) float64
        One column a question; exactly 0 for features that a fold left out.
    additivity_error : float
        Largest |baseline + sum of SHAP values - model output|.
    """

    values: NDArray[np.float64]
    additivity_error: float

    def magnitude(self, table: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return |SHAP| of each row and feature, mean over questions, (n, p).

        With `table` (p, c) the values are first summed over each cluster's members, (n, c).
        """
        values = self.values if table is None else summed(self.values, table)
        return np.asarray(np.abs(values).mean(axis=2))


def summed(values: NDArray[np.float64], table: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return SHAP values summed over each cluster's members, (n, c, L)."""
    return np.moveaxis(np.tensordot(values, table.astype(float), axes=(1, 0)), 2, 1)


def attribute(
    run: CrossValidated,
    values: NDArray[np.float64],
    *,
    seed: int,
    parts: Sequence[tuple[NDArray[np.float64], float]] | None = None,
) -> Attribution:
    """Explain each held-out row.

    Parameters
    ----------
    run : fitted folds
    values : (n, p) float64, the features that were fitted on
    seed : of the choice of background patients
    parts : what `attribute_rows` gave for each fold, if that was done before

    Raises
    ------
    FitError
        When the values do not add up to the model's output within 1e-6.
    """
    if parts is None:
        parts = [
            attribute_rows(one.pipeline, values[one.fold.train], values[one.fold.test], seed=seed)
            for one in run.fitted
        ]
    explained = np.zeros((*values.shape, len(run.questions.names)))
    for fitted, (part, _) in zip(run.fitted, parts, strict=True):
        explained[fitted.fold.test] = part
    worst = max(error for _, error in parts)
    if worst > ADDITIVITY_TOLERANCE:
        message = f"{run.spec.label}: SHAP values miss the model's output by {worst:.2g}"
        raise FitError(message)
    return Attribution(explained, worst)


def attribute_rows(
    pipeline: Pipeline,
    train: NDArray[np.float64],
    rows: NDArray[np.float64],
    *,
    seed: int,
    max_background: int = MAX_BACKGROUND,
) -> tuple[NDArray[np.float64], float]:
    """Explain rows that a pipeline was not fitted on against those it was.

    Returns
    -------
    SHAP values, (n, p, L), 0 for features that the pipeline left out; and the largest
    difference between a row's sum and the model's margin.
    """
    prepare, model = pipeline[0], pipeline[-1]
    is_linear = hasattr(getattr(model, "models_", [model])[0], "coef_")
    if not is_linear and len(train) > max_background:
        chosen = np.random.default_rng(seed).choice(len(train), max_background, replace=False)
        train = train[np.sort(chosen)]
    background, prepared = prepare.transform(train), prepare.transform(rows)
    explained, base = _explain(model, prepared, background)
    error = np.abs(base + explained.sum(axis=1) - margin(model, prepared)).max()
    whole = np.zeros((*rows.shape, explained.shape[2]))
    whole[:, np.flatnonzero(prepare.kept_)] = explained
    return whole, float(error)


def linear_shap(
    model: Any, values: NDArray[np.float64], background: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficient x (value - background mean), (n, p, K), and the baseline log-odds, (K,).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> model = SimpleNamespace(coef_=np.array([[2.0, -1.0]]), intercept_=np.array([0.5]))
    >>> shap, base = linear_shap(model, np.array([[1.0, 1.0]]), np.array([[0.0, 0.0], [0.0, 4.0]]))
    >>> shap[0, :, 0].tolist(), base.tolist()
    ([2.0, 1.0], [-1.5])
    """
    mean = background.mean(axis=0)
    coefficients = np.asarray(model.coef_, dtype=np.float64)
    shap = (values - mean)[:, :, None] * coefficients.T[None, :, :]
    return shap, coefficients @ mean + model.intercept_


def tree_shap(
    model: Any, values: NDArray[np.float64], background: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return interventional TreeSHAP values, (n, p, K), and the baseline, (K,)."""
    shap = _import_shap()
    explainer = shap.TreeExplainer(
        model, data=background, feature_perturbation="interventional", model_output="raw"
    )
    # In portions, or shap would draw a progress bar of its own over ours.
    portions = np.split(values, range(ROWS_AT_ONCE, len(values), ROWS_AT_ONCE))
    explained = np.concatenate(
        [
            np.asarray(explainer.shap_values(part, check_additivity=False), dtype=np.float64)
            for part in portions
        ]
    )
    base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64))
    explained = explained.reshape(*values.shape, -1)
    if explained.shape[2] == BINARY:
        return explained[:, :, 1:], base[1:]
    return explained, base


def _import_shap() -> ModuleType:
    """Import shap when it is needed: that takes seconds."""
    with warnings.catch_warnings():
        # shap 0.51 sets up its colormaps at import in a way that matplotlib 3.11 will drop
        # ("The set_bad function ..."); we draw nothing with them.
        warnings.filterwarnings(
            "ignore",
            message=r"The set_(bad|over|under) function",
            category=PendingDeprecationWarning,
        )
        return importlib.import_module("shap")


def _explain(
    model: Any, values: NDArray[np.float64], background: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return SHAP values, (n, p, L), and baselines, (L,), by the method that fits the model."""
    if isinstance(model, QuestionwiseClassifier):
        parts = [_explain(one, values, background) for one in model.models_]
        return np.concatenate([p for p, _ in parts], axis=2), np.hstack([b for _, b in parts])
    method = linear_shap if hasattr(model, "coef_") else tree_shap
    return method(model, values, background)
