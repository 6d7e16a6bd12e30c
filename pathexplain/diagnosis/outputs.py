"""What a classifier is asked: one yes-or-no question for two classes, several for more.

Two classes: is it the positive one? Unordered classes: is it this one rather than the rest? Ordered
classes: does it lie above this step? Scores, explanations and curves are all by question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.target import Kind

__all__ = ["Questions", "class_probabilities", "questions_of"]

EPSILON = 1e-9


@dataclass(frozen=True)
class Questions:
    """Names of the questions and which classes answer each with yes.

    Attributes
    ----------
    names : L names
    table : (K, L) float64
        1 where a patient of class k answers question l with yes.
    """

    kind: Kind
    names: tuple[str, ...]
    table: NDArray[np.float64]

    def answers(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the truth, (n, L) bool."""
        return self.table[codes] > 0

    def probabilities(self, by_class: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of yes, (n, L), from class probabilities, (n, K)."""
        return by_class @ self.table

    def scores(
        self, by_class: NDArray[np.float64], priors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the log-odds of yes minus those in the training fold, (n, L).

        Within a fold this ranks as the probability does; across folds it takes out that folds
        differ in their share of a class, which pushes the AUROC of pooled predictions of a blind
        model below one half.
        """
        p = np.clip(self.probabilities(by_class), EPSILON, 1 - EPSILON)
        q = np.clip(self.probabilities(priors), EPSILON, 1 - EPSILON)
        return np.asarray(np.log(p / (1 - p)) - np.log(q / (1 - q)))


def questions_of(classes: Sequence[str], kind: Kind) -> Questions:
    """Return the questions that a target asks.

    Examples
    --------
    >>> questions_of(["no", "yes"], "binary").table.tolist()
    [[0.0], [1.0]]
    >>> asked = questions_of(["G1", "G2", "G3"], "ordinal")
    >>> asked.names, asked.table.tolist()
    (('above G1', 'above G2'), [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    """
    identity = np.eye(len(classes))
    if kind == "binary":
        return Questions(kind, (classes[1],), identity[:, 1:])
    if kind == "nominal":
        return Questions(kind, tuple(classes), identity)
    above = np.tril(np.ones((len(classes), len(classes) - 1)), k=-1)
    return Questions(kind, tuple(f"above {name}" for name in classes[:-1]), above)


def class_probabilities(yes: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """Turn independent answers into class probabilities that add up to 1, (n, K).

    Ordered classes: the probability of lying above a step may not rise with the step, so each is
    held at most at that of the step below; classes are the differences (Frank 2001,
    10.1007/3-540-44795-4_13). Unordered classes: the answers are divided by their sum.

    Parameters
    ----------
    yes : (n, L) float64, 0 to 1

    Examples
    --------
    >>> class_probabilities(np.array([[0.7, 0.2]]), "ordinal").round(2).tolist()
    [[0.3, 0.5, 0.2]]
    >>> class_probabilities(np.array([[0.4, 0.1, 0.3]]), "nominal").round(3).tolist()
    [[0.5, 0.125, 0.375]]
    """
    if kind == "binary":
        return np.column_stack([1 - yes[:, 0], yes[:, 0]])
    if kind == "nominal":
        kept = np.clip(yes, EPSILON, None)
        return np.asarray(kept / kept.sum(axis=1, keepdims=True))
    falling = np.minimum.accumulate(yes, axis=1)
    bounds = np.column_stack([np.ones(len(yes)), falling, np.zeros(len(yes))])
    return np.asarray(-np.diff(bounds, axis=1))
