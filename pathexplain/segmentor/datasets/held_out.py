"""Which patients are kept out of training, for validation.

By a hash of their names, so that a patient stays where he is when others join.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MIN_UNITS", "VALIDATION_SHARE", "held_out_units"]

VALIDATION_SHARE = 0.12
MIN_UNITS = 6


def held_out_units(
    members: Iterable[tuple[str, str]],
    *,
    share: float = VALIDATION_SHARE,
    min_units: int = MIN_UNITS,
) -> set[str]:
    """Hold units out of each stratum, in order of a hash, until the share of images is reached.

    Parameters
    ----------
    members : iterable of (unit, stratum)
        One an image; a unit, such as a patient, is never split.
    share : float
        Share of the images of a stratum to hold out, > 0 and < 1.
    min_units : int
        Strata with fewer units than this give none.

    Returns
    -------
    set of str
        Units held out.

    Examples
    --------
    >>> images = [(f"patient {i % 8}", "own") for i in range(16)]
    >>> sorted(held_out_units(images))
    ['patient 7']
    >>> held_out_units(images[:5])
    set()
    """
    by_stratum: dict[str, Counter[str]] = {}
    for unit, stratum in members:
        by_stratum.setdefault(stratum, Counter())[unit] += 1
    held_out: set[str] = set()
    for counts in by_stratum.values():
        ranked = sorted(counts, key=lambda unit: hashlib.sha256(unit.encode()).hexdigest())
        reached, wanted = 0, share * counts.total()
        for unit in ranked:
            if len(counts) < min_units or reached >= wanted:
                break
            held_out.add(unit)
            reached += counts[unit]
    return held_out
