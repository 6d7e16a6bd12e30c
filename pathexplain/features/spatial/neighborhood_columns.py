"""What the columns of the `neighborhood` family are: units, formulas, ranges, meanings, sources.

Text and numbers only; `neighborhood` computes them.
"""

from __future__ import annotations

from pathexplain.features.columns import Column, Peer, PeerName
from pathexplain.features.spatial.describe import POSITIVE, REAL, SHARE, column
from pathexplain.features.spatial.graph import LONGEST_EDGE_UM
from pathexplain.features.spatial.radii import (
    DENSITY_RADII_UM,
    GUARD_UM,
    NEAREST_RADII_UM,
    NEIGHBORS,
    PAIR_RADII_UM,
    RING_HALF_UM,
    RIPLEY_RADII_UM,
)

__all__ = ["NEIGHBORHOOD_COLUMNS"]

_CLARK = "Clark 1954, doi:10.2307/1931034"
_OHSER = "Ripley 1977, doi:10.1111/j.2517-6161.1977.tb01615.x; Ohser 1983"
_DIGGLE = "Diggle 2013, doi:10.1201/b15326"
_DELAUNAY = "Delaunay 1934; Doyle 2008, Proc IEEE ISBI 2008:496-499"
_MTOP = "Zhao 2023, doi:10.1038/s41467-023-42504-y"
_WATTS = "Watts 1998, doi:10.1038/30918"
_SEIDMAN = "Seidman 1983, doi:10.1016/0378-8733(83)90028-X"
_MARCHIORI = "Marchiori 2000, doi:10.1016/S0378-4371(00)00311-3"
_VORONOI = "Okabe 2000, doi:10.1002/9780470317013"
_MORAN = "Moran 1950, doi:10.2307/2332142"
_PRIM = "Prim 1957, doi:10.1002/j.1538-7305.1957.tb01515.x; " + _DELAUNAY

_ALONE = f"it has no neighbor within {LONGEST_EDGE_UM:g} um"
_FLAT = "fewer than three objects, or all on one line"
_OPEN = "its Voronoi cell is open, or reaches out of the tissue"


def _peer(tool: PeerName, name: str, difference: str = "") -> tuple[Peer, ...]:
    """One peer."""
    return (Peer(tool, name, difference),)


def _nearest(k: int) -> Column:
    """Distance to the k-th nearest object."""
    ordinal = {1: "nearest", 3: "3rd nearest"}.get(k, f"{k}th nearest")
    return column(
        f"distance_{k}_um",
        "um",
        f"Distance to the {ordinal} object of the prompt",
        f"distance from centroid to centroid of the {ordinal} other object",
        POSITIVE,
        ("sparse around it", "crowded around it"),
        _CLARK,
        undefined=f"fewer than {k} other objects",
        peers=_peer("QuPath", "Detection centroid distances", "nearest only") if k == 1 else (),
    )


def _density(radius: int) -> Column:
    """Local density."""
    return column(
        f"density_{radius}um_per_mm2",
        "1/mm^2",
        f"Other objects of the prompt within {radius} um, per area of tissue there",
        f"count with centroid distance <= {radius} um / area of the disk that is tissue",
        POSITIVE,
        ("crowded around it", "sparse around it"),
        _DIGGLE,
        undefined="it lies outside the tissue, and no tissue is near",
        peers=(
            Peer("QuPath", "Smoothed: Nearby detection counts", "counts, glass not left out"),
            Peer("CellProfiler", "Neighbors_NumberOfNeighbors", "counts within a pixel distance"),
        ),
    )


def _graph_columns() -> tuple[Column, ...]:
    """Columns of the graph of Voronoi neighbors."""
    edges = "lengths of the edges to its Voronoi neighbors (up to 100 um)"
    long_short = ("neighbors are far", "neighbors are near")
    return (
        column("degree", "count", "Number of neighboring objects",
               "objects whose Voronoi cell shares an edge with its own, at most 100 um away",
               POSITIVE, ("many neighbors", "few neighbors"), _DELAUNAY, undefined=_FLAT,
               peers=(Peer("sc-MTOP", "Degrees", "of a 5-nearest-neighbor graph"),
                      Peer("QuPath", "Delaunay: Num neighbors"),
                      Peer("squidpy", "gr.spatial_neighbors", "the matrix"))),
        column("edge_mean_um", "um", "Mean distance to its neighbors", f"mean of the {edges}",
               POSITIVE, long_short, _DELAUNAY, undefined=_ALONE,
               peers=(Peer("sc-MTOP", "MeanEdgeLength", "of a 5-nearest-neighbor graph"),
                      Peer("QuPath", "Delaunay: Mean distance"))),
        column("edge_min_um", "um", "Distance to the nearest neighbor", f"least of the {edges}",
               POSITIVE, long_short, _DELAUNAY, undefined=_ALONE,
               peers=(Peer("sc-MTOP", "MinEdgeLength", "of a 5-nearest-neighbor graph"),
                      Peer("QuPath", "Delaunay: Min distance"))),
        column("edge_max_um", "um", "Distance to the farthest neighbor", f"largest of the {edges}",
               POSITIVE, long_short, _DELAUNAY, undefined=_ALONE,
               peers=_peer("QuPath", "Delaunay: Max distance")),
        column("edge_cv", "1", "Unevenness of the distances to its neighbors",
               f"standard deviation (n) / mean of the {edges}", POSITIVE,
               ("neighbors at very different distances", "neighbors at one distance"), _DELAUNAY,
               undefined=_ALONE),
        column("clustering", "1", "Clustering coefficient of the neighbor graph",
               "share of pairs of its neighbors that are neighbors", SHARE,
               ("its neighbors are neighbors", "it joins objects that are apart"), _WATTS,
               undefined="fewer than two neighbors",
               peers=_peer("sc-MTOP", "ClusteringCoefficient", "of a 5-nearest-neighbor graph")),
        column("coreness", "count", "Core number in the neighbor graph",
               "largest k such that it belongs to a part in which all have k neighbors or more",
               POSITIVE, ("inside a dense aggregate", "at the fringe of an aggregate"), _SEIDMAN,
               undefined=_FLAT, peers=_peer("sc-MTOP", "Coreness", "of 5 nearest neighbors")),
        column("harmonic_3hops", "count", "Harmonic centrality within three steps",
               "sum of 1 / steps over objects at most three steps away in the neighbor graph",
               POSITIVE, ("in the middle of many objects", "at the fringe"), _MARCHIORI,
               undefined=_FLAT, peers=_peer("sc-MTOP", "HarmonicCentrality", "over all steps")),
        column("aggregate_size", "count", "Objects of the aggregate that it belongs to",
               "size of its connected part of the neighbor graph", POSITIVE,
               ("in a large aggregate", "in a small one, or alone"), _MTOP, undefined=_FLAT,
               peers=_peer("sc-MTOP", "Nsubgraph", "of a 5-nearest-neighbor graph")),
    )  # fmt: skip


def _cell_columns() -> tuple[Column, ...]:
    """Columns of Voronoi cells."""
    roomy = ("much room around it", "little room around it")
    return (
        column("voronoi_area_um2", "um^2", "Area of its Voronoi cell",
               "area of the points nearer to its centroid than to that of any other object",
               POSITIVE, roomy, _VORONOI, undefined=_OPEN),
        column("voronoi_perimeter_um", "um", "Perimeter of its Voronoi cell",
               "sum of the lengths of the cell's edges", POSITIVE, roomy, _VORONOI,
               undefined=_OPEN),
        column("voronoi_circularity", "1", "Roundness of its Voronoi cell",
               "4 pi area / perimeter^2 of the cell", SHARE,
               ("evenly surrounded", "unevenly surrounded"), _VORONOI, undefined=_OPEN),
    )  # fmt: skip


def _pattern_columns() -> tuple[Column, ...]:
    """Columns of the point pattern of a slide."""
    clustered = ("clustered", "spread evenly")
    few = "fewer than 10 objects in the tissue"
    ripley = tuple(
        column(f"ripley_l_{r}um", "um", f"Ripley's L at {r} um, less {r} um",
               f"sqrt(K / pi) - {r}; K = |W|^2 / (n (n - 1)) * sum over pairs at most {r} um apart "
               "of 1 / |W and W shifted by the step| (translation correction, W the tissue)",
               REAL, clustered, _OHSER, of="slide", undefined=few,
               peers=_peer("squidpy", "gr.ripley(mode='L')", "hull as window, no correction"))
        for r in RIPLEY_RADII_UM
    )  # fmt: skip
    pair = tuple(
        column(f"pair_correlation_{r}um", "1", f"Pair correlation at {r} um",
               f"(K({r + RING_HALF_UM}) - K({r - RING_HALF_UM})) / area of the ring; K as in "
               "ripley_l; 1 without interaction", POSITIVE,
               ("pairs at this distance are frequent", "they are rare"), _DIGGLE, of="slide",
               undefined=few)
        for r in PAIR_RADII_UM
    )  # fmt: skip
    nearest = tuple(
        column(f"nearest_g_{r}um", "1", f"Share of objects with another within {r} um",
               f"G({r}): objects with a nearest neighbor within {r} um / objects, of those at "
               f"least {r} um inside the border of the tissue (border correction)", SHARE,
               clustered, _DIGGLE, of="slide", undefined="fewer than 10 objects far enough inside",
               peers=_peer("squidpy", "gr.ripley(mode='G')", "no correction"))
        for r in NEAREST_RADII_UM
    )  # fmt: skip
    return (*ripley, *pair, *nearest)


def _order_columns() -> tuple[Column, ...]:
    """Columns of order and disorder of a slide."""
    few = "fewer than 10 objects with a value"
    disorder = ("irregular", "regular")
    return (
        column("clark_evans", "1", "Clark and Evans' index of aggregation",
               "mean distance to the nearest other object, of objects at least "
               f"{GUARD_UM} um inside the border of the tissue, * 2 sqrt(n / |W|)", POSITIVE,
               ("spread evenly", "clustered"), _CLARK, of="slide", undefined=few),
        column("moran_area", "1", "Moran's I of the objects' area",
               "n / m * sum over neighbor pairs of z_i z_j / sum of z_i^2, z = area - mean, m "
               "neighbor pairs, each once", REAL,
               ("objects of one size lie together", "large beside small"), _MORAN, of="slide",
               undefined=f"{few}, or all areas equal",
               peers=_peer("squidpy", "gr.spatial_autocorr(mode='moran')")),
        column("voronoi_disorder", "1", "Unevenness of the room around objects",
               "1 - 1 / (1 + sd / mean) of the Voronoi cells' areas", SHARE, disorder,
               "Marcelpoil 1992, J Theor Biol 154:359-369", of="slide", undefined=few),
        column("edge_disorder", "1", "Unevenness of the distances between neighbors",
               "1 - 1 / (1 + sd / mean) of the neighbor graph's edges", SHARE, disorder, _DELAUNAY,
               of="slide", undefined=few),
        column("tree_edge_mean_um", "um", "Mean edge of the minimum spanning tree",
               "mean length of the edges of the tree that joins all objects by the least total",
               POSITIVE, ("objects far from each other", "objects near each other"), _PRIM,
               of="slide", undefined=few),
        column("tree_disorder", "1", "Unevenness of the minimum spanning tree's edges",
               "1 - 1 / (1 + sd / mean) of their lengths", SHARE, disorder, _PRIM, of="slide",
               undefined=few),
        column("aggregates_per_mm2", "1/mm^2", "Separate aggregates per area of tissue",
               "connected parts of the neighbor graph with two objects or more / tissue area",
               POSITIVE, ("many aggregates", "few aggregates"), _MTOP, of="slide",
               undefined=_FLAT),
    )  # fmt: skip


NEIGHBORHOOD_COLUMNS: tuple[Column, ...] = (
    *(_nearest(k) for k in NEIGHBORS),
    *(_density(radius) for radius in DENSITY_RADII_UM),
    *_graph_columns(),
    *_cell_columns(),
    *_pattern_columns(),
    *_order_columns(),
)
