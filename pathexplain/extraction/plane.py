"""A plane of pixels or labels as large as a slide, in chunks on disk, a few of them in memory.

Not for what the numbers mean. Chunks that nobody wrote take no space and read as the fill value.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SparsePlane"]

CHUNK_PX = 512
CACHE_BYTES = 48 * 2**20


class SparsePlane:
    """A chunked plane with a bounded cache; one thread at a time.

    Parameters
    ----------
    folder : Path
        Place of the zarr array, which must not exist yet.
    shape : tuple of int
        (H, W) or (H, W, channels).
    dtype : numpy dtype
    fill : int
        Value of what was never written.
    compressed : bool
        Labels shrink a hundredfold; pixels hardly at all, and take long.
    chunk_px : int
        Side of the square chunks.
    cache_bytes : int
        Most memory that cached chunks take; one chunk is always held.
    axes : tuple of str, optional
        Names of the axes, for those who read the array.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> plane = SparsePlane(Path(folder.name) / "a", shape=(10**6, 10**6), dtype=np.int32)
    >>> plane.write(700, 1020, np.full((2, 8), 5, np.int32))
    >>> plane.read(699, 1019, 702, 1023).tolist()
    [[0, 0, 0, 0], [0, 5, 5, 5], [0, 5, 5, 5]]
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: Path,
        *,
        shape: tuple[int, ...],
        dtype: Any,
        fill: int = 0,
        compressed: bool = True,
        chunk_px: int = CHUNK_PX,
        cache_bytes: int = CACHE_BYTES,
        axes: tuple[str, ...] | None = None,
    ) -> None:
        import zarr
        from zarr.codecs import ZstdCodec

        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.fill = fill
        self._chunk_px = chunk_px
        self._array: Any = zarr.create_array(
            str(folder),
            shape=shape,
            chunks=(chunk_px, chunk_px, *shape[2:]),
            dtype=self.dtype,
            fill_value=fill,
            compressors=ZstdCodec(level=1) if compressed else None,
            dimension_names=axes,
        )
        size = chunk_px**2 * self.dtype.itemsize * int(np.prod(shape[2:], dtype=int))
        self._n_cached = max(1, cache_bytes // size)
        self._cache: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._dirty: set[tuple[int, int]] = set()
        self._written: set[tuple[int, int]] = set()

    def read(self, y0: int, x0: int, y1: int, x1: int) -> NDArray[Any]:
        """Copy of a box inside the plane, half-open."""
        out = np.full((y1 - y0, x1 - x0, *self.shape[2:]), self.fill, self.dtype)
        for key in self._keys(y0, x0, y1, x1):
            if key in self._written:
                here, there = self._overlap(key, y0, x0, y1, x1)
                out[there] = self._chunk(key)[here]
        return out

    def write(self, y0: int, x0: int, block: NDArray[Any]) -> None:
        """Write a block whose top left corner is at (y0, x0)."""
        y1, x1 = y0 + block.shape[0], x0 + block.shape[1]
        for key in self._keys(y0, x0, y1, x1):
            here, there = self._overlap(key, y0, x0, y1, x1)
            part = block[there]
            if key not in self._written and not (part != self.fill).any():
                continue
            self._chunk(key)[here] = part
            self._dirty.add(key)
            self._written.add(key)

    def is_empty(self, y0: int, x0: int, y1: int, x1: int) -> bool:
        """Whether nothing was ever written into the chunks of a box."""
        return self._written.isdisjoint(self._keys(y0, x0, y1, x1))

    def flush(self) -> None:
        """Put everything on disk and let go of the memory."""
        while self._cache:
            self._evict()

    def _keys(self, y0: int, x0: int, y1: int, x1: int) -> list[tuple[int, int]]:
        """Chunks that a box touches."""
        side = self._chunk_px
        rows, columns = range(y0 // side, -(-y1 // side)), range(x0 // side, -(-x1 // side))
        return [(row, column) for row in rows for column in columns]

    def _overlap(
        self, key: tuple[int, int], y0: int, x0: int, y1: int, x1: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Slices of a chunk, and of the box, where the two overlap."""
        side = self._chunk_px
        top, left = key[0] * side, key[1] * side
        first_y, first_x = max(top, y0), max(left, x0)
        last_y, last_x = min(top + side, y1), min(left + side, x1)
        return (
            (slice(first_y - top, last_y - top), slice(first_x - left, last_x - left)),
            (slice(first_y - y0, last_y - y0), slice(first_x - x0, last_x - x0)),
        )

    def _chunk(self, key: tuple[int, int]) -> NDArray[Any]:
        """Chunk in memory, read from disk where it was put aside."""
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        while len(self._cache) >= self._n_cached:
            self._evict()
        shape = (self._chunk_px, self._chunk_px, *self.shape[2:])
        chunk = np.full(shape, self.fill, self.dtype)
        if key in self._written:
            box = self._box(key)
            stored = np.asarray(self._array[box])
            chunk[: stored.shape[0], : stored.shape[1]] = stored
        self._cache[key] = chunk
        return chunk

    def _evict(self) -> None:
        """Put the chunk that was used longest ago on disk, if it changed."""
        key, chunk = self._cache.popitem(last=False)
        if key in self._dirty:
            self._dirty.discard(key)
            rows, columns = self._box(key)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            self._array[rows, columns] = chunk[:height, :width]

    def _box(self, key: tuple[int, int]) -> tuple[slice, slice]:
        """Part of the plane that a chunk covers."""
        side = self._chunk_px
        top, left = key[0] * side, key[1] * side
        bottom, right = min(top + side, self.shape[0]), min(left + side, self.shape[1])
        return slice(top, bottom), slice(left, right)
