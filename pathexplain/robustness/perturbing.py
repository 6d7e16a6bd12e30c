"""Carry out a condition: a slide with other stains, a segmentor with other boundaries.

Both stand in for what they wrap, so that extraction knows nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

from pathexplain.segmentor.assessment.perturbations import restained
from pathexplain.segmentor.backends import PerSlide, SlideSegmentor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide

__all__ = ["RestainedSlide", "moved_boundaries", "with_boundaries"]

_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class RestainedSlide:
    """A slide whose stains are stronger or weaker; all else is that of `slide`."""

    slide: Slide
    hematoxylin: float
    eosin: float

    @property
    def slide_id(self) -> str:
        """Name of the slide."""
        return self.slide.slide_id

    @property
    def mpp(self) -> float:
        """µm a pixel at full resolution."""
        return self.slide.mpp

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width at full resolution."""
        return self.slide.shape

    @property
    def source(self) -> dict[str, str]:
        """Where the pixels come from."""
        return self.slide.source

    def read(
        self, y_um: float, x_um: float, height_px: int, width_px: int, mpp: float
    ) -> NDArray[np.uint8]:
        """Read a window and change its stains."""
        pixels = self.slide.read(y_um, x_um, height_px, width_px, mpp)
        return restained(pixels, hematoxylin=self.hematoxylin, eosin=self.eosin)

    def close(self) -> None:
        """Let go of the file."""
        self.slide.close()


def moved_boundaries(labels: NDArray[np.int32], pixels: int) -> NDArray[np.int32]:
    """Take a pixel from every object all around, or add one where no other object is.

    Parameters
    ----------
    labels : (H, W) int32
    pixels : {-1, 1}
        Of four neighbors; what lies beyond the image takes nothing away.

    Examples
    --------
    >>> square = np.zeros((5, 5), np.int32)
    >>> square[1:4, 1:4] = 7
    >>> int((moved_boundaries(square, -1) > 0).sum()), int((moved_boundaries(square, 1) > 0).sum())
    (1, 21)
    """
    around = np.pad(labels, 1, mode="edge")
    neighbors = [around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]
    if pixels < 0:
        kept = np.logical_and.reduce([labels == beside for beside in neighbors])
        return np.where(kept, labels, 0).astype(np.int32)
    grown = labels.copy()
    for beside in neighbors:
        grown = np.where((labels == 0) & (beside > grown), beside, grown)
    return grown.astype(np.int32)


def with_boundaries(
    segmentor: Segmentor, pixels: int, *, least_um2: Mapping[str, float]
) -> Segmentor:
    """Return a segmentor whose masks have lost (-1) or gained (1) a pixel all around.

    Objects of a prompt that are smaller than `least_um2` beforehand are dropped, so that it is the
    same objects that are measured with other boundaries; those at the window's edge may be whole
    elsewhere and stay.
    """
    if isinstance(segmentor, PerSlide):
        return _MovedPerSlide(segmentor, pixels, least_um2)
    return _Moved(segmentor, pixels, least_um2)


class _Moved:
    """A segmentor with other boundaries."""

    def __init__(self, segmentor: Segmentor, pixels: int, least_um2: Mapping[str, float]) -> None:
        self._segmentor, self._pixels, self._least_um2 = segmentor, pixels, least_um2
        self.name, self.licence = segmentor.name, segmentor.licence
        self.weights_sha256 = segmentor.weights_sha256

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Say what the segmentor says of a prompt."""
        return self._segmentor.describe(prompt)

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Segment, then move the boundaries."""
        found = self._segmentor.segment(image, prompts, mpp=mpp)
        return _moved(found, self._pixels, self._least_um2)


class _PerSlideSegmentor(PerSlide, Protocol):
    """A segmentor that is also one a slide."""

    name: str
    licence: str
    weights_sha256: str | None

    def describe(self, prompt: Prompt) -> tuple[str, str, float]: ...

    def segment(self, image: Any, prompts: Any, *, mpp: float) -> Segmentation: ...


class _MovedPerSlide(_Moved):
    """A segmentor that is bound to slides, with other boundaries."""

    def __init__(
        self, segmentor: _PerSlideSegmentor, pixels: int, least_um2: Mapping[str, float]
    ) -> None:
        super().__init__(segmentor, pixels, least_um2)
        self._per_slide = segmentor

    def for_slide(self, slide: Slide, prompts: Sequence[Prompt]) -> SlideSegmentor:
        """Bind to a slide."""
        bound = self._per_slide.for_slide(slide, prompts)
        return _MovedBound(bound, self._pixels, self._least_um2)

    def fingerprint(self, slide_id: str) -> str:
        """Hash what the answer for a slide depends on."""
        return f"{self._per_slide.fingerprint(slide_id)} {self._pixels:+d}"


class _MovedBound:
    """What a slide's own segmentor says, with other boundaries."""

    def __init__(self, bound: SlideSegmentor, pixels: int, least_um2: Mapping[str, float]) -> None:
        self._bound, self._pixels, self._least_um2 = bound, pixels, least_um2

    @property
    def numbered(self) -> tuple[bool, ...]:
        """Whether objects have numbers that hold over the slide."""
        return self._bound.numbered

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: Sequence[Prompt],
        *,
        mpp: float,
        origin_um: tuple[float, float],
    ) -> Segmentation:
        """Segment a window, then move the boundaries."""
        found = self._bound.segment(image, prompts, mpp=mpp, origin_um=origin_um)
        return _moved(found, self._pixels, self._least_um2)


def _without_specks(
    labels: NDArray[np.int32], *, mpp: float, least_um2: float
) -> NDArray[np.int32]:
    """Drop objects under an area, but for those at the edge of the window."""
    keep = np.bincount(labels.ravel()) * mpp**2 >= least_um2
    keep[np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]]] = True
    return np.where(keep[labels], labels, 0).astype(np.int32)


def _moved(found: Segmentation, pixels: int, least_um2: Mapping[str, float]) -> Segmentation:
    """Return the segmentation with other masks and objects; presence stays."""
    objects: list[NDArray[np.int32]] = []
    masks = np.zeros((len(found.prompts), *found.probabilities.shape[1:]), np.float32)
    for index, prompt in enumerate(found.prompts):
        if prompt.kind == "instances":
            known = None if found.objects is None else found.objects[index]
            mask = found.mask(index)
            plane = found.instances(index) if known is None else np.where(mask, known, 0)
            least = least_um2.get(prompt.name, 0.0)
            whole = _without_specks(plane.astype(np.int32), mpp=found.mpp, least_um2=least)
            labels = moved_boundaries(whole, pixels)
        else:
            labels = moved_boundaries(found.mask(index).astype(np.int32), pixels)
        masks[index] = labels > 0
        objects.append(labels)
    kept = tuple(
        labels if prompt.kind == "instances" else None
        for prompt, labels in zip(found.prompts, objects, strict=True)
    )
    return replace(found, probabilities=masks, objects=kept)
