"""Neighborhoods of objects against closed forms, scipy and formulas written out in full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import Delaunay, Voronoi
from scipy.spatial.distance import cdist
from shapely import Polygon

from pathexplain.features.slide_objects import slide_objects
from pathexplain.features.spatial import Window, ripley_k
from pathexplain.features.spatial import graph as graphs
from pathexplain.features.spatial.neighborhood import PointSet, measure_neighborhood, moran

MPP = 0.5


def square_window(side_um, step_um=4.0):
    return Window(np.ones((round(side_um / step_um),) * 2, bool), step_um)


def lattice(kind, n, spacing):
    y, x = np.mgrid[:n, :n].astype(float)
    if kind == "hexagonal":
        x = x + (y % 2) / 2
        y = y * np.sqrt(3) / 2
    return np.c_[y.ravel(), x.ravel()] * spacing + spacing


def neighborhood(points, window):
    """Measure points as objects of one pixel each."""
    labels = np.zeros((4, 4), np.int32)
    made = slide_objects(labels, mpp=MPP, name="cell")
    made = replace(made, area_um2=np.ones(len(points)))
    return measure_neighborhood(made, PointSet(points, window))


@pytest.mark.parametrize(
    ("kind", "degree", "area", "clustering", "clark"),
    [("square", 4, 1.0, 0.0, 2.0), ("hexagonal", 6, np.sqrt(3) / 2, 0.4, 2.1491)],
)
def test_a_lattice_has_its_known_neighborhood(kind, degree, area, clustering, clark):
    a = 20.0
    points = lattice(kind, 24, a)
    window = square_window(26 * a)
    table = neighborhood(points, window)
    deep = (np.abs(points - points.mean(axis=0)) < 5 * a).all(axis=1)

    def inner(name):
        return table.objects[name][deep]

    np.testing.assert_allclose(inner("distance_1_um"), a)
    np.testing.assert_allclose(inner("distance_3_um"), a)
    np.testing.assert_allclose(inner("degree"), degree)
    np.testing.assert_allclose(inner("edge_mean_um"), a)
    np.testing.assert_allclose(inner("edge_cv"), 0, atol=1e-6)
    np.testing.assert_allclose(inner("clustering"), clustering, atol=1e-12)
    np.testing.assert_allclose(inner("voronoi_area_um2"), area * a**2)
    side = {"square": a, "hexagonal": a / np.sqrt(3)}[kind]
    np.testing.assert_allclose(inner("voronoi_perimeter_um"), degree * side)
    assert table.numbers["tree_edge_mean_um"].value == pytest.approx(a)
    assert table.numbers["tree_disorder"].value == pytest.approx(0, abs=1e-6)
    assert table.numbers["voronoi_disorder"].value < 0.04  # cells at the rim are stretched
    density_of_lattice = 1 / (area * a**2)
    density = len(points) / (window.area_mm2 * 1e6)
    expected = clark * np.sqrt(density / density_of_lattice)
    assert table.numbers["clark_evans"].value == pytest.approx(expected, rel=1e-3)
    assert table.numbers["nearest_g_10um"].value == 0
    assert table.numbers["nearest_g_20um"].value == 1
    # nine lattice points of the square lattice lie within 25 um, the point itself among them
    within = {"square": 4, "hexagonal": 6}[kind]
    np.testing.assert_allclose(
        inner("density_25um_per_mm2"), within / (np.pi * 25**2) * 1e6, rtol=1e-9
    )


def test_complete_randomness_has_its_expectation_in_a_window_with_holes():
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:300, :300]
    mask = (np.hypot(y - 150, x - 150) < 140) & (np.hypot(y - 100, x - 180) > 40)
    window = Window(mask, 4.0)
    points = rng.uniform(0, 1200, (9000, 2))
    points = points[window.holds(points)]
    table = neighborhood(points, window)
    density = len(points) / (window.area_mm2 * 1e6)
    for radius in (25, 50, 100):
        assert table.numbers[f"ripley_l_{radius}um"].value == pytest.approx(0, abs=0.6)
        mean = table.objects[f"density_{radius}um_per_mm2"].mean()
        assert mean == pytest.approx(density * 1e6, rel=0.02)
    for radius in (10, 25, 50, 100):
        assert table.numbers[f"pair_correlation_{radius}um"].value == pytest.approx(1, abs=0.05)
    for radius in (10, 20):
        expected = 1 - np.exp(-density * np.pi * radius**2)
        assert table.numbers[f"nearest_g_{radius}um"].value == pytest.approx(expected, abs=0.02)
    assert table.numbers["clark_evans"].value == pytest.approx(1, abs=0.03)
    assert table.numbers["moran_area"].reason == "all areas are equal"


def test_a_disk_on_the_border_is_cut_in_half_and_in_a_corner_in_quarters():
    window = square_window(400)
    points = np.array([[200.0, 200.0], [200.0, 0.0], [0.0, 0.0], [400.0, 200.0], [-500.0, 0.0]])
    share = window.disk_share(points, 50.0)
    np.testing.assert_allclose(share, [1, 0.5, 0.25, 0.5, 0], atol=0.02)


def test_ripleys_k_is_the_translation_corrected_sum_over_pairs():
    rng = np.random.default_rng(2)
    ours, theirs = rng.uniform(0, 400, (60, 2)), rng.uniform(0, 400, (45, 2))
    edges = np.array([0.0, 30.0, 80.0])
    for second, pairs in ((ours, 60 * 59), (theirs, 60 * 45)):
        expected = np.zeros(2)
        for i, point in enumerate(ours):
            for j, other in enumerate(second):
                step = np.abs(point - other)
                distance = np.hypot(*step)
                if second is ours and i == j:
                    continue
                overlap = (400 - step[0]) * (400 - step[1])
                expected += (distance <= edges[1:]) / overlap
        expected *= 400.0**4 / pairs
        found = ripley_k(
            ours, square_window(400), edges_um=edges,
            others_um=None if second is ours else second,
        )  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=1e-3)  # the covariance is interpolated


@pytest.fixture(scope="module")
def cloud():
    return np.random.default_rng(4).uniform(0, 600, (400, 2))


def test_voronoi_cells_are_scipys(cloud):
    graph = graphs.delaunay(cloud)
    found = Voronoi(cloud)
    for i, region in enumerate(found.point_region):
        corners = found.regions[region]
        if -1 in corners:
            assert np.isnan(graph.cell_area_um2[i])
            continue
        cell = Polygon(found.vertices[corners])
        assert graph.cell_area_um2[i] == pytest.approx(cell.area)
        assert graph.cell_perimeter_um[i] == pytest.approx(cell.length)
        reach = np.hypot(*(found.vertices[corners] - cloud[i]).T).max()
        assert graph.cell_reach_um[i] == pytest.approx(reach)
    ridges = {tuple(sorted(pair)) for pair in found.ridge_points.tolist()}
    assert ridges == {tuple(pair) for pair in graph.edges.tolist()}


def test_the_spanning_tree_is_that_of_all_pairs(cloud):
    found = graphs.spanning_tree_lengths(graphs.delaunay(cloud))
    expected = csgraph.minimum_spanning_tree(cdist(cloud, cloud)).data
    np.testing.assert_allclose(found, np.sort(expected))


def test_graph_measures_are_those_written_out(cloud):
    adjacency = graphs.delaunay(cloud).adjacency(longest_um=45.0)
    dense = adjacency.toarray() > 0
    neighbors = [np.flatnonzero(row) for row in dense]
    clustering = [
        dense[np.ix_(near_by, near_by)].sum() / (len(near_by) * (len(near_by) - 1))
        if len(near_by) > 1
        else np.nan
        for near_by in neighbors
    ]
    np.testing.assert_allclose(graphs.clustering(adjacency), clustering)
    hops = csgraph.shortest_path(sparse.csr_array(dense), unweighted=True)
    inverse = np.where((hops > 0) & (hops <= 3), 1 / np.where(hops > 0, hops, 1), 0)
    np.testing.assert_allclose(graphs.harmonic(adjacency), inverse.sum(axis=1))
    core = np.zeros(len(cloud))
    for k in range(1, 8):  # take points with fewer than k neighbors away, again and again
        left = np.ones(len(cloud), bool)
        while (few := left & (dense[:, left].sum(axis=1) < k)).any():
            left &= ~few
        core[left] = k
    np.testing.assert_allclose(graphs.coreness(adjacency), core)


def test_morans_i_is_the_double_sum(cloud):
    graph = graphs.delaunay(cloud)
    values = cloud[:, 0] + np.random.default_rng(0).normal(0, 100, len(cloud))
    weights = (graph.adjacency().toarray() > 0).astype(float)
    z = values - values.mean()
    expected = len(z) / weights.sum() * (weights * np.outer(z, z)).sum() / (z**2).sum()
    found, n, reason = moran(graph, values)
    assert found == pytest.approx(expected)
    assert (n, reason) == (400, "")
    assert found > 0.3


def test_nearest_neighbors_are_scipys(cloud):
    table = neighborhood(cloud, square_window(600))
    distance = np.sort(cdist(cloud, cloud), axis=1)
    for k in (1, 3, 5, 10):
        np.testing.assert_allclose(table.objects[f"distance_{k}_um"], distance[:, k])


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_or_collinear_points_are_undefined_not_zero(n):
    points = np.c_[np.full(n, 50.0), np.arange(n) * 30.0 + 20]
    table = neighborhood(points, square_window(200))
    assert "degree" not in table.objects
    assert np.isnan(table.numbers["ripley_l_25um"].value)
    assert "needs 10" in table.numbers["ripley_l_25um"].reason
    assert np.isfinite(table.objects["distance_1_um"]).all() == (n != 1)


def test_objects_at_one_place_are_measured():
    points = np.repeat(lattice("square", 4, 20.0), 2, axis=0)
    table = neighborhood(points, square_window(100))
    assert (table.objects["distance_1_um"] == 0).all()
    assert np.isfinite(table.objects["degree"]).all()


def test_delaunay_is_none_without_a_triangle():
    assert graphs.delaunay(np.zeros((5, 2))) is None
    assert graphs.delaunay(np.c_[np.arange(9.0), np.arange(9.0)]) is None
    assert len(Delaunay(np.eye(3, 2)).simplices) == 1
