"""Restricted cubic splines: smooth between knots, straight beyond the outer ones.

Reference: Harrell (2015), Regression Modeling Strategies, doi 10.1007/978-3-319-19425-7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["quantile_knots", "restricted_cubic"]

QUANTILES = (0.05, 0.35, 0.65, 0.95)  # four knots, as Harrell places them


def quantile_knots(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct knots of `values`; fewer than three allow no curve.

    Examples
    --------
    >>> quantile_knots(np.arange(101.0)).tolist()
    [5.0, 35.0, 65.0, 95.0]
    """
    return np.unique(np.quantile(values, QUANTILES))


def restricted_cubic(
    values: NDArray[np.float64], knots: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the basis (n, k - 1) of k knots: the values, then k - 2 curved columns.

    Examples
    --------
    >>> restricted_cubic(np.array([0.0, 2.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [[0.0, 0.0], [2.0, 0.25]]
    """
    span = (knots[-1] - knots[0]) ** 2

    def cube(knot: float) -> NDArray[np.float64]:
        return np.asarray(np.maximum(values - knot, 0.0) ** 3)

    last, before = knots[-1], knots[-2]
    columns = [values]
    for knot in knots[:-2]:
        ends = cube(before) * (last - knot) - cube(last) * (before - knot)
        columns.append((cube(knot) - ends / (last - before)) / span)
    return np.column_stack(columns)
