"""The segmentors by name: what each must do, and how one is loaded.

A new backend is one file and one line in `SEGMENTORS`, or an entry point in the group
``pathexplain.segmentors`` of another package. Imports no network by itself.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide

__all__ = [
    "SEGMENTORS",
    "Parallel",
    "PerSlide",
    "Segmentor",
    "SlideSegmentor",
    "check_image",
    "load_segmentor",
]

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
MIN_IMAGE_PX = 16
RGB = 3


class Segmentor(Protocol):
    """Anything that turns an image and prompts into a `Segmentation`.

    Attributes
    ----------
    name : str
    licence : str
        Terms of the weights, carried into every output.
    weights_sha256 : str or None
        Hash of the weights; None for a backend without any.
    """

    name: str
    licence: str
    weights_sha256: str | None

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Return ("trained" | "near" | "untrained", nearest class, similarity in [-1, 1])."""
        ...

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Segment an (H, W, 3) uint8 RGB image of at least 16 × 16 px, at any mpp > 0."""
        ...


@runtime_checkable
class SlideSegmentor(Protocol):
    """A segmentor bound to one slide and some prompts, asked window by window.

    Attributes
    ----------
    numbered : tuple of bool, one a prompt
        True where `Segmentation.objects` numbers objects over the whole slide, so that the pieces
        of an object in several windows need not be found out.
    """

    @property
    def numbered(self) -> tuple[bool, ...]: ...  # noqa: D102  described above

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: Sequence[Prompt],
        *,
        mpp: float,
        origin_um: tuple[float, float],
    ) -> Segmentation:
        """Segment the window whose top left corner is at `origin_um`, (y, x), on the slide."""
        ...


@runtime_checkable
class PerSlide(Protocol):
    """What a segmentor offers beyond `Segmentor` where its answer depends on the slide.

    Whoever segments slides asks `for_slide` in place of `segment`, for every tile and not only for
    those with tissue.
    """

    def for_slide(self, slide: Slide, prompts: Sequence[Prompt]) -> SlideSegmentor:
        """Bind to a slide; raise `SegmentationError` where there is nothing for it."""
        ...

    def fingerprint(self, slide_id: str) -> str:
        """Hash what the answer for a slide depends on; a change means a new extraction."""
        ...


@runtime_checkable
class Parallel(Protocol):
    """What a segmentor offers beyond `Segmentor` where several windows at once save time."""

    def lanes(self) -> AbstractContextManager[int]:
        """Within it, so many threads may call `segment` at once, each on its share of cores."""
        ...


def _stain(_name: str, _device: str) -> Segmentor:
    """Colour deconvolution: no weights."""
    from pathexplain.segmentor.stain import StainSegmentor

    return StainSegmentor()


def _masks(name: str, _device: str) -> Segmentor:
    """Masks that other tools made."""
    from pathexplain.segmentor.masks import MasksSegmentor

    return MasksSegmentor.load(name)


def _clipseg(name: str, device: str) -> Segmentor:
    """CLIPSeg, where its weights are on this machine."""
    from pathexplain.segmentor.clipseg import ClipSegSegmentor

    return ClipSegSegmentor.load(name, device=device)


def _sam3(name: str, device: str) -> Segmentor:
    """SAM 3, where its weights are on this machine."""
    from pathexplain.segmentor.sam3 import Sam3Segmentor

    return Sam3Segmentor.load(name, device=device)


def _checkpoint(name: str, device: str) -> Segmentor:
    """Trained network: shipped, from a directory, or from the hub's cache on this machine."""
    from pathexplain.segmentor.network_segmentor import NetworkSegmentor

    where = name.partition(":")[2] or name
    if not HUB_ID.fullmatch(where) or Path(where).is_dir():
        return NetworkSegmentor.load(where, device=device)
    from pathexplain.segmentor.pretrained import find_checkpoint

    folder = find_checkpoint(f"compact:{where}", default=where)
    loaded = NetworkSegmentor.load(str(folder), device=device)
    loaded.name = where
    return loaded


SEGMENTORS: dict[str, Callable[[str, str], Segmentor]] = {
    "clipseg": _clipseg,
    "compact": _checkpoint,
    "compact-open": _checkpoint,
    "masks": _masks,
    "sam3": _sam3,
    "stain": _stain,
}


def load_segmentor(name: str | Path = "compact", *, device: str = "auto") -> Segmentor:
    """Load a segmentor by name or from a checkpoint directory.

    Parameters
    ----------
    name : str or Path
        "compact" and "compact-open" (ship with the package, the second for any use), "stain"
        (colour deconvolution, no weights),
        "masks:FOLDER" (masks that other tools made), "clipseg" or "sam3" (networks of everyday
        pictures, for comparison; with ":FOLDER" for weights that are not in the hub's cache), a
        name from the entry-point group ``pathexplain.segmentors``, which may take more after a
        colon, a directory written by ``pathexplain train``, or such a checkpoint's
        "ORGANISATION/NAME" on the hub, if it is in the hub's cache: nothing is fetched.
    device : str
        "auto" (a GPU where there is one), "cpu", "cuda" or "mps".

    Returns
    -------
    Segmentor

    Raises
    ------
    ConfigError
        When the name is none of these, or its weights are not on this machine; says how to get
        them.
    SegmentationError
        When the weights are damaged or do not fit the network.

    Examples
    --------
    >>> load_segmentor("stain").weights_sha256 is None
    True
    """
    text = str(name)
    if text not in SEGMENTORS and Path(text).is_dir():
        return _checkpoint(text, device)
    kind = text.partition(":")[0]
    if kind in SEGMENTORS:
        return SEGMENTORS[kind](text, device)
    plugins = entry_points(group="pathexplain.segmentors")
    if kind in plugins.names:
        factory: Callable[[str, str], Segmentor] = plugins[kind].load()
        return factory(text, device)
    if HUB_ID.fullmatch(text):
        return _checkpoint(text, device)
    known = ", ".join(sorted({*SEGMENTORS, *plugins.names}))
    message = f"no segmentor {text!r}: not one of {known}, not a directory, not ORGANISATION/NAME"
    raise ConfigError(message)


def check_image(image: NDArray[np.uint8], mpp: float) -> None:
    """Refuse what no backend can segment: wrong shape, type or resolution.

    Raises
    ------
    ConfigError
        With the shape, type or value that was wrong.
    """
    if image.shape[2:] != (RGB,) or image.dtype != np.uint8:
        message = f"image must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
        raise ConfigError(message)
    if min(image.shape[:2]) < MIN_IMAGE_PX:
        message = f"image of {image.shape[0]} × {image.shape[1]} px: sides under {MIN_IMAGE_PX} px"
        raise ConfigError(message)
    if not (np.isfinite(mpp) and mpp > 0):
        message = f"mpp must be a positive number of µm per pixel, got {mpp}"
        raise ConfigError(message)
