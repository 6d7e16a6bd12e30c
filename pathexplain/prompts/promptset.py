"""`PromptSet`: what a whole prompts file says, as a frozen dataclass that checks itself.

Not for reading the file (`reading`), nor for one prompt (`model`).
"""

from __future__ import annotations

import difflib
import glob
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError
from pathexplain.prompts.model import Prompt, duplicates, is_number, name_faults
from pathexplain.prompts.stain_options import StainOptions
from pathexplain.prompts.within import TilScore, Within, unknown_names

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FAMILY_NAMES", "MPP_RANGE", "PromptSet", "check_families"]

FAMILY_NAMES: tuple[str, ...] = (
    "shape",
    "stain",
    "texture",
    "neighborhood",
    "context",
    "region",
    "til",
)
"""Feature families that are implemented; the registry in `features` has exactly these."""

MPP_RANGE = (0.05, 20.0)
"""Sensible working resolutions, um per pixel: finer than any scanner, coarser than any gland."""


@dataclass(frozen=True)
class PromptSet:
    """A whole prompts file: the prompts and how they are measured.

    Parameters
    ----------
    version : int
        Version of the file format; 1.
    mpp : float
        Working resolution of segmentation and features, um per pixel.
    prompts : tuple of Prompt
        At least one; names are unique.
    features : tuple of str
        Feature families to compute, from `FAMILY_NAMES`.
    relations : tuple of (str, str)
        Pairs of prompt names: the objects of the first are related to the second.
    within : tuple of Within
        Places in which objects are summarized apart.
    til : TilScore or None
        The prompts that TIL scores are made of.
    slides : tuple of str
        Globs, relative to the file's folder; empty when the file names none.
    out : Path or None
        Run folder, already resolved against the file's folder.
    segmentor : str or None
        Segmentor that the file asks for.
    path : Path or None
        The file; None for a set made in Python.
    warnings : tuple of str
        What is allowed but needs care, for example an object outside the vocabulary.
    stain : StainOptions
        How colors are split into stains.

    Examples
    --------
    >>> from pathexplain.prompts import as_prompts
    >>> prompt_set = PromptSet(1, mpp=0.5, prompts=as_prompts(["lymphocyte", "tumor"]))
    >>> prompt_set.names
    ('lymphocyte', 'tumor')
    """

    version: int
    mpp: float
    prompts: tuple[Prompt, ...]
    features: tuple[str, ...] = FAMILY_NAMES
    relations: tuple[tuple[str, str], ...] = ()
    within: tuple[Within, ...] = ()
    til: TilScore | None = None
    slides: tuple[str, ...] = ()
    out: Path | None = None
    segmentor: str | None = None
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    stain: StainOptions = field(default_factory=StainOptions)

    def __post_init__(self) -> None:
        """Check what can be checked without a file."""
        faults = []
        low, high = MPP_RANGE
        if self.version != 1:
            faults.append(f"version must be 1, not {self.version!r}")
        if not is_number(self.mpp) or not low <= self.mpp <= high:
            faults.append(f"mpp must lie in {low} to {high} um per pixel, not {self.mpp!r}")
        if not self.prompts:
            faults.append("at least one prompt is needed")
        faults += name_faults(self.names)
        faults += check_families(self.features)
        faults += unknown_names(self.names, self.relations, self.within, self.til)
        if faults:
            message = "prompt set: " + "; ".join(faults)
            raise ConfigError(message, path=None if self.path is None else str(self.path))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prompts, in order."""
        return tuple(prompt.name for prompt in self.prompts)

    @property
    def folder(self) -> Path:
        """Folder that globs are relative to: the file's, or the working folder."""
        return Path.cwd() if self.path is None else self.path.resolve().parent

    def slide_paths(self) -> tuple[Path, ...]:
        """Files that `slides` names, sorted, each once.

        Raises
        ------
        ConfigError
            When a glob matches nothing.
        """
        found: dict[Path, None] = {}
        for pattern in self.slides:
            matches = sorted(glob.glob(str(self.folder / pattern), recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
            if not matches:
                message = f"slides: no file matches {pattern!r} in {self.folder}"
                raise ConfigError(message, path=None if self.path is None else str(self.path))
            found.update(dict.fromkeys(Path(match) for match in matches))
        return tuple(found)


def check_families(names: Iterable[str]) -> list[str]:
    """Return one fault for each name that is no implemented feature family, or is repeated."""
    names = tuple(names)
    available = ", ".join(FAMILY_NAMES)
    faults = [f"feature family {name!r} is given twice" for name in duplicates(names)]
    unknown = [name for name in dict.fromkeys(names) if name not in FAMILY_NAMES]
    for name in unknown:
        near = difflib.get_close_matches(name, FAMILY_NAMES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        faults.append(f"no feature family {name!r}; {hint}available: {available}")
    return faults
