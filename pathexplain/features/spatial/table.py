"""What spatial features come as: values of objects, and numbers of a slide with n and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.features.columns import Column

__all__ = ["SlideNumber", "SpatialTable", "undefined_numbers"]


@dataclass(frozen=True)
class SlideNumber:
    """One number of a slide: value, the objects it rests on, and why it is NaN."""

    value: float
    n: int
    reason: str = ""


@dataclass
class SpatialTable:
    """Columns of one prompt or pair, filled one by one by name.

    `objects` (n,) float64 each; `numbers` those of the slide.
    """

    n: int
    objects: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    numbers: dict[str, SlideNumber] = field(default_factory=dict)

    def number(self, name: str, value: float, n: int, reason: str = "") -> None:
        """Enter a number of the slide; an infinite or NaN value is NaN for the reason given."""
        if np.isfinite(value):
            self.numbers[name] = SlideNumber(float(value), int(n))
        else:
            self.numbers[name] = SlideNumber(float("nan"), int(n), reason or "not defined")

    def values(self, columns: Sequence[Column]) -> NDArray[np.float64]:
        """(n, k) float64 in the order of the object columns given; what is missing is NaN."""
        blank = np.full(self.n, np.nan)
        return np.column_stack(
            [np.empty((self.n, 0)), *(self.objects.get(column.name, blank) for column in columns)]
        )


def undefined_numbers(columns: Sequence[Column], reason: str) -> dict[str, SlideNumber]:
    """NaN for every column, for one reason."""
    return {column.name: SlideNumber(float("nan"), 0, reason) for column in columns}
