"""Error rates and power of the discovery procedure on simulated cohorts of known truth.

No peer and no clock: counts. 500 null cohorts of 600 patients, 300 events and 1,000 features in
correlated blocks of ten (r = 0.6); 100 with one planted hazard ratio of 1.5 per SD; 500 searched
cut-points; 40 site-confounded cohorts. About half an hour of one core; `docs/error-rates.md` has
the table.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pathexplain.prognosis.operating_characteristics import (
    Design,
    simulate_cut_points,
    simulate_discovery,
    simulate_sites,
)

NULL_COHORTS, PLANTED_COHORTS, CUT_COHORTS, SITE_COHORTS = 500, 100, 500, 40


def null() -> dict[str, Any]:
    """Nothing carries survival."""
    return asdict(simulate_discovery(Design(), n_cohorts=NULL_COHORTS, seed=1))


def planted() -> dict[str, Any]:
    """One feature of 1,000 carries a hazard ratio of 1.5 per SD."""
    return asdict(simulate_discovery(Design(n_planted=1), n_cohorts=PLANTED_COHORTS, seed=2))


def cut_points() -> dict[str, Any]:
    """Search cuts where there is nothing to find."""
    return asdict(simulate_cut_points(200, n_cohorts=CUT_COHORTS, n_permutations=999, seed=3))


def sites() -> dict[str, Any]:
    """Two sites differ in survival and in one feature, which carries nothing within a site."""
    return asdict(simulate_sites(Design(m=100), n_cohorts=SITE_COHORTS, seed=4))


def run() -> dict[str, Any]:
    """Return the counts of all four simulations."""
    return {
        "null": null(),
        "planted": planted(),
        "cut_points": cut_points(),
        "sites": sites(),
    }
