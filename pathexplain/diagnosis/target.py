"""Parse the target column once: classes, codes, and which patients are lost and why.

Not for features or covariates: see `inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BINARY", "INNER_SPLITS", "Kind", "Target"]
__all__ += ["check_class_sizes", "find_column", "parse_target"]

Kind = Literal["binary", "nominal", "ordinal"]
"""Two classes; more without an order; more with one."""

BINARY = 2
"""Number of classes with one positive class."""

INNER_SPLITS = 3
"""Folds of the inner cross-validation that picks hyperparameters."""

MAX_CLASSES = 10


@dataclass(frozen=True)
class Target:
    """Class codes of the patients that have one; `positive` is the last class when two.

    Attributes
    ----------
    codes : (n,) int64
        Index into `classes`; -1 where the value is missing.
    is_ordered : bool
        Whether the order of `classes` was given, so that three or more are ordinal.
    """

    column: str
    classes: tuple[str, ...]
    codes: NDArray[np.int64]
    is_ordered: bool = False

    @property
    def kind(self) -> Kind:
        """How the classes are told apart."""
        if len(self.classes) == BINARY:
            return "binary"
        return "ordinal" if self.is_ordered else "nominal"

    @property
    def positive(self) -> str | None:
        """The class that binary scores point to, None for more than two classes."""
        return self.classes[-1] if len(self.classes) == BINARY else None


def find_column(table: pd.DataFrame, column: str, *, role: str) -> pd.Series[Any]:
    """Return a column of the clinical table; say what there is when it is missing.

    Raises
    ------
    CohortError
        When there is no such column.
    """
    if column in table.columns:
        return table[column]
    names = [str(name) for name in table.columns]
    close = get_close_matches(column, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the table has: {', '.join(names) or '-'}"
    message = f"{role} column {column!r} is not in the cohort's clinical columns; {hint}"
    raise CohortError(message)


def parse_target(values: pd.Series[Any], *, column: str, order: Sequence[str] = ()) -> Target:
    """Turn a clinical column into class codes.

    Classes keep the order of a categorical column; numbers and booleans are sorted by value, text
    by name. With two classes the last one is the positive class. With `order`, or an ordered
    categorical column, three or more classes are ordinal.

    Parameters
    ----------
    values : (n,) series of text, booleans, whole numbers or categories
    column : name of the column, for messages
    order : classes from low to high; empty: as said above

    Raises
    ------
    CohortError
        When no value is known, when there is one class only, or when the column is continuous.
    ConfigError
        When `order` is not made of the column's classes, each once.

    Examples
    --------
    >>> target = parse_target(pd.Series(["benign", None, "malignant"]), column="diagnosis")
    >>> target.classes, target.codes.tolist(), target.positive
    (('benign', 'malignant'), [0, -1, 1], 'malignant')
    """
    known = values.dropna()
    if known.empty:
        message = f"target {column!r}: no patient has a value"
        raise CohortError(message)
    is_ordered = bool(order)
    if order:
        levels = _ordered_levels(known, order, column)
    elif isinstance(values.dtype, pd.CategoricalDtype):
        is_ordered = bool(values.dtype.ordered)
        present = set(known)
        levels = [level for level in values.cat.categories if level in present]
    else:
        levels = sorted(known.unique().tolist(), key=_sort_key)
    if len(levels) == 1:
        message = (
            f"target {column!r}: all {len(known)} patients are {levels[0]!r}; "
            "a diagnosis needs at least two classes"
        )
        raise CohortError(message)
    if len(levels) > MAX_CLASSES:
        message = (
            f"target {column!r}: {len(levels)} distinct values in {len(known)} patients; "
            f"at most {MAX_CLASSES} classes are possible, so bin the column first"
        )
        raise CohortError(message)
    position = {level: code for code, level in enumerate(levels)}
    codes = np.array([position.get(value, -1) for value in values], dtype=np.int64)
    classes = tuple(_class_name(v) for v in levels)
    return Target(column=column, classes=classes, codes=codes, is_ordered=is_ordered)


def _ordered_levels(known: pd.Series[Any], order: Sequence[str], column: str) -> list[Any]:
    """Return the column's values in the order of the given names, which must be theirs."""
    present = {_class_name(value): value for value in known.unique()}
    if sorted(present) != sorted(order):
        message = (
            f"target {column!r}: the order {', '.join(order)} must name each of its classes once; "
            f"they are {', '.join(sorted(present))}"
        )
        raise ConfigError(message)
    return [present[name] for name in order]


def check_class_sizes(counts: Sequence[int], target: Target, *, n_splits: int) -> None:
    """Refuse classes too small for the folds.

    Every class must be in every outer fold and, without that fold, in each of the inner folds.

    Raises
    ------
    CohortError
        Naming the counts and the number of splits that would work, if any.

    Examples
    --------
    >>> target = Target("dx", ("no", "yes"), np.array([0, 1]))
    >>> check_class_sizes([30, 5], target, n_splits=5)
    """
    if n_splits < 2:  # noqa: PLR2004 - one fold holds nothing out
        message = f"n_splits is {n_splits}; cross-validation needs at least 2"
        raise CohortError(message)
    smallest = min(counts)
    if _fits(smallest, n_splits):
        return
    listed = ", ".join(f"{n} {name!r}" for name, n in zip(target.classes, counts, strict=True))
    possible = max((k for k in range(2, n_splits) if _fits(smallest, k)), default=None)
    advice = (
        f"use n_splits={possible} or fewer"
        if possible
        else "add patients or merge classes; no number of splits works"
    )
    message = (
        f"target {target.column!r}: too few patients in a class for {n_splits} folds "
        f"({listed}); {advice}"
    )
    raise CohortError(message)


def _fits(smallest: int, n_splits: int) -> bool:
    """Say whether a class of that size reaches all outer and inner folds."""
    return smallest >= n_splits and smallest - -(-smallest // n_splits) >= INNER_SPLITS


def _sort_key(value: object) -> tuple[int, float, str]:
    """Sort numbers by value before text by name."""
    if isinstance(value, int | float | np.number):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _class_name(value: object) -> str:
    """Write 1.0 as 1, since a column with gaps turns whole numbers into floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
