"""Who else has which feature: the table of `docs/features.md`, generated from the registry.

Not for speed: `benchmarks` measures that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.features.columns import PEERS
from pathexplain.features.registry import FAMILIES
from pathexplain.features.stain_columns import STAINS

if TYPE_CHECKING:
    from pathexplain.features.columns import Column, PeerName

__all__ = ["comparison_markdown"]

_HEAD = """
## Who else has it

Extractors compared by what they document: HistomicsTK, CellProfiler (cp_measure computes the same
in Python), sc-MTOP, squidpy and QuPath. "≈": in another unit or by another definition, which the
section of the feature states; "–": not there. What every feature here has and none of theirs: a
unit of its own, NaN with a counted reason where it is undefined, a minimum size, and laws that
tests hold it to.

How the tests compare: scikit-image, mahotas and scipy (shape, Haralick, Zernike, graphs, trees) run
beside ours; K, cross-K, G, Moran's I and Morisita-Horn are held to their formulas, written out over
all pairs. CellProfiler's features through cp_measure, and
squidpy's, are compared by definition instead of by running them: cp_measure needs centrosome, which
needs pillow below 12, and squidpy 1.6.1 cannot be imported beside anndata 0.12. Where theirs is
scikit-image's or mahotas' feature (most of squidpy's and of AreaShape), agreement is tested all the
same.
"""

_LEFT_OUT = """
What they have and pathexplain leaves out:

- *Orientation, bounding box and spatial moments* (HistomicsTK, CellProfiler, squidpy): they say how
  the section lay on the glass. The centroid is a column of the objects table.
- *Hu moments weighted by intensity* (HistomicsTK), *radial Zernike moments* of intensity and
  *RadialCV* (CellProfiler): they mix form with staining, or depend on the angle of the section.
- *Canny edges*, entropy and energy of the gradient (HistomicsTK): their thresholds and bins are
  relative to each image or object.
- *Haralick features of the ring* (HistomicsTK): pairs across a ring of 4 px are few; the ring has
  its level, spread and shape of distribution instead.
- *Colocalization of channels* (CellProfiler): the stains of one bright-field image are unmixed from
  the same three channels, so that part of any correlation is arithmetic.
- *Statistics of spots and of tiles* (squidpy, QuPath): they are of a place, not of an object.
- *Ratio of nucleus to cell* (QuPath): no outline of cells is to be had from hematoxylin and eosin.
"""


def comparison_markdown() -> str:
    """Write the table of who else has each feature, and what they have that is left out.

    Examples
    --------
    >>> [line for line in comparison_markdown().splitlines() if "shape.extent" in line]
    ['| `shape.extent` | Shape.Extent | AreaShape_Extent | Extent | extent | – |']
    """
    lines = [_HEAD, f"| feature | {' | '.join(PEERS)} |", "| --- " * (len(PEERS) + 1) + "|"]
    lines += [
        f"| `{name}` | {' | '.join(_cell(column, tool) for tool in PEERS)} |"
        for name, column in _columns()
    ]
    alone = sum(not column.peers for _, column in _columns())
    counted = f"{len(_columns())} features (a statistic of several stains counted once)"
    lines += [f"\nOf {counted} {alone} are in none of the compared.", _LEFT_OUT]
    return "\n".join(lines)


def _columns() -> list[tuple[str, Column]]:
    """Name and column of every feature, the stains of one statistic as one."""
    first, *others = STAINS
    return [
        (name.replace(f".{first}_", ".{stain}_"), column)
        for family in FAMILIES.values()
        for name, column in zip(family.names, family.columns, strict=True)
        if not column.name.startswith(tuple(f"{stain}_" for stain in others))
    ]


def _cell(column: Column, tool: PeerName) -> str:
    """Name that one extractor has for a feature."""
    peer = column.peer(tool)
    if peer is None:
        return "–"
    name = peer.name.replace(STAINS[0].capitalize(), "{stain}")
    return f"≈ {name}" if peer.difference else name
