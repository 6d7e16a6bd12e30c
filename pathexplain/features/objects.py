"""The objects of a label image: ids, boxes, pixel counts and centroids, found in one pass.

Not for features: those are functions of the `ObjectView` made here. Kernels release the GIL, so
objects are shared out over threads (`over_objects`); no global thread pool, safe after a fork.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from pathexplain.errors import FeatureError
from pathexplain.slides.stains import RUIFROK, StainVectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["ObjectView", "cores", "over_chunks", "over_objects", "view_objects"]

_CHUNK = 256
"""Objects a thread takes at a time: small enough to balance, large enough to cost nothing."""
_TWO_D = 2
_SPARSE = 4
"""Label ids above this many times the pixel count are renumbered through a copy."""


@dataclass(frozen=True)
class ObjectView:
    """What a family computes from: the label image, the pixels and where each object lies.

    `labels` (H, W) int32 and `pixels` (H, W, 3) uint8 or None are read-only; `target` (n,) int64
    is the value an object has in `labels`, `label` (n,) int64 the id the caller gave it; `box`
    (n, 4) int64 is y0, x0, y1, x1 (half open), `area_px` (n,) int64, `centroid_px` (n, 2) float64;
    `stains` says how colors are split into stains.
    """

    labels: NDArray[np.int32]
    pixels: NDArray[np.uint8] | None
    mpp: float
    label: NDArray[np.int64]
    target: NDArray[np.int64]
    box: NDArray[np.int64]
    area_px: NDArray[np.int64]
    centroid_px: NDArray[np.float64]
    stains: StainVectors = RUIFROK

    @property
    def n(self) -> int:
        """Number of objects."""
        return int(self.label.size)

    @property
    def touches_border(self) -> NDArray[np.bool_]:
        """(n,) bool: the object has a pixel on the edge of the image, so it may be cut."""
        height, width = self.labels.shape
        box = self.box
        first: NDArray[np.bool_] = (box[:, :2] == 0).any(axis=1)
        last: NDArray[np.bool_] = (box[:, 2:] == (height, width)).any(axis=1)
        return first | last

    def only(self, targets: NDArray[np.int64]) -> ObjectView:
        """Keep the objects whose values in `labels` are `targets`; the others stay in the image.

        Examples
        --------
        >>> view = view_objects(np.array([[0, 7, 7], [0, 0, 0], [3, 0, 0]]), mpp=0.5)
        >>> view.only(np.array([7])).area_px.tolist()
        [2]
        """
        kept = np.isin(self.target, targets)
        return replace(
            self,
            label=self.label[kept],
            target=self.target[kept],
            box=self.box[kept],
            area_px=self.area_px[kept],
            centroid_px=self.centroid_px[kept],
        )


def view_objects(
    labels: NDArray[Any],
    pixels: NDArray[np.uint8] | None = None,
    *,
    mpp: float,
    stains: StainVectors = RUIFROK,
) -> ObjectView:
    """Find every object of a label image in one pass.

    Parameters
    ----------
    labels : (H, W) integer array
        0 is background; ids are positive and may have gaps. A memory map is read, not copied.
    pixels : (H, W, 3) uint8, optional
        RGB on the same grid.
    mpp : float
        Micrometers per pixel, > 0.
    stains : StainVectors
        How colors are split into stains; default: the fixed vectors of Ruifrok.

    Returns
    -------
    ObjectView
        Objects in ascending order of id.

    Raises
    ------
    FeatureError
        Negative ids, float or bool labels, pixels of another grid, or mpp that is not > 0.

    Examples
    --------
    >>> view = view_objects(np.array([[0, 7, 7], [0, 0, 0], [3, 0, 0]]), mpp=0.5)
    >>> view.label.tolist(), view.area_px.tolist(), view.box.tolist()
    ([3, 7], [1, 2], [[2, 0, 3, 1], [0, 1, 1, 3]])
    """
    image = _checked_labels(labels)
    rgb = _checked_pixels(pixels, image.shape)
    if not (np.isfinite(mpp) and mpp > 0):
        message = f"mpp is {mpp}; micrometers per pixel must be a number above 0"
        raise FeatureError(message)
    ids: NDArray[np.int64] | None = None
    low, high = (0, 0) if image.size == 0 else _range(image)
    if low < 0:
        message = f"labels hold {low}; 0 is background and objects have positive ids"
        raise FeatureError(message)
    if high > _SPARSE * image.size + 1024:
        ids, compact = np.unique(image, return_inverse=True)
        offset = 0 if ids[0] == 0 else 1
        image = _readonly((compact.reshape(image.shape) + offset).astype(np.int32))
        ids = np.concatenate([np.zeros(offset, np.int64), ids.astype(np.int64)])
        high = ids.size - 1
    box, area, sums = _collect(image, high)
    target = np.flatnonzero(area)
    centroid = sums[target] / area[target, None]
    label = target if ids is None else ids[target]
    return ObjectView(
        image, rgb, float(mpp), label, target, box[target], area[target], centroid, stains
    )


def over_objects(view: ObjectView, kernel: Callable[[int, int], None]) -> None:
    """Call `kernel(start, stop)` for chunks of objects on as many threads as there are cores."""
    over_chunks(view.n, kernel, chunk=_CHUNK)


def over_chunks(n: int, kernel: Callable[[int, int], None], *, chunk: int) -> None:
    """Call `kernel(start, stop)` for chunks of `n` items on as many threads as there are cores."""
    bounds = [(start, min(start + chunk, n)) for start in range(0, n, chunk)]
    workers = min(cores(), len(bounds))
    if workers <= 1:
        for start, stop in bounds:
            kernel(start, stop)
        return
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(kernel, start, stop) for start, stop in bounds]:
            future.result()


def _checked_labels(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Labels as a read-only C-ordered int32 array, or FeatureError."""
    image = np.asarray(labels)
    if image.ndim != _TWO_D or image.dtype.kind not in "iu":
        message = (
            f"labels have shape {image.shape} and dtype {image.dtype}; a label image is (H, W) "
            "of integers (label a mask with skimage.measure.label first)"
        )
        raise FeatureError(message)
    if image.size and not np.can_cast(image.dtype, np.int32):
        largest = int(image.max())
        if largest > np.iinfo(np.int32).max:
            message = f"labels go up to {largest}; ids must fit int32, renumber the objects"
            raise FeatureError(message)
    return _readonly(np.ascontiguousarray(image, dtype=np.int32))


def _checked_pixels(
    pixels: NDArray[np.uint8] | None, shape: tuple[int, ...]
) -> NDArray[np.uint8] | None:
    """Pixels as a read-only C-ordered uint8 array on the grid of the labels, or FeatureError."""
    if pixels is None:
        return None
    rgb = np.asarray(pixels)
    if rgb.shape != (*shape, 3) or rgb.dtype != np.uint8:
        message = (
            f"pixels have shape {rgb.shape} and dtype {rgb.dtype}; needed is {(*shape, 3)} uint8 "
            "RGB on the grid of the labels"
        )
        raise FeatureError(message)
    return _readonly(np.ascontiguousarray(rgb))


def _readonly(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view, so that maps and arrays compile to one kernel."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def cores() -> int:
    """Cores that this process may use, fewer where `NUMBA_NUM_THREADS` says so."""
    has_affinity = hasattr(os, "sched_getaffinity")
    available = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    return max(1, min(available, int(limit))) if limit.isdecimal() else available


@numba.njit(nogil=True, cache=True)
def _range(labels: NDArray[np.int32]) -> tuple[int, int]:
    """Smallest and largest label."""
    low = high = 0
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            value = int(labels[y, x])
            low = min(low, value)
            high = max(high, value)
    return low, high


@numba.njit(nogil=True, cache=True)
def _collect(
    labels: NDArray[np.int32], high: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Box, pixel count and coordinate sums of every label, by horizontal runs."""
    height, width = labels.shape
    box = np.zeros((high + 1, 4), np.int64)
    area = np.zeros(high + 1, np.int64)
    sums = np.zeros((high + 1, 2), np.float64)
    for y in range(height):
        x = 0
        while x < width:
            value = labels[y, x]
            start = x
            while x < width and labels[y, x] == value:
                x += 1
            if value == 0:
                continue
            if area[value] == 0:
                box[value] = (y, start, y + 1, x)
            n = x - start
            area[value] += n
            sums[value, 0] += n * y
            sums[value, 1] += n * (start + x - 1) * 0.5
            box[value, 1] = min(box[value, 1], start)
            box[value, 2] = y + 1
            box[value, 3] = max(box[value, 3], x)
    return box, area, sums
