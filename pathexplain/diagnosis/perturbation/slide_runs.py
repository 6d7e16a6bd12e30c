"""One slide of a perturbation analysis: read, masked, put through the classifier, kept on disk.

What was kept is taken as it is while everything that it depends on is unchanged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from pathexplain.diagnosis.perturbation.classifier import PerPatient
from pathexplain.diagnosis.perturbation.passes import pass_slide
from pathexplain.diagnosis.perturbation.storage import load_outcome, save_outcome, save_view
from pathexplain.diagnosis.tiles import read_tiles
from pathexplain.extraction.inputs import slide_inputs
from pathexplain.provenance import sha256_json
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.perturbation.classifier import Classifier
    from pathexplain.diagnosis.perturbation.conditions import Condition
    from pathexplain.diagnosis.perturbation.options import PerturbationOptions
    from pathexplain.diagnosis.perturbation.outcomes import SlideOutcome
    from pathexplain.diagnosis.tiles import TileSpec
    from pathexplain.prompts import PromptSet
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["Run", "run_slide"]


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that is the same for all slides."""

    classifier: Classifier
    prompts: PromptSet
    segmentor: Segmentor
    mpp: float | None
    options: PerturbationOptions
    spec: TileSpec
    conditions: tuple[Condition, ...]
    folder: Path
    progress: Callable[[str, int, int], None] | None


def run_slide(run: Run, known: SlideLabels, index: int, path: Path) -> SlideOutcome:
    """Take one slide from disk, or run it and keep what came out."""
    slide_id = known.slides[index]
    inputs = _inputs(run, known, index, path)
    is_known = getattr(run.classifier, "fingerprint", None) is not None
    stored = load_outcome(run.folder, slide_id, inputs) if is_known else None
    if stored is not None:
        return stored
    model = run.classifier
    if isinstance(model, PerPatient):
        model = model.for_patient(known.patients[index])
    progress = run.progress
    with (
        open_slide(path, mpp=run.mpp, slide_id=slide_id) as slide,
        read_tiles(
            slide,
            prompts=run.prompts.prompts,
            segmentor=run.segmentor,
            spec=run.spec,
            folder=run.folder,
        ) as tiles,
    ):
        outcome, views = pass_slide(
            tiles,
            model,
            int(known.codes[index]),
            conditions=run.conditions,
            blur_um=run.options.blur_um,
            control_region=run.options.control_region,
            seed=run.options.seed,
            progress=None
            if progress is None
            else lambda done, total: progress(slide_id, done, total),
        )
    for prompt, view in zip(run.prompts.prompts, views, strict=True):
        if view is not None:
            save_view(run.folder, slide_id, prompt.name, view)
    save_outcome(run.folder, slide_id, inputs, outcome)
    return outcome


def _inputs(run: Run, known: SlideLabels, index: int, path: Path) -> str:
    """Hash what a slide's outcome depends on."""
    return sha256_json(
        {
            "slide": slide_inputs(path, known.slides[index], run.segmentor),
            "mpp": run.mpp,
            "label": int(known.codes[index]),
            "patient": known.patients[index],
            "prompts": run.prompts.prompts,
            "segmentor": [run.segmentor.name, run.segmentor.weights_sha256],
            "classifier": [
                run.classifier.name,
                run.classifier.unit,
                getattr(run.classifier, "fingerprint", None),
            ],
            "options": {
                **asdict(replace(run.options, n_bootstrap=1, n_flips=1, tiles=run.spec)),
                "conditions": [one.key for one in run.conditions],
            },
        }
    )
