"""From all slides' outcomes to the result: statistics, settings, and what a reader must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation import statistics
from pathexplain.diagnosis.perturbation.classifier import PerPatient
from pathexplain.diagnosis.perturbation.conditions import main_fill
from pathexplain.diagnosis.perturbation.exemplars import pick_slides
from pathexplain.diagnosis.perturbation.result import (
    LostSlide,
    PerturbationResult,
    PerturbationSettings,
    SlideRow,
)

if TYPE_CHECKING:
    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.perturbation.slide_runs import Run

__all__ = ["summarize"]

FEW_PATIENTS = 10
"""Percentile intervals of fewer patients are too narrow."""


def summarize(
    run: Run,
    study: statistics.Study,
    names: list[str],
    known: SlideLabels,
    lost: list[LostSlide],
    *,
    target: str,
    has_pictures: bool,
) -> PerturbationResult:
    """Turn outcomes into the result."""
    options, fill = run.options, main_fill(run.options.fills)
    judged = statistics.performance(study)
    rows = tuple(
        SlideRow(
            slide=name,
            patient=study.patients[i],
            label=study.classes[int(study.codes[i])],
            n_tiles=study.outcomes[i].n_tiles,
            probabilities=study.outcomes[i].outcomes["original"].probabilities,
            losses={key: one.loss for key, one in study.outcomes[i].outcomes.items()},
        )
        for i, name in enumerate(names)
    )
    return PerturbationResult(
        target=target,
        classes=study.classes,
        class_counts=tuple(np.bincount(study.codes, minlength=len(study.classes)).tolist()),
        n_slides=len(names),
        n_patients=len(set(study.patients)),
        performance=judged,
        prompts=statistics.presence(study),
        effects=statistics.effects(
            study,
            fills=options.fills,
            n_flips=options.n_flips,
            seed=options.seed,
            is_judged=judged.is_better_than_chance,
        ),
        overlap=statistics.overlap(study),
        sets=statistics.sets(study, fill=fill, which=options.sets),
        shapley=statistics.shares(study, fill=fill, which=options.sets),
        slides=rows,
        exemplars=pick_slides(study, names, fill=fill) if has_pictures else (),
        lost=tuple(lost),
        settings=_settings(run, fill),
        notes=(*known.notes, *_notes(run, study, lost)),
    )


def _settings(run: Run, fill: str) -> PerturbationSettings:
    """List the choices."""
    options = run.options
    return PerturbationSettings(
        classifier=run.classifier.name,
        unit=run.classifier.unit,
        segmentor=run.segmentor.name,
        fills=options.fills,
        main_fill=fill,
        blur_um=options.blur_um,
        n_controls=options.n_controls,
        control_region=options.control_region,
        sets=options.sets,
        tile_px=run.spec.side_px,
        tile_mpp=run.spec.mpp,
        n_bootstrap=options.n_bootstrap,
        n_flips=options.n_flips,
        seed=options.seed,
    )


def _notes(run: Run, study: statistics.Study, lost: list[LostSlide]) -> list[str]:
    """Say what a reader must know."""
    notes = []
    n_patients = len(set(study.patients))
    if lost:
        notes.append(f"{len(lost)} slides could not be used; the first: {lost[0].reason}")
    if n_patients < FEW_PATIENTS:
        notes.append(
            f"{n_patients} patients: intervals over so few patients are too narrow, and no test "
            f"can be below p = {0.5**n_patients:.2g}"
        )
    for index, prompt in enumerate(study.prompts):
        if study.outcomes[0].trained[index] != "trained":
            notes.append(
                f"prompt {prompt.name!r} is {study.outcomes[0].trained[index]} in segmentor "
                f"{run.segmentor.name!r}: look at its masks"
            )
    if isinstance(run.classifier, PerPatient):
        notes.append("each slide went through the model that was trained without its patient")
    else:
        notes.append(
            "whether the classifier was trained on these patients is not known here: on slides "
            "that it was trained on, losses are too low and their ratios too high"
        )
    return notes
