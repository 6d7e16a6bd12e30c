# %% [markdown]
"""# Kinds of nuclei, and whether their mix follows the diagnosis.

Nuclei of colon glands, found by prompt and measured, are grouped by their morphology alone, with
scanpy: scale, principal components, neighbors, Leiden, UMAP, and the features that mark each group.
Then the question a pathologist asks: how much of each group has a *patient* with benign glands, how
much one with carcinoma, and what do these nuclei look like?

Real images: GlaS (Sirinukunwattana 2017, doi:10.1016/j.media.2016.08.008; research use only) where
`PATHEXPLAIN_DATA`, or `../shared/data` beside the repository, has it. Elsewhere the analysis runs
on synthetic tissue, whose "diagnosis" is the strength of its hematoxylin and the number of its
lymphocytes: there, the answer is known.

Needs `pip install "pathexplain[analyses]"`: scanpy, and igraph for Leiden (GPL, so no part of the
package itself). A notebook in the percent format; `make notebooks` runs it. Minutes on a laptop.
"""

# %%
import os
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scanpy as sc
import spatialdata
from PIL import Image
from scipy import stats

import pathexplain as px
from pathexplain.phantom import TissueParams, tissue

PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "runs/phenotypes"))
QUICK = os.environ.get("PATHEXPLAIN_QUICK", "") not in {"", "0"}
DATA = Path(os.environ.get("PATHEXPLAIN_DATA", "../shared/data"))
IS_REAL = (DATA / "manifest.csv").is_file() and not QUICK
IMAGES_A_PATIENT = int(os.environ.get("PATHEXPLAIN_IMAGES", "3"))
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## 1. Images, patients, diagnoses
#
# A patient of GlaS has benign or malignant glands, never both. A few images of each are enough.


# %%
def real_images() -> pd.DataFrame:
    """Take some images of every GlaS patient."""
    table = pd.read_csv(DATA / "manifest.csv", dtype=str)
    glas = table[table["source"] == "glas"].copy()
    glas["path"] = [DATA / name for name in glas["image"]]
    glas["slide_id"] = [path.stem for path in glas["path"]]
    glas["mpp"] = glas["mpp"].astype(float)
    chosen = glas.groupby("patient").head(IMAGES_A_PATIENT)
    return chosen[["slide_id", "path", "patient", "label", "mpp"]].reset_index(drop=True)


def synthetic_images() -> pd.DataFrame:
    """One field each of eight synthetic patients; "malignant" ones are darker and inflamed."""
    folder = PLACE / "images"
    folder.mkdir(exist_ok=True)
    rows = []
    for patient in range(8):
        is_malignant = patient % 2 == 1
        for field in range(1):
            look = TissueParams(
                hematoxylin=1.25 if is_malignant else 0.95,
                lymphocytes_per_mm2=1200.0 if is_malignant else 300.0,
            )
            made = tissue(look, seed=100 * patient + field, shape_px=(192, 256), mpp=0.5)
            path = folder / f"p{patient}_{field}.png"
            Image.fromarray(made.image).save(path)
            label = "malignant" if is_malignant else "benign"
            rows.append((path.stem, path, str(patient), label, 0.5))
    return pd.DataFrame(rows, columns=["slide_id", "path", "patient", "label", "mpp"])


images = real_images() if IS_REAL else synthetic_images()
mpp = float(images["mpp"].iloc[0])
print(f"{'GlaS' if IS_REAL else 'synthetic'}: {len(images)} images")
print(images.groupby("label")["patient"].nunique().rename("patients").to_string())

# %% [markdown]
# ## 2. From a prompt to a table of objects
#
# Nuclei are found by words and measured: shape, stain, and where they lie among each other.

# %%
prompts = px.PromptSet(
    1,
    mpp=0.5,
    prompts=(px.Prompt.from_text("nuclei-level nucleus in colon pathology", name="nucleus"),),
    features=("shape", "stain", "neighborhood"),
)
run = px.extract(
    list(images["path"]),
    prompts=prompts,
    out=PLACE / "run",
    segmentor="compact" if IS_REAL else "stain",
    mpp=mpp,
)
print(f"{len(run.slides)} images: {len(run.failed)} failed")

# %%
# Every store has its objects as AnnData, which scanpy takes as it is.
tables = {}
for status in run.slides:
    if status.store is not None:
        tables[status.slide_id] = spatialdata.read_zarr(status.store).tables["objects"]
objects = anndata.concat(tables.values(), merge="same", uns_merge=None)
known = images.set_index("slide_id")
for column in ("patient", "label"):
    objects.obs[column] = pd.Categorical(known.loc[objects.obs["slide_id"].astype(str), column])
print(objects)

# %% [markdown]
# ## 3. Phenotypes
#
# Objects cut by the image's edge are left out, and features that are undefined for many objects;
# the other undefined values are set to the feature's median. Heavy tails are cut at the 1st and
# 99th percentile, so that no group is made by a few odd objects. One image may have many more
# nuclei than another: at most 400 are drawn from each, at random.

# %%
rng = np.random.default_rng(0)
whole = objects[~objects.obs["touches_border"].to_numpy(bool)]
drawn = [
    rng.permutation(rows)[:400]
    for rows in whole.obs.reset_index(drop=True).groupby("slide_id", observed=True).indices.values()
]
cells = whole[np.sort(np.concatenate(drawn))].copy()
defined = np.isfinite(cells.X).mean(axis=0) > 0.95
cells = cells[:, defined].copy()
low, middle, high = np.nanpercentile(cells.X, (1, 50, 99), axis=0)
cells.X = np.clip(np.where(np.isfinite(cells.X), cells.X, middle), low, high)
cells = cells[:, cells.X.std(axis=0) > 0].copy()
cells.layers["measured"] = cells.X.copy()
sc.pp.scale(cells, max_value=5)
sc.pp.pca(cells, n_comps=min(20, cells.n_vars - 1))
sc.pp.neighbors(cells, n_neighbors=15, random_state=0)
sc.tl.leiden(cells, resolution=0.4, flavor="igraph", n_iterations=2, directed=False, random_state=0)
sc.tl.umap(cells, random_state=0)
groups = list(cells.obs["leiden"].cat.categories)
print(f"{cells.n_obs} nuclei, {cells.n_vars} features, {len(groups)} phenotypes")

# %% [markdown]
# What marks each phenotype: features that differ most from all other nuclei (Wilcoxon score; with
# thousands of nuclei every p-value is small, so the order counts, not p). In words of pathology:
# high `shape.area_um2` are large nuclei, high `stain.hematoxylin_mean` hyperchromatic ones, high
# `stain.hematoxylin_sd` coarse chromatin, high `shape.aspect_ratio` spindle-shaped ones.

# %%
sc.tl.rank_genes_groups(cells, "leiden", method="wilcoxon", layer="measured", use_raw=False)
marks = {}
for group in groups:
    ranked = sc.get.rank_genes_groups_df(cells, group=group)
    ranked = ranked.reindex(ranked["scores"].abs().sort_values(ascending=False).index)
    marks[group] = [
        f"{'high' if score > 0 else 'low'} {name}"
        for name, score in zip(ranked["names"][:3], ranked["scores"][:3], strict=True)
    ]
    share = (cells.obs["leiden"] == group).mean()
    print(f"phenotype {group} ({share:.0%}): {', '.join(marks[group])}")

# %%
colors = dict(zip(groups, plt.get_cmap("tab10")(np.arange(len(groups)) % 10), strict=True))
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6))
order = rng.permutation(cells.n_obs)  # no group is painted over by the next
place = cells.obsm["X_umap"][order]
axes[0].scatter(*place.T, s=2, c=[colors[group] for group in cells.obs["leiden"].iloc[order]])
for group in groups:
    center = np.median(cells.obsm["X_umap"][cells.obs["leiden"] == group], axis=0)
    axes[0].annotate(group, center, fontsize=13, weight="bold")
paint = cells.obs["label"].map({"benign": "#0072B2", "malignant": "#D55E00"}).astype(str)
axes[1].scatter(*place.T, s=2, c=paint.iloc[order])
for name, color in (("benign", "#0072B2"), ("malignant", "#D55E00")):
    axes[1].scatter([], [], c=color, label=name)
axes[1].legend(frameon=False)
for axis, title in zip(axes, ("phenotype", "diagnosis of the patient"), strict=True):
    axis.set_title(title)
    axis.set(xticks=[], yticks=[])
figure.tight_layout()
figure.savefig(PLACE / "umap.png", dpi=110)
print(PLACE / "umap.png")

# %% [markdown]
# ## 4. Composition, with the patient as the unit
#
# Thousands of nuclei are not thousands of observations: each patient has one composition. Every dot
# below is a patient; p-values (Mann–Whitney over patients) are corrected for the number of
# phenotypes by Holm's rule. With so few patients only large differences can be seen.

# %%
counts = pd.crosstab(cells.obs["patient"], cells.obs["leiden"])
shares = counts.div(counts.sum(axis=1), axis=0)
label = cells.obs.groupby("patient", observed=True)["label"].first().astype(str)
benign, malignant = shares[label == "benign"], shares[label == "malignant"]
p = np.array([stats.mannwhitneyu(benign[g], malignant[g]).pvalue for g in shares.columns])
rank = np.argsort(p)
holm = np.empty_like(p)
holm[rank] = np.minimum(np.maximum.accumulate(p[rank] * np.arange(len(p), 0, -1)), 1)
composition = pd.DataFrame(
    {
        "benign, median share": benign.median(),
        "malignant, median share": malignant.median(),
        "p": p,
        f"p, Holm over {len(p)}": holm,
    }
).round(4)
composition.to_csv(PLACE / "composition.csv")
print(f"{len(benign)} patients with benign, {len(malignant)} with malignant glands")
print(composition.to_string())

# %%
figure, axis = plt.subplots(figsize=(1.1 * len(groups) + 3, 4.2))
for offset, part, color, name in (
    (-0.17, benign, "#0072B2", "benign"),
    (0.17, malignant, "#D55E00", "malignant"),
):
    for index, group in enumerate(shares.columns):
        jitter = rng.uniform(-0.08, 0.08, len(part))
        axis.scatter(index + offset + jitter, part[group], s=22, color=color, alpha=0.8)
        axis.hlines(part[group].median(), index + offset - 0.13, index + offset + 0.13, color)
    axis.scatter([], [], color=color, label=f"{name} ({len(part)} patients)")
axis.set_xticks(range(len(groups)), [f"phenotype {group}" for group in groups], rotation=30)
axis.set_ylabel("share of the patient's nuclei")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PLACE / "composition.png", dpi=110)
print(PLACE / "composition.png")

# %% [markdown]
# ## 5. What they look like
#
# Of each phenotype, the nuclei nearest to its center in principal components, at most two from one
# patient. The outline is the one that was measured.

# %%
SIDE_UM, N_SHOWN = 24.0, 8
outlines = {
    status.slide_id: spatialdata.read_zarr(status.store).shapes.get("nucleus")
    for status in run.slides
    if status.store is not None
}
pixels = {
    slide_id: np.asarray(Image.open(path).convert("RGB"))
    for slide_id, path in zip(images["slide_id"], images["path"], strict=True)
}


def exemplars(group: str) -> list[int]:
    """Rows of the most typical nuclei of a phenotype."""
    rows = np.flatnonzero(cells.obs["leiden"] == group)
    scores = cells.obsm["X_pca"][rows]
    near = rows[np.argsort(((scores - scores.mean(axis=0)) ** 2).sum(axis=1))]
    taken, of_patient = [], {}
    for row in near:
        patient = cells.obs["patient"].iloc[row]
        if of_patient.get(patient, 0) < 2 and len(taken) < N_SHOWN:
            of_patient[patient] = of_patient.get(patient, 0) + 1
            taken.append(int(row))
    return taken


def show(axis, row: int) -> None:
    """Draw one nucleus in its surroundings, with its outline."""
    about = cells.obs.iloc[row]
    image = pixels[str(about["slide_id"])]
    y, x = about["centroid_y_um"], about["centroid_x_um"]
    height, width = (side * mpp for side in image.shape[:2])
    axis.imshow(image, extent=(0, width, height, 0), interpolation="bilinear")
    outline = outlines[str(about["slide_id"])].geometry.loc[about["instance_id"]]
    for part in getattr(outline, "geoms", [outline]):
        axis.plot(*np.asarray(part.exterior.coords).T, color="black", lw=2.2)
        axis.plot(*np.asarray(part.exterior.coords).T, color="yellow", lw=1.1)
    axis.set_xlim(x - SIDE_UM / 2, x + SIDE_UM / 2)
    axis.set_ylim(y + SIDE_UM / 2, y - SIDE_UM / 2)


figure, axes = plt.subplots(
    len(groups), N_SHOWN, figsize=(1.35 * N_SHOWN, 1.55 * len(groups)), squeeze=False
)
for axis in axes.ravel():
    axis.set(xticks=[], yticks=[])
    axis.set_frame_on(False)
for line, group in zip(axes, groups, strict=True):
    for axis, row in zip(line, exemplars(group), strict=False):
        show(axis, row)
    words = line[0].set_title(f"{group}: {', '.join(marks[group][:2])}", loc="left", fontsize=8)
    words.set_in_layout(False)  # it runs over the pictures beside
figure.suptitle(f"typical nuclei of each phenotype; {SIDE_UM:g} µm a side", fontsize=10)
figure.tight_layout()
figure.savefig(PLACE / "exemplars.png", dpi=120)
print(PLACE / "exemplars.png")
cells.write_h5ad(PLACE / "phenotypes.h5ad")
