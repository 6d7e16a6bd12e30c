"""Folds of whole patients, and of whole groups (sites) where asked.

Not for choosing what to do inside a fold: see `models` and `crossval`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from pathexplain.diagnosis.target import INNER_SPLITS
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Fold", "check_folds", "folds_named", "make_folds"]


@dataclass(frozen=True)
class Fold:
    """Row numbers that train and that are held out; (n_train,) and (n_test,) int64."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def make_folds(
    codes: NDArray[np.int64],
    *,
    groups: NDArray[np.str_] | None = None,
    n_splits: int = 5,
    seed: int = 0,
) -> tuple[Fold, ...]:
    """Split patients into stratified folds; patients of one group stay together.

    Parameters
    ----------
    codes : (n,) int64, class of each patient
    groups : (n,) str or None, what must not be split
    n_splits : number of folds, at most the number of groups
    seed : of the shuffle

    Raises
    ------
    CohortError
        When there are fewer groups than folds, or when a fold's training part lacks a class.

    Examples
    --------
    >>> folds = make_folds(np.array([0, 0, 0, 1, 1, 1] * 3), n_splits=3)
    >>> [len(fold.test) for fold in folds]
    [6, 6, 6]
    """
    rows = np.zeros((len(codes), 1))
    if groups is None:
        plain = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
        return tuple(Fold(train, test) for train, test in plain.split(rows, codes))
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        message = f"{n_groups} groups cannot fill {n_splits} folds; use n_splits={n_groups} or less"
        raise CohortError(message)
    whole = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    folds = tuple(Fold(train, test) for train, test in whole.split(rows, codes, groups))
    for fold in folds:
        _check_training_classes(fold, codes, groups)
    return folds


def check_folds(folds: Sequence[Fold], patients: Sequence[str]) -> None:
    """Refuse folds that share a patient between training and held-out rows, or hold one out twice.

    Raises
    ------
    CohortError
        Naming the first such patient.

    Examples
    --------
    >>> check_folds([Fold(np.array([0]), np.array([1]))], ["P1", "P2"])
    """
    names = np.asarray(patients, dtype=str)
    held_out: set[str] = set()
    for i_fold, fold in enumerate(folds):
        test = set(names[fold.test].tolist())
        shared = sorted(test & set(names[fold.train].tolist()))
        again = sorted(test & held_out)
        if shared or again:
            patient = (shared or again)[0]
            where = "trains and is held out" if shared else "is held out in an earlier fold too"
            message = f"patient {patient!r} {where} in fold {i_fold + 1}; split by patient"
            raise CohortError(message, patient=patient)
        held_out |= test


def folds_named(names: NDArray[np.str_], codes: NDArray[np.int64]) -> tuple[Fold, ...]:
    """Return the folds that a column assigns, in the order of their names.

    Parameters
    ----------
    names : (n,) str, the fold in which each row is held out
    codes : (n,) int64, class of each row

    Raises
    ------
    CohortError
        When there is one fold only, or when the rest of a fold lacks a class to train on.

    Examples
    --------
    >>> folds = folds_named(np.array(["a", "b"] * 6), np.repeat([0, 1], 6))
    >>> [fold.test.tolist() for fold in folds]
    [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
    """
    levels = np.unique(names).tolist()
    if len(levels) == 1:
        message = f"all rows are in fold {levels[0]!r}; cross-validation needs at least 2"
        raise CohortError(message)
    rows = np.arange(len(names))
    folds = tuple(Fold(rows[names != level], rows[names == level]) for level in levels)
    for fold in folds:
        _check_training_classes(fold, codes, names)
    return folds


def _check_training_classes(fold: Fold, codes: NDArray[np.int64], groups: NDArray[np.str_]) -> None:
    """Raise when the groups held out take nearly all of a class with them."""
    counts = np.bincount(codes[fold.train], minlength=int(codes.max()) + 1)
    if counts.min() < INNER_SPLITS:
        held_out = ", ".join(sorted(set(groups[fold.test].tolist())))
        message = (
            f"holding out {held_out} leaves only {counts.min()} rows of a class to train on; "
            "merge groups, or leave out the option that keeps them whole"
        )
        raise CohortError(message)
