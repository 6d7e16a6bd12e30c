"""The choices of a perturbation analysis, checked once.

Not for anything that depends on slides, prompts or a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.perturbation.conditions import sets_of
from pathexplain.diagnosis.perturbation.fills import check_fills
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from pathexplain.diagnosis.tiles import TileSpec

__all__ = ["CONTROL_REGIONS", "PerturbationOptions"]

CONTROL_REGIONS = ("background", "elsewhere")
"""Controls lie in tissue outside of all prompts, or outside of the prompt that they match."""


@dataclass(frozen=True)
class PerturbationOptions:
    """How objects are taken away, compared and counted.

    Parameters
    ----------
    fills : tuple of str
        What takes an object's place, of `FILLS`; sets of prompts and pictures use the first that
        changes pixels.
    blur_um : float
        Sigma of the blur, um; 8 um wipes out a nucleus and leaves the color.
    n_controls : int
        Random regions for each prompt and fill; 0 for none, and then nothing is judged.
    control_region : {"background", "elsewhere"}
        Controls lie in tissue outside of all prompts, or outside of the prompt that they match:
        the latter where prompts cover most of the tissue.
    sets : {"auto", "none", "pairs", "all"}
        Which prompts are taken away together; "all" gives Shapley values, "auto" is "all" up to
        six prompts and "pairs" beyond.
    tiles : TileSpec, optional
        Size and resolution of the classifier's tiles; 256 px at the prompts' mpp by default.
    n_bootstrap, n_flips : int
        Resamples of intervals, and random sign flips of tests.
    seed : int

    Raises
    ------
    ConfigError
        When a value is out of range.
    """

    fills: tuple[str, ...] = ("blur",)
    blur_um: float = 8.0
    n_controls: int = 3
    control_region: str = "background"
    sets: str = "auto"
    tiles: TileSpec | None = None
    n_bootstrap: int = 2000
    n_flips: int = 9999
    seed: int = 0

    def __post_init__(self) -> None:
        """Check once."""
        check_fills(self.fills)
        sets_of(1, sets=self.sets)
        if self.control_region not in CONTROL_REGIONS:
            known = " or ".join(CONTROL_REGIONS)
            message = f"controls lie in the {known}, not {self.control_region!r}"
            raise ConfigError(message)
        if not self.blur_um > 0 or self.n_controls < 0 or min(self.n_bootstrap, self.n_flips) < 1:
            message = (
                f"blur_um {self.blur_um} must be above 0, n_controls {self.n_controls} at least 0, "
                f"n_bootstrap {self.n_bootstrap} and n_flips {self.n_flips} at least 1"
            )
            raise ConfigError(message)
