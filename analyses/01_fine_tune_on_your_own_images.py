# %% [markdown]
"""# A category of my own, learned from a few of my images.

From a folder of images and masks and a CSV of prompts to a checkpoint that `pathexplain extract
--segmentor DIR` uses. The example is small, synthetic and known exactly: the **lumen** of glands,
which the vocabulary does not know. White clefts in the stroma look alike, so color alone does not
do. Masks come in all three forms: label PNG, label TIFF, and GeoJSON as QuPath exports it.

Your own data: set `PATHEXPLAIN_TABLE` to your CSV, and run all cells. Minutes on a laptop's CPU.

This file is a notebook in the percent format: VS Code, Spyder and Jupytext open it as one, and
`python analyses/01_fine_tune_on_your_own_images.py` (or `make notebooks`) runs it from the shell.
"""

# %%
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours
from skimage.morphology import remove_small_holes, remove_small_objects

from pathexplain.phantom import TissueParams, tissue
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.segmentor.datasets.reading import IGNORE
from pathexplain.segmentor.datasets.table_fields import read_table_fields
from pathexplain.segmentor.metrics import dice
from pathexplain.segmentor.overlays import outlined
from pathexplain.segmentor.training import train
from pathexplain.segmentor.training_config import fine_tuning

PLACE = Path(os.environ.get("PATHEXPLAIN_PLACE", "runs/fine-tuning"))
STEPS = int(os.environ.get("PATHEXPLAIN_STEPS", "120"))
PLACE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## 1. Images, masks, and a table
#
# Twelve images; three of them hold no gland. There, the mask is left empty in the table: "known to
# be absent" is what teaches the model to stay silent. Images that show the category only would
# teach it that it is always there.


# %%
def field(seed: int):
    """One synthetic field, and where its lumens are."""
    rng = np.random.default_rng(seed)
    look = TissueParams(
        glands_per_mm2=0.0 if seed % 4 == 3 else float(rng.uniform(50, 90)),
        gland_radius_um=float(rng.uniform(40, 58)),
        lymphocytes_per_mm2=float(rng.uniform(200, 1500)),
        hematoxylin=float(rng.uniform(0.8, 1.2)),
        eosin=float(rng.uniform(0.8, 1.2)),
    )
    made = tissue(look, seed=5000 + seed, shape_px=(384, 384), mpp=0.5)
    bright = (made.image.min(axis=2) > 205) & (made.glands > 0)
    lumen = remove_small_objects(ndimage.binary_opening(bright, iterations=2), max_size=150)
    return made, remove_small_holes(lumen, max_size=150)


def as_geojson(mask: np.ndarray) -> str:
    """Outlines as QuPath exports annotations: polygons in pixels, classified."""
    features = []
    labels, n_objects = ndimage.label(mask)
    for index in range(1, n_objects + 1):
        ring = max(find_contours(np.pad(labels == index, 1).astype(float), 0.5), key=len) - 0.5
        points = np.clip(ring[:, ::-1], 0, mask.shape[0]).round(2).tolist()
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [points]},
                "properties": {"objectType": "annotation", "classification": {"name": "Lumen"}},
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})


def make_example(folder: Path) -> Path:
    """Write twelve images, their masks in three formats, and the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("image", "mask", "prompt", "mpp", "split", "patient")]
    for seed in range(12):
        made, lumen = field(seed)
        Image.fromarray(made.image).save(folder / f"{seed}.png")
        mask = ""
        if lumen.any():
            mask = f"{seed}_lumen." + ("png", "tif", "geojson")[seed % 3]
            if mask.endswith("png"):
                Image.fromarray(lumen.astype(np.uint8)).save(folder / mask)
            elif mask.endswith("tif"):
                tifffile.imwrite(folder / mask, ndimage.label(lumen)[0].astype(np.uint16))
            else:
                (folder / mask).write_text(as_geojson(lumen), encoding="utf-8")
        split = "train" if seed < 8 else "validation"
        prompt = "tissue-level lumen in colon pathology"
        rows.append((f"{seed}.png", mask, prompt, "0.5", split, f"patient {seed}"))
    with (folder / "dataset.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "dataset.csv"


own = os.environ.get("PATHEXPLAIN_TABLE")
table = Path(own) if own else make_example(PLACE / "example")
print(table.read_text(encoding="utf-8"))

# %% [markdown]
# ## 2. Before: what the weights that ship make of it
#
# Every fault of the table and its files would be told here, all at once, each with its line. Images
# without a `split` are divided by patient; figures are of the held-out images only.

# %%
held_out = read_table_fields(table, mpp=None, split="validation")
fields = [one for members in held_out.values() for one in members]
print(f"{len(fields)} images held out: {', '.join(one.record.image.name for one in fields)}")


def ask(name: str):
    """Mask and presence of every category in every held-out image."""
    segmentor = load_segmentor(name)
    found = []
    for one in fields:
        for category, target in one.targets.items():
            prompt = f"{one.term(category).structure}-level {category} in {one.record.region}"
            result = segmentor.segment(one.image, prompt, mpp=one.mpp)
            found.append((one, category, target, result.masks[0], float(result.presence[0])))
    return found


def report(found) -> float:
    """Print Dice where the category is, and false pixels where it is not; return the mean Dice."""
    scores = []
    for one, category, target, mask, presence in found:
        truth, known = target == 1, target != IGNORE
        if truth.any():
            scores.append(dice(mask & known, truth))
            words = f"Dice {scores[-1]:.3f}"
        else:
            words = f"absent, {100 * mask.mean():.1f} % of the pixels found"
        print(f"{one.record.image.name}: {category}: {words}, presence {presence:.2f}")
    mean = float(np.mean(scores)) if scores else float("nan")
    print(f"mean Dice {mean:.3f} over {len(scores)} images")
    return mean


before = ask("compact")
dice_before = report(before)

# %% [markdown]
# ## 3. Fine-tune
#
# The same from the shell: `pathexplain finetune dataset.csv --out mine --steps 120`. Ctrl-C is
# safe: the same command goes on where it stopped.

# %%
out = PLACE / "mine"
started = time.perf_counter()


def say(step: int, steps: int, metrics: dict[str, float]) -> None:
    """Tell how it goes now and then."""
    if "dice_mean" in metrics:
        seconds = time.perf_counter() - started
        print(f"step {step} of {steps}: mean Dice {metrics['dice_mean']:.3f} ({seconds:.0f} s)")


train(fine_tuning(table, out, steps=STEPS), progress=say)
print("written:", sorted(path.name for path in out.iterdir()))

# %% [markdown]
# ## 4. After: the same images, the same figures

# %%
after = ask(str(out))
dice_after = report(after)
print(f"mean Dice on held-out images: {dice_before:.3f} before, {dice_after:.3f} after")

# %%
shown = list(zip(before, after, strict=True))[:4]
figure, axes = plt.subplots(2, len(shown), figsize=(3.2 * len(shown), 7), squeeze=False)
for column, pair in enumerate(shown):
    for axis, (one, category, target, mask, _), when in zip(
        axes[:, column], pair, ("before", "after"), strict=True
    ):
        axis.imshow(outlined(one.image, target == 1, mask))
        axis.set_title(f"{one.record.image.name}: {category}, {when}", fontsize=9)
        axis.axis("off")
figure.suptitle("green: truth, yellow: found")
figure.tight_layout()
figure.savefig(PLACE / "before-after.png", dpi=110)
print(PLACE / "before-after.png")

# %% [markdown]
# ## 5. Use it
#
# A checkpoint is a folder; `--segmentor` takes it. Its card (`README.md` in it) says what it was
# trained on, under which terms, and how good it is on the held-out images.

# %%
one = fields[0]
prompts = PLACE / "prompts.yaml"
lines = [f"  - {{text: {one.term(name).structure}-level {name}}}" for name in one.targets]
prompts.write_text("\n".join(["version: 1", "mpp: 0.5", "prompts:", *lines, ""]), encoding="utf-8")
command = [sys.executable, "-m", "pathexplain", "extract", str(one.record.image), "--mpp"]
command += [str(one.record.mpp), "--prompts", str(prompts), "--segmentor", str(out)]
done = subprocess.run([*command, "--out", str(PLACE / "run"), "--overwrite"], check=True)
print("extract ended with", done.returncode, "and wrote", PLACE / "run")

# %% [markdown]
# ## 6. Has it forgotten anything?
#
# Learning one thing can cost another. Ask the old categories of images where you know the answer,
# before and after; here, of synthetic tissue. If they fell and you need them: fewer steps,
# `--freeze encoder`, or rows for the old categories in your table.

# %%
old = [field(seed)[0] for seed in range(20, 24) if seed % 4 != 3]
for name in ("compact", str(out)):
    segmentor = load_segmentor(name)
    scores = {"nucleus": [], "gland": []}
    for made in old:
        result = segmentor.segment(made.image, list(scores), mpp=made.mpp)
        for mask, truth, values in zip(
            result.masks, (made.nuclei > 0, made.glands > 0), scores.values(), strict=True
        ):
            values.append(dice(mask, truth))
    means = {category: round(float(np.mean(values)), 3) for category, values in scores.items()}
    print(Path(name).name, means)
