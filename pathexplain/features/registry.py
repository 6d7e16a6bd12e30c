"""The feature families there are: one dict literal, readable at a glance.

Adding a family is one file with a `FeatureFamily` and one line here; law tests, the dictionary and
`docs/features.md` pick it up.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pathexplain.errors import FeatureError
from pathexplain.features.columns import Column, FeatureFamily, Law
from pathexplain.features.shape import SHAPE
from pathexplain.features.spatial import CONTEXT, NEIGHBORHOOD, REGION, TIL
from pathexplain.features.stain import STAIN
from pathexplain.features.texture import TEXTURE

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FAMILIES",
    "Column",
    "FeatureFamily",
    "Law",
    "column_named",
    "families_named",
    "pixel_families",
]

FAMILIES: dict[str, FeatureFamily] = {
    "shape": SHAPE,
    "stain": STAIN,
    "texture": TEXTURE,
    "neighborhood": NEIGHBORHOOD,
    "context": CONTEXT,
    "region": REGION,
    "til": TIL,
}


def families_named(names: Iterable[str]) -> tuple[FeatureFamily, ...]:
    """Families by name, each once, in the order asked.

    Raises
    ------
    FeatureError
        A name that no family has; the message offers the nearest.

    Examples
    --------
    >>> [family.name for family in families_named(["stain", "shape"])]
    ['stain', 'shape']
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in FAMILIES:
            near = difflib.get_close_matches(name, FAMILIES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(FAMILIES)}"
            message = f"no feature family {name!r}; {hint}"
            raise FeatureError(message)
    return tuple(FAMILIES[name] for name in chosen)


def pixel_families(names: Iterable[str]) -> tuple[FeatureFamily, ...]:
    """Return the families named that are measured object by object from pixels, as asked.

    Examples
    --------
    >>> [family.name for family in pixel_families(["region", "shape"])]
    ['shape']
    """
    return tuple(family for family in families_named(names) if family.compute is not None)


def column_named(name: str) -> Column:
    """Column by its full name, "shape.area_um2".

    Raises
    ------
    FeatureError
        No family has such a column.

    Examples
    --------
    >>> column_named("shape.area_um2").unit
    'um^2'
    """
    family, _, feature = name.partition(".")
    for column in FAMILIES[family].columns if family in FAMILIES else ():
        if column.name == feature:
            return column
    message = f"no feature {name!r}; `pathexplain features` lists all"
    raise FeatureError(message)
