"""All slides of an attention study: bags on disk, networks by fold, held-out predictions.

Not for statistics or pictures: see `attention`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pathexplain.diagnosis.networks.attention import activation
from pathexplain.diagnosis.networks.bags import load_bag, make_bag, save_bag
from pathexplain.diagnosis.networks.held_out import INDEX
from pathexplain.diagnosis.networks.training import (
    load_network,
    padded,
    save_network,
    train_network,
)
from pathexplain.diagnosis.tiles import read_tiles
from pathexplain.errors import CohortError, SegmentationError
from pathexplain.extraction.inputs import slide_inputs
from pathexplain.provenance import sha256_json
from pathexplain.serialization import write_json
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.networks.attention import ObjectAttention
    from pathexplain.diagnosis.networks.bags import Bag
    from pathexplain.diagnosis.networks.encoders import PatchEncoder
    from pathexplain.diagnosis.networks.training import TrainingOptions
    from pathexplain.diagnosis.splits import Fold
    from pathexplain.diagnosis.tiles import TileSpec
    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.backends import Segmentor

__all__ = [
    "Bags",
    "HeldOut",
    "Study",
    "TrainedFold",
    "activations",
    "collect_bags",
    "held_out",
    "train_folds",
]

# A slide that cannot be read or segmented.
SLIDE_FAILURES = (SegmentationError, OSError, MemoryError)
CACHED_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class Study:
    """What all slides share.

    `encoder_name` is what the encoder was loaded by, so that it can be loaded again.
    """

    folder: Path
    prompts: tuple[Prompt, ...]
    segmentor: Segmentor
    encoder: PatchEncoder
    encoder_name: str
    spec: TileSpec
    mpp: float | None
    progress: Callable[[str, int, int], None] | None

    def tell(self, what: str, done: int, total: int) -> None:
        """Report progress to whoever asked for it."""
        if self.progress is not None:
            self.progress(what, done, total)


class Bags:
    """Bags of a study's slides, read from disk when asked for; the first GiB is kept in memory.

    Parameters
    ----------
    paths : dict of str to Path
        By slide.
    """

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._kept: dict[str, Bag] = {}
        self._n_bytes = 0

    def __contains__(self, slide: str) -> bool:
        """Whether the slide could be used."""
        return slide in self._paths

    def __getitem__(self, slide: str) -> Bag:
        """Read the bag of a slide."""
        if slide in self._kept:
            return self._kept[slide]
        bag = load_bag(self._paths[slide])
        if bag is None:
            message = f"{self._paths[slide]}: gone or damaged since it was written"
            raise SegmentationError(message, slide_id=slide, path=str(self._paths[slide]))
        self._n_bytes += bag.features.nbytes
        if self._n_bytes < CACHED_BYTES:
            self._kept[slide] = bag
        return bag

    @property
    def slides(self) -> tuple[str, ...]:
        """Slides that have one."""
        return tuple(self._paths)


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """Networks of one fold, the columns of a bag that they see, and the rows they did not."""

    index: int
    columns: tuple[int, ...]
    test: NDArray[np.int64]
    networks: tuple[ObjectAttention, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out predictions of one kind of network, in the order of the slides.

    Attributes
    ----------
    logits : (n, K) float64
    activations : (n, J, K) float64
        Object-aware class activations; NaN where a slide does not hold the object.
    """

    logits: NDArray[np.float64]
    activations: NDArray[np.float64]


def collect_bags(
    study: Study, known: SlideLabels, found: dict[str, Path]
) -> tuple[Bags, dict[str, str]]:
    """Make the bag of every slide that has none yet.

    Returns
    -------
    bags : Bags
    lost : dict of str to str
        Why a slide could not be used.

    Raises
    ------
    CohortError
        When no slide could be used.
    """
    paths, lost = {}, {}
    for slide_id in known.slides:
        path = study.folder / "bags" / f"{slide_id}.safetensors"
        try:
            _one_bag(study, slide_id, found[slide_id], path)
            paths[slide_id] = path
        except SLIDE_FAILURES as error:
            lost[slide_id] = str(error) or type(error).__name__
    if not paths:
        slide, reason = next(iter(lost.items()))
        message = f"none of the {len(known.slides)} slides could be used: {reason}"
        raise CohortError(message, slide_id=slide)
    return Bags(paths), lost


def _one_bag(study: Study, slide_id: str, source: Path, path: Path) -> None:
    """Make one slide's bag, unless it is there and its inputs are unchanged."""
    inputs = sha256_json(
        {
            "slide": slide_inputs(source, slide_id, study.segmentor),
            "mpp": study.mpp,
            "prompts": study.prompts,
            "segmentor": [study.segmentor.name, study.segmentor.weights_sha256],
            "encoder": study.encoder.fingerprint,
            "tiles": study.spec,
        }
    )
    if load_bag(path, inputs=inputs) is not None:
        return
    with (
        open_slide(source, mpp=study.mpp, slide_id=slide_id) as slide,
        read_tiles(
            slide,
            prompts=study.prompts,
            segmentor=study.segmentor,
            spec=study.spec,
            folder=study.folder,
        ) as tiles,
    ):
        bag = make_bag(
            tiles, study.encoder, progress=lambda done, total: study.tell(slide_id, done, total)
        )
    save_bag(path, bag, inputs=inputs)


def train_folds(  # noqa: PLR0913 - who, what and how
    study: Study,
    bags: Bags,
    slides: Sequence[str],
    codes: NDArray[np.int64],
    patients: Sequence[str],
    folds: Sequence[Fold],
    *,
    classes: Sequence[str],
    options: TrainingOptions,
    seed: int,
) -> dict[str, tuple[TrainedFold, ...]]:
    """Train both kinds of network in every fold, and write an index that `perturb` reads.

    Networks that are there already and were trained on the same are taken as they are.
    """
    n_objects = len(study.prompts) + 1
    columns = {"objects": tuple(range(n_objects)), "plain": (n_objects,)}
    total = len(columns) * len(folds) * options.n_networks
    trained: dict[str, list[TrainedFold]] = {kind: [] for kind in columns}
    done = 0
    for index, fold in enumerate(folds):
        for kind, seen in columns.items():
            networks, files = [], []
            for repeat in range(options.n_networks):
                name = f"networks/{kind}-fold{index + 1}-{repeat + 1}.safetensors"
                files.append(name)
                networks.append(
                    _one_network(
                        study.folder / name,
                        lambda row: bags[slides[row]],
                        seen,
                        codes,
                        fold.train,
                        n_classes=len(classes),
                        options=options,
                        seed=seed + 1000 * index + repeat,
                        inputs=_inputs(study, slides, codes, fold, seen, options, seed),
                    )
                )
                done += 1
                study.tell("training", done, total)
            trained[kind].append(TrainedFold(index, seen, fold.test, tuple(networks), tuple(files)))
    _write_index(study, trained["plain"], patients, classes)
    return {kind: tuple(items) for kind, items in trained.items()}


def _one_network(  # noqa: PLR0913 - as `train_network`, and where it is kept
    path: Path,
    bags: Callable[[int], Bag],
    columns: tuple[int, ...],
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    n_classes: int,
    options: TrainingOptions,
    seed: int,
    inputs: str,
) -> ObjectAttention:
    """Read a network, or train and keep it."""
    known = load_network(path, inputs=inputs)
    if known is not None:
        return known
    network = train_network(
        bags, columns, codes, rows, n_classes=n_classes, options=options, seed=seed
    )
    save_network(path, network, inputs=inputs)
    return network


def _inputs(
    study: Study,
    slides: Sequence[str],
    codes: NDArray[np.int64],
    fold: Fold,
    columns: tuple[int, ...],
    options: TrainingOptions,
    seed: int,
) -> str:
    """Hash what a network depends on."""
    return sha256_json(
        {
            "slides": [[slides[int(row)], int(codes[row])] for row in fold.train],
            "bags": [study.encoder.fingerprint, study.segmentor.name, study.mpp],
            "weights": study.segmentor.weights_sha256,
            "prompts": study.prompts,
            "tiles": study.spec,
            "columns": columns,
            "options": asdict(options),
            "seed": seed,
        }
    )


def _write_index(
    study: Study,
    plain: Sequence[TrainedFold],
    patients: Sequence[str],
    classes: Sequence[str],
) -> None:
    """Say which networks held out which patients."""
    folds = [
        {
            "patients": sorted({patients[int(row)] for row in fold.test}),
            "plain": list(fold.files),
        }
        for fold in plain
    ]
    about = {
        "version": 1,
        "encoder": study.encoder_name,
        "encoder_fingerprint": study.encoder.fingerprint,
        "classes": list(classes),
        "tile_px": study.spec.side_px,
        "tile_mpp": study.spec.mpp,
        "folds": folds,
    }
    write_json(study.folder / INDEX, about)


@torch.inference_mode()
def held_out(
    bags: Bags, slides: Sequence[str], folds: Sequence[TrainedFold], n_classes: int
) -> HeldOut:
    """Predict every slide by the networks that did not see it; logits and activations averaged."""
    n_objects = len(folds[0].columns)
    logits = np.full((len(slides), n_classes), np.nan)
    found = np.full((len(slides), n_objects, n_classes), np.nan)
    for fold in folds:
        for row in fold.test.tolist():
            outputs, objects, _ = activations(bags[slides[row]], fold)
            logits[row], found[row] = outputs, objects
    return HeldOut(logits, found)


@torch.inference_mode()
def activations(
    bag: Bag, fold: TrainedFold
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over a fold's networks for one slide.

    Returns
    -------
    logits : (K,) float64
    objects : (J, K) float64
        NaN where the slide does not hold the object.
    instances : (J, T, K) float64
        Their parts by tile; NaN where the tile does not hold the object.
    """
    features, known = padded([bag], fold.columns)
    outputs, objects, instances = [], [], []
    for network in fold.networks:
        seen = network(features, known)
        by_object, by_instance = activation(seen, network.head)
        outputs.append(seen.logits[0])
        objects.append(by_object[0])
        instances.append(by_instance[0])
    logits, whole, parts = (
        torch.stack(made).mean(dim=0).double().numpy() for made in (outputs, objects, instances)
    )
    is_known = known[0].numpy()
    is_there = np.asarray(is_known.any(axis=1))
    return (
        logits,
        np.where(is_there[:, None], whole, np.nan),
        np.where(is_known[..., None], parts, np.nan),
    )
