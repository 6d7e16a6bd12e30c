"""How many patients the next study needs, and what it could detect: formulas.

Not for post-hoc power of the study at hand. Simulation: `power_simulation`. References: Schoenfeld
(1983) doi 10.2307/2531021; Hsieh and Lavori (2000) doi 10.1016/S0197-2456(00)00104-5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError

__all__ = ["StudySize", "detectable_hr", "events_needed", "power_of", "study_size"]


@dataclass(frozen=True)
class StudySize:
    """Events and patients for a study, both rounded up, with what they rest on."""

    events: int
    patients: int
    hr: float
    sd: float
    alpha: float
    power: float
    event_rate: float
    r_squared: float


def events_needed(
    hr: float, *, sd: float = 1.0, alpha: float = 0.05, power: float = 0.8, r_squared: float = 0.0
) -> float:
    """Return the events at which a Cox model's two-sided Wald test has the asked power.

    Parameters
    ----------
    hr : float
        Hazard ratio for one unit of the feature, above 0 and not 1; per SD with ``sd=1``.
    sd : float
        Standard deviation of the feature; ``sqrt(p (1 - p))`` for two groups of shares p and 1 - p.
    alpha : float
        Two-sided level; divide by the number of biomarkers to be confirmed.
    power : float
        0 to 1.
    r_squared : float
        Of the feature on the covariates; ``1 / (1 - r_squared)`` is its variance inflation.

    Examples
    --------
    A published example, log hazard ratio 1 and sd 0.3126 (Hsieh and Lavori 2000, one-sided 5 %):

    >>> round(events_needed(np.exp(1), sd=0.3126, alpha=0.1, power=0.8), 1)
    63.3
    """
    _check(hr, sd, alpha, power, r_squared)
    quantiles = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
    return float((quantiles / (sd * np.log(hr))) ** 2 / (1.0 - r_squared))


def study_size(
    hr: float,
    *,
    event_rate: float,
    sd: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    r_squared: float = 0.0,
) -> StudySize:
    """Return events and patients; `event_rate` is the share of patients whose event will be seen.

    Examples
    --------
    >>> size = study_size(1.5, event_rate=0.4, r_squared=0.1)
    >>> size.events, size.patients
    (54, 133)
    """
    if not 0 < event_rate <= 1:
        message = f"event_rate is {event_rate}; it lies above 0 and up to 1"
        raise CohortError(message)
    events = events_needed(hr, sd=sd, alpha=alpha, power=power, r_squared=r_squared)
    patients = int(np.ceil(events / event_rate - 1e-9))
    return StudySize(
        int(np.ceil(events - 1e-9)), patients, hr, sd, alpha, power, event_rate, r_squared
    )


def detectable_hr(
    events: int,
    *,
    sd: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    r_squared: float = 0.0,
) -> float:
    """Return the smallest hazard ratio above 1 that so many events detect; its inverse as well.

    Examples
    --------
    >>> round(detectable_hr(100), 2)
    1.32
    """
    _check(2.0, sd, alpha, power, r_squared)
    if events < 1:
        message = f"{events} events detect nothing"
        raise CohortError(message)
    quantiles = stats.norm.isf(alpha / 2) + stats.norm.ppf(power)
    return float(np.exp(quantiles / (sd * np.sqrt(events * (1.0 - r_squared)))))


def power_of(
    hr: float, events: int, *, sd: float = 1.0, alpha: float = 0.05, r_squared: float = 0.0
) -> float:
    """Return the chance to find a true hazard ratio with so many events (right direction).

    Examples
    --------
    >>> round(power_of(1.5, 54, r_squared=0.1), 2)
    0.81
    """
    _check(hr, sd, alpha, 0.5, r_squared)
    drift = abs(np.log(hr)) * sd * np.sqrt(events * (1.0 - r_squared))
    return float(stats.norm.sf(stats.norm.isf(alpha / 2) - drift))


def _check(hr: float, sd: float, alpha: float, power: float, r_squared: float) -> None:
    """Refuse values outside their range, naming them."""
    faults = {
        f"hr is {hr}: above 0 and not 1": not (hr > 0 and hr != 1),
        f"sd is {sd}: above 0": not sd > 0,
        f"alpha is {alpha}: between 0 and 1": not 0 < alpha < 1,
        f"power is {power}: between 0 and 1": not 0 < power < 1,
        f"r_squared is {r_squared}: 0 up to below 1": not 0 <= r_squared < 1,
    }
    wrong = "; ".join(message for message, is_wrong in faults.items() if is_wrong)
    if wrong:
        raise CohortError(wrong)
