# %% [markdown]
"""# Your own cohort: from a patient table to a report, a locked model, and its test elsewhere.

Set what is yours in the first cell, or in the environment, and run all cells. Without a cohort of
yours, two synthetic ones with a planted effect are made, so that you see what to expect: one to
develop on and one, from another place, to test the locked model in.

Three decisions belong to you and should be made before you look: the endpoint, the clinical
variables that everybody already has (`COVARIATES`), and the horizon that matters (`HORIZONS`).
"""

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd

import pathexplain as px
from pathexplain.prognosis import write_model
from pathexplain.report import write_report

QUICK = bool(os.environ.get("PATHEXPLAIN_QUICK"))
PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "my-cohort"))
COHORT = os.environ.get("PATHEXPLAIN_COHORT", "")  # run folder, .h5ad or .csv
CLINICAL = os.environ.get("PATHEXPLAIN_CLINICAL", "") or None  # CSV joined by PATIENT
NEW_COHORT = os.environ.get("PATHEXPLAIN_NEW_COHORT", "")  # opened last, if at all
PATIENT = os.environ.get("PATHEXPLAIN_PATIENT", "patient_id")
TIME = os.environ.get("PATHEXPLAIN_TIME", "time_months")
EVENT = os.environ.get("PATHEXPLAIN_EVENT", "event")
COVARIATES = [name for name in os.environ.get("PATHEXPLAIN_COVARIATES", "age").split(",") if name]
SITE = os.environ.get("PATHEXPLAIN_SITE", "") or None
HORIZONS = [float(t) for t in os.environ.get("PATHEXPLAIN_HORIZONS", "").split(",") if t]
JOBS = int(os.environ.get("PATHEXPLAIN_JOBS", "1"))
FEW = {
    "n_bootstrap": 40,
    "n_repeats": 1,
    "n_permutations": 5,
    "n_max_t": 200,
    "n_optimism": 3,
    "n_stability": 3,
}
OPTIONS = FEW if QUICK else {}
PLACE.mkdir(parents=True, exist_ok=True)


# %%
def synthetic(n: int, seed: int) -> pd.DataFrame:
    """Patients whose lymphocyte density prolongs life; nine further features carry nothing."""
    rng = np.random.default_rng(seed)
    density = rng.normal(size=n)
    death = rng.exponential(40 * np.exp(0.6 * density))
    end = rng.uniform(24, 120, n)
    columns = {
        "patient_id": [f"S{seed}-{i:03d}" for i in range(n)],
        "time_months": np.minimum(death, end).round(2) + 0.01,
        "event": (death <= end).astype(int),
        "age": rng.normal(62, 10, n).round(),
        "site": rng.choice(["A", "B", "C"], n),
        "lymphocyte.aggregate.density_per_mm2.total": np.exp(6.5 + 0.5 * density),
    }
    for k in range(9):
        columns[f"nucleus.shape.filler{k}.mean"] = rng.normal(size=n)
    return pd.DataFrame(columns)


if not COHORT:
    COHORT, NEW_COHORT = str(PLACE / "development.csv"), str(PLACE / "elsewhere.csv")
    synthetic(250, 1).to_csv(COHORT, index=False)
    synthetic(200, 2).to_csv(NEW_COHORT, index=False)

# %% [markdown]
# ## 1. Development
#
# Stopped half-way, it goes on where it was: finished pieces are kept in the folder below.

# %%
cohort = px.read_cohort(COHORT, clinical=CLINICAL, patient=PATIENT)
print(f"{cohort.n_obs} patients, {cohort.n_vars} features; clinical: {', '.join(cohort.obs)}")
result = px.survival(
    cohort,
    time=TIME,
    event=EVENT,
    covariates=COVARIATES,
    site=SITE,
    horizons=HORIZONS,
    jobs=JOBS,
    checkpoint=PLACE / ".pieces",
    **OPTIONS,
)
print(result.headline)
for note in result.notes:
    if note.level == "warning":
        print(f"  ! {note.text}")
run = COHORT if Path(COHORT).is_dir() else None
print(write_report(result, PLACE, run=run)[1])

# %% [markdown]
# ## 2. Lock
#
# From here on nothing is chosen any more. Deposit the file (its hash is in it) before you open the
# new cohort.

# %%
if result.model is None:
    print(f"nothing to lock: {result.final_reason}")
else:
    locked = write_model(result.model, PLACE / "model.json")
    print(locked)

# %% [markdown]
# ## 3. Test elsewhere

# %%
if result.model is not None and NEW_COHORT:
    new = px.read_cohort(NEW_COHORT, patient=PATIENT)
    tested = px.validate(locked, new, n_bootstrap=40 if QUICK else 500)
    print(tested.headline)
    print(write_report(tested, PLACE)[1])

# %% [markdown]
# ## 4. What you must add
#
# The page ends with the REMARK and TRIPOD+AI lists: what the analysis knows is filled in; these
# items wait for you.

# %%
for item in result.remark:
    if item.missing:
        print(f"REMARK {item.number}: {item.missing}")
