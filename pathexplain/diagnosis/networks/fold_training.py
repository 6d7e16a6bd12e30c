"""Both kinds of attention network in every fold, kept on disk with an index of who saw whom.

How one network is trained: see `training`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.networks.held_out import INDEX
from pathexplain.diagnosis.networks.training import load_network, save_network, train_network
from pathexplain.provenance import sha256_json
from pathexplain.serialization import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pathexplain.diagnosis.networks.attention import ObjectAttention
    from pathexplain.diagnosis.networks.bags import Bag
    from pathexplain.diagnosis.networks.study import Bags, Study
    from pathexplain.diagnosis.networks.training import TrainingOptions
    from pathexplain.diagnosis.splits import Fold

__all__ = ["TrainedFold", "train_folds"]


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """Networks of one fold, the columns of a bag that they see, and the rows they did not."""

    index: int
    columns: tuple[int, ...]
    test: NDArray[np.int64]
    networks: tuple[ObjectAttention, ...]
    files: tuple[str, ...]


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
