"""Final labels of all prompts, block by block: their pyramids, what they cover, where they overlap.

Not for measuring objects. One pass over the blocks that hold anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.extraction.plane import SparsePlane
from pathexplain.features.slide_objects import boundary_pixels, coarse_step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.slides import Tissue

__all__ = ["Closed", "Coverage", "LabelPyramid", "close_labels"]

BLOCK_PX = 1024
LEVEL_CACHE_BYTES = 4 * 2**20
"""One chunk: blocks come row by row, and a whole row of a slide is never held anyway."""
FULL = 255
MOST_EDGE_PIXELS = 4_000_000
"""Above this many, edge pixels are thinned to those on a lattice, which no tile moves."""
LATTICE_PX = 4


@dataclass(frozen=True, eq=False)
class LabelPyramid:
    """Labels of one prompt over the whole slide, read window by window.

    Attributes
    ----------
    folder : Path
        Zarr arrays ``s0``, ``s1``, … each half as fine as the one before.
    shape : (int, int)
    n_levels : int
    """

    folder: Path
    shape: tuple[int, int]
    n_levels: int

    def __getitem__(self, window: Any) -> NDArray[np.int32]:
        """Labels in a window, as numpy slices: ``labels[y0:y1, x0:x1]``."""
        import zarr

        array: Any = zarr.open_array(str(self.folder / "s0"), mode="r")
        return np.asarray(array[window])


@dataclass(frozen=True, eq=False)
class Coverage:
    """What prompts cover, in pixels at the working resolution.

    Attributes
    ----------
    tissue_px : int
        Pixels of tissue.
    claimed_px : int
        Of these, those under any prompt.
    inside_px : (P,) int64
        Of these, those under each prompt.
    shared_px : (P, P) int64
        Pixels, on tissue or not, under both of two prompts; under one on the diagonal.
    """

    tissue_px: int
    claimed_px: int
    inside_px: NDArray[np.int64]
    shared_px: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Closed:
    """Final labels of one prompt, and for spatial features their edges and coarse coverage."""

    labels: LabelPyramid
    edge_px: NDArray[np.int32]
    edge_label: NDArray[np.int32]
    covered: NDArray[np.uint8]


def close_labels(
    planes: Sequence[SparsePlane],
    targets: Sequence[NDArray[np.int32]],
    folders: Sequence[Path],
    *,
    tissue: Tissue,
    mpp: float,
    spatial: bool,
) -> tuple[tuple[Closed, ...], Coverage]:
    """Turn painted labels into final ones.

    Parameters
    ----------
    planes : sequence of SparsePlane
        Painted labels of each prompt.
    targets : sequence of (n + 1,) int32
        Final label of each painted one; 0 for those that are dropped.
    folders : sequence of Path
        Where the pyramid of each prompt goes.
    tissue : Tissue
    mpp : float
        Working resolution.
    spatial : bool
        Whether edges and coarse coverage are wanted.
    """
    height, width = planes[0].shape
    layers = [
        _Layer(*each, mpp=mpp, spatial=spatial)
        for each in zip(planes, targets, folders, strict=True)
    ]
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * mpp / tissue.mpp, limit - 1).astype(np.int64)
        for n, limit in zip((height, width), tissue.mask.shape, strict=True)
    )
    n_prompts = len(layers)
    claimed, inside = 0, np.zeros(n_prompts, np.int64)
    shared = np.zeros((n_prompts, n_prompts), np.int64)
    for y0 in range(0, height, BLOCK_PX):
        for x0 in range(0, width, BLOCK_PX):
            box = (y0, x0, min(y0 + BLOCK_PX, height), min(x0 + BLOCK_PX, width))
            found = [layer.close(*box) if layer.holds(*box) else None for layer in layers]
            masks = [(i, mask) for i, mask in enumerate(found) if mask is not None]
            if not masks:
                continue
            painted = [i for i, _ in masks]
            on = np.stack([mask.ravel() for _, mask in masks]).astype(np.float32)
            on_tissue = tissue.mask[rows[y0 : box[2], None], columns[x0 : box[3]]].ravel()
            shared[np.ix_(painted, painted)] += np.rint(on @ on.T).astype(np.int64)
            inside[painted] += np.rint(on @ on_tissue.astype(np.float32)).astype(np.int64)
            claimed += int(np.count_nonzero(on.any(axis=0) & on_tissue))
    tall, wide = (
        np.bincount(at, minlength=n)
        for at, n in zip((rows, columns), tissue.mask.shape, strict=True)
    )
    tissue_px = int(tall @ tissue.mask.astype(np.int64) @ wide)
    return tuple(layer.finish() for layer in layers), Coverage(tissue_px, claimed, inside, shared)


class _Layer:
    """One prompt on its way to final labels."""

    def __init__(
        self,
        plane: SparsePlane,
        target: NDArray[np.int32],
        folder: Path,
        *,
        mpp: float,
        spatial: bool,
    ) -> None:
        height, width = plane.shape
        self._plane, self._target, self._folder = plane, target, folder
        self._spatial = spatial
        n_levels = 1 + max(1, math.ceil(math.log2(max(height, width) / BLOCK_PX)))
        self._levels = [
            SparsePlane(
                folder / f"s{k}",
                shape=(-(-height // 2**k), -(-width // 2**k)),
                dtype=np.int32,
                chunk_px=BLOCK_PX,
                cache_bytes=LEVEL_CACHE_BYTES,
                axes=("y", "x"),
            )
            for k in range(n_levels)
        ]
        step = self._step = coarse_step(mpp)
        cells = (-(-height // step), -(-width // step)) if spatial else (0, 0)
        self._covered = np.zeros(cells, np.uint16)
        self._edges: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._n_edges = 0
        self._is_thinned = False

    def holds(self, y0: int, x0: int, y1: int, x1: int) -> bool:
        """Whether anything was painted in a block."""
        return not self._plane.is_empty(y0, x0, y1, x1)

    def close(self, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.bool_] | None:
        """Write the final labels of a block; return where they are, None where nowhere."""
        labels = self._target[self._plane.read(y0, x0, y1, x1)]
        mask: NDArray[np.bool_] = labels > 0
        if not mask.any():
            return None
        for k, level in enumerate(self._levels):
            level.write(y0 >> k, x0 >> k, labels[:: 2**k, :: 2**k])
        if self._spatial:
            self._cover(y0, x0, mask)
            self._take_edges(y0, x0, y1, x1)
        return mask

    def _cover(self, y0: int, x0: int, mask: NDArray[np.bool_]) -> None:
        """Add a block's pixels to the coarse cells that they lie in."""
        step = self._step
        starts = []
        for first, n in zip((y0, x0), mask.shape, strict=True):
            at = np.arange(first, first + n) // step
            starts.append(np.flatnonzero(np.diff(at, prepend=-1)))
        counts = np.add.reduceat(mask.astype(np.uint16), starts[0], axis=0)
        counts = np.add.reduceat(counts, starts[1], axis=1)
        top, left = y0 // step, x0 // step
        self._covered[top : top + counts.shape[0], left : left + counts.shape[1]] += counts

    def _take_edges(self, y0: int, x0: int, y1: int, x1: int) -> None:
        """Find edge pixels of a block, looking one pixel beyond it."""
        height, width = self._plane.shape
        top, left = max(y0 - 1, 0), max(x0 - 1, 0)
        around = self._plane.read(top, left, min(y1 + 1, height), min(x1 + 1, width))
        found, owner = boundary_pixels(self._target[around])
        points: NDArray[np.int32] = (found + np.array([top, left])).astype(np.int32)
        mine = ((points >= (y0, x0)) & (points < (y1, x1))).all(axis=1)
        points, owner = points[mine], owner[mine]
        if self._is_thinned:
            on_lattice = _on_lattice(points)
            points, owner = points[on_lattice], owner[on_lattice]
        self._edges.append((points, owner))
        self._n_edges += len(points)
        if self._n_edges > MOST_EDGE_PIXELS and not self._is_thinned:
            self._is_thinned = True
            thinned = [(p[keep], o[keep]) for p, o in self._edges for keep in [_on_lattice(p)]]
            self._edges = thinned

    def finish(self) -> Closed:
        """Put everything on disk."""
        for level in self._levels:
            level.flush()
        points = [np.zeros((0, 2), np.int32), *(item[0] for item in self._edges)]
        owners = [np.zeros(0, np.int32), *(item[1] for item in self._edges)]
        height, width = self._plane.shape
        return Closed(
            LabelPyramid(self._folder, (height, width), len(self._levels)),
            np.concatenate(points),
            np.concatenate(owners),
            self._shares(height, width),
        )

    def _shares(self, height: int, width: int) -> NDArray[np.uint8]:
        """Share of each coarse cell that is covered, 0 to 255; cut cells by what they have."""
        step = self._step
        tall, wide = (
            np.minimum(step, n - step * np.arange(cells))
            for n, cells in zip((height, width), self._covered.shape, strict=True)
        )
        shares = np.empty(self._covered.shape, np.uint8)
        for row, counts in enumerate(self._covered):
            shares[row] = np.rint(counts * (FULL / (tall[row] * wide)))
        return shares


def _on_lattice(points: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Pixels on the rows and columns of a lattice: gaps along an edge are a few pixels."""
    return np.asarray((points % LATTICE_PX == 0).any(axis=1))
