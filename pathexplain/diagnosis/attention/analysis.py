"""`attend`: from which prompted objects a slide's label can be learned, the paper's way 2.

Object-pooled features of a frozen encoder, one attention network an object, their mean into a
linear head (Chen 2025, arXiv 2506.20988), beside the plain network on the same folds. Everything is
judged on patients that were held out. Not for a classifier that exists already: see `perturb`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.attention import statistics
from pathexplain.diagnosis.attention.null import Deals, permuted_null
from pathexplain.diagnosis.attention.pictures import paint_slides
from pathexplain.diagnosis.attention.result import (
    AttentionFold,
    AttentionResult,
    AttentionSettings,
    LostSlide,
    SlidePrediction,
)
from pathexplain.diagnosis.checkpoint import Checkpoint, fingerprint
from pathexplain.diagnosis.judging import SIGNIFICANT
from pathexplain.diagnosis.labels import read_labels
from pathexplain.diagnosis.networks.bags import OTHER
from pathexplain.diagnosis.networks.encoders import load_encoder
from pathexplain.diagnosis.networks.fold_training import train_folds
from pathexplain.diagnosis.networks.predictions import held_out
from pathexplain.diagnosis.networks.study import Study, collect_bags
from pathexplain.diagnosis.networks.training import TrainingOptions
from pathexplain.diagnosis.resampling import patient_weights
from pathexplain.diagnosis.splits import check_folds, make_folds
from pathexplain.diagnosis.tiles import TileSpec
from pathexplain.errors import ConfigError
from pathexplain.extraction.inputs import find_slides
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.segmentor.backends import load_segmentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.networks.encoders import PatchEncoder
    from pathexplain.diagnosis.networks.fold_training import TrainedFold
    from pathexplain.diagnosis.networks.predictions import HeldOut
    from pathexplain.diagnosis.networks.study import Bags
    from pathexplain.diagnosis.result import NullDistribution
    from pathexplain.diagnosis.splits import Fold
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["AttentionOptions", "attend"]

LABELS = {"objects": "object-aware attention", "plain": "plain attention on whole tiles"}
FEW_PATIENTS = 20


@dataclass(frozen=True)
class AttentionOptions:
    """How slides are cut, networks trained and figures made.

    Parameters
    ----------
    tiles : TileSpec, optional
        256 px at the prompts' mpp by default.
    training : TrainingOptions
    n_splits : int
        Folds of whole patients.
    n_permutations : int
        Most permutations of the patients' labels, on each of which the object-aware network is
        trained anew; at least 20, or 0 for none, and then the interval of the AUROC judges alone.
    n_bootstrap : int
    n_painted : int
        Slides of each class that are painted.
    seed : int
    """

    tiles: TileSpec | None = None
    training: TrainingOptions = field(default_factory=TrainingOptions)
    n_splits: int = 5
    n_permutations: int = 20
    n_bootstrap: int = 2000
    n_painted: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check once."""
        if self.n_splits < 2 or self.n_bootstrap < 1 or self.n_painted < 0:  # noqa: PLR2004 - one fold holds nothing out
            message = (
                f"n_splits {self.n_splits} must be at least 2, n_bootstrap {self.n_bootstrap} at "
                f"least 1, n_painted {self.n_painted} at least 0"
            )
            raise ConfigError(message)
        least = round(1 / SIGNIFICANT)
        if self.n_permutations and self.n_permutations < least:
            message = (
                f"n_permutations is {self.n_permutations}; with fewer than {least} no p-value can "
                f"be below {SIGNIFICANT}; 0 leaves the test out"
            )
            raise ConfigError(message)


def attend(  # noqa: PLR0913 - the options of the command, all but one by keyword
    slides: str | Path | Iterable[str | Path] | None = None,
    *,
    prompts: PromptSet | str | Path,
    labels: str | Path | pd.DataFrame,
    target: str,
    classes: Sequence[str] | None = None,
    segmentor: str | Path | Segmentor | None = None,
    encoder: str | Path | PatchEncoder = "compact",
    mpp: float | None = None,
    device: str = "auto",
    options: AttentionOptions | None = None,
    out: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AttentionResult:
    """Train attention over objects with patients held out, and see what each object adds.

    Parameters
    ----------
    slides : path or paths, optional
        Slide files or folders, as for `extract`.
    prompts : PromptSet or path
    labels : path or DataFrame
        One row a slide: `slide_id`, `patient_id` and the classes.
    target : str
        Column of `labels` with the classes.
    classes : sequence of str, optional
        Their order; sorted by default. Of two, activations are for the last.
    segmentor : str, path or Segmentor, optional
        As for `extract`.
    encoder : str, path or PatchEncoder
        Frozen encoder of tiles: "compact", "imagenet" (the same before it was shown any tissue), a
        checkpoint of ours, or a directory of transformers. One that was trained on these very
        slides knows their labels: take another.
    mpp : float, optional
        Resolution of slides whose files do not say it.
    device : str
    options : AttentionOptions, optional
    out : path, optional
        Folder for features, networks and pictures. With it, the same call goes on where it was
        interrupted, and `perturb` takes the folder as a classifier.
    progress : callable, optional
        ``progress(what, done, total)``.

    Returns
    -------
    AttentionResult

    Raises
    ------
    ConfigError, CohortError
        Before any work: options, prompts, labels or folds that do not fit.
    """
    used = options or AttentionOptions()
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    found = find_slides(slides, prompts=prompt_set)
    known = read_labels(labels, target=target, slides=found, classes=classes)
    # Refused before hours of work, and made again from the slides that could be read.
    _folds(known.codes, known.patients, used)
    chosen = segmentor or prompt_set.segmentor or "compact"
    loaded = load_segmentor(chosen, device=device) if isinstance(chosen, str | Path) else chosen
    frozen = load_encoder(encoder, device=device) if isinstance(encoder, str | Path) else encoder
    with TemporaryDirectory() if out is None else nullcontext(out) as place:
        folder = Path(str(place))
        folder.mkdir(parents=True, exist_ok=True)
        study = Study(
            folder=folder,
            prompts=prompt_set.prompts,
            segmentor=loaded,
            encoder=frozen,
            encoder_name=str(encoder) if isinstance(encoder, str | Path) else frozen.name,
            spec=used.tiles or TileSpec(mpp=prompt_set.mpp),
            mpp=mpp,
            progress=progress,
        )
        return _analyze(study, known, found, used, target=target, has_pictures=out is not None)


def _folds(
    codes: NDArray[np.int64], patients: Sequence[str], options: AttentionOptions
) -> tuple[Fold, ...]:
    """Folds of whole patients, checked."""
    folds = make_folds(
        codes, groups=np.asarray(patients, str), n_splits=options.n_splits, seed=options.seed
    )
    check_folds(folds, patients)
    return folds


def _analyze(
    study: Study,
    known: SlideLabels,
    found: dict[str, Path],
    options: AttentionOptions,
    *,
    target: str,
    has_pictures: bool,
) -> AttentionResult:
    """Make bags, train, predict what was held out, and put the result together."""
    bags, lost = collect_bags(study, known, found)
    kept = [index for index, slide in enumerate(known.slides) if slide in bags]
    codes = known.codes[kept]
    patients = [known.patients[index] for index in kept]
    names = [known.slides[index] for index in kept]
    folds = _folds(codes, patients, options)
    trained = train_folds(
        study,
        bags,
        names,
        codes,
        patients,
        folds,
        classes=known.classes,
        options=options.training,
        seed=options.seed,
    )
    made = {kind: held_out(bags, names, trained[kind], len(known.classes)) for kind in LABELS}
    weights = patient_weights(patients, n_bootstrap=options.n_bootstrap, seed=options.seed)
    null = _null(study, bags, trained["objects"], made["objects"], codes, names, patients, options)
    objects = (*(prompt.name for prompt in study.prompts), OTHER)
    rows = _rows(names, patients, codes, made, trained["objects"], known.classes, objects, bags)
    painted = (
        paint_slides(
            study,
            rows,
            trained["objects"],
            bags,
            found,
            classes=known.classes,
            n_each=options.n_painted,
        )
        if has_pictures
        else ()
    )
    return AttentionResult(
        target=target,
        classes=known.classes,
        class_counts=tuple(np.bincount(codes, minlength=len(known.classes)).tolist()),
        n_slides=len(names),
        n_patients=len(set(patients)),
        objects=objects,
        folds=_describe(folds, codes, patients, len(known.classes)),
        models=tuple(
            statistics.judge(
                kind, label, made[kind], codes, weights, null if kind == "objects" else None
            )
            for kind, label in LABELS.items()
        ),
        gain=statistics.gain(made["objects"], made["plain"], codes, weights),
        contributions=statistics.contributions(
            made["objects"], codes, patients, weights, objects=objects, classes=known.classes
        ),
        slides=rows,
        painted=painted,
        lost=tuple(LostSlide(name, reason) for name, reason in lost.items()),
        settings=_settings(study, options),
        notes=(*known.notes, *_notes(study, bags, lost, patients)),
    )


def _null(
    study: Study,
    bags: Bags,
    trained: Sequence[TrainedFold],
    made: HeldOut,
    codes: NDArray[np.int64],
    names: Sequence[str],
    patients: Sequence[str],
    options: AttentionOptions,
) -> NullDistribution | None:
    """Compare the object-aware network with permuted labels."""
    deals = Deals(
        bags=bags,
        slides=tuple(names),
        codes=codes,
        patients=np.asarray(patients, str),
        columns=trained[0].columns,
        n_classes=made.logits.shape[1],
        n_splits=options.n_splits,
        options=options.training,
        seed=options.seed,
    )
    key = fingerprint(
        made.logits, codes, deals.patients, settings=asdict(options.training), seed=options.seed
    )
    return permuted_null(
        deals,
        float(statistics.area(made.logits, codes, np.ones((1, len(codes))))[0]),
        n_permutations=options.n_permutations,
        checkpoint=Checkpoint(study.folder, key),
        progress=lambda done, total: study.tell("permuted labels", done, total),
    )


def _rows(
    names: Sequence[str],
    patients: Sequence[str],
    codes: NDArray[np.int64],
    made: dict[str, HeldOut],
    trained: Sequence[TrainedFold],
    classes: Sequence[str],
    objects: Sequence[str],
    bags: Bags,
) -> tuple[SlidePrediction, ...]:
    """One row a slide."""
    fold_of = {int(row): one.index for one in trained for row in one.test}
    chances = {kind: np.exp(statistics.margins(one.logits)) for kind, one in made.items()}
    shown = [1 if len(classes) == statistics.BINARY else int(code) for code in codes]
    return tuple(
        SlidePrediction(
            slide=name,
            patient=patients[row],
            label=classes[int(codes[row])],
            fold=fold_of[row],
            n_tiles=len(bags[name].shares),
            probabilities={kind: tuple(chances[kind][row].tolist()) for kind in chances},
            activations=dict(
                zip(objects, made["objects"].activations[row, :, shown[row]].tolist(), strict=True)
            ),
        )
        for row, name in enumerate(names)
    )


def _describe(
    folds: Sequence[Fold], codes: NDArray[np.int64], patients: Sequence[str], n_classes: int
) -> tuple[AttentionFold, ...]:
    """Say who was held out where."""
    return tuple(
        AttentionFold(
            index=index,
            n_train=len(fold.train),
            n_test=len(fold.test),
            test_counts=tuple(np.bincount(codes[fold.test], minlength=n_classes).tolist()),
            test_patients=tuple(sorted({patients[int(row)] for row in fold.test})),
        )
        for index, fold in enumerate(folds)
    )


def _settings(study: Study, options: AttentionOptions) -> AttentionSettings:
    """List the choices."""
    training = asdict(options.training)
    names = ("n_networks", "epochs", "batch_size", "learning_rate", "weight_decay", "hidden")
    return AttentionSettings(
        segmentor=study.segmentor.name,
        encoder=study.encoder.name,
        tile_px=study.spec.side_px,
        tile_mpp=study.spec.mpp,
        n_splits=options.n_splits,
        n_permutations=options.n_permutations,
        n_bootstrap=options.n_bootstrap,
        seed=options.seed,
        **{name: training[name] for name in names},
    )


def _notes(study: Study, bags: Bags, lost: dict[str, str], patients: Sequence[str]) -> list[str]:
    """Say what a reader must know."""
    notes = [
        "a feature under a mask has seen some of what lies around it: an object next to the one "
        "that matters gets a part of its contribution"
    ]
    if lost:
        notes.append(
            f"{len(lost)} slides could not be used; the first: {next(iter(lost.values()))}"
        )
    n_patients = len(set(patients))
    if n_patients < FEW_PATIENTS:
        notes.append(
            f"{n_patients} patients in all: intervals are wide, and over so few patients they are "
            "still too narrow; another draw of folds may change the order of the networks"
        )
    if study.encoder.sources:
        sources = ", ".join(study.encoder.sources)
        notes.append(
            f"the encoder {study.encoder.name!r} was trained on {sources}: if these slides are "
            "among them, it has seen what is held out here, and the figures are too good; compare "
            "with another encoder, such as 'imagenet'"
        )
    trained = bags[bags.slides[0]].trained
    for prompt, state in zip(study.prompts, trained, strict=True):
        if state != "trained":
            notes.append(
                f"prompt {prompt.name!r} is {state} in segmentor {study.segmentor.name!r}: look at "
                "its masks"
            )
    return notes
