"""The slides of an attention study and their bags on disk, one file a slide.

Not for networks: see `fold_training` and `predictions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.networks.bags import load_bag, make_bag, save_bag
from pathexplain.diagnosis.tiles import read_tiles
from pathexplain.errors import CohortError, SegmentationError
from pathexplain.extraction.inputs import slide_inputs
from pathexplain.provenance import sha256_json
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.networks.bags import Bag
    from pathexplain.diagnosis.networks.encoders import PatchEncoder
    from pathexplain.diagnosis.tiles import TileSpec
    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["Bags", "Study", "collect_bags"]

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
