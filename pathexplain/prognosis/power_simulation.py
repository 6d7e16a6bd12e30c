"""The power of the whole plan by simulation: phantom patients, measurement error, the Cox test.

Not for tissue: only the phantom's patients are drawn. Formulas: `power`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.phantom import cohort as phantom_cohort
from pathexplain.prognosis.cox import fit_each
from pathexplain.prognosis.power import power_of
from pathexplain.prognosis.risk_sets import risk_order

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SimulatedPower", "simulate_power"]


@dataclass(frozen=True)
class SimulatedPower:
    """Share of simulated studies that find the planted effect, with its 95 % limits (exact).

    `by_formula` is Schoenfeld's power at the mean number of events, `mean_events`, and at the
    hazard ratio that error leaves (`hr` to the power of the square root of the ICC).
    """

    power: float
    low: float
    high: float
    by_formula: float
    mean_events: float
    n_patients: int
    hr: float
    icc: float
    alpha: float
    n_simulations: int


def simulate_power(
    n_patients: int,
    *,
    hr: float,
    icc: float = 1.0,
    alpha: float = 0.05,
    n_simulations: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedPower:
    """Draw phantom cohorts with a planted hazard ratio and count how often it is found.

    In the phantom, lymphocyte density carries survival (Weibull, censoring uniform between 24 and
    120 months, about three quarters of the events seen). The feature tested is the planted one,
    measured with the given ICC.

    Parameters
    ----------
    n_patients : int
        Of each study, at least 4.
    hr : float
        For one SD of the error-free feature; 1 gives the type-1 error.
    icc : float
        Share of the measured variance that is true, above 0 to 1.
    alpha : float
        Two-sided level of the Wald test; a finding also has the planted direction.
    n_simulations : int
        Studies drawn.
    seed : int
        Same seed, same result.

    Examples
    --------
    >>> found = simulate_power(80, hr=1.6, n_simulations=40)
    >>> found.low < found.by_formula < found.high
    True
    """
    if not (hr > 0 and 0 < icc <= 1 and 0 < alpha < 1 and n_simulations > 0):
        message = (
            f"hr {hr}, icc {icc}, alpha {alpha}, n_simulations {n_simulations}: hr must be above "
            "0, icc above 0 up to 1, alpha between 0 and 1, simulations at least 1"
        )
        raise CohortError(message)
    log_hr = float(np.log(hr))
    found, events = 0, []
    for k in range(n_simulations):
        draw = int(np.random.SeedSequence((seed, k)).generate_state(1)[0])
        made = phantom_cohort(n_patients, seed=draw, log_hazard_per_sd=log_hr)
        z = made.latent["lymphocytes_z"].to_numpy()
        noise = np.random.default_rng(draw + 1).normal(size=n_patients)
        measured = np.sqrt(icc) * z + np.sqrt(1.0 - icc) * noise
        time = made.clinical["time_months"].to_numpy(dtype=np.float64)
        event = made.clinical["event"].to_numpy() == 1
        fit = fit_each(measured[:, None], risk_order(time, event), threads=1)
        right = log_hr == 0 or fit.beta[0] * log_hr > 0
        found += bool(fit.p[0] <= alpha and right)
        events.append(int(event.sum()))
        if progress is not None:
            progress(k + 1, n_simulations)
    low, high = _exact_limits(found, n_simulations)
    mean_events = float(np.mean(events))
    effect = float(np.exp(log_hr * np.sqrt(icc)))
    by_formula = alpha if hr == 1 else power_of(effect, round(mean_events), alpha=alpha)
    return SimulatedPower(
        power=found / n_simulations,
        low=low,
        high=high,
        by_formula=by_formula,
        mean_events=mean_events,
        n_patients=n_patients,
        hr=hr,
        icc=icc,
        alpha=alpha,
        n_simulations=n_simulations,
    )


def _exact_limits(found: int, total: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % limits of a share."""
    interval = stats.binomtest(found, total).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)
