"""Neighborhood and context of up to 1,000,000 objects, against scipy's trees and cells one by one.

Objects of two prompts lie at random, 3,000 and 1,500 per mm², in a round piece of tissue; the
second also has outlines of eight points each. Ours is everything the two families compute (but for
contact and overlap, which read label images). The peer is what one writes with scipy alone, for a
part of it, at 20,000 objects: cKDTree neighbors and counts in a loop, Voronoi cells measured by
shapely, a minimum spanning tree of the Delaunay edges; so the ratio is a lower bound. `curve` has
seconds (wall), processor seconds of both together, and peak memory against the number of objects;
`exponent` is the slope of log processor time on log number between the two largest.
PATHEXPLAIN_BENCH_POINTS limits the largest number.
"""

from __future__ import annotations

import os
import resource
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import spatial
from scipy.sparse import csgraph, csr_array

from pathexplain.features.slide_objects import SlideGeometry, SlideObjects, slide_geometry
from pathexplain.features.spatial.boundary import Other
from pathexplain.features.spatial.context import measure_context
from pathexplain.features.spatial.neighborhood import PointSet, measure_neighborhood
from pathexplain.features.spatial.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (20_000, 50_000, 200_000, 1_000_000)
PEER_SIZE = 20_000
PER_MM2 = 3000.0
MPP = 0.5
TISSUE_MPP = 8.0
RADII_UM = (25, 50, 100)


def run() -> dict[str, Any]:
    """Time both families at every size, and the peer at the smallest."""
    largest = int(os.environ.get("PATHEXPLAIN_BENCH_POINTS", SIZES[-1]))
    _ours(2_000)  # compiled before anything is timed
    curve = []
    for n in (size for size in SIZES if size <= largest):
        seconds, n_all = _ours(n)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        curve.append({"n": n_all, **seconds, "peak_rss_gb": round(memory, 2)})
    first, last = curve[-2:] if len(curve) > 1 else (None, curve[-1])
    slope = None
    if first is not None:
        slope = float(np.log(_total(last) / _total(first)) / np.log(last["n"] / first["n"]))
    peer = _peer(PEER_SIZE)
    ours = next(item for item in curve if item["n"] == PEER_SIZE)
    return {
        "peer": "scipy cKDTree, Voronoi with shapely, Delaunay and minimum_spanning_tree in a loop",
        "curve": curve,
        "exponent": slope,
        "peer_s": peer,
        "ratio": peer / ours["neighborhood_s"],
    }


def _total(item: dict[str, Any]) -> float:
    """Processor seconds of both families."""
    return float(item["cpu_s"])


def _scene(n: int, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], SlideGeometry]:
    """Points of both prompts and the round tissue that they fill."""
    rng = np.random.default_rng(seed)
    radius = 1000 * np.sqrt(n / PER_MM2 / np.pi)
    side = int(np.ceil(2 * radius / TISSUE_MPP))
    y, x = np.mgrid[:side, :side]
    tissue = np.hypot(y + 0.5 - side / 2, x + 0.5 - side / 2) * TISSUE_MPP < radius
    shape = (round(side * TISSUE_MPP / MPP),) * 2

    def scatter(count: int) -> NDArray[np.float64]:
        angle = rng.uniform(0, 2 * np.pi, count)
        distance = radius * np.sqrt(rng.uniform(0, 1, count))
        step = distance[:, None] * np.c_[np.sin(angle), np.cos(angle)]
        return np.asarray(side * TISSUE_MPP / 2 + step, np.float64)

    geometry = slide_geometry(shape, mpp=MPP, tissue=tissue, tissue_mpp=TISSUE_MPP)
    return scatter(n), scatter(n // 2), geometry


def _objects(points: NDArray[np.float64], name: str, geometry: SlideGeometry) -> SlideObjects:
    """Objects with outlines of eight points, 3 µm from the center."""
    n = len(points)
    turn = np.arange(8) * np.pi / 4
    outline = points[:, None] + 3 * np.c_[np.sin(turn), np.cos(turn)]
    return SlideObjects(
        name=name,
        kind="instances",
        state="present",
        label=np.arange(1, n + 1),
        centroid_um=points,
        area_um2=np.random.default_rng(n).gamma(9, 4, n),
        touches_border=np.zeros(n, bool),
        boundary_um=outline.reshape(-1, 2).astype(np.float32),
        boundary_label=np.repeat(np.arange(n, dtype=np.int32), 8),
        coverage=np.zeros(geometry.coarse_shape, np.uint8),
    )


def _ours(n: int) -> tuple[dict[str, float], int]:
    """Seconds of both families."""
    ours, theirs, geometry = _scene(n, seed=n)
    window = Window(geometry.tissue, geometry.tissue_mpp)
    one, two = _objects(ours, "one", geometry), _objects(theirs, "two", geometry)
    busy, started = time.process_time(), time.perf_counter()
    points = PointSet(ours, window)
    measure_neighborhood(one, points)
    middle = time.perf_counter()
    measure_context(one, points, Other(two, PointSet(theirs, window), geometry))
    ended = time.perf_counter()
    seconds = {
        "neighborhood_s": middle - started,
        "context_s": ended - middle,
        "cpu_s": time.process_time() - busy,
    }
    return {name: round(value, 2) for name, value in seconds.items()}, n


def _peer(n: int) -> float:
    """Seconds of a part of `neighborhood`, with scipy and shapely."""
    import shapely

    points, _, _ = _scene(n, seed=n)
    started = time.perf_counter()
    tree = spatial.cKDTree(points)
    tree.query(points, k=11)
    for radius in RADII_UM:
        for point in points:
            len(tree.query_ball_point(point, radius))
    cells = spatial.Voronoi(points)
    for region in cells.point_region:
        corners = cells.regions[region]
        if -1 not in corners:
            cell = shapely.Polygon(cells.vertices[corners])
            _ = cell.area, cell.length
    start, neighbors = spatial.Delaunay(points).vertex_neighbor_vertices
    for i in range(n):
        step = points[neighbors[start[i] : start[i + 1]]] - points[i]
        length = np.hypot(step[:, 0], step[:, 1])
        _ = length.mean(), length.min(), length.max(), length.std()
    rows = np.repeat(np.arange(n), np.diff(start))
    gap = points[rows] - points[neighbors]
    edges = csr_array((np.hypot(gap[:, 0], gap[:, 1]), (rows, neighbors)), shape=(n, n))
    csgraph.minimum_spanning_tree(edges)
    return time.perf_counter() - started
