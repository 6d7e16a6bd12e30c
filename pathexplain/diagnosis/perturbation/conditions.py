"""What is taken away in one run of the classifier: conditions, their names, and which are run.

Pure bookkeeping; `passes` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations

from pathexplain.diagnosis.perturbation.fills import REMOVE
from pathexplain.errors import ConfigError

__all__ = ["MAX_SHAPLEY", "ORIGINAL", "Condition", "conditions", "main_fill", "sets_of"]

MAX_SHAPLEY = 6
"""Prompts up to which all sets are run: 2^6 = 64 runs of the classifier a slide."""


@dataclass(frozen=True)
class Condition:
    """One way to change a slide.

    Attributes
    ----------
    fill : str
        One of `FILLS`; empty for the slide as it is.
    prompts : tuple of int
        Positions of the prompts whose union is taken away; empty for the slide as it is.
    control : int or None
        Number of the random region that takes the place of the one prompt; None for the prompt.
    """

    fill: str = ""
    prompts: tuple[int, ...] = ()
    control: int | None = None

    @property
    def key(self) -> str:
        """Name in files.

        Examples
        --------
        >>> Condition("blur", (0, 2)).key, Condition("mean", (1,), control=0).key
        ('blur:0+2', 'mean:1:control0')
        """
        if not self.prompts:
            return "original"
        name = f"{self.fill}:{'+'.join(map(str, self.prompts))}"
        return name if self.control is None else f"{name}:control{self.control}"


ORIGINAL = Condition()


def sets_of(n_prompts: int, *, sets: str) -> tuple[tuple[int, ...], ...]:
    """List the sets of two or more prompts that are taken away together.

    Parameters
    ----------
    n_prompts : int
    sets : {"auto", "none", "pairs", "all"}
        "all" is what Shapley values need; "auto" is "all" up to `MAX_SHAPLEY` prompts, else
        "pairs".

    Raises
    ------
    ConfigError
        When `sets` is none of these, or all sets would be too many.

    Examples
    --------
    >>> sets_of(3, sets="all")
    ((0, 1), (0, 2), (1, 2), (0, 1, 2))
    """
    if sets not in {"auto", "none", "pairs", "all"}:
        message = f"sets are 'auto', 'none', 'pairs' or 'all', not {sets!r}"
        raise ConfigError(message)
    if sets == "all" and n_prompts > MAX_SHAPLEY:
        message = (
            f"all sets of {n_prompts} prompts are {2**n_prompts} runs a slide; at most "
            f"{MAX_SHAPLEY} prompts, or ask for pairs"
        )
        raise ConfigError(message)
    if sets == "none" or n_prompts < 2:  # noqa: PLR2004 - one prompt has no company
        return ()
    largest = 2 if sets == "pairs" or n_prompts > MAX_SHAPLEY else n_prompts
    numbers = range(n_prompts)
    return tuple(chain.from_iterable(combinations(numbers, size) for size in range(2, largest + 1)))


def conditions(
    n_prompts: int, *, fills: tuple[str, ...], n_controls: int, sets: str = "auto"
) -> tuple[Condition, ...]:
    """List all conditions of a slide, the original first.

    Sets of prompts are taken away with the first fill that changes pixels, else with the first.

    Examples
    --------
    >>> [c.key for c in conditions(2, fills=("blur",), n_controls=1)]
    ['original', 'blur:0', 'blur:0:control0', 'blur:1', 'blur:1:control0', 'blur:0+1']
    """
    listed = [ORIGINAL]
    for fill in fills:
        for prompt in range(n_prompts):
            listed.append(Condition(fill, (prompt,)))
            listed += [Condition(fill, (prompt,), control=i) for i in range(n_controls)]
    main = main_fill(fills)
    listed += [Condition(main, members) for members in sets_of(n_prompts, sets=sets)]
    return tuple(listed)


def main_fill(fills: tuple[str, ...]) -> str:
    """Return the fill that sets of prompts and pictures are made with."""
    return next((fill for fill in fills if fill != REMOVE), fills[0])
