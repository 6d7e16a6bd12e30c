"""Mask outlines drawn on a picture, so that a reader sees the cells through them.

Not for reading slides or stores; arrays in, an array out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["OUTLINE_COLORS", "outlines"]

# Okabe & Ito (2008), "Color universal design": told apart with the common color vision
# deficiencies; ordered by contrast against the pinks and purples of H&E.
OUTLINE_COLORS: tuple[tuple[int, int, int], ...] = (
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (86, 180, 233),
    (0, 0, 0),
)
_CHANNELS = 3


def outlines(
    image: NDArray[np.uint8],
    labels: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    colors: Sequence[tuple[int, int, int]] = OUTLINE_COLORS,
    width_px: int = 1,
) -> NDArray[np.uint8]:
    """Draw the inner outline of every object on a copy of an image.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.
    labels : (H, W) int or bool, or a sequence of them
        0 is background; touching objects with different numbers are both outlined.
        Later label images are drawn over earlier ones.
    colors : sequence of (r, g, b), 0 to 255
        One a label image, used again from the start when they run out.
    width_px : int
        Width of the line, all of it inside the object; at least 1.

    Returns
    -------
    (H, W, 3) uint8
        The input is left untouched.

    Raises
    ------
    ValueError
        If the image is not (H, W, 3) uint8 or a label image has another shape.

    Examples
    --------
    >>> image = np.full((5, 5, 3), 255, np.uint8)
    >>> square = np.zeros((5, 5), bool)
    >>> square[1:4, 1:4] = True
    >>> drawn = outlines(image, square, colors=[(255, 0, 0)])
    >>> int((drawn == (255, 0, 0)).all(axis=-1).sum()), drawn[2, 2].tolist()
    (8, [255, 255, 255])
    """
    if image.ndim != _CHANNELS or image.shape[-1] != _CHANNELS or image.dtype != np.uint8:
        message = f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}"
        raise ValueError(message)
    if width_px < 1:
        message = f"width_px must be at least 1, got {width_px}"
        raise ValueError(message)
    layers = [labels] if isinstance(labels, np.ndarray) and labels.ndim == 2 else list(labels)  # noqa: PLR2004 - one (H, W) image
    drawn = image.copy()
    for i_layer, layer in enumerate(layers):
        if layer.shape != image.shape[:2]:
            message = f"label image {i_layer} is {layer.shape}, the image {image.shape[:2]}"
            raise ValueError(message)
        drawn[_inner_boundary(layer, width_px=width_px)] = colors[i_layer % len(colors)]
    return drawn


def _inner_boundary(layer: NDArray[Any], *, width_px: int) -> NDArray[np.bool_]:
    """Mark the pixels of objects that lie within `width_px` of another label."""
    numbers = layer.astype(np.int32)
    edge: NDArray[np.bool_] = find_boundaries(numbers, mode="inner", connectivity=1)
    if width_px > 1:
        grown = ndimage.binary_dilation(edge, iterations=width_px - 1)
        edge = grown & (numbers > 0)
    return edge
