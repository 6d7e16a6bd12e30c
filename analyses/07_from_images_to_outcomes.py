# %% [markdown]
"""# From real images to real outcomes, and how little 30 patients can show.

One H&E field of 30 TCGA patients of seven organs (MoNuSeg; Kumar 2017,
doi:10.1109/TMI.2017.2677499) with every nucleus outlined by hand, and their outcomes (Liu 2018,
doi:10.1016/j.cell.2018.02.052): from prompts and masks to features, to a patient table, to a
survival report. Nothing but the way through can be learned from it: 29 patients with a known time,
8 progressions, seven kinds of cancer and one square of 0.06 mm² each. The page must say so.
"""

# %%
import os
from pathlib import Path

import pandas as pd

import pathexplain as px
from pathexplain.errors import CohortError
from pathexplain.phantom import cohort as phantom_cohort
from pathexplain.phantom import write_cohort
from pathexplain.report import write_report
from pathexplain.segmentor import load_segmentor

QUICK = bool(os.environ.get("PATHEXPLAIN_QUICK"))
PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "images-to-outcomes"))
DATA = Path(os.environ.get("PATHEXPLAIN_DATA", "../shared/data"))
N_PHANTOMS = 12 if QUICK else 40
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

# %% [markdown]
# ## Prompts, images and masks
#
# The masks are those of the annotators (`segmentor masks`), so no segmentation error stands
# between tissue and table. Where the images are absent (https://monuseg.grand-challenge.org,
# CC BY-NC-SA 4.0; outcomes: TCGA Clinical Data Resource, Table S1), synthetic fields with a planted
# effect of lymphocytes take their place.

# %%
PROMPTS = """version: 1
mpp: 0.5
prompts:
  - {name: nucleus, structure: nuclei, object: nucleus, region: multiple}
features: [shape]
"""
(PLACE / "prompts.yaml").write_text(PROMPTS, encoding="utf-8")
has_images = (DATA / "manifest.csv").is_file()
if has_images:
    manifest = pd.read_csv(DATA / "manifest.csv")
    fields = manifest[manifest["source"] == "monuseg"]
    images = [DATA / image for image in fields["image"]]
    names = [Path(image).stem for image in fields["image"]]
    clinical = pd.read_csv(DATA / "tables/tcga_outcomes.csv")
    clinical = clinical.set_index("bcr_patient_barcode").loc[fields["patient"].to_numpy()]
    clinical = clinical.rename(columns={"PFI.time": "time_days", "PFI": "event"})
    clinical = clinical[["time_days", "event", "type"]].rename_axis("patient_id").reset_index()
    clinical.insert(0, "slide_id", names)
else:
    print(f"{DATA} is not here: running on synthetic tissue instead")
    made = phantom_cohort(N_PHANTOMS, seed=1, shape_px=(160, 160))
    images = [p for p in write_cohort(made, PLACE / "images") if p.suffix == ".png"]
    clinical = made.clinical[["slide_id", "patient_id", "time_months", "event"]]
clinical.to_csv(PLACE / "clinical.csv", index=False)
time = next(column for column in clinical if column.startswith("time"))

# %% [markdown]
# ## Features, and the table of patients

# %%
if has_images:
    masks = PLACE / "masks"
    masks.mkdir(exist_ok=True)
    for name, mask in zip(names, fields["mask"], strict=True):
        target = masks / name / "nucleus.png"
        if not target.is_file():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes((DATA / mask).read_bytes())
    segmentor, mpp = f"masks:{masks}", 0.25
else:
    segmentor, mpp = "stain", made.mpp
if QUICK and has_images:
    images, segmentor = images[:12], "stain"
run = px.extract(
    images,
    prompts=PLACE / "prompts.yaml",
    out=PLACE / "run",
    segmentor=load_segmentor(segmentor),
    mpp=mpp,
    patients=PLACE / "clinical.csv",
)
cohort = px.read_cohort(PLACE / "run")
print(f"{cohort.n_obs} patients, {cohort.n_vars} features, masks by {segmentor.split(':')[0]}")

# %% [markdown]
# ## Survival, if it can be asked at all
#
# A cohort with fewer than five events is refused, and the refusal is an answer too.

# %%
try:
    result = px.survival(cohort, time=time, event="event", **OPTIONS)
except CohortError as refused:
    print(f"refused: {refused}")
else:
    print(result.headline)
    for note in result.notes:
        if note.level == "warning":
            print(f"  ! {note.text}")
    first = result.screen.rows[0]
    print(
        f"  first of {first.n_tests}: {first.feature}, p {first.p:.2g} alone, {first.p_holm:.2g} "
        "after Holm"
    )
    print(write_report(result, PLACE, run=PLACE / "run")[1])

# %% [markdown]
# ## What it shows
#
# The way from pixels to a page with patients, flow, screen and warnings; and that a page can be
# full of figures and know nothing. With 8 events a hazard ratio below about 2.7 per standard
# deviation would be missed more often than found even if it were the only feature asked for
# (Schoenfeld 1983, doi:10.2307/2531021: (1.96 + 0.84)² / log(HR)² events), and several hundred
# were asked for. Nothing here is a finding.
