"""Pictures and masks at another resolution, without moving an edge.

Nearest-neighbor sampling at half the resolution takes each label from one corner of the new pixel
and moves every mask by half a pixel. Here a new pixel asks a symmetric grid of points inside it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["rescale_image", "rescale_labels", "scaled_shape"]

_MOST_POINTS = 4


def scaled_shape(shape: tuple[int, int], *, mpp: float, target_mpp: float) -> tuple[int, int]:
    """Height and width at `target_mpp`, px; at least 1.

    Examples
    --------
    >>> scaled_shape((522, 775), mpp=0.62, target_mpp=0.5)
    (647, 961)
    """
    height, width = (max(1, round(side * mpp / target_mpp)) for side in shape)
    return height, width


def rescale_image(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Rescale a picture (H, W, 3), antialiased by Lanczos; unchanged where it has the shape.

    Examples
    --------
    >>> rescale_image(np.full((4, 6, 3), 200, np.uint8), (2, 3))[0, 0].tolist()
    [200, 200, 200]
    """
    if image.shape[:2] == shape:
        return image
    resized = Image.fromarray(image).resize(shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(resized)


def rescale_labels(labels: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Rescale a label image (H, W) by the commonest label inside each new pixel.

    A new pixel belongs to an object when more than half of it does; exactly half, which at 2:1
    happens along every other straight edge, falls to either side in turn. So neither place nor area
    is biased. Where the image grows, this is the label at each new pixel's center.

    Examples
    --------
    >>> labels = np.array([[0, 0, 7, 7, 7, 7, 0, 0]] * 2, np.int32)
    >>> rescale_labels(labels, (1, 4)).tolist()
    [[0, 7, 7, 0]]
    """
    if labels.shape == shape:
        return labels
    rows, columns = (_points(old, new) for old, new in zip(labels.shape, shape, strict=True))
    samples = np.stack([labels[r[:, None], c[None, :]] for r in rows for c in columns])
    first = samples[0].copy()
    mixed = (samples != first).any(axis=0)
    if mixed.any():
        is_even = (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2 == 0)[mixed]
        first[mixed] = _commonest(samples[:, mixed], prefer_label=is_even)
    return np.asarray(first, np.int32)


def _points(old_px: int, new_px: int) -> list[NDArray[np.intp]]:
    """Old indices of points spread evenly inside each new pixel, one array a point."""
    factor = old_px / new_px
    n_points = min(_MOST_POINTS, max(1, math.ceil(factor)))
    starts = np.arange(new_px)[None, :] + (np.arange(n_points)[:, None] + 0.5) / n_points
    return list(np.minimum((starts * factor).astype(np.intp), old_px - 1))


def _commonest(samples: NDArray[np.int32], *, prefer_label: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Commonest value of each column of (samples, pixels); ties with 0 as `prefer_label` says."""
    counts = (samples[:, None, :] == samples[None, :, :]).sum(axis=0)
    n_labelled = (samples != 0).sum(axis=0)
    label = np.take_along_axis(
        samples, np.where(samples != 0, counts, -1).argmax(axis=0)[None], axis=0
    )[0]
    half = samples.shape[0] / 2
    is_label = (n_labelled > half) | ((n_labelled == half) & prefer_label)
    return np.where(is_label, label, 0).astype(np.int32)
