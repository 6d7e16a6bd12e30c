"""What the columns of the `context` family are: units, formulas, ranges, meanings, sources.

Text and numbers only; `context` computes them. "The other" is the second prompt of a relation.
"""

from __future__ import annotations

from pathexplain.features.columns import Column, Peer
from pathexplain.features.spatial.describe import POSITIVE, REAL, SHARE, column
from pathexplain.features.spatial.radii import (
    BANDS_UM,
    DENSITY_RADII_UM,
    NEAREST_RADII_UM,
    PAIR_RADII_UM,
    RIPLEY_RADII_UM,
)

__all__ = ["BAND_NAMES", "CONTEXT_COLUMNS", "OTHER_INSTANCES", "QUADRAT_UM"]

QUADRAT_UM = 100.0
"""Side of the squares in which the Morisita-Horn index counts."""
MIXING_NEIGHBORS = 10

_DIGGLE = "Diggle 2013, doi:10.1201/b15326"
_OHSER = "Ripley 1977, doi:10.1111/j.2517-6161.1977.tb01615.x; Ohser 1983"
_HORN = "Morisita 1959; Horn 1966, doi:10.1086/282436"
_CLIFF = "Cliff 1981, Spatial Processes, ISBN 0850860814"
_OWN = "pathexplain docs/design.md, section 6"
_FEW = "fewer than 10 objects of either prompt in the tissue"
_NONE = "there is no object of the other"


def _band_name(low: float, high: float) -> str:
    """Name of a band of the infiltration profile."""
    if low == float("-inf"):
        return f"profile_in_over{-high:g}um"
    side, near, far = ("in", -high, -low) if high <= 0 else ("out", low, high)
    return f"profile_{side}_{near:g}_{far:g}um"


BAND_NAMES: tuple[str, ...] = tuple(
    _band_name(low, high)
    for low, high in zip((float("-inf"), *BANDS_UM[:-1]), BANDS_UM, strict=True)
)
"""Bands of the profile, from deep inside outwards; `_per_mm2` and `_mm2` are the columns."""


def _object_columns() -> tuple[Column, ...]:
    """Columns of each object."""
    density = tuple(
        column(f"density_{r}um_per_mm2", "1/mm^2",
               f"Objects of the other within {r} um, per area of tissue there",
               f"count with centroid distance <= {r} um / area of the disk that is tissue",
               POSITIVE, ("the other is dense around it", "the other is sparse around it"),
               _DIGGLE, undefined="it lies outside the tissue, and no tissue is near")
        for r in DENSITY_RADII_UM
    )  # fmt: skip
    return (
        column("distance_um", "um", "Signed distance to the boundary of the other",
               "distance from its centroid to the nearest boundary of an object of the other; "
               "negative where the centroid lies in one", REAL,
               ("far outside the other", "deep inside the other"), _OWN,
               undefined="the other has no boundary on the slide",
               peers=(Peer("QuPath", "Signed distance to annotation"),)),
        column("nearest_um", "um", "Distance to the nearest object of the other",
               "distance from centroid to centroid", POSITIVE,
               ("the other is far", "the other is near"), _DIGGLE, undefined=_NONE,
               peers=(Peer("QuPath", "Detection centroid distances"),)),
        *density,
        column("neighbor_share", "1", "Share of the other among its neighbors",
               f"share of the other among the {MIXING_NEIGHBORS} nearest objects of both prompts",
               SHARE, ("among the other", "among its own kind"), _DIGGLE,
               undefined=f"fewer than {MIXING_NEIGHBORS} other objects of both prompts"),
        column("share_inside", "1", "Share of it that lies in the other",
               "its pixels under the other's mask / its pixels", SHARE,
               ("inside the other", "outside the other"), _OWN, kind="any",
               undefined="the label images were not kept"),
        column("contact_um", "um", "Length of its outline that borders on the other",
               "Crofton's formula (4 directions) over crossings of its outline into the other",
               POSITIVE, ("long contact", "no contact"), _OWN, kind="any",
               undefined="the label images were not kept"),
        column("contact_share", "1", "Share of its outline that borders on the other",
               "contact_um / length of all of its outline by the same formula", SHARE,
               ("enclosed by the other", "free of the other"), _OWN, kind="any",
               undefined="the label images were not kept, or the object fills the slide"),
    )  # fmt: skip


def _pattern_columns() -> tuple[Column, ...]:
    """Columns of the two point patterns on a slide."""
    attracted = ("the two attract each other", "the two avoid each other")
    ripley = tuple(
        column(f"cross_l_{r}um", "um", f"Cross-L at {r} um, less {r} um",
               f"sqrt(K / pi) - {r}; K = |W|^2 / (n m) * sum over pairs, one of each prompt, at "
               f"most {r} um apart of 1 / |W and W shifted by the step|", REAL, attracted, _OHSER,
               of="slide", undefined=_FEW)
        for r in RIPLEY_RADII_UM
    )  # fmt: skip
    pair = tuple(
        column(f"cross_pair_correlation_{r}um", "1", f"Cross pair correlation at {r} um",
               f"(K({r + 5}) - K({r - 5})) / area of the ring, K as in cross_l; 1 without "
               "interaction", POSITIVE, attracted, _DIGGLE, of="slide", undefined=_FEW,
               peers=(Peer("squidpy", "gr.co_occurrence", "ratio of conditional probabilities"),))
        for r in PAIR_RADII_UM
    )  # fmt: skip
    nearest = tuple(
        column(f"cross_g_{r}um", "1", f"Share of objects with one of the other within {r} um",
               f"objects with a nearest one of the other within {r} um / objects, of those at "
               f"least {r} um inside the border of the tissue (border correction)", SHARE,
               attracted, _DIGGLE, of="slide",
               undefined="fewer than 10 objects far enough inside, or none of the other")
        for r in NEAREST_RADII_UM
    )  # fmt: skip
    return (
        *ripley, *pair, *nearest,
        column("morisita_horn", "1", "Morisita-Horn index of overlap",
               "2 sum x y / ((sum x^2 / X^2 + sum y^2 / Y^2) X Y), x and y the counts of the two "
               f"in squares of {QUADRAT_UM:g} um, X and Y their sums", SHARE,
               ("the two lie in the same places", "they lie apart"), _HORN, of="slide",
               undefined=_FEW),
        column("edge_enrichment", "1", "Neighbor pairs of unlike kind, against chance",
               "edges between the two in the neighbor graph of both / their expected number "
               "2 m n_a n_b / (n (n - 1)) when kinds are dealt at random to the n places",
               POSITIVE, attracted, _CLIFF, of="slide", undefined=_FEW,
               peers=(Peer("squidpy", "gr.nhood_enrichment", "z-score by permutation"),)),
    )  # fmt: skip


def _profile_columns() -> tuple[Column, ...]:
    """Columns of the infiltration profile and of what two regions share."""
    no_band = "the other has no boundary, or no tissue lies there"
    many = ("many there", "few there")
    bands = tuple(
        column(f"{name}_per_mm2", "1/mm^2", "Infiltration profile: objects per area in a band "
               "along the boundary of the other", "objects with a signed distance in the band of "
               f"the name ({'inside' if '_in_' in name else 'outside'} the other) / area of "
               "tissue there", POSITIVE, many, _OWN, of="slide", undefined=no_band,
               weight=f"{name}_mm2")
        for name in BAND_NAMES
    )  # fmt: skip
    areas = tuple(
        column(f"{name}_mm2", "mm^2", f"Area that {name}_per_mm2 is per",
               "tissue in the band, counted in cells of about 4 um; 0 without a boundary",
               POSITIVE, ("much of it", "little of it"), _OWN, of="slide", across="sum")
        for name in (*BAND_NAMES, "inside", "margin")
    )  # fmt: skip
    return (
        *bands,
        column("inside_per_mm2", "1/mm^2", "Objects inside the other, per area of it",
               "objects with a negative distance / area of tissue in the other", POSITIVE, many,
               _OWN, of="slide", undefined=no_band, weight="inside_mm2"),
        column("margin_per_mm2", "1/mm^2", "Objects up to 100 um outside the other, per area",
               "objects with a distance of 0 to 100 um / area of tissue there", POSITIVE, many,
               _OWN, of="slide", undefined=no_band, weight="margin_mm2"),
        *areas,
        column("infiltration", "1", "How far objects go into the other",
               "inside_per_mm2 / (inside_per_mm2 + margin_per_mm2); 0.5 where both are alike",
               SHARE, ("they go in", "they stay out"), _OWN, of="slide",
               undefined="no object within 100 um of the boundary or inside"),
        column("overlap_share", "1", "Share of the prompt's area that lies in the other",
               "pixels under both masks / pixels under its own", SHARE,
               ("inside the other", "apart"), _OWN, kind="any", of="slide",
               undefined="there is no object, or the label images were not kept"),
        column("interface_mm", "mm", "Length of the interface of the two",
               "sum of contact_um over objects / 1000", POSITIVE,
               ("long interface", "short interface"), _OWN, kind="any", of="slide", across="sum",
               undefined="the label images were not kept"),
        column("interface_share", "1", "Share of the prompt's outlines that borders on the other",
               "sum of contact_um / sum of the lengths of outlines by the same formula",
               SHARE, ("enclosed by the other", "free of the other"), _OWN, kind="any", of="slide",
               undefined="there is no outline, or the label images were not kept"),
    )  # fmt: skip


OTHER_INSTANCES = frozenset(
    c.name
    for c in (*_object_columns(), *_pattern_columns())
    if c.name.startswith(("nearest", "density", "neighbor", "cross", "morisita", "edge"))
)
"""Columns that need the other to be of kind instances, too."""

CONTEXT_COLUMNS: tuple[Column, ...] = (
    *_object_columns(),
    *_pattern_columns(),
    *_profile_columns(),
)
