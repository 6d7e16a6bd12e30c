"""Maps of a network on their way from its own resolution to the image's, one plane at a time.

Most prompts are absent from most tiles, and nobody looks at their maps: a plane is brought to full
size when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ChosenPlanes", "DeferredPlanes", "full_size", "restore", "zeros"]


@dataclass(frozen=True, eq=False)
class DeferredPlanes:
    """Logits of a network that become (P, H, W) float32 in [0, 1] plane by plane.

    Parameters
    ----------
    logits : tuple of (h, w) tensors
        At the resolution of the network's masks.
    padded : (int, int)
        Size of what the network saw, px.
    seen : (int, int)
        The same without its padding.
    image : (int, int)
        Size of the image, which may have another mpp.

    Examples
    --------
    >>> logits = torch.zeros(2, 2), torch.full((2, 2), 9.0)
    >>> planes = DeferredPlanes(logits, padded=(4, 4), seen=(4, 3), image=(4, 3))
    >>> planes.shape, planes[0][0].tolist(), planes[1:].shape
    ((2, 4, 3), [0.5, 0.5, 0.5], (1, 4, 3))
    """

    logits: tuple[Tensor, ...]
    padded: tuple[int, int]
    seen: tuple[int, int]
    image: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W) of all planes at full size."""
        return len(self.logits), *self.image

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> DeferredPlanes: ...
    @torch.inference_mode()
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | DeferredPlanes:
        """One plane at full size, or some planes still to come."""
        if isinstance(index, slice):
            return replace(self, logits=self.logits[index])
        full = full_size([self.logits[index]], padded=self.padded, shape=self.seen)
        plane: NDArray[np.float32] = restore(full, self.image)[0]
        return plane


@dataclass(frozen=True, eq=False)
class ChosenPlanes:
    """Planes of one image that come from several looks at it, in the order of the prompts.

    Parameters
    ----------
    looks : tuple of (P_i, H, W) float32 arrays or planes
    places : tuple of (int, int), length P
        Look and plane in it, of each prompt.

    Examples
    --------
    >>> near, far = np.ones((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.float32)
    >>> planes = ChosenPlanes((near, far), ((1, 0), (0, 0)))
    >>> planes.shape, planes[1].tolist()
    ((2, 2, 2), [[1.0, 1.0], [1.0, 1.0]])
    """

    looks: tuple[NDArray[np.float32] | DeferredPlanes, ...]
    places: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W) of all planes at full size."""
        _, height, width = self.looks[0].shape
        return len(self.places), height, width

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """One plane at full size."""
        look, plane = self.places[index]
        return self.looks[look][plane]


def full_size(
    logits: Sequence[Tensor], *, padded: tuple[int, int], shape: tuple[int, int]
) -> Tensor:
    """Logits of a padded tile to (C, H, W) float32 in [0, 1], without the padding.

    Plane by plane, so that what is at work stays in the processor's cache.
    """
    maps = zeros(len(logits), *shape)
    for plane, target in zip(logits, maps, strict=True):
        full = functional.interpolate(
            plane[None, None].float(), size=padded, mode="bilinear", align_corners=False
        )
        target.copy_(full[0, 0, : shape[0], : shape[1]].sigmoid_())
    return maps


def zeros(*shape: int) -> Tensor:
    """Float32 zeros; numpy asks for large pages, without which filling them takes longer."""
    return torch.from_numpy(np.zeros(shape, np.float32))


def restore(maps: Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bring (C, h, w) maps to the size of an image."""
    if maps.shape[1:] == shape:
        return np.asarray(maps.numpy())
    shrinks = shape[0] < maps.shape[1]
    restored = functional.interpolate(
        maps[None], size=shape, mode="bilinear", align_corners=False, antialias=shrinks
    )
    return np.asarray(restored[0].clamp_(0, 1).numpy())
