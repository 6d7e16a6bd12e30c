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

from pathexplain.diagnosis.models import margin
from pathexplain.diagnosis.target import BINARY
from pathexplain.errors import FitError

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated, FittedFold

__all__ = ["Attribution", "attribute", "linear_shap", "tree_shap"]

MAX_BACKGROUND = 100
"""Training patients a tree model is compared with; more only costs time."""

ADDITIVITY_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Attribution:
    """SHAP values of every patient by the model that did not see them.

    Attributes
    ----------
    values : (n, p, K) float64
        K = 1 (the positive class) for two classes; exactly 0 for features a fold left out.
    additivity_error : float
        Largest |baseline + sum of SHAP values - model output|.
    """

    values: NDArray[np.float64]
    additivity_error: float

    def magnitude(self, table: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return |SHAP| of each patient and feature, mean over classes, (n, p).

        With `table` (p, c) the values are first summed over each cluster's members, (n, c).
        """
        if table is None:
            return np.asarray(np.abs(self.values).mean(axis=2))
        summed = np.einsum("npk,pc->nck", self.values, table.astype(float))
        return np.asarray(np.abs(summed).mean(axis=2))


def attribute(run: CrossValidated, values: NDArray[np.float64], *, seed: int) -> Attribution:
    """Explain each held-out patient.

    Parameters
    ----------
    run : fitted folds
    values : (n, p) float64, the features that were fitted on
    seed : of the choice of background patients

    Raises
    ------
    FitError
        When the values do not add up to the model's output within 1e-6.
    """
    n_classes = run.probabilities.shape[1]
    n_outputs = 1 if n_classes == BINARY else n_classes
    explained = np.zeros((*values.shape, n_outputs))
    worst = 0.0
    for fitted in run.fitted:
        part, error = _explain_fold(fitted, values, seed=seed)
        kept = np.flatnonzero(fitted.pipeline[0].kept_)
        explained[np.ix_(fitted.fold.test, kept)] = part
        worst = max(worst, error)
    if worst > ADDITIVITY_TOLERANCE:
        message = f"{run.spec.label}: SHAP values miss the model's output by {worst:.2g}"
        raise FitError(message)
    return Attribution(explained, worst)


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
    explained = np.asarray(explainer.shap_values(values, check_additivity=False), dtype=np.float64)
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


def _explain_fold(
    fitted: FittedFold, values: NDArray[np.float64], *, seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return the SHAP values of one fold's held-out rows and how far they are from adding up."""
    prepare, model = fitted.pipeline[0], fitted.pipeline[-1]
    train = prepare.transform(values[fitted.fold.train])
    test = prepare.transform(values[fitted.fold.test])
    if hasattr(model, "coef_"):
        explained, base = linear_shap(model, test, train)
    else:
        if len(train) > MAX_BACKGROUND:
            rng = np.random.default_rng(seed)
            train = train[np.sort(rng.choice(len(train), MAX_BACKGROUND, replace=False))]
        explained, base = tree_shap(model, test, train)
    error = np.abs(base + explained.sum(axis=1) - margin(model, test)).max()
    return explained, float(error)
