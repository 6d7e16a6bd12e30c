"""Maps of a network on their way from its own resolution to the image's, one plane at a time.

Most prompts are absent from most tiles, and nobody looks at their maps: a plane is brought to full
size when it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pathexplain.vocabulary import NUCLEUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt

__all__ = ["ChosenPlanes", "DeferredPlanes", "at_image", "mask_offsets"]


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
    >>> planes.shape, planes[0][0].tolist()
    ((2, 4, 3), [0.5, 0.5, 0.5])
    """

    logits: tuple[Tensor, ...]
    padded: tuple[int, int]
    seen: tuple[int, int]
    image: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W) of all planes at full size."""
        return len(self.logits), *self.image

    @torch.inference_mode()
    def moved(self, offsets: Sequence[float]) -> DeferredPlanes:
        """Planes with something added to the logits of the first few."""
        first = (
            plane + offset if offset else plane
            for plane, offset in zip(self.logits, offsets, strict=False)
        )
        return replace(self, logits=(*first, *self.logits[len(offsets) :]))

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """One plane at full size."""
        return at_image(self.logits[index], padded=self.padded, seen=self.seen, image=self.image)


@dataclass(frozen=True, eq=False)
class ChosenPlanes:
    """Planes of one image that come from several looks at it, in the order of the prompts.

    Parameters
    ----------
    looks : tuple of (P_i, H, W) planes
    places : tuple of (int, int), length P
        Look and plane in it, of each prompt.

    Examples
    --------
    >>> near, far = (
    ...     DeferredPlanes((torch.full((1, 1), value),), (2, 2), (2, 2), (2, 2))
    ...     for value in (99.0, -99.0)
    ... )
    >>> planes = ChosenPlanes((near, far), ((1, 0), (0, 0)))
    >>> planes.shape, planes[1].tolist()
    ((2, 2, 2), [[1.0, 1.0], [1.0, 1.0]])
    """

    looks: tuple[DeferredPlanes, ...]
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


def mask_offsets(prompts: Sequence[Prompt], *, nucleus: float) -> list[float]:
    """Say what is added to the mask logits of each prompt: to nuclei as such, not to their types.

    Examples
    --------
    >>> from pathexplain.prompts import as_prompts
    >>> mask_offsets(as_prompts(["nuclei", "lymphocytes"]), nucleus=0.5)
    [0.5, 0.0]
    """
    return [nucleus if prompt.object == NUCLEUS else 0.0 for prompt in prompts]


@torch.inference_mode()
def at_image(
    logits: Tensor, *, padded: tuple[int, int], seen: tuple[int, int], image: tuple[int, int]
) -> NDArray[np.float32]:
    """Bring a plane of logits to the size of the image, in one step, and to [0, 1].

    Parameters
    ----------
    logits : (h, w) tensor
        Over `padded`.

    Returns
    -------
    (H, W) float32
        Where the image is coarser than the logits, means of what lies in a pixel.
    """
    strides = [whole / part for whole, part in zip(padded, logits.shape, strict=True)]
    kept = [math.ceil(side / stride) + 1 for side, stride in zip(seen, strides, strict=True)]
    scale = [full * stride / side for full, stride, side in zip(image, strides, seen, strict=True)]
    plane = logits[None, None, : kept[0], : kept[1]].float()
    plane = functional.pad(plane, (0, 1, 0, 1), mode="replicate")
    shrinks = min(scale) < 1
    resampled = functional.interpolate(
        plane.sigmoid() if shrinks else plane,
        scale_factor=scale,
        mode="bilinear",
        align_corners=False,
        antialias=shrinks,
        recompute_scale_factor=False,
    )[0, 0, : image[0], : image[1]]
    found = resampled.clamp_(0, 1) if shrinks else resampled.sigmoid()
    return np.ascontiguousarray(found.numpy())
