# %% [markdown]
"""# Do the figures agree with those printed elsewhere, on cohorts that everybody has.

lifelines ships the cohorts, so this runs anywhere. Held to what is printed: the North Central
lung cancer trial (Loprinzi 1994, doi:10.1200/JCO.1994.12.3.601) and the German Breast Cancer
Study Group (Schumacher 1994, doi:10.1200/JCO.1994.12.10.2086).
"""

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from lifelines.datasets import load_gbsg2, load_lung

import pathexplain as px
from pathexplain.prognosis import SurvivalResult
from pathexplain.report import write_report

QUICK = bool(os.environ.get("PATHEXPLAIN_QUICK"))
PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "clinical-cohorts"))
FEW = {
    "n_bootstrap": 40,
    "n_repeats": 1,
    "n_permutations": 5,
    "n_max_t": 200,
    "n_optimism": 3,
    "n_stability": 3,
}
OPTIONS = FEW if QUICK else {}


# %%
def analyze(
    table: pd.DataFrame, *, time: str, event: str, covariates: list[str], name: str
) -> SurvivalResult:
    """Analyze a table whose other columns are the candidate features; write its report."""
    table.index = [f"P{i}" for i in range(len(table))]
    clinical = [time, event, *covariates]
    features = table.drop(columns=clinical)
    cohort = AnnData(
        features.to_numpy(np.float64), obs=table[clinical], var=pd.DataFrame(index=features.columns)
    )
    result = px.survival(cohort, time=time, event=event, covariates=covariates, **OPTIONS)
    print(f"{name}: {result.cohort.n} patients, {result.cohort.events} events. {result.headline}")
    print(write_report(result, PLACE, name=name)[1])
    return result


# %% [markdown]
# ## Lung cancer: performance status beside age and sex
#
# R's `coxph(Surv(time, status) ~ age + sex + ph.ecog, lung)` prints for ph.ecog a coefficient of
# 0.463728 (standard error 0.113577) on 227 patients with 164 events.

# %%
lung = load_lung()[["time", "status", "age", "sex", "ph.ecog", "ph.karno", "wt.loss"]]
lung = lung.rename(columns={"time": "time_days"})
result = analyze(lung, time="time_days", event="status", covariates=["age", "sex"], name="lung")
row = next(row for row in result.screen.rows if row.feature == "ph.ecog")
print(
    f"  ph.ecog: {row.beta:.4f} ({row.se:.4f}), n {row.n}, {row.events} events; R: 0.4637 (0.1136)"
)

# %% [markdown]
# ## Breast cancer: what a marker study calls a feature
#
# Nodes and progesterone receptor are the published prognostic factors; their effects are not
# straight lines (Sauerbrei and Royston 1999, doi:10.1111/1467-985X.00122), which the page's curves
# over the value show.

# %%
gbsg2 = load_gbsg2().rename(columns={"time": "time_days", "cens": "event"})
gbsg2["hormones"] = (gbsg2["horTh"] == "yes").astype(float)
gbsg2["grade"] = gbsg2["tgrade"].map({"I": 1.0, "II": 2.0, "III": 3.0})
gbsg2 = gbsg2.drop(columns=["horTh", "tgrade", "menostat"])
result = analyze(
    gbsg2, time="time_days", event="event", covariates=["age", "hormones"], name="gbsg2"
)
for row in result.screen.rows:
    print(f"  {row.feature}: HR {row.hr_per_sd.value:.2f} per SD, p {row.p:.2g}")
curved = [one for one in result.functional_forms if one.p_nonlinear.value < 0.05]
print(f"  not a straight line: {', '.join(one.feature for one in curved) or 'none'}")
