"""Tiles of a slide with the masks of its prompts: what an image classifier sees, and where what is.

Pixels and masks lie on disk while a slide is worked on, so memory does not grow with the slide.
Not for classifiers and not for networks: see `networks`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pathexplain.errors import ConfigError, SlideError
from pathexplain.segmentor.backends import PerSlide, SlideSegmentor
from pathexplain.slides import find_tissue, working_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide, Tissue

__all__ = ["SlideTiles", "TileSpec", "read_tiles", "tile_origins"]

MIN_SIDE_PX = 16


@dataclass(frozen=True)
class TileSpec:
    """How a slide is cut for a classifier.

    Parameters
    ----------
    side_px : int
        Side of the square tiles, pixels at `mpp`; at least 16.
    mpp : float
        Resolution of tiles and masks, um a pixel.
    min_tissue : float
        Tiles with a smaller share of tissue are left out, 0 to 1.
    window_px, halo_px : int
        Tiles are segmented together in windows of about this size, with a halo around them, so
        that a tile's edge is no edge for the segmentor.

    Raises
    ------
    ConfigError
        When a value is out of range.
    """

    side_px: int = 256
    mpp: float = 0.5
    min_tissue: float = 0.1
    window_px: int = 768
    halo_px: int = 128

    def __post_init__(self) -> None:
        """Check the ranges once."""
        if self.side_px < MIN_SIDE_PX or not self.mpp > 0 or not 0 <= self.min_tissue <= 1:
            message = (
                f"tiles of {self.side_px} px at {self.mpp} um a pixel with at least "
                f"{self.min_tissue} tissue: sides from {MIN_SIDE_PX} px, mpp above 0, tissue 0 to 1"
            )
            raise ConfigError(message)


class TileOrigin(NamedTuple):
    """Top left corner of a tile, pixels at the tiles' mpp."""

    y: int
    x: int


@dataclass(frozen=True, eq=False)
class SlideTiles:
    """The tiles of one slide that hold tissue, n of them.

    Attributes
    ----------
    slide_id : str
    mpp : float
        um a pixel of everything here.
    origins : (n, 2) int64
        (y, x) of the top left corners, pixels.
    pixels : (n, side, side, 3) uint8
        RGB; white outside the slide.
    masks : (n, P, side, side) bool
        Where each prompt is.
    tissue : (n, side, side) bool
        Where there is tissue rather than glass.
    trained : tuple of str, length P
        Whether the segmentor was trained on the prompt: "trained", "near" or "untrained".
    thumbnail : (h, w, 3) uint8
        The whole slide, small.
    thumbnail_mpp : float
    """

    slide_id: str
    mpp: float
    origins: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    trained: tuple[str, ...]
    thumbnail: NDArray[np.uint8]
    thumbnail_mpp: float

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.origins)


def tile_origins(shape: tuple[int, int], side_px: int) -> tuple[TileOrigin, ...]:
    """Corners of tiles that cover a plane, evenly spread; neighbors overlap rather than stick out.

    Parameters
    ----------
    shape : (H, W)
        Of the plane, pixels. A side shorter than a tile has one tile, which sticks out.
    side_px : int

    Returns
    -------
    tuple of (y, x)
        ``ceil(H / side_px) * ceil(W / side_px)`` corners, row by row.

    Examples
    --------
    >>> [tuple(corner) for corner in tile_origins((100, 250), 100)]
    [(0, 0), (0, 75), (0, 150)]
    """
    rows, columns = (_starts(length, side_px) for length in shape)
    return tuple(TileOrigin(y, x) for y in rows for x in columns)


def _starts(length: int, side: int) -> list[int]:
    """Evenly spread starts along one side."""
    n_tiles = -(-length // side)
    if n_tiles == 1:
        return [0]
    return [round(i * (length - side) / (n_tiles - 1)) for i in range(n_tiles)]


@contextmanager
def read_tiles(
    slide: Slide,
    *,
    prompts: Sequence[Prompt],
    segmentor: Segmentor,
    spec: TileSpec,
    folder: Path,
) -> Iterator[SlideTiles]:
    """Cut a slide into tiles and find the prompts in them.

    Parameters
    ----------
    slide : Slide
    prompts : sequence of Prompt
    segmentor : Segmentor
    spec : TileSpec
    folder : Path
        Existing folder for arrays on disk; what is put there is gone when the block ends.

    Yields
    ------
    SlideTiles

    Raises
    ------
    SlideError
        When no tile holds enough tissue.
    """
    tissue = find_tissue(slide)
    shape = working_shape(slide, spec.mpp)
    kept = [
        corner for corner in tile_origins(shape, spec.side_px) if _share(tissue, corner, spec) > 0
    ]
    kept = [corner for corner in kept if _share(tissue, corner, spec) >= spec.min_tissue]
    if not kept:
        message = (
            f"slide {slide.slide_id}: no tile of {spec.side_px} px at {spec.mpp:g} um a pixel "
            f"holds {spec.min_tissue:.0%} tissue"
        )
        raise SlideError(message, slide_id=slide.slide_id)
    with TemporaryDirectory(prefix=".tiles-", dir=folder) as place:
        tiles = _empty(slide, prompts, segmentor, tissue, kept, spec, place)
        _fill(tiles, slide, prompts, segmentor, spec, tissue)
        yield tiles


def _share(tissue: Tissue, corner: TileOrigin, spec: TileSpec) -> float:
    """Share of a tile that is tissue."""
    y, x = corner.y * spec.mpp, corner.x * spec.mpp
    side = spec.side_px * spec.mpp
    return tissue.covers(y, x, y + side, x + side)


def _empty(
    slide: Slide,
    prompts: Sequence[Prompt],
    segmentor: Segmentor,
    tissue: Tissue,
    kept: list[TileOrigin],
    spec: TileSpec,
    place: str,
) -> SlideTiles:
    """Arrays on disk, not filled yet."""
    n_tiles, side = len(kept), spec.side_px

    def on_disk(name: str, kind: Any, *shape: int) -> NDArray[Any]:
        """Make one array, all zeros."""
        return np.memmap(f"{place}/{name}", dtype=kind, mode="w+", shape=(n_tiles, *shape))

    return SlideTiles(
        slide_id=slide.slide_id,
        mpp=spec.mpp,
        origins=np.array(kept, dtype=np.int64),
        pixels=on_disk("pixels", np.uint8, side, side, 3),
        masks=on_disk("masks", np.bool_, len(prompts), side, side),
        tissue=on_disk("tissue", np.bool_, side, side),
        trained=tuple(segmentor.describe(prompt)[0] for prompt in prompts),
        thumbnail=tissue.thumbnail,
        thumbnail_mpp=tissue.mpp,
    )


def _fill(
    tiles: SlideTiles,
    slide: Slide,
    prompts: Sequence[Prompt],
    segmentor: Segmentor,
    spec: TileSpec,
    tissue: Tissue,
) -> None:
    """Segment window by window and hand each tile its part."""
    bound = segmentor.for_slide(slide, prompts) if isinstance(segmentor, PerSlide) else segmentor
    reach = max(1, spec.window_px // spec.side_px) * spec.side_px
    windows: dict[tuple[int, int], list[int]] = {}
    for index, (y, x) in enumerate(tiles.origins):
        windows.setdefault((int(y) // reach, int(x) // reach), []).append(index)
    for members in windows.values():
        corners = tiles.origins[members]
        y0, x0 = (int(value) for value in corners.min(axis=0))
        y1, x1 = (int(value) + spec.side_px for value in corners.max(axis=0))
        y0, x0 = max(y0 - spec.halo_px, 0), max(x0 - spec.halo_px, 0)
        height, width = working_shape(slide, spec.mpp)
        size = (
            min(y1 + spec.halo_px, max(height, y1)) - y0,
            min(x1 + spec.halo_px, max(width, x1)) - x0,
        )
        pixels = slide.read(y0 * spec.mpp, x0 * spec.mpp, *size, spec.mpp)
        found = _segment(bound, pixels, prompts, spec.mpp, (y0 * spec.mpp, x0 * spec.mpp))
        masks = found.masks
        on_tissue = _tissue_window(tissue, (y0, x0), size, spec.mpp)
        for index in members:
            y, x = tiles.origins[index] - (y0, x0)
            part = (slice(y, y + spec.side_px), slice(x, x + spec.side_px))
            tiles.pixels[index] = pixels[part]
            tiles.masks[index] = masks[(slice(None), *part)]
            tiles.tissue[index] = on_tissue[part]


def _segment(
    segmentor: Segmentor | SlideSegmentor,
    pixels: NDArray[np.uint8],
    prompts: Sequence[Prompt],
    mpp: float,
    origin_um: tuple[float, float],
) -> Segmentation:
    """Segment one window, saying where it is to a segmentor that is bound to the slide."""
    if isinstance(segmentor, SlideSegmentor):
        return segmentor.segment(pixels, prompts, mpp=mpp, origin_um=origin_um)
    return segmentor.segment(pixels, tuple(prompts), mpp=mpp)


def _tissue_window(
    tissue: Tissue, corner: tuple[int, int], size: tuple[int, int], mpp: float
) -> NDArray[np.bool_]:
    """Tissue under a window, by the nearest pixel of the tissue mask; False outside the slide."""
    rows, columns = (
        np.floor((start + np.arange(length) + 0.5) * mpp / tissue.mpp).astype(int)
        for start, length in zip(corner, size, strict=True)
    )
    height, width = tissue.mask.shape
    inside = (rows < height)[:, None] & (columns < width)[None, :]
    taken = tissue.mask[np.minimum(rows, height - 1)[:, None], np.minimum(columns, width - 1)]
    return np.asarray(taken & inside)
