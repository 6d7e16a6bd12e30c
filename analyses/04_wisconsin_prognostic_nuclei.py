# %% [markdown]
"""# Do the shapes of nuclei foretell recurrence of breast cancer.

198 invasive breast cancers, 30 features of the outlined nuclei of a fine-needle aspirate each, 47
recurrences (Wisconsin Prognostic Breast Cancer; Mangasarian 1995, doi:10.1287/opre.43.4.570).
Tumor size and positive nodes are the clinical variables to beat.

What is published: the size of the largest nuclei ("worst" radius, perimeter, area) carries the
recurrence; radius (worst) alone ranks 68.6 % of comparable pairs rightly. What is asked here:
does it stand correction for 30 tests, does it add to size and nodes, and would it repeat?
"""

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from lifelines.datasets import load_gbsg2

import pathexplain as px
from pathexplain.prognosis import write_model
from pathexplain.report import write_report

QUICK = bool(os.environ.get("PATHEXPLAIN_QUICK"))
PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "wisconsin-prognosis"))
TABLE = Path(os.environ.get("PATHEXPLAIN_WPBC", "../shared/data/tables/wpbc.csv"))
FEW = {
    "n_bootstrap": 40,
    "n_repeats": 1,
    "n_permutations": 5,
    "n_max_t": 200,
    "n_optimism": 5,
    "n_stability": 5,
}
OPTIONS = FEW if QUICK else {}

# %% [markdown]
# ## The table
#
# Where it is absent: https://archive.ics.uci.edu/dataset/16 (CC BY 4.0), columns named as below.
# The German Breast Cancer Study Group's cohort, which lifelines ships, then takes its place; its
# features are clinical, so only the way through is shown.

# %%
if TABLE.is_file():
    table = pd.read_csv(TABLE, index_col="patient", dtype={"patient": str})
    covariates = ["tumor_size_cm", "positive_nodes"]
else:
    print(f"{TABLE} is not here: running on the GBSG2 cohort of lifelines instead")
    table = load_gbsg2().rename(columns={"time": "time_days", "cens": "event"})
    table = table.drop(columns=["menostat", "tgrade", "horTh"]).astype(float)
    table.index = [f"P{i}" for i in range(len(table))]
    covariates = ["age", "tsize"]
time = next(column for column in table if column.startswith("time"))
clinical = [time, "event", *covariates]
features = table.drop(columns=clinical)
cohort = AnnData(
    features.to_numpy(np.float64), obs=table[clinical], var=pd.DataFrame(index=features.columns)
)

# %% [markdown]
# ## The analysis, and a model locked for whoever has another cohort

# %%
result = px.survival(cohort, time=time, event="event", covariates=covariates, **OPTIONS)
print(result.headline)
for row in result.screen.rows[:5]:
    hr = row.hr_per_sd
    print(
        f"  {row.feature}: HR {hr.value:.2f} ({hr.low:.2f} to {hr.high:.2f}) per SD, "
        f"p {row.p:.2g}, BH {row.p_bh:.2g}, max-T {row.p_max_t:.2g}, C alone {row.c_index:.3f}"
    )
for note in result.notes:
    if note.level == "warning":
        print(f"  ! {note.text}")
if result.model is not None:
    print(write_model(result.model, PLACE / "model.json"))
print(write_report(result, PLACE)[1])

# %% [markdown]
# ## What it finds, beside what is published
#
# On the Wisconsin table the screen finds the size of the largest nuclei first, as published, and it
# stands every correction. But beside tumor size and positive nodes the cross-validated C-index
# does not rise (0.69 with and without nuclei, the interval of the gain from about -0.06 to
# +0.05), and which of perimeter, area and radius comes first changes from fold to fold: they are
# one measurement. 47 recurrences cannot show more. Radius (worst) alone has C = 0.677 in the 194
# patients with known nodes and 0.685 in all 198, where pairs with equal times are counted as
# lifelines and R count them (0.686 without them). The effect is strongest in the first one and a
# half years and is not shown after.

# %%
alone = {row.feature: row.c_index for row in result.screen.rows}
if "radius_worst" in alone:
    print(f"radius_worst alone, apparent: C = {alone['radius_worst']:.4f}; stated elsewhere: 0.686")
