"""Slide-wide pixels and label images at the working resolution, kept on disk, painted by tiles.

Not for segmenting or measuring. Every plane is a memory map in a folder that the caller removes,
so that what stays in memory is what the operating system caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import ndimage

from pathexplain.errors import SegmentationError
from pathexplain.extraction.ownership import InstancePainter, NumberedPainter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import TileWindow

__all__ = ["SlideCanvas"]

Kind = TypeVar("Kind", bound=np.generic)

STRIP_ROWS = 1024
WHITE = 255
EIGHT_CONNECTED = np.ones((3, 3), bool)


class SlideCanvas:
    """Pixels and one label plane a prompt, over a whole slide.

    Parameters
    ----------
    folder : Path
        Existing folder for the memory maps.
    shape : (int, int)
        Height and width at the working resolution, pixels.
    mpp : float
        Working resolution, µm per pixel.
    prompts : sequence of Prompt
    tiles : sequence of TileWindow
        Tiles that will be painted.
    numbered : sequence of bool, optional
        For each prompt, whether the objects of its segmentations have numbers that hold over the
        whole slide. Default: none have.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shape: tuple[int, int],
        mpp: float,
        prompts: Sequence[Prompt],
        tiles: Sequence[TileWindow],
        numbered: Sequence[bool] = (),
    ) -> None:
        self.shape = shape
        self.mpp = mpp
        self.prompts = tuple(prompts)
        self._folder = folder
        self.pixels = self._plane("pixels", np.dtype(np.uint8), (*shape, 3))
        self._labels = [
            self._plane(f"labels_{index}", np.dtype(np.int32), shape)
            for index in range(len(self.prompts))
        ]
        self._masks = {
            index: self._plane(f"mask_{index}", np.dtype(np.uint8), shape)
            for index, prompt in enumerate(self.prompts)
            if prompt.kind == "region"
        }
        counted = [i for i, prompt in enumerate(self.prompts) if prompt.kind == "instances"]
        known = {index for index, is_known in enumerate(numbered) if is_known}
        self._painters = {
            index: InstancePainter(self._labels[index], tiles=tiles)
            for index in counted
            if index not in known
        }
        self._numbered = {
            index: NumberedPainter(self._labels[index]) for index in counted if index in known
        }

    def _plane(self, name: str, dtype: np.dtype[Kind], shape: tuple[int, ...]) -> NDArray[Kind]:
        """Make a plane of zeros on disk."""
        return np.memmap(self._folder / f"{name}.raw", dtype=dtype, mode="w+", shape=shape)

    def paint_glass(self, tile: TileWindow) -> None:
        """Fill the core of a tile without tissue with white, as its pixels are not read."""
        self.pixels[tile.core_y0 : tile.core_y1, tile.core_x0 : tile.core_x1] = WHITE

    def paint(
        self, tile: TileWindow, pixels: NDArray[np.uint8], segmentation: Segmentation
    ) -> None:
        """Take over what `tile` owns of its pixels `(h, w, 3)` and of its segmentation."""
        core = (
            slice(tile.core_y0 - tile.y0, tile.core_y1 - tile.y0),
            slice(tile.core_x0 - tile.x0, tile.core_x1 - tile.x0),
        )
        here = slice(tile.core_y0, tile.core_y1), slice(tile.core_x0, tile.core_x1)
        self.pixels[here] = pixels[core]
        masks = segmentation.masks if self._masks else None
        for index in range(len(self.prompts)):
            if index in self._painters:
                self._painters[index].paint(tile, segmentation.instances(index))
            elif index in self._numbered:
                self._numbered[index].paint(tile, _known_objects(segmentation, index))
            elif masks is not None:
                self._masks[index][here] = masks[index][core]

    def finish(self, index: int) -> tuple[NDArray[np.int32], int]:
        """Close the label plane of one prompt.

        Returns
        -------
        labels : (H, W) int32
            Objects are 1..N without gaps, those under the prompt's least area dropped. Regions
            are the 8-connected components over the whole slide.
        n_pieces : int
            Pieces of objects larger than a window, which were joined along seams.
        """
        labels = self._labels[index]
        prompt = self.prompts[index]
        n_pieces = 0
        if prompt.kind == "region":
            n_labels = ndimage.label(self._masks[index], EIGHT_CONNECTED, output=labels)
            target = np.arange(n_labels + 1, dtype=np.int32)
        elif index in self._numbered:
            target = self._numbered[index].merged_labels()
        else:
            target = self._painters[index].merged_labels()
            n_pieces = self._painters[index].n_pieces
        least_px = prompt.min_area_um2 / self.mpp**2
        _renumber(labels, _kept(target, _areas(labels, len(target)), least_px))
        return labels, n_pieces


def _known_objects(segmentation: Segmentation, index: int) -> NDArray[np.integer[Any]]:
    """Objects that the segmentor numbered itself."""
    objects = None if segmentation.objects is None else segmentation.objects[index]
    if objects is None:
        name = segmentation.prompts[index].name
        message = f"the segmentor numbers the objects of prompt {name!r} but returned none"
        raise SegmentationError(message, prompt=name)
    return objects


def _areas(labels: NDArray[np.int32], n_labels: int) -> NDArray[np.int64]:
    """Pixels of every label, counted strip by strip."""
    areas = np.zeros(n_labels, np.int64)
    for top in range(0, labels.shape[0], STRIP_ROWS):
        areas += np.bincount(labels[top : top + STRIP_ROWS].ravel(), minlength=n_labels)
    return areas


def _kept(
    target: NDArray[np.int32], areas: NDArray[np.int64], least_px: float
) -> NDArray[np.int32]:
    """Give painted labels their final number 1..N; 0 for background and for objects too small."""
    total = np.bincount(target, weights=areas, minlength=len(target))
    keep = (total > 0) & (total >= least_px)
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.asarray(numbers[target], np.int32)


def _renumber(labels: NDArray[np.int32], target: NDArray[np.int32]) -> None:
    """Replace every label by its target, strip by strip, in place."""
    for top in range(0, labels.shape[0], STRIP_ROWS):
        strip = labels[top : top + STRIP_ROWS]
        strip[...] = target[strip]
