"""Short ways to write the columns of spatial families. Text only."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from pathexplain.features.columns import Column, Kind, Law, LawName, Of, Peer

if TYPE_CHECKING:
    from pathexplain.features.columns import Across

__all__ = ["POSITIVE", "REAL", "SHARE", "column", "spatial_laws"]

POSITIVE = (0.0, inf)
SHARE = (0.0, 1.0)
REAL = (-inf, inf)


def spatial_laws(tolerance: float = 1e-6, *, but: tuple[str, ...] = ()) -> tuple[Law, ...]:
    """Laws of a spatial feature: moving the slide on its grid and renumbering change nothing."""
    names: tuple[LawName, ...] = ("rotation90", "flip", "translation", "relabel")
    return tuple(Law(name, tolerance) for name in names if name not in but)


def column(  # noqa: PLR0913  # one argument a field of Column
    name: str,
    unit: str,
    definition: str,
    formula: str,
    bounds: tuple[float, float],
    high_low: tuple[str, str],
    source: str,
    *,
    of: Of = "object",
    kind: Kind = "instances",
    undefined: str = "",
    peers: tuple[Peer, ...] = (),
    laws: tuple[Law, ...] | None = None,
    across: Across = "mean",
    weight: str = "",
) -> Column:
    """Build a column with the laws of spatial features."""
    high, low = high_low
    chosen = spatial_laws() if laws is None else laws
    return Column(
        name, unit, definition, formula, bounds, high, low, source, kind, 1, undefined, chosen,
        of, peers, across, weight,
    )  # fmt: skip
