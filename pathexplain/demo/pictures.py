"""What the demo shows beside the results: masks, curves, and what was painted against measured.

Not for drawing (`report`): arrays and words in, arrays and words out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.demo.verdicts import DENSITY, MEAN_AREA
from pathexplain.prognosis.km import kaplan_meier_panel, median_split
from pathexplain.prognosis.outcome import read_outcome
from pathexplain.prompts import Prompt
from pathexplain.report.demonstration import Picture, Recovery
from pathexplain.report.overlay import outlines

if TYPE_CHECKING:
    from anndata import AnnData

    from pathexplain.phantom import PhantomCohort
    from pathexplain.prognosis.result import KaplanMeier
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["pictures", "planted_curves", "real_tissue", "recoveries"]

REAL_MPP = 0.5
"""Assumed: scikit-image does not publish the resolution of its image."""
COLOR_NAMES = ("green", "yellow")
"""Of the outlines, in the order in which `outlines` takes them."""


def real_tissue() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the real tissue image that scikit-image ships, (512, 512, 3) uint8 RGB.

    Colon, immunohistochemistry: hematoxylin with DAB for FHL2 (Human Protein Atlas). It comes
    inside scikit-image's wheel; nothing is downloaded.

    Examples
    --------
    >>> real_tissue().shape
    (512, 512, 3)
    """
    from skimage import data

    return np.asarray(data.immunohistochemistry(), dtype=np.uint8)


def planted_curves(table: AnnData) -> KaplanMeier:
    """Split the patients at the median of the planted prognostic feature, for display."""
    patients = table.obs_names.to_numpy().astype(np.str_)
    outcome, kept, _ = read_outcome(table.obs["time_months"], table.obs["event"], patients=patients)
    density = np.asarray(table[:, DENSITY].X, dtype=np.float64).ravel()[kept]
    return kaplan_meier_panel(
        outcome,
        median_split(density),
        labels=("fewer lymphocytes", "more lymphocytes"),
        title="Lymphocyte density",
        caption="Patients split at the median of measured lymphocyte density, for display.",
    )


def recoveries(made: PhantomCohort, table: AnnData) -> list[Recovery]:
    """Put what was painted beside what was measured."""
    clinical = made.clinical.set_index("patient_id").loc[table.obs_names]
    painted = made.latent.loc[clinical["slide_id"]]
    groups = tuple(clinical["diagnosis"].astype(str))
    return [
        Recovery(
            label,
            painted[truth].to_numpy(np.float64),
            np.asarray(table[:, feature].X, dtype=np.float64).ravel(),
            groups,
        )
        for label, truth, feature in (
            ("nuclear area (µm²)", "nuclear_area_um2", MEAN_AREA),
            ("lymphocytes per mm²", "lymphocytes_per_mm2", DENSITY),
        )
    ]


def pictures(made: PhantomCohort, model: Segmentor) -> list[Picture]:
    """Outline epithelial nuclei and lymphocytes on two phantoms, and nuclei on real tissue."""
    diagnosis = made.clinical["diagnosis"].to_numpy()
    kinds = tuple(
        Prompt.from_text(f"nuclei-level {name} in colon pathology", name=name)
        for name in ("epithelial", "lymphocyte")
    )
    found = []
    for wanted in ("benign", "malignant"):
        index = int(np.flatnonzero(diagnosis == wanted)[0])
        field = made.tissue(index)
        painted = [field.nucleus_kind.count(kind.name) for kind in kinds]
        caption = (
            f"Phantom, {wanted}, patient {made.clinical['patient_id'].iloc[index]}: "
            f"{painted[0]} epithelial nuclei and {painted[1]} lymphocytes were painted"
        )
        found.append(_picture(field.image, model, kinds, made.mpp, caption))
    caption = (
        "Real tissue: colon, immunohistochemistry (hematoxylin and brown DAB), scikit-image's "
        f"example; its resolution is not published and was taken as {REAL_MPP} µm per pixel"
    )
    nucleus = Prompt.from_text("nuclei-level nucleus in colon pathology", name="nucleus")
    found.append(_picture(real_tissue(), model, (nucleus,), REAL_MPP, caption))
    return found


def _picture(
    image: np.ndarray[Any, np.dtype[np.uint8]],
    model: Segmentor,
    prompts: tuple[Prompt, ...],
    mpp: float,
    caption: str,
) -> Picture:
    """Segment one image and draw the outlines, a color a prompt."""
    segmentation = model.segment(image, prompts, mpp=mpp)
    objects = [segmentation.instances(index) for index in range(len(prompts))]
    counts = ", ".join(
        f"{int(labels.max())} {prompt.name} ({color})"
        for labels, prompt, color in zip(objects, prompts, COLOR_NAMES, strict=False)
    )
    return Picture(
        image=image,
        outlined=outlines(image, objects),
        caption=f"{caption}. Outlined by {model.name!r}: {counts}.",
        width_um=image.shape[1] * mpp,
    )
