"""Residuals of a Cox model: what was seen minus what was expected, patient by patient.

Not for testing: `max_t`, `cutpoints` and `schoenfeld` do that.
Reference: Therneau, Grambsch and Fleming (1990) doi 10.1093/biomet/77.1.147.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.coxnet import entered_rows
from pathexplain.prognosis.coxnet_kernel import slope_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.risk_sets import RiskOrder

__all__ = ["martingale_residuals"]


def martingale_residuals(
    risk: RiskOrder, log_risk: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return event minus expected events (n,), with Breslow's cumulative hazard by stratum.

    `log_risk` (n,) is the log relative hazard of a fitted model, 0 for everybody by default: then
    the residuals are the scores of the log-rank test. They sum to 0 within each stratum; patients
    of weight 0 have NaN.

    Examples
    --------
    >>> from pathexplain.prognosis.risk_sets import risk_order
    >>> martingale_residuals(risk_order([1.0, 2, 3], [1, 0, 1])).round(3).tolist()
    [0.667, -0.333, -0.333]
    """
    eta = np.zeros(risk.n) if log_risk is None else np.asarray(log_risk, dtype=np.float64)
    slope = slope_at(np.ascontiguousarray(eta[risk.order]), risk.sorted, entered_rows(risk))
    residuals = np.full(risk.n, np.nan)
    residuals[risk.order] = slope.residual
    return residuals
