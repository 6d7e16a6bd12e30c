"""The times at which survival is predicted and judged: asked for, or taken from the follow-up.

Nothing here looks at features. A horizon that nobody was followed to is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.prognosis.outcome import Outcome

__all__ = ["check_horizons", "default_horizons", "last_supported", "time_grid"]

MIN_AT_RISK = 10  # patients still followed; below it a risk at that time is a guess (own choice)
SHARE_AT_RISK = 0.1
GRID_POINTS = 30


def last_supported(outcome: Outcome) -> float:
    """Return the last time at which 10 patients and a tenth of them are still followed."""
    needed = min(max(MIN_AT_RISK, int(np.ceil(SHARE_AT_RISK * outcome.n))), outcome.n)
    return float(np.sort(outcome.time)[-needed])


def default_horizons(outcome: Outcome) -> tuple[float, ...]:
    """Return up to three round times: quartiles of the event times, where followed well enough.

    Examples
    --------
    >>> from pathexplain.prognosis.outcome import Outcome
    >>> time = np.arange(1.0, 101)
    >>> default_horizons(Outcome(time, time < 80, "months"))
    (20.0, 40.0, 59.0)
    """
    limit = last_supported(outcome)
    quartiles = np.percentile(outcome.time[outcome.event], [25, 50, 75])
    rounded = [_round_down(float(min(value, limit))) for value in quartiles]
    return tuple(sorted({value for value in rounded if value > 0}))


def check_horizons(horizons: Sequence[float], outcome: Outcome, column: str) -> tuple[float, ...]:
    """Return the asked horizons in order; refuse those that the follow-up does not reach.

    Raises
    ------
    CohortError
        If a horizon is not above 0, or beyond the longest follow-up.
    """
    longest = float(outcome.time.max())
    for horizon in horizons:
        if not 0 < horizon < longest:
            message = (
                f"column {column}: the horizon {horizon:g} is not within the follow-up, which ends "
                f"at {longest:g} {outcome.unit}; at {last_supported(outcome):g} there are still "
                f"{int((outcome.time >= last_supported(outcome)).sum())} patients: ask for that "
                "or less"
            )
            raise CohortError(message)
    return tuple(sorted(set(map(float, horizons))))


def time_grid(outcome: Outcome, *, until: float) -> NDArray[np.float64]:
    """Return 30 times from the first event of these patients (a training fold) to `until`."""
    first = float(outcome.time[outcome.event].min())
    return np.linspace(min(first, 0.5 * until), until, GRID_POINTS)


def _round_down(value: float) -> float:
    """Keep two significant figures."""
    step = 10.0 ** (np.floor(np.log10(value)) - 1)
    return round(float(np.floor(value / step + 1e-9) * step), 12)
