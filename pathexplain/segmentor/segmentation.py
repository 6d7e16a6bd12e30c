"""What a segmentor returns: probabilities, presence and, on demand, masks and instances.

Pure arrays; imports no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pathexplain.errors import SegmentationError
from pathexplain.segmentor.instances import (
    SPLITTING,
    Splitting,
    drop_small,
    smoothed_depth,
    split_at_depth,
    split_instances,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt

__all__ = ["PRESENCE_THRESHOLD", "Planes", "Segmentation"]

PRESENCE_THRESHOLD = 0.5
N_AXES = 3


class Planes(Protocol):
    """Probabilities that are computed when they are asked for, plane by plane."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W)."""
        ...

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1] of one prompt."""
        ...


class _WhenAsked:
    """The field `probabilities`: an array, made at the first look where planes were given."""

    def __get__(self, instance: Segmentation | None, owner: type) -> NDArray[np.float32]:
        """All planes; the class itself has none."""
        if instance is None:
            raise AttributeError
        held: NDArray[np.float32] | Planes = vars(instance)["maps"]
        if not isinstance(held, np.ndarray):
            full = np.empty(held.shape, np.float32)
            for index in range(len(full)):
                full[index] = held[index]
            vars(instance)["maps"] = held = full
        return held

    def __set__(self, instance: Segmentation, value: NDArray[np.float32] | Planes) -> None:
        vars(instance)["maps"] = value


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Masks of one image, a plane for each prompt.

    Attributes
    ----------
    prompts : tuple of Prompt, length P
    probabilities : (P, H, W) float32 in [0, 1]
        Probability that a pixel belongs to the prompt, before any threshold. A backend may give
        `Planes` in its place: they become this array when it is first looked at, and masks of
        absent prompts never need theirs.
    presence : (P,) float32 in [0, 1]
        Probability that the image holds the category at all.
    mpp : float
        µm per pixel of these arrays.
    interiors : tuple of (H, W) float32 arrays or None, length P
        Relative depth inside an object, used to separate touching ones; None where the backend
        has none. Prompts may share an array.
    trained : tuple of {"trained", "near", "untrained"}, length P
        Whether the backend was trained on the prompt's category.
    origin_um : (float, float)
        (y, x) of the top left corner on the slide, in µm.
    objects : tuple of (H, W) integer arrays or None, length P; or None
        Objects that the backend itself tells apart: 0 is background, any other number one object.
        None, for a prompt or for all, where they are to be found by splitting the mask.

    Raises
    ------
    SegmentationError
        When the arrays do not fit together.
    """

    prompts: tuple[Prompt, ...]
    probabilities: NDArray[np.float32]
    presence: NDArray[np.float32]
    mpp: float
    interiors: tuple[NDArray[np.float32] | None, ...]
    trained: tuple[str, ...]
    origin_um: tuple[float, float] = (0.0, 0.0)
    objects: tuple[NDArray[np.integer[Any]] | None, ...] | None = None

    def __post_init__(self) -> None:
        """Check shapes and types once, so that nobody has to again."""
        n_prompts = len(self.prompts)
        lengths = {len(self.presence), len(self.interiors), len(self.trained)}
        lengths |= {n_prompts if self.objects is None else len(self.objects)}
        maps = self._maps
        if len(maps.shape) != N_AXES or {maps.shape[0], *lengths} != {n_prompts}:
            message = (
                f"segmentation of {n_prompts} prompts has probabilities of shape "
                f"{maps.shape} and {sorted(lengths)} presences, interiors, states "
                "or objects"
            )
            raise SegmentationError(message)
        if isinstance(maps, np.ndarray) and maps.dtype != np.float32:
            message = f"probabilities are {maps.dtype}, must be float32"
            raise SegmentationError(message)

    @property
    def _maps(self) -> NDArray[np.float32] | Planes:
        """What `probabilities` holds or will be made of."""
        maps: NDArray[np.float32] | Planes = vars(self)["maps"]
        return maps

    @property
    def is_present(self) -> NDArray[np.bool_]:
        """(P,) bool: the presence score reaches 0.5."""
        return np.asarray(self.presence >= PRESENCE_THRESHOLD)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(P, H, W) bool: thresholded, empty for absent prompts, without objects too small."""
        masks = np.zeros(self._maps.shape, bool)
        for index in np.flatnonzero(self.is_present):
            masks[index] = self.mask(int(index))
        return masks

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(H, W) bool: one of `masks`; what `instances` keeps, where there is a least area."""
        if self.prompts[index].min_area_um2 > 0:
            return self.instances(index) > 0
        return self._thresholded(index)

    def _thresholded(self, index: int) -> NDArray[np.bool_]:
        """Pixels above the prompt's threshold, none where the prompt is absent."""
        if not self.is_present[index]:
            return np.zeros(self._maps.shape[1:], bool)
        return np.asarray(self._maps[index] >= self.prompts[index].threshold)

    def instances(self, index: int) -> NDArray[np.int32]:
        """Separate objects of one prompt.

        Parameters
        ----------
        index : int
            Position in `prompts`.

        Returns
        -------
        (H, W) int32
            Label image: 0 is background, objects are 1..N.

        Raises
        ------
        SegmentationError
            When there is no such prompt.
        """
        if not -len(self.prompts) <= index < len(self.prompts):
            message = f"no prompt {index}: this segmentation has {len(self.prompts)}"
            raise SegmentationError(message)
        prompt = self.prompts[index]
        mask = self._thresholded(index)
        objects = None if self.objects is None else self.objects[index]
        if objects is not None:
            numbers, places = np.unique(np.where(mask, objects, 0), return_inverse=True)
            known = (places + (numbers[0] != 0)).astype(np.int32).reshape(mask.shape)
            return drop_small(known, mpp=self.mpp, min_area_um2=prompt.min_area_um2)
        splitting = SPLITTING[prompt.structure or "tissue"]
        least = prompt.min_area_um2
        depth = self._depth(index, splitting) if mask.any() else None
        if depth is None:
            return split_instances(mask, None, mpp=self.mpp, min_area_um2=least)
        return split_at_depth(mask, depth, mpp=self.mpp, splitting=splitting, min_area_um2=least)

    def _depth(self, index: int, splitting: Splitting) -> NDArray[np.float32] | None:
        """Smoothed interior map of a prompt, made once for all prompts that share it."""
        interior = self.interiors[index]
        if interior is None:
            return None
        made: dict[tuple[int, Splitting], NDArray[np.float32]]
        made = vars(self).setdefault("depths", {})
        key = (id(interior), splitting)
        if key not in made:
            made[key] = smoothed_depth(interior, mpp=self.mpp, splitting=splitting)
        return made[key]


# Set here and not in the class, where it would pass for a default value of the field.
Segmentation.probabilities = _WhenAsked()  # type: ignore[assignment]
