"""Margins of fitted classifiers, and how they move when some features of a row change.

A linear model is a sum over features and a forest a sum over trees, so after a change only the
terms that look at a changed feature are computed again. That is exact, and what makes permuting
hundreds of clusters quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from pathexplain.diagnosis.outputs import class_probabilities
from pathexplain.diagnosis.questionwise import QuestionwiseClassifier
from pathexplain.diagnosis.target import BINARY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Moved", "margin", "probabilities_from", "start_moving"]


def margin(model: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what SHAP values add up to, (n, L): one column a question.

    Log-odds for the logistic model and gradient boosting, probability for the random forest.
    """
    if isinstance(model, QuestionwiseClassifier):
        return np.hstack([margin(one, values) for one in model.models_])
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(values), dtype=np.float64)
        return scores[:, None] if scores.ndim == 1 else scores
    scores = np.asarray(model.predict_proba(values), dtype=np.float64)
    return scores[:, 1:] if scores.shape[1] == BINARY else scores


def probabilities_from(model: Any, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return class probabilities, (n, K), from the margins of `model`, (n, L).

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> x, y = np.arange(6.0)[:, None], np.array([0, 0, 1, 0, 1, 1])
    >>> model = LogisticRegression().fit(x, y)
    >>> bool(np.allclose(probabilities_from(model, margin(model, x)), model.predict_proba(x)))
    True
    """
    if isinstance(model, QuestionwiseClassifier):
        parts = zip(model.models_, margins.T, strict=True)
        yes = np.column_stack([probabilities_from(one, m[:, None])[:, 1] for one, m in parts])
        return class_probabilities(yes, model.questions.kind)
    is_probability = not hasattr(model, "decision_function")
    if margins.shape[1] == 1:
        yes = margins[:, 0] if is_probability else expit(margins[:, 0])
        return np.column_stack([1 - yes, yes])
    return margins if is_probability else np.asarray(softmax(margins, axis=1))


@dataclass(frozen=True)
class Moved:
    """Margins of fixed rows, ready to be asked what they become when columns change.

    Attributes
    ----------
    used : (p,) bool
        Features that the model looks at; changing others changes nothing.
    start : (n, L) float64
        Margins of the rows as they are.
    """

    used: NDArray[np.bool_]
    start: NDArray[np.float64]
    _change: Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]

    def after(
        self, changed: NDArray[np.float64], members: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the margins with new values in some columns, (r, n, L).

        Parameters
        ----------
        changed : (r, n, m) float64
            r sets of new values of the m columns.
        members : (m,) int64
            Which columns those are.
        """
        return self.start + self._change(changed, members)


def start_moving(model: Any, values: NDArray[np.float64]) -> Moved:
    """Prepare a fitted classifier for changes of these rows, (n, p) float64 of float32 values."""
    if isinstance(model, QuestionwiseClassifier):
        return _together([start_moving(one, values) for one in model.models_])
    if hasattr(model, "coef_"):
        return _linear(model, values)
    return _trees(model, values)


def _together(parts: Sequence[Moved]) -> Moved:
    """Join the classifiers of several questions."""

    def change(changed: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.concatenate([part._change(changed, members) for part in parts], axis=2)  # noqa: SLF001 - of this class

    used = np.asarray(np.stack([part.used for part in parts]).any(axis=0))
    return Moved(used, np.hstack([part.start for part in parts]), change)


def _linear(model: Any, values: NDArray[np.float64]) -> Moved:
    """Coefficient times change."""
    coefficients = np.asarray(model.coef_, dtype=np.float64)

    def change(changed: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray((changed - values[:, members]) @ coefficients[:, members].T)

    return Moved((coefficients != 0).any(axis=0), margin(model, values), change)


def _trees(model: Any, values: NDArray[np.float64]) -> Moved:
    """Trees that look at a changed feature, evaluated again."""
    grown = [one.tree_ for one in np.ravel(model.estimators_)]
    uses = np.zeros((len(grown), values.shape[1]), dtype=bool)
    for i_tree, tree in enumerate(grown):
        uses[i_tree, tree.feature[tree.feature >= 0]] = True
    scale = getattr(model, "learning_rate", 1.0 / len(grown))
    n_outputs = 1 if hasattr(model, "learning_rate") else len(model.classes_)
    start, last = margin(model, values), slice(1, None) if n_outputs == BINARY else slice(None)
    rows = values.astype(np.float32)
    before = [_leaf_values(tree, rows, n_outputs)[:, last] for tree in grown]
    moved = np.empty((0, values.shape[1]), dtype=np.float32)

    def change(changed: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.float64]:
        nonlocal moved
        n_sets, n = changed.shape[:2]
        total = np.zeros((n_sets, n, start.shape[1]))
        if len(moved) != n_sets * n:
            moved = np.tile(rows, (n_sets, 1))
        moved[:, members] = changed.reshape(n_sets * n, -1)
        for i_tree in np.flatnonzero(uses[:, members].any(axis=1)):
            now = _leaf_values(grown[i_tree], moved, n_outputs)[:, last]
            total += now.reshape(total.shape) - before[i_tree]
        moved[:, members] = np.tile(rows[:, members], (n_sets, 1))
        return scale * total

    return Moved(np.asarray(uses.any(axis=0)), start, change)


def _leaf_values(tree: Any, rows: NDArray[np.float32], n_outputs: int) -> NDArray[np.float64]:
    """Return what a tree says of each row, (n, n_outputs)."""
    return np.asarray(tree.predict(rows), dtype=np.float64).reshape(len(rows), -1)[:, :n_outputs]
