"""Rows of a slide: a feature summarized over objects, each with its n and why it is NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import FeatureError
from pathexplain.features.summaries import STATISTICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.subjects import Subject

__all__ = ["STATISTIC_NAMES", "Row", "object_rows"]

STATISTIC_NAMES = tuple(statistic.name for statistic in STATISTICS)


@dataclass(frozen=True)
class Row:
    """One named value of a slide."""

    name: str
    value: float
    n: int
    reason: str = ""


def object_rows(
    name: str, column: str, subject: Subject, member: NDArray[np.bool_] | None = None
) -> list[Row]:
    """Rows of one object feature: over all objects, or over those of a place."""
    given = subject.given
    if subject.state != "present" or given is None:
        nan = float("nan")
        return [Row(f"{name}.{statistic}", nan, 0, subject.state) for statistic in STATISTIC_NAMES]
    if column not in given.columns:
        message = f"prompt {subject.name}: the objects lack {column}; measure the same families"
        raise FeatureError(message, prompt=subject.name)
    keep = np.ones(given.n, bool) if member is None else member
    if column.startswith("shape."):
        keep = keep & ~subject.cut()
    return _summary_rows(name, np.asarray(given.column(column), float)[keep])


def _summary_rows(name: str, values: NDArray[np.float64]) -> list[Row]:
    """All statistics of one feature over its defined values."""
    defined = values[np.isfinite(values)]
    ordered = np.sort(defined)
    n = int(defined.size)
    rows = []
    for statistic in STATISTICS:
        value, reason = float("nan"), f"n = {n}, needs {statistic.minimum}"
        if n >= statistic.minimum:
            value = statistic.compute(defined, ordered)
            reason = "all values are equal" if np.isnan(value) else ""
        rows.append(Row(f"{name}.{statistic.name}", value, n, reason))
    return rows
