"""`Within` and `TilScore`: which places on a slide features are told apart by.

Not for finding the places (`features.spatial`), nor for lines of the file (`reading`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MARGIN_RANGE_UM", "TilScore", "Within", "unknown_names", "within_faults"]

MARGIN_RANGE_UM = (1, 2000)
"""Sensible distances from an interface, um; whole numbers, as they are part of feature names."""


@dataclass(frozen=True)
class Within:
    """Objects of one prompt in a place that other prompts make.

    Parameters
    ----------
    prompt : str
        Whose objects.
    inside : str or None
        They lie inside the mask of this prompt; or else
    interface : tuple of str
        they lie up to `margin_um` from the edge of this prompt's mask (one name), or from the
        interface of two (two names: the first one's edge where the second is near).
    margin_um : int or None
        With `interface`: the distance, on both sides, 1 to 2000.

    Examples
    --------
    >>> Within("lymphocyte", inside="tumor").name
    'lymphocyte@tumor'
    >>> Within("lymphocyte", interface=("tumor", "stroma"), margin_um=100).name
    'lymphocyte@tumor-stroma~100um'
    """

    prompt: str
    inside: str | None = None
    interface: tuple[str, ...] = ()
    margin_um: int | None = None

    def __post_init__(self) -> None:
        """Check that one place is named, and how far it reaches."""
        faults = within_faults(self.prompt, self.inside, self.interface, self.margin_um)
        if faults:
            message = f"within {self.prompt!r}: " + "; ".join(faults)
            raise ConfigError(message, prompt=self.prompt)

    @property
    def makers(self) -> tuple[str, ...]:
        """Prompts that make the place."""
        return self.interface if self.inside is None else (self.inside,)

    @property
    def place(self) -> str:
        """Name of the place: "tumor", "tumor~100um" or "tumor-stroma~100um"."""
        return self.inside or f"{'-'.join(self.interface)}~{self.margin_um}um"

    @property
    def name(self) -> str:
        """First part of the names of features: "lymphocyte@tumor"."""
        return f"{self.prompt}@{self.place}"


@dataclass(frozen=True)
class TilScore:
    """The three prompts that TIL scores are made of, by name.

    Parameters
    ----------
    immune : str
        Mononuclear inflammatory cells: lymphocytes and plasma cells.
    stroma, tumor : str

    Raises
    ------
    ConfigError
        When one prompt is named twice.
    """

    immune: str
    stroma: str
    tumor: str

    def __post_init__(self) -> None:
        """Refuse one prompt in two roles."""
        if len(set(self.names)) < len(self.names):
            message = f"til: immune, stroma and tumor must be three prompts, not {self.names}"
            raise ConfigError(message)

    @property
    def names(self) -> tuple[str, str, str]:
        """The three names."""
        return self.immune, self.stroma, self.tumor


def within_faults(
    prompt: str, inside: str | None, interface: Sequence[str], margin_um: object
) -> list[str]:
    """Faults of one entry of `within`."""
    faults = []
    if (inside is None) == (not interface):
        faults.append("give either inside (one prompt) or interface (one or two), not both")
    if interface and margin_um is None:
        faults.append("an interface needs margin_um, how far to both sides it reaches")
    if inside is not None and margin_um is not None:
        faults.append("margin_um goes with interface; inside has no margin")
    low, high = MARGIN_RANGE_UM
    if margin_um is not None and not (
        isinstance(margin_um, int) and not isinstance(margin_um, bool) and low <= margin_um <= high
    ):
        faults.append(f"margin_um must be a whole number from {low} to {high}, not {margin_um!r}")
    if len(interface) > 2:  # noqa: PLR2004  # an interface has two sides
        faults.append(f"an interface is of one or two prompts, not {len(interface)}")
    makers = [*interface, *([inside] if inside is not None else [])]
    if len(set(makers)) < len(makers) or prompt in makers:
        faults.append(f"relates {prompt!r} and {', '.join(makers)}; they must differ")
    return faults


def unknown_names(
    known: Iterable[str],
    relations: Iterable[tuple[str, str]],
    within: Iterable[Within],
    til: TilScore | None,
) -> list[str]:
    """Faults of names, in relations and places, that no prompt has; and of repeated places."""
    known, within = tuple(known), tuple(within)
    used = {
        "relations": [name for pair in relations for name in pair],
        "within": [name for item in within for name in (item.prompt, *item.makers)],
        "til": [] if til is None else list(til.names),
    }
    faults = [
        f"{key} name {name!r}, which is no prompt; prompts: {', '.join(known)}"
        for key, names in used.items()
        for name in dict.fromkeys(names)
        if name not in known
    ]
    names = [item.name for item in within]
    repeated = dict.fromkeys(name for i, name in enumerate(names) if name in names[:i])
    return faults + [f"within has {name} twice" for name in repeated]
