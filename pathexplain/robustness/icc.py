"""Intraclass correlation: how much of what differs between slides survives a change of conditions.

ICC(2,1), two-way random effects, absolute agreement, single measurement (Shrout 1979,
doi:10.1037/0033-2909.86.2.420), with the interval of McGraw 1996,
doi:10.1037/1082-989X.1.1.30.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEWEST_SUBJECTS", "Agreement", "icc_2_1"]

FEWEST_SUBJECTS = 3
"""With fewer subjects an agreement is not estimated: its interval says nothing."""


@dataclass(frozen=True)
class Agreement:
    """ICC(2,1) of one feature.

    Attributes
    ----------
    icc, low, high : float
        Estimate and the limits of its interval; NaN where undefined. The estimate may be negative.
    n_subjects, n_conditions : int
        Of the complete table that it rests on.
    reason : str
        Why it is undefined; empty where it is not.
    """

    icc: float
    low: float
    high: float
    n_subjects: int
    n_conditions: int
    reason: str = ""


def icc_2_1(values: NDArray[np.float64], *, level: float = 0.95) -> Agreement:
    """Agreement of measurements of the same subjects under several conditions.

    Parameters
    ----------
    values : (n, k) float64
        One row a subject (patient, slide), one column a condition. Rows with NaN are left out.
    level : float
        Coverage of the interval, in (0, 1).

    Returns
    -------
    Agreement
        NaN with a reason for fewer than 3 complete subjects or 2 conditions, and where nothing
        differs between the subjects and conditions, so that there is nothing to agree on.

    Notes
    -----
    With the mean squares of subjects MSR, conditions MSC and residual MSE,
    ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n). The interval uses
    Satterthwaite's degrees of freedom for the denominator (McGraw 1996, table 7, case 2A).

    Examples
    --------
    Shrout and Fleiss' four judges and six targets:

    >>> judges = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8],
    ...                    [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    >>> found = icc_2_1(judges)
    >>> round(found.icc, 2), round(found.low, 2), round(found.high, 2)
    (0.29, 0.02, 0.76)
    """
    table = np.asarray(values, np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    if k < 2 or n < FEWEST_SUBJECTS:  # noqa: PLR2004  # agreement is of two or more
        reason = f"n = {n} complete, needs {FEWEST_SUBJECTS}" if k > 1 else f"{k} conditions"
        return Agreement(np.nan, np.nan, np.nan, n, k, reason)
    scale = float(np.abs(table).max())
    table = table / scale if scale > 0 else table
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    residual = table - rows[:, None] - columns + mean
    msr = k * float(((rows - mean) ** 2).sum()) / (n - 1)
    msc = n * float(((columns - mean) ** 2).sum()) / (k - 1)
    mse = float((residual**2).sum()) / ((n - 1) * (k - 1))
    if max(msr, msc, mse) < _NOTHING:
        return Agreement(np.nan, np.nan, np.nan, n, k, "all values are equal")
    icc = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    low, high = _interval((msr, msc, mse), icc, n, k, level)
    return Agreement(float(icc), low, high, n, k)


_NOTHING = 1e-24
"""Mean squares of values scaled to 1 that rounding alone brings about."""


def _interval(
    squares: tuple[float, float, float], icc: float, n: int, k: int, level: float
) -> tuple[float, float]:
    """Limits of ICC(2,1) by McGraw and Wong; both are 1 where conditions agree perfectly."""
    msr, msc, mse = squares
    if max(msc, mse) < _NOTHING * max(msr, 1.0):
        return 1.0, 1.0
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    total = a * msc + b * mse
    spread = (a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1))
    freedom = max(total**2 / spread, 1e-6) if spread > 0 else 1e-6
    tail = 1 - (1 - level) / 2
    upper = float(stats.f.ppf(tail, n - 1, freedom))
    lower = float(stats.f.ppf(tail, freedom, n - 1))
    errors = k * msc + (k * n - k - n) * mse
    low = n * (msr - upper * mse) / (upper * errors + n * msr)
    high = n * (lower * msr - mse) / (errors + n * lower * msr)
    return float(max(low, -1.0)), float(min(high, 1.0))
