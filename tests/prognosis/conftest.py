"""Cohorts with known truth, for the tests of the whole analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest

from pathexplain.prognosis.study import Study, build_study

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def planted_cohort() -> Callable[..., anndata.AnnData]:
    """Makes cohorts with known truth."""
    return _planted_cohort


@pytest.fixture(scope="session")
def planted_study() -> Callable[..., Study]:
    """Makes studies of such cohorts, with competing events, age and sites."""

    def make(**options: Any) -> Study:
        cohort = _planted_cohort(**options)
        columns = {"time": "time_months", "event": "status", "competing": "2", "site": "site"}
        return build_study(cohort, covariates=("age",), **columns)

    return make


def _planted_cohort(
    *,
    n: int = 200,
    m: int = 12,
    log_hr: float = 0.8,
    site_shift: float = 0.0,
    site_log_hr: float = 0.0,
    seed: int = 0,
) -> anndata.AnnData:
    """Feature f00 carries `log_hr` per sd; f01 differs between sites, whose hazards may differ."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(n, m))
    site = generator.integers(0, 3, n)
    z[:, 1] += site_shift * (site - 1)
    age = generator.normal(60, 10, n)
    log_hazard = log_hr * z[:, 0] + 0.04 * (age - 60) + site_log_hr * (site - 1)
    death = generator.exponential(30 * np.exp(-log_hazard))
    other = generator.exponential(120, n)
    censoring = generator.uniform(10, 90, n)
    time = np.minimum(np.minimum(death, other), censoring)
    obs = pd.DataFrame(
        {
            "time_months": time,
            "event": (death == time).astype(int),
            "other": (other == time).astype(int),
            "age": age,
            "grade": generator.choice(["G1", "G2", "G3"], n),
            "site": np.array(["A", "B", "C"])[site],
        },
        index=[f"P{i:03d}" for i in range(n)],
    )
    obs["status"] = obs["event"] + 2 * obs["other"]
    names = [f"nucleus.shape.f{j:02d}.mean" for j in range(m)]
    var = pd.DataFrame({"unit": "um2", "definition": "planted"}, index=names)
    return anndata.AnnData(100 + 20 * z, obs=obs, var=var)
