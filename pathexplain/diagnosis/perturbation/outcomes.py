"""What comes out of one slide: a classifier's answers by condition, and pictures for the eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Outcome", "SlideOutcome", "View"]


@dataclass(frozen=True)
class Outcome:
    """What the classifier says under one condition.

    Attributes
    ----------
    loss : float
        Cross-entropy of the true class, nats; mean over tiles where tiles are classified. NaN
        where the condition is impossible.
    log_odds : float
        Log-odds of the true class, mean over tiles where tiles are classified.
    probabilities : tuple of float
        Of each class, mean over tiles where tiles are classified; empty where impossible.
    reason : str
        Why the condition is impossible; empty where it is not.
    """

    loss: float
    log_odds: float
    probabilities: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SlideOutcome:
    """One slide under all conditions.

    Attributes
    ----------
    outcomes : dict of str to Outcome
        By `Condition.key`.
    n_tiles : int
    tissue_px : int
        Pixels of tissue in the tiles.
    areas_px : tuple of int
        Pixels of each prompt.
    overlaps_px : tuple of tuple of int
        Pixels that two prompts share; the diagonal holds `areas_px`.
    largest_tile : tuple of int
        Tile with the most of each prompt; -1 where the slide has none of it.
    trained : tuple of str
    """

    outcomes: dict[str, Outcome]
    n_tiles: int
    tissue_px: int
    areas_px: tuple[int, ...]
    overlaps_px: tuple[tuple[int, ...], ...]
    largest_tile: tuple[int, ...]
    trained: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class View:
    """A prompt in one tile, for the eye.

    Attributes
    ----------
    tile, filled : (side, side, 3) uint8
    mask : (side, side) bool
    control : (side, side, 3) uint8 or None
        None where there is no room for a control.
    """

    tile: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    filled: NDArray[np.uint8]
    control: NDArray[np.uint8] | None
