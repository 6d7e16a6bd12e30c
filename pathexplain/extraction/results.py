"""What one slide yields, before it is written: masks, objects, states and the slide's summary.

Not for files: `store` writes these, `tables` turns them into AnnData.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pathexplain.slides.stains import RUIFROK

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.extraction.closing import LabelPyramid
    from pathexplain.extraction.spool import SpooledObjects
    from pathexplain.prompts import Prompt
    from pathexplain.slides.stains import StainVectors

__all__ = ["PromptResult", "SlideResult", "State"]

State = Literal["present", "absent", "not assessed"]


@dataclass(frozen=True, eq=False)
class PromptResult:
    """One prompt on one slide.

    Parameters
    ----------
    prompt : Prompt
    state : {"present", "absent", "not assessed"}
        "not assessed" where nothing was segmented because no tissue was found.
    presence : float
        Highest presence score of any tile; NaN where not assessed.
    trained : {"trained", "near", "untrained"}
    nearest : str
        Trained class nearest to the prompt.
    labels : LabelPyramid
        Objects 1..N at the working resolution, on disk.
    objects : SpooledObjects
        One row an object, on disk.
    n_pieces : int
        Pieces of objects larger than a tile's window, joined along seams.
    """

    prompt: Prompt
    state: State
    presence: float
    trained: str
    nearest: str
    labels: LabelPyramid
    objects: SpooledObjects
    n_pieces: int = 0

    def describe(self) -> dict[str, Any]:
        """Return what the store and the manifest say about the prompt."""
        return {
            "text": self.prompt.text,
            "kind": self.prompt.kind,
            "threshold": self.prompt.threshold,
            "min_area_um2": self.prompt.min_area_um2,
            "state": self.state,
            "presence": self.presence,
            "trained": self.trained,
            "nearest": self.nearest,
            "n_objects": self.objects.n,
            "n_pieces_joined": self.n_pieces,
        }


@dataclass(frozen=True, eq=False)
class SlideResult:
    """Everything that one slide yields.

    Parameters
    ----------
    slide_id : str
    mpp : float
        Working resolution, µm per pixel.
    source_mpp : float
        Full resolution of the slide, µm per pixel.
    source : dict of str to str
        Reader, vendor, where the resolution comes from.
    thumbnail : (h, w, 3) uint8
    thumbnail_mpp : float
    tissue_area_mm2 : float
    prompts : tuple of PromptResult
    summary : DataFrame
        Index: feature names; columns `value` and `n`.
    n_tiles, n_tiles_tissue : int
        Tiles of the grid, and those with tissue.
    reason : str
        What to know about the slide; empty when nothing.
    quality : dict
        Of the slide and of its masks (`quality.quality_record`).
    stains : StainVectors
        How colors were split into stains.
    seconds : dict of str to float
        Where the time went (`pipeline.run_tiles`), and wall seconds of what came after (`finish`).
    """

    slide_id: str
    mpp: float
    source_mpp: float
    source: dict[str, str]
    thumbnail: NDArray[np.uint8]
    thumbnail_mpp: float
    tissue_area_mm2: float
    prompts: tuple[PromptResult, ...]
    summary: pd.DataFrame
    n_tiles: int
    n_tiles_tissue: int
    reason: str = ""
    quality: dict[str, Any] = field(default_factory=dict)
    stains: StainVectors = RUIFROK
    seconds: dict[str, float] = field(default_factory=dict)
