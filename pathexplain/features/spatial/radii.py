"""The distances at which spatial features are stated, µm: the same for every slide."""

from __future__ import annotations

__all__ = [
    "BANDS_UM",
    "CONTACT_RADIUS_UM",
    "DENSITY_RADII_UM",
    "GUARD_UM",
    "NEAREST_RADII_UM",
    "NEIGHBORS",
    "PAIR_RADII_UM",
    "RING_HALF_UM",
    "RIPLEY_RADII_UM",
]

NEIGHBORS = (1, 3, 5, 10)
"""Which nearest neighbors."""
DENSITY_RADII_UM = (25, 50, 100)
"""Radii of local density."""
RIPLEY_RADII_UM = (25, 50, 100)
"""Radii of Ripley's L and cross-L."""
PAIR_RADII_UM = (10, 25, 50, 100)
"""Distances of the pair correlation."""
RING_HALF_UM = 5
"""Half the width of the ring in which pairs are counted for it."""
NEAREST_RADII_UM = (10, 20, 40)
"""Radii of the nearest-neighbor distribution G."""
GUARD_UM = 50
"""Objects nearer to the border of the tissue are only neighbors for Clark and Evans' index."""
CONTACT_RADIUS_UM = 20
"""Two cells with centers this near are taken to be able to touch."""
BANDS_UM = (-100, -50, 0, 50, 100, 200)
"""Edges of the bands of the infiltration profile, by signed distance to the boundary; negative
inside. The first band has everything deeper."""
