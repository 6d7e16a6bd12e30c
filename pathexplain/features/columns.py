"""What a feature is: one column with its unit, formula, meaning, source and laws.

Pure description, no computation. The families (`shape`, `stain`) fill it in, `registry` lists them,
`dictionary` prints them and the law tests are generated from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pathexplain.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pathexplain.features.objects import ObjectView

__all__ = [
    "PEERS",
    "Across",
    "Column",
    "FeatureFamily",
    "Kind",
    "Law",
    "LawName",
    "Of",
    "Peer",
    "PeerName",
    "also_in",
]

Kind = Literal["any", "instances"]
Of = Literal["object", "slide"]
Across = Literal["mean", "sum", "phenotype"]
PeerName = Literal["HistomicsTK", "CellProfiler", "sc-MTOP", "squidpy", "QuPath"]

PEERS: tuple[PeerName, ...] = ("HistomicsTK", "CellProfiler", "sc-MTOP", "squidpy", "QuPath")
"""Extractors that the dictionary compares with; cp_measure has CellProfiler's measurements."""
LawName = Literal["rotation90", "flip", "translation", "relabel", "resolution", "intensity_scale"]

LAWS: tuple[LawName, ...] = (
    "rotation90",
    "flip",
    "translation",
    "relabel",
    "resolution",
    "intensity_scale",
)


@dataclass(frozen=True)
class Law:
    """A change of the input that leaves a feature as it is, within a tolerance.

    The feature moves by no more than `tolerance` times its value plus `absolute`, in its own unit.

    `rotation90`, `flip` and `translation` move the image on the pixel grid; `relabel` renumbers the
    objects; `resolution` draws the same object at another mpp (down to the column's minimum pixel
    count); `intensity_scale` halves the light that passes everywhere, which adds a constant to
    every optical density.
    """

    name: LawName
    tolerance: float
    absolute: float = 0.0


@dataclass(frozen=True)
class Peer:
    """Another extractor that has the feature, under its own name.

    `difference` says in what its definition differs; empty where the two coincide.

    Examples
    --------
    >>> Peer("HistomicsTK", "Size.Perimeter", "chain of boundary pixels").tool
    'HistomicsTK'
    """

    tool: PeerName
    name: str
    difference: str = ""


def also_in(
    *,
    histomicstk: str = "",
    cellprofiler: str = "",
    sc_mtop: str = "",
    squidpy: str = "",
    qupath: str = "",
) -> tuple[Peer, ...]:
    """Who else has a feature; after a " | " the difference of definition.

    Examples
    --------
    >>> also_in(qupath="Length um | polygon", cellprofiler="AreaShape_Perimeter")
    (Peer(tool='CellProfiler', name='AreaShape_Perimeter', difference=''),
     Peer(tool='QuPath', name='Length um', difference='polygon'))
    """
    given = (histomicstk, cellprofiler, sc_mtop, squidpy, qupath)
    parts = [(tool, *text.partition(" | ")) for tool, text in zip(PEERS, given, strict=True)]
    return tuple(Peer(tool, name, difference) for tool, name, _, difference in parts if name)


@dataclass(frozen=True)
class Column:
    """One number an object gets, with all a reader needs to use it.

    Parameters
    ----------
    name : str
        Feature name inside its family, ASCII, with the unit where there is one: "area_um2".
    unit : str
        Unit; "1" for a pure number.
    definition, formula : str
        What it is in words, and how it is computed.
    bounds : tuple of float
        Smallest and largest possible value (infinite where unbounded).
    high, low : str
        What a high and a low value mean.
    source : str
        First author, year, DOI where there is one.
    kind : {"any", "instances"}
        "instances": merging of touching objects destroys it, so it is NaN for region prompts.
    min_pixels : int
        Below this pixel count the value is NaN.
    undefined : str
        When it is NaN although the object is large enough; empty if never.
    laws : tuple of Law
        What it is invariant to.
    of : {"object", "slide"}
        What gets the number: each object, or the prompt (in a paired family: the pair of prompts)
        on the slide as a whole.
    peers : tuple of Peer
        Who else has it; empty where none of `PEERS` does.
    across : {"mean", "sum", "phenotype"}
        How the slides of a patient become one value: weighted mean, sum, or the phenotype of the
        weighted densities.
    weight : str
        Column of the same family whose value on each slide is the weight of that mean; empty:
        the slide's tissue area.

    Examples
    --------
    >>> from pathexplain.features.registry import FAMILIES
    >>> FAMILIES["shape"].columns[0].name, FAMILIES["shape"].columns[0].unit
    ('area_um2', 'um^2')
    """

    name: str
    unit: str
    definition: str
    formula: str
    bounds: tuple[float, float]
    high: str
    low: str
    source: str
    kind: Kind = "any"
    min_pixels: int = 1
    undefined: str = ""
    laws: tuple[Law, ...] = ()
    of: Of = "object"
    peers: tuple[Peer, ...] = ()
    across: Across = "mean"
    weight: str = ""

    def __post_init__(self) -> None:
        """Refuse a column that a reader could not use."""
        if not self.name.replace("_", "").isalnum() or not self.name.isascii():
            message = f"column {self.name!r}: a name is letters, digits and underscores"
            raise FeatureError(message)
        if len({law.name for law in self.laws}) < len(self.laws):
            message = f"column {self.name}: a law is declared twice"
            raise FeatureError(message)
        for field in ("unit", "definition", "formula", "high", "low", "source"):
            if not getattr(self, field):
                message = f"column {self.name}: {field} is empty; every feature states it"
                raise FeatureError(message)

    def peer(self, tool: PeerName) -> Peer | None:
        """Entry of another extractor, or None where it lacks the feature."""
        return next((entry for entry in self.peers if entry.tool == tool), None)

    def law(self, name: LawName) -> Law | None:
        """Law of a name, or None where the column does not declare it."""
        return next((entry for entry in self.laws if entry.name == name), None)

    def tolerance(self, law: LawName) -> float | None:
        """Relative tolerance of a law, or None where the column does not declare it."""
        entry = self.law(law)
        return None if entry is None else entry.tolerance


def _nothing(view: ObjectView) -> Mapping[str, str]:  # the default of `lacking`
    """Lack no column."""
    return {}


@dataclass(frozen=True)
class FeatureFamily:
    """Columns computed together.

    Parameters
    ----------
    name : str
    columns : tuple of Column
    compute : callable or None
        From an `ObjectView` to (n, k) float64, the pixels of objects; None for a spatial family,
        which needs all objects of a slide (`features.spatial`).
    needs_pixels : bool
    lacking : callable
        Names the columns that no object of a view can have, each with the reason: a stain that
        the slide does not carry.
    of_pairs : bool
        Its numbers are those of a prompt towards another that `relations` names with it.
    """

    name: str
    columns: tuple[Column, ...]
    compute: Callable[[ObjectView], NDArray[np.float64]] | None = None
    needs_pixels: bool = False
    lacking: Callable[[ObjectView], Mapping[str, str]] = _nothing
    of_pairs: bool = False

    def __post_init__(self) -> None:
        """Refuse two columns of one name."""
        names = [column.name for column in self.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            message = f"family {self.name}: columns {repeated} are declared twice"
            raise FeatureError(message)

    @property
    def names(self) -> tuple[str, ...]:
        """Full names of the columns: "shape.area_um2"."""
        return tuple(f"{self.name}.{column.name}" for column in self.columns)

    @property
    def object_columns(self) -> tuple[Column, ...]:
        """Columns that each object gets."""
        return tuple(column for column in self.columns if column.of == "object")

    @property
    def slide_columns(self) -> tuple[Column, ...]:
        """Columns that the slide gets as a whole."""
        return tuple(column for column in self.columns if column.of == "slide")
