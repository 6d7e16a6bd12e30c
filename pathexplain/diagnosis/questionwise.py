"""A classifier of several classes made of one yes-or-no classifier a question.

For ordered classes (Frank 2001, 10.1007/3-540-44795-4_13), and for kinds of model that SHAP
explains for two classes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from pathexplain.diagnosis.outputs import class_probabilities

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pathexplain.diagnosis.outputs import Questions

__all__ = ["QuestionwiseClassifier"]


class QuestionwiseClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """Fit a clone of `base` for each question; class probabilities from their answers.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from pathexplain.diagnosis.outputs import questions_of
    >>> x, codes = np.arange(9.0)[:, None], np.repeat([0, 1, 2], 3)
    >>> asked = questions_of(["G1", "G2", "G3"], "ordinal")
    >>> model = QuestionwiseClassifier(LogisticRegression(), asked).fit(x, codes)
    >>> model.predict_proba(x).argmax(axis=1).tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 2]
    """

    def __init__(self, base: Any, questions: Questions) -> None:
        self.base = base
        self.questions = questions

    def fit(
        self,
        values: NDArray[np.float64],
        codes: NDArray[np.int64],
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit each yes-or-no classifier on all rows."""
        answers = self.questions.answers(np.asarray(codes))
        self.classes_ = np.arange(len(self.questions.table))
        self.models_ = [
            clone(self.base).fit(values, yes.astype(np.int64), sample_weight=sample_weight)
            for yes in answers.T
        ]
        return self

    def predict_proba(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return class probabilities, (n, K)."""
        yes = np.column_stack([model.predict_proba(values)[:, 1] for model in self.models_])
        return class_probabilities(yes, self.questions.kind)

    def predict(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the most probable class of each row, (n,)."""
        return np.asarray(self.predict_proba(values).argmax(axis=1))
