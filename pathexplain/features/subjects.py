"""A prompt on a slide as the aggregation sees it: its state, its kind, its objects by columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pathexplain.errors import FeatureError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["STATES", "Frame", "Measured", "Subject", "check_state"]

STATES = ("present", "absent", "not assessed")
"""What a segmentor says of a prompt on a slide."""


class Measured(Protocol):
    """Objects of one prompt, read column by column, as `ObjectFeatures` gives them."""

    @property
    def n(self) -> int: ...  # noqa: D102  as in ObjectFeatures

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102  as in ObjectFeatures

    @property
    def touches_border(self) -> NDArray[np.bool_]: ...  # noqa: D102  as in ObjectFeatures

    @property
    def kind(self) -> str: ...  # noqa: D102  as in ObjectFeatures

    def column(self, name: str) -> NDArray[np.float64]: ...  # noqa: D102  as in ObjectFeatures


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of objects, as `Measured`."""

    frame: pd.DataFrame
    kind: str = "instances"

    @property
    def n(self) -> int:
        """Number of objects."""
        return len(self.frame)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(map(str, self.frame.columns))

    @property
    def touches_border(self) -> NDArray[np.bool_]:
        """(n,) bool: cut by the edge of the slide; False where the frame does not say."""
        if "touches_border" not in self.frame:
            return np.zeros(self.n, bool)
        return self.frame["touches_border"].to_numpy(bool)

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) float64."""
        return self.frame[name].to_numpy(float)


@dataclass(frozen=True, eq=False)
class Subject:
    """A prompt on the slide."""

    name: str
    state: str
    given: Measured | None
    kind: str

    def cut(self) -> NDArray[np.bool_]:
        """Which objects are left out of shape: single ones that the slide's edge cuts."""
        if self.given is None or self.kind != "instances":
            return np.zeros(0 if self.given is None else self.given.n, bool)
        return self.given.touches_border


def check_state(prompt: str, state: str, given: Measured | None) -> None:
    """Refuse a state that is unknown or that the objects contradict."""
    n = 0 if given is None else given.n
    if state not in STATES:
        message = f"prompt {prompt}: state {state!r} is none of {', '.join(STATES)}"
        raise FeatureError(message, prompt=prompt)
    if state != "present" and n:
        message = f"prompt {prompt}: {state}, and yet {n} objects were given"
        raise FeatureError(message, prompt=prompt)
    if state == "present" and given is None:
        message = f"prompt {prompt}: present, but no objects were given (measure an empty image)"
        raise FeatureError(message, prompt=prompt)
