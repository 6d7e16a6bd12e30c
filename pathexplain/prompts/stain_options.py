"""`StainOptions`: how the prompts file wants stains told apart; checks itself.

Not for doing it: `slides.stain_fitting` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pathexplain.errors import ConfigError

__all__ = ["StainMethod", "StainOptions", "stain_faults"]

StainMethod = Literal["ruifrok", "macenko", "h-dab", "h-e-dab"]
Fallback = Literal["", "ruifrok"]


@dataclass(frozen=True)
class StainOptions:
    """How optical density is split into stains.

    Parameters
    ----------
    method : {"ruifrok", "macenko", "h-dab", "h-e-dab"}
        "ruifrok": fixed vectors of hematoxylin and eosin; "macenko": the two estimated on each
        slide; "h-dab", "h-e-dab": fixed vectors of hematoxylin and DAB, without and with eosin.
    normalize : bool
        Scale each stain so that its 99th percentile over the tissue is the same on every slide.
    fallback : {"", "ruifrok"}
        What to take when an estimate fails; "": the slide fails.

    Examples
    --------
    >>> StainOptions("macenko", fallback="ruifrok").normalize
    False
    """

    method: StainMethod = "ruifrok"
    normalize: bool = False
    fallback: Fallback = ""

    def __post_init__(self) -> None:
        """Refuse what no method has."""
        if faults := stain_faults(self.method, self.fallback):
            message = "stain: " + "; ".join(faults.values())
            raise ConfigError(message)


def stain_faults(method: str, fallback: str) -> dict[str, str]:
    """Return one fault for each key that is wrong.

    Examples
    --------
    >>> stain_faults("ruifrok", "ruifrok")
    {'fallback': "fallback is for method 'macenko'; 'ruifrok' has fixed vectors and cannot fail"}
    """
    faults = {}
    known = get_args(StainMethod)
    if method not in known:
        faults["method"] = f"unknown method {method!r}; known: {', '.join(known)}"
    if fallback not in get_args(Fallback):
        faults["fallback"] = f"unknown fallback {fallback!r}; known: ruifrok"
    elif fallback and method in known and method != "macenko":
        faults["fallback"] = (
            f"fallback is for method 'macenko'; {method!r} has fixed vectors and cannot fail"
        )
    return faults
