"""Sample size: published examples, the formulas against each other and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.power import detectable_hr, events_needed, power_of, study_size
from pathexplain.prognosis.power_simulation import simulate_power


def test_the_myeloma_example_of_hsieh_and_lavori() -> None:
    # log hazard ratio 1, sd 0.3126, one-sided 5 %, power 80 %: 64 events, 78 with R-squared 0.1837
    alone = events_needed(np.exp(1), sd=0.3126, alpha=0.1)
    beside = events_needed(np.exp(1), sd=0.3126, alpha=0.1, r_squared=0.1837)
    assert (int(np.ceil(alone)), int(np.ceil(beside))) == (64, 78)


def test_two_equal_groups_are_schoenfeld_s_formula() -> None:
    # Schoenfeld (1983): 4 (z_a + z_b)^2 / log(hr)^2 deaths; hr 2, 5 % two-sided, 80 %: 66
    assert int(np.ceil(events_needed(2.0, sd=0.5))) == 66


def test_the_three_formulas_invert_each_other() -> None:
    events = study_size(1.4, event_rate=0.5, r_squared=0.3).events
    assert detectable_hr(events, r_squared=0.3) <= 1.4 < detectable_hr(events - 1, r_squared=0.3)
    assert power_of(1.4, events, r_squared=0.3) >= 0.8 > power_of(1.4, events - 1, r_squared=0.3)
    np.testing.assert_allclose(power_of(1 / 1.4, 100), power_of(1.4, 100))


@pytest.mark.parametrize(("hr", "icc"), [(1.5, 1.0), (0.6, 0.7), (1.0, 1.0)])
def test_simulated_power_agrees_with_the_formula(hr: float, icc: float) -> None:
    found = simulate_power(80, hr=hr, icc=icc, n_simulations=150)
    margin = 0.05 + 3 * np.sqrt(0.25 / 150)
    assert abs(found.power - found.by_formula) < margin
    assert found.low <= found.power <= found.high
    assert 40 < found.mean_events < 80


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hr": 1.0}, "hr is 1.0"),
        ({"hr": 2.0, "power": 1.0}, "power is 1.0"),
        ({"hr": 2.0, "r_squared": 1.0}, "r_squared is 1.0"),
        ({"hr": 2.0, "sd": 0.0}, "sd is 0.0"),
    ],
)
def test_values_out_of_range_are_named(options: dict, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        events_needed(**options)
