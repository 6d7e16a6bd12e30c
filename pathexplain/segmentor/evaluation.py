"""How good a segmentor is on annotated images: the questions of `assessment`, asked in one pass.

Images are read at their own resolution, as a user would give them. Not used while training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError, PathExplainError
from pathexplain.segmentor.assessment.field_list import FieldList, as_field_list, open_fields
from pathexplain.segmentor.assessment.intervals import Score
from pathexplain.segmentor.assessment.measuring import Measured, measure
from pathexplain.segmentor.assessment.presence import Pair, summarise_presence
from pathexplain.segmentor.assessment.results import (
    ClassScore,
    Evaluation,
    ImageScore,
    Skipped,
    read_evaluation,
)
from pathexplain.segmentor.assessment.robustness import (
    Trial,
    measure_robustness,
    summarise_robustness,
)
from pathexplain.segmentor.assessment.summary import summarise_classes, write_images
from pathexplain.segmentor.assessment.tiles import Tile, measure_tile, summarise_tiles
from pathexplain.segmentor.assessment.wordings import (
    WordingTrial,
    measure_wordings,
    summarise_wordings,
)
from pathexplain.segmentor.backends import Segmentor, load_segmentor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pathexplain.segmentor.datasets.reading import Field

__all__ = [
    "ClassScore",
    "Evaluation",
    "Score",
    "evaluate",
    "evaluate_fields",
    "open_fields",
    "read_evaluation",
    "write_images",
]

Progress = Callable[[int, int], None]


def evaluate(
    segmentor: str | Segmentor,
    *,
    data: str | Path,
    split: str = "test",
    sources: Sequence[str] | None = None,
    robustness: int = 0,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a segmentor on one split of a manifest or of a dataset's table.

    Parameters
    ----------
    segmentor : str or Segmentor
    data : path
        Manifest CSV (`datasets.reading`), or a dataset's table or its folder (`datasets.table`).
    split : {"test", "validation", "train"}
    sources : sequence of str, optional
        Default: all sources with annotations.
    robustness : int
        Images of each source on which perturbed images and other wordings are tried too; each
        costs about 13 passes.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Evaluation
        Masks count as a user gets them: thresholded, and empty where called absent. Images that
        cannot be read stand in `skipped`.

    Raises
    ------
    ConfigError
        When the data are wrong, or not one image could be measured.
    """
    model = load_segmentor(segmentor, device=device) if isinstance(segmentor, str) else segmentor
    fields = open_fields(data, split=split, sources=sources)
    return evaluate_fields(
        model, fields, split=split, robustness=robustness, seed=seed, progress=progress
    )


def evaluate_fields(
    model: Segmentor,
    fields: FieldList | Iterable[Field],
    *,
    split: str = "test",
    robustness: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a segmentor on annotated images from anywhere; see `evaluate`.

    Parameters
    ----------
    fields : FieldList or iterable of Field
    split : str
        What the images are; presence is calibrated on any but "test".
    """
    listed = as_field_list(fields)
    gathered = _Gathered()
    probed = _spread(listed.sources, robustness)
    for index in range(len(listed)):
        gathered.take(model, listed, index, is_probed=index in probed)
        if progress is not None:
            progress(index + 1, len(listed))
    if gathered.n_images == 0:
        first = gathered.skipped[0].reason if gathered.skipped else "there is none"
        message = f"none of {len(listed)} images could be measured: {first}"
        raise ConfigError(message)
    return gathered.summary(model, listed.sources, split=split, seed=seed)


def _spread(sources: Sequence[str], n: int) -> set[int]:
    """Positions of at most `n` images of each source, evenly spread over its images."""
    chosen: set[int] = set()
    for source in set(sources):
        members = [index for index, name in enumerate(sources) if name == source]
        taken = min(n, len(members))
        chosen |= {members[i * len(members) // taken] for i in range(taken)}
    return chosen


class _Gathered:
    """What the images gave so far."""

    def __init__(self) -> None:
        self.images: list[ImageScore] = []
        self.pairs: list[Pair] = []
        self.tiles: list[Tile] = []
        self.trials: list[Trial] = []
        self.wordings: list[WordingTrial] = []
        self.skipped: list[Skipped] = []
        self.n_images = 0

    def take(self, model: Segmentor, fields: FieldList, index: int, *, is_probed: bool) -> None:
        """Read and measure one image; one that cannot be is skipped, with its reason."""
        try:
            field = fields.read(index)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises on broken files
            self.skipped.append(Skipped(fields.names[index], f"{type(error).__name__}: {error}"))
            return
        try:
            self._measure(model, field, fields, index, is_probed=is_probed)
        except PathExplainError as error:
            self.skipped.append(Skipped(fields.names[index], str(error)))

    def _measure(
        self, model: Segmentor, field: Field, fields: FieldList, index: int, *, is_probed: bool
    ) -> None:
        """Ask all questions of one image."""
        if field.record.kind == "tile label":
            self.tiles.append(measure_tile(model, field, candidates=fields.tile_candidates))
            self.n_images += 1
            return
        measured: Measured = measure(model, field, index=index)
        self.images += measured.scores
        self.pairs += measured.pairs
        self.n_images += 1
        if is_probed:
            self.trials += measure_robustness(model, field)
            self.wordings += measure_wordings(model, field)

    def summary(
        self, model: Segmentor, sources: Iterable[str], *, split: str, seed: int
    ) -> Evaluation:
        """Return figures of classes and sources."""
        presence = summarise_presence(self.pairs, may_fit=split != "test", seed=seed)
        return Evaluation(
            segmentor=model.name,
            weights_sha256=model.weights_sha256,
            split=split,
            scores=summarise_classes(self.images, seed=seed),
            presence_auroc=presence.auroc.mean,
            n_presence_pairs=len(self.pairs),
            nonsense_empty_share=presence.empty_nonsense.mean,
            n_nonsense_pairs=presence.empty_nonsense.n_images,
            presence=presence,
            tiles=summarise_tiles(self.tiles, seed=seed),
            robustness=summarise_robustness(self.trials, seed=seed),
            wordings=summarise_wordings(self.wordings, seed=seed),
            skipped=tuple(self.skipped),
            n_images=self.n_images,
            sources=tuple(sorted(set(sources))),
            images=tuple(self.images),
        )
