"""`perturb`: which prompted objects an image classifier rests on, the paper's way 1.

Every slide goes through the classifier as it is and with the pixels of each prompt taken away;
what the loss does, beside what it does for random regions as large, is the importance
(Chen 2025, arXiv 2506.20988). Not for tables of features: see `diagnosis.analysis`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.diagnosis.labels import read_labels
from pathexplain.diagnosis.perturbation import statistics
from pathexplain.diagnosis.perturbation.classifier import PerPatient, as_classifier
from pathexplain.diagnosis.perturbation.conditions import conditions, main_fill, sets_of
from pathexplain.diagnosis.perturbation.exemplars import pick_slides
from pathexplain.diagnosis.perturbation.fills import check_fills
from pathexplain.diagnosis.perturbation.passes import CONTROL_REGIONS, pass_slide
from pathexplain.diagnosis.perturbation.result import (
    LostSlide,
    PerturbationResult,
    PerturbationSettings,
    SlideRow,
)
from pathexplain.diagnosis.perturbation.storage import load_outcome, save_outcome, save_view
from pathexplain.diagnosis.tiles import TileSpec, read_tiles
from pathexplain.errors import CohortError, ConfigError, SegmentationError
from pathexplain.extraction.inputs import find_slides, slide_inputs
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.provenance import sha256_json
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.perturbation.classifier import Classifier, Unit
    from pathexplain.diagnosis.perturbation.conditions import Condition
    from pathexplain.diagnosis.perturbation.passes import SlideOutcome
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["PerturbationOptions", "perturb"]

# A slide that cannot be read or segmented; a classifier that fails is not the slide's fault.
SLIDE_FAILURES = (SegmentationError, OSError, MemoryError)


@dataclass(frozen=True)
class PerturbationOptions:
    """How objects are taken away, compared and counted.

    Parameters
    ----------
    fills : tuple of str
        What takes an object's place, of `FILLS`; sets of prompts and pictures use the first that
        changes pixels.
    blur_um : float
        Sigma of the blur, um; 8 um wipes out a nucleus and leaves the color.
    n_controls : int
        Random regions for each prompt and fill; 0 for none, and then nothing is judged.
    control_region : {"background", "elsewhere"}
        Controls lie in tissue outside of all prompts, or outside of the prompt that they match:
        the latter where prompts cover most of the tissue.
    sets : {"auto", "none", "pairs", "all"}
        Which prompts are taken away together; "all" gives Shapley values, "auto" is "all" up to
        six prompts and "pairs" beyond.
    tiles : TileSpec, optional
        Size and resolution of the classifier's tiles; 256 px at the prompts' mpp by default.
    n_bootstrap, n_flips : int
        Resamples of intervals, and random sign flips of tests.
    seed : int

    Raises
    ------
    ConfigError
        When a value is out of range.
    """

    fills: tuple[str, ...] = ("blur",)
    blur_um: float = 8.0
    n_controls: int = 3
    control_region: str = "background"
    sets: str = "auto"
    tiles: TileSpec | None = None
    n_bootstrap: int = 2000
    n_flips: int = 9999
    seed: int = 0

    def __post_init__(self) -> None:
        """Check once."""
        check_fills(self.fills)
        sets_of(1, sets=self.sets)
        if self.control_region not in CONTROL_REGIONS:
            known = " or ".join(CONTROL_REGIONS)
            message = f"controls lie in the {known}, not {self.control_region!r}"
            raise ConfigError(message)
        if not self.blur_um > 0 or self.n_controls < 0 or min(self.n_bootstrap, self.n_flips) < 1:
            message = (
                f"blur_um {self.blur_um} must be above 0, n_controls {self.n_controls} at least 0, "
                f"n_bootstrap {self.n_bootstrap} and n_flips {self.n_flips} at least 1"
            )
            raise ConfigError(message)


@dataclass(frozen=True, eq=False)
class _Run:
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


def perturb(  # noqa: PLR0913 - the options of the command, all but one by keyword
    slides: str | Path | Iterable[str | Path] | None = None,
    *,
    classifier: Classifier | Callable[[NDArray[np.uint8]], Any],
    prompts: PromptSet | str | Path,
    labels: str | Path | pd.DataFrame,
    target: str,
    unit: Unit = "tile",
    classes: Sequence[str] | None = None,
    segmentor: str | Path | Segmentor | None = None,
    mpp: float | None = None,
    device: str = "auto",
    options: PerturbationOptions | None = None,
    out: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PerturbationResult:
    """Ask which prompted objects an image classifier rests on.

    Parameters
    ----------
    slides : path or paths, optional
        Slide files or folders, as for `extract`.
    classifier : Classifier or callable
        What `diagnosis.networks.load_classifier` returned, or a function of (n, H, W, 3) uint8 RGB
        tiles that gives logits.
    prompts : PromptSet or path
        Tiles and masks are made at its `mpp`, unless `options.tiles` says otherwise.
    labels : path or DataFrame
        One row a slide: `slide_id`, `patient_id` and the true classes.
    target : str
        Column of `labels` with the true classes.
    unit : {"tile", "slide"}
        For a function: whether each tile has logits, or the bag of a slide's tiles.
    classes : sequence of str, optional
        Names of the logits in their order, where the classifier does not say.
    segmentor : str, path or Segmentor, optional
        As for `extract`.
    mpp : float, optional
        Resolution of slides whose files do not say it.
    device : str
        For the segmentor.
    options : PerturbationOptions, optional
    out : path, optional
        Folder for the outcomes of slides and their pictures. With it, the same call goes on where
        it was interrupted, if the classifier has a `fingerprint`; without it there are no pictures.
    progress : callable, optional
        ``progress(slide_id, done_runs, all_runs)``.

    Returns
    -------
    PerturbationResult

    Raises
    ------
    ConfigError, CohortError
        Before any work: options, prompts, labels or classes that do not fit.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from pathexplain.phantom import tissue
    >>> from pathexplain.prompts import as_prompts
    >>> folder = tempfile.TemporaryDirectory()
    >>> for i in range(4):
    ...     field = tissue(seed=i, shape_px=(128, 128))
    ...     Image.fromarray(field.image).save(f"{folder.name}/s{i}.png")
    >>> labels = pd.DataFrame({"slide_id": ["s0", "s1", "s2", "s3"], "dx": ["a", "b", "a", "b"]})
    >>> result = perturb(
    ...     folder.name,
    ...     classifier=lambda tiles: [[tile.mean() / 9, 20.0] for tile in tiles],
    ...     prompts=PromptSet(1, mpp=0.5, prompts=as_prompts(["nucleus"])),
    ...     labels=labels,
    ...     target="dx",
    ...     segmentor="stain",
    ...     mpp=0.5,
    ...     options=PerturbationOptions(n_bootstrap=50, tiles=TileSpec(side_px=128)),
    ... )
    >>> result.n_patients, result.effect("nucleus").n_slides
    (4, 4)
    >>> folder.cleanup()
    """
    used = options or PerturbationOptions()
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    model = as_classifier(classifier, unit=unit, classes=classes)
    found = find_slides(slides, prompts=prompt_set)
    known = read_labels(labels, target=target, slides=found, classes=classes or model.classes)
    chosen = segmentor or prompt_set.segmentor or "compact"
    loaded = load_segmentor(chosen, device=device) if isinstance(chosen, str | Path) else chosen
    with TemporaryDirectory() if out is None else nullcontext(out) as place:
        folder = Path(str(place))
        folder.mkdir(parents=True, exist_ok=True)
        run = _Run(
            classifier=model,
            prompts=prompt_set,
            segmentor=loaded,
            mpp=mpp,
            options=used,
            spec=used.tiles or TileSpec(mpp=prompt_set.mpp),
            conditions=conditions(
                len(prompt_set.prompts),
                fills=used.fills,
                n_controls=used.n_controls,
                sets=used.sets,
            ),
            folder=folder,
            progress=progress,
        )
        return _analyze(run, known, found, target=target, has_pictures=out is not None)


def _analyze(
    run: _Run, known: SlideLabels, found: dict[str, Path], *, target: str, has_pictures: bool
) -> PerturbationResult:
    """Run all slides and put the result together."""
    outcomes: dict[int, SlideOutcome] = {}
    lost = []
    for index, slide_id in enumerate(known.slides):
        try:
            outcomes[index] = _one_slide(run, known, index, found[slide_id])
        except SLIDE_FAILURES as error:
            lost.append(LostSlide(slide_id, str(error) or type(error).__name__))
    if not outcomes:
        message = f"none of the {len(known.slides)} slides could be used: {lost[0].reason}"
        raise CohortError(message, slide_id=lost[0].slide)
    kept = list(outcomes)
    study = statistics.Study.of(
        [outcomes[i] for i in kept],
        [known.patients[i] for i in kept],
        [int(known.codes[i]) for i in kept],
        known.classes,
        run.prompts.prompts,
        n_bootstrap=run.options.n_bootstrap,
        seed=run.options.seed,
    )
    names = [known.slides[i] for i in kept]
    return _result(run, study, names, known, lost, target=target, has_pictures=has_pictures)


def _one_slide(run: _Run, known: SlideLabels, index: int, path: Path) -> SlideOutcome:
    """Take one slide from disk, or run it and keep what came out."""
    slide_id = known.slides[index]
    inputs = _fingerprint(run, known, index, path)
    is_known = getattr(run.classifier, "fingerprint", None) is not None
    stored = load_outcome(run.folder, slide_id, inputs) if is_known else None
    if stored is not None:
        return stored
    model = run.classifier
    if isinstance(model, PerPatient):
        model = model.for_patient(known.patients[index])
    # Least areas are kept, but a piece cut by a window counts by what lies inside of it.
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


def _fingerprint(run: _Run, known: SlideLabels, index: int, path: Path) -> str:
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


def _result(
    run: _Run,
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


def _settings(run: _Run, fill: str) -> PerturbationSettings:
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


def _notes(run: _Run, study: statistics.Study, lost: list[LostSlide]) -> list[str]:
    """Say what a reader must know."""
    notes = []
    n_patients = len(set(study.patients))
    if lost:
        notes.append(f"{len(lost)} slides could not be used; the first: {lost[0].reason}")
    if n_patients < 10:  # noqa: PLR2004 - percentile intervals of so few patients are too narrow
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
