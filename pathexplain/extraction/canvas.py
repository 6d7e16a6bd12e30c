"""A slide's prompts on their way from tiles to objects: painted, measured, joined, numbered.

Not for segmenting. What is slide-wide lies on disk, in a folder that the caller removes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import SegmentationError
from pathexplain.extraction.closing import close_labels
from pathexplain.extraction.joined import measure_joined
from pathexplain.extraction.measuring import Measuring, Window
from pathexplain.extraction.ownership import InstancePainter
from pathexplain.extraction.plane import SparsePlane
from pathexplain.extraction.region_painting import NumberedPainter, RegionPainter
from pathexplain.extraction.spool import ObjectSpool
from pathexplain.features.registry import pixel_families
from pathexplain.slides.stains import RUIFROK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.extraction.closing import Closed, Coverage
    from pathexplain.extraction.ownership import Owned
    from pathexplain.extraction.roi import RegionOfInterest
    from pathexplain.extraction.spool import SpooledObjects
    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import TileWindow, Tissue
    from pathexplain.slides.stains import StainVectors

__all__ = ["Layer", "SlideCanvas"]

WHITE = 255
MARGIN_UM = 4.0
"""What is looked at around an object; an object closer to the end of a window counts as cut."""
LABEL_CACHE_BYTES, LEAST_CACHE_BYTES = 96 * 2**20, 16 * 2**20
"""Chunks of painted labels in memory, of all prompts together; the least holds a window."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One prompt, finished."""

    closed: Closed
    objects: SpooledObjects
    n_pieces: int


class SlideCanvas:
    """Takes tiles, gives objects.

    Parameters
    ----------
    folder : Path
        Existing folder for planes and rows.
    shape : (int, int)
        Height and width at the working resolution, pixels.
    mpp : float
        Working resolution, µm per pixel.
    prompts : sequence of Prompt
    families : sequence of str
        Families to measure; spatial ones, which need the whole slide, are left to the caller.
    tiles : sequence of TileWindow
        Tiles that will be painted.
    stains : StainVectors
        How colors are split into stains.
    numbered : sequence of bool, optional
        For each prompt, whether the objects of its segmentations have numbers that hold over the
        whole slide. Default: none have.
    roi : RegionOfInterest, optional
        Regions are cut to it; objects whose center lies outside are left out.
    """

    def __init__(  # noqa: PLR0913 - what a slide is, all by keyword
        self,
        folder: Path,
        *,
        shape: tuple[int, int],
        mpp: float,
        prompts: Sequence[Prompt],
        families: Sequence[str],
        tiles: Sequence[TileWindow],
        stains: StainVectors = RUIFROK,
        numbered: Sequence[bool] = (),
        roi: RegionOfInterest | None = None,
    ) -> None:
        self.stains = stains
        self.shape = shape
        self.roi = roi
        self.mpp = mpp
        self.prompts = tuple(prompts)
        self._folder = folder
        self._margin_px = int(np.ceil(MARGIN_UM / mpp))
        self._pixels = SparsePlane(
            folder / "pixels", shape=(*shape, 3), dtype=np.uint8, fill=WHITE, compressed=False
        )
        self._layers = [
            _Painting(
                prompt,
                folder / f"{index}",
                canvas=self,
                families=tuple(families),
                tiles=tiles,
                is_numbered=index < len(numbered) and numbered[index],
            )
            for index, prompt in enumerate(self.prompts)
        ]

    @property
    def margin_px(self) -> int:
        """How far around an object is looked at."""
        return self._margin_px

    def paint(
        self, tile: TileWindow, pixels: NDArray[np.uint8], segmentation: Segmentation
    ) -> None:
        """Take over what `tile` owns of its pixels `(h, w, 3)` and of its segmentation."""
        core = (
            slice(tile.core_y0 - tile.y0, tile.core_y1 - tile.y0),
            slice(tile.core_x0 - tile.x0, tile.core_x1 - tile.x0),
        )
        self._pixels.write(tile.core_y0, tile.core_x0, pixels[core])
        for index, layer in enumerate(self._layers):
            layer.paint(tile, pixels, segmentation, index)

    def finish(self, tissue: Tissue, *, spatial: bool) -> tuple[tuple[Layer, ...], Coverage]:
        """Join, measure and number what the tiles painted.

        Parameters
        ----------
        tissue : Tissue
        spatial : bool
            Whether features of several objects are wanted, which need edges.

        Returns
        -------
        layers : tuple of Layer
            Objects are 1..N without gaps, those under their prompt's least area dropped.
        coverage : Coverage
        """
        finished = [layer.finish(self._pixels) for layer in self._layers]
        closed, coverage = close_labels(
            [layer.plane for layer in self._layers],
            [target for _, target in finished],
            [self._folder / "labels" / prompt.name for prompt in self.prompts],
            tissue=tissue,
            mpp=self.mpp,
            spatial=spatial,
        )
        return tuple(
            Layer(each, objects, layer.painter.n_pieces)
            for each, (objects, _), layer in zip(closed, finished, self._layers, strict=True)
        ), coverage


class _Painting:
    """One prompt while tiles come in."""

    def __init__(
        self,
        prompt: Prompt,
        folder: Path,
        *,
        canvas: SlideCanvas,
        families: tuple[str, ...],
        tiles: Sequence[TileWindow],
        is_numbered: bool,
    ) -> None:
        folder.mkdir()
        self.prompt = prompt
        self.plane = SparsePlane(
            folder / "painted",
            shape=canvas.shape,
            dtype=np.int32,
            cache_bytes=max(LEAST_CACHE_BYTES, LABEL_CACHE_BYTES // len(canvas.prompts)),
        )
        self._least_px = prompt.min_area_um2 / canvas.mpp**2
        self._margin_px = canvas.margin_px
        self._roi = canvas.roi
        on_pixels = tuple(family.name for family in pixel_families(families))
        self._measuring = Measuring(canvas.mpp, on_pixels, prompt.kind, canvas.shape, canvas.stains)
        names = tuple(name for family in pixel_families(families) for name in family.names)
        self._spool = ObjectSpool(folder / "objects.parquet", names)
        self.painter: InstancePainter | NumberedPainter | RegionPainter
        if prompt.kind == "region":
            self.painter = RegionPainter(self.plane)
        elif is_numbered:
            self.painter = NumberedPainter(self.plane)
        else:
            self.painter = InstancePainter(
                self.plane, tiles=tiles, least_px=self._least_px, margin_px=canvas.margin_px
            )

    def paint(
        self,
        tile: TileWindow,
        pixels: NDArray[np.uint8],
        segmentation: Segmentation,
        index: int,
    ) -> None:
        """Paint one tile, and measure what is whole in it."""
        owned: Owned | None
        if isinstance(self.painter, RegionPainter):
            mask = segmentation.mask(index)
            if self._roi is not None:
                mask = mask & self._roi.window(tile, self._measuring.mpp)
            owned = self.painter.paint(tile, mask)
        elif isinstance(self.painter, NumberedPainter):
            owned = self.painter.paint(tile, _known_objects(segmentation, index))
        else:
            owned = self.painter.paint(tile, segmentation.instances(index))
        if owned is not None:
            window = Window(owned.window, pixels, (tile.y0, tile.x0))
            self._spool.add(self._measuring(window, owned.ids, owned.labels))

    def finish(self, pixels: SparsePlane) -> tuple[SpooledObjects, NDArray[np.int32]]:
        """Measure what was joined; return all objects, and the final label of painted ones."""
        self.painter.finish()
        groups = self.painter.book.groups()
        n = len(groups.root)
        kept = (groups.area_px > 0) & (groups.area_px >= self._least_px)
        is_root = groups.root == np.arange(n)
        measured = self._spool.label
        is_measured = np.zeros(n, bool)
        is_measured[measured] = True
        is_done = is_measured & groups.is_single & kept
        row_kept = is_done[measured]
        open_roots = np.flatnonzero(is_root & kept & ~is_done).astype(np.int32)
        for rows in measure_joined(
            open_roots,
            groups,
            kept=kept[groups.root],
            labels=self.plane,
            pixels=pixels,
            measuring=self._measuring,
            margin_px=self._margin_px,
        ):
            self._spool.add(rows)
        row_label = self._spool.label
        row_kept = np.concatenate([row_kept, np.ones(len(row_label) - len(row_kept), bool)])
        if self._roi is not None and self.prompt.kind == "instances":
            row_kept &= self._roi.holds(self._spool.centroid_um)
        number = np.zeros(n, np.int32)
        number[row_label[row_kept]] = np.arange(1, row_kept.sum() + 1)
        objects = self._spool.close(row_kept, groups.area_px[row_label], self.prompt.kind)
        return objects, number[groups.root]


def _known_objects(segmentation: Segmentation, index: int) -> NDArray[np.integer[Any]]:
    """Objects that the segmentor numbered itself."""
    objects = None if segmentation.objects is None else segmentation.objects[index]
    if objects is None:
        name = segmentation.prompts[index].name
        message = f"the segmentor numbers the objects of prompt {name!r} but returned none"
        raise SegmentationError(message, prompt=name)
    return objects
