"""Spatial families against closed forms, other libraries and formulas written out in full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import Delaunay, Voronoi, cKDTree
from scipy.spatial.distance import cdist, pdist
from shapely import Polygon
from skimage.measure import label as connected
from skimage.measure import regionprops_table

from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import Window, immune_phenotype, planes, ripley_k
from pathexplain.features.spatial import graph as graphs
from pathexplain.features.spatial.boundary import Other, signed_distance
from pathexplain.features.spatial.coarse import closed, distance_blocks, near
from pathexplain.features.spatial.context import measure_context, morisita_horn
from pathexplain.features.spatial.neighborhood import PointSet, measure_neighborhood, moran
from pathexplain.features.spatial.places import interface_cells
from pathexplain.features.spatial.region import lacunarity, largest_distance, measure_region
from pathexplain.features.spatial.til import stromal_pixels

MPP = 0.5


class Reader:
    """A label image that can only be read in windows, as a store on disk is."""

    def __init__(self, plane):
        self._plane = plane
        self.shape = plane.shape

    def __getitem__(self, window):
        assert all(isinstance(part, slice) for part in window)
        return self._plane[window]


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


# ── closed forms ─────────────────────────────────────────────────────────────────────────────────
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


# ── formulas in full ─────────────────────────────────────────────────────────────────────────────
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


# ── a known interface ────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def interface():
    """Tumor left of x = 150 um, cells of 4 x 4 px on both sides."""
    shape = (400, 800)
    rng = np.random.default_rng(6)
    cells = np.zeros(shape, np.int32)
    for k in range(1, 301):
        y, x = rng.integers(0, 396), rng.integers(0, 796)
        if x < 300 and k % 4:
            continue
        if not cells[y : y + 4, x : x + 4].any():
            cells[y : y + 4, x : x + 4] = k
    tumor = np.zeros(shape, np.int32)
    tumor[:, :300] = 1
    return cells, tumor


def context(first, second, *, kinds=("instances", "region"), reader=None):
    geometry = slide_geometry(first.shape, mpp=MPP)
    one, two = (
        slide_objects(plane, mpp=MPP, name=name, kind=kind)
        for plane, name, kind in zip((first, second), ("one", "two"), kinds, strict=True)
    )
    if reader is not None:
        one, two = (
            type(item)(**{**vars(item), "labels": reader(item.labels)}) for item in (one, two)
        )
    window = Window(geometry.tissue, geometry.tissue_mpp)
    points = PointSet(one.centroid_um, window)
    other = Other(two, PointSet(two.centroid_um, window), geometry)
    return measure_context(one, points, other), one, other


def test_distances_and_profile_across_a_straight_interface(interface):
    cells, tumor = interface
    table, one, _ = context(cells, tumor)
    x = one.centroid_um[:, 1]
    # from the centers of boundary pixels, between which a centroid of even width lies
    np.testing.assert_allclose(table.objects["distance_um"], x - 150, atol=0.11)
    inside = [(cells[:, :300] == label).sum() / (cells == label).sum() for label in one.label]
    np.testing.assert_allclose(table.objects["share_inside"], inside)
    bands = {
        "profile_in_over100um": (-1e9, -100), "profile_in_50_100um": (-100, -50),
        "profile_in_0_50um": (-50, 0), "profile_out_0_50um": (0, 50),
        "profile_out_50_100um": (50, 100), "profile_out_100_200um": (100, 200),
    }  # fmt: skip
    for name, (low, high) in bands.items():
        signed = table.objects["distance_um"]
        count = int(((signed > low) & (signed <= high)).sum())
        width = min(high - low, 50) if low < -1000 else high - low
        expected = count / (width * 200 * 1e-6)
        assert table.numbers[f"{name}_per_mm2"].value == pytest.approx(expected, rel=0.09), name
        assert table.numbers[f"{name}_per_mm2"].n == count
    ratio = table.numbers["infiltration"].value
    assert 0.1 < ratio < 0.4  # three of four cells inside were left out


def test_contact_of_two_halves_is_the_length_of_their_interface(interface):
    _, tumor = interface
    table, _, _ = context(tumor, 1 - tumor, kinds=("region", "region"))
    assert table.numbers["interface_mm"].value == pytest.approx(0.2, rel=0.06)
    assert table.numbers["interface_share"].value == 1
    assert table.numbers["overlap_share"].value == 0
    y, x = np.mgrid[:400, :400]
    wedge = (x + y < 400).astype(np.int32)
    slanted, _, _ = context(wedge, 1 - wedge, kinds=("region", "region"))
    assert slanted.numbers["interface_mm"].value == pytest.approx(0.2 * np.sqrt(2), rel=0.06)


def test_signed_distance_is_the_distance_transform():
    rng = np.random.default_rng(8)
    blobs = ndimage.gaussian_filter(rng.normal(size=(200, 240)), 8) > 0.02
    tumor = connected(blobs, connectivity=2).astype(np.int32)
    objects = slide_objects(tumor, mpp=MPP, kind="region")
    geometry = slide_geometry(tumor.shape, mpp=MPP)
    window = Window(geometry.tissue, MPP)
    other = Other(objects, PointSet(objects.centroid_um, window), geometry)
    points = rng.integers(0, 200, (300, 2)) + 0.5
    found = signed_distance(points * MPP, other)
    y, x = np.floor(points).astype(int).T
    outside = ndimage.distance_transform_edt(~blobs)[y, x]
    inside = ndimage.distance_transform_edt(blobs)[y, x]
    expected = np.where(blobs[y, x], -(inside - 0.5), outside - 0.5) * MPP
    np.testing.assert_allclose(found, expected, atol=MPP)
    assert ((found < 0) == blobs[y, x]).all()


def test_planes_read_in_windows_give_the_same(interface, monkeypatch):
    cells, tumor = interface
    whole, _, _ = context(cells, tumor)
    monkeypatch.setattr(planes, "BLOCK_PX", 96)
    monkeypatch.setattr(planes.windows, "__kwdefaults__", {"side": 96})
    read, _, _ = context(cells, tumor, reader=Reader)
    for name, values in whole.objects.items():
        np.testing.assert_array_equal(read.objects[name], values)
    for name, number in whole.numbers.items():
        assert read.numbers[name].value == pytest.approx(number.value, nan_ok=True), name


def test_two_patterns_apart_alike_and_mixed(cloud):
    rng = np.random.default_rng(9)
    window = square_window(600)
    points = PointSet(cloud, window)
    assert morisita_horn(cloud, cloud, points) == pytest.approx(1)
    left, right = cloud[cloud[:, 1] < 300], cloud[cloud[:, 1] > 300]
    assert morisita_horn(left, right, points) == 0
    x, y = (np.histogram2d(*half.T, bins=6, range=[(0, 600)] * 2)[0] for half in (left, cloud))
    shares = x / x.sum(), y / y.sum()
    expected = 2 * (shares[0] * shares[1]).sum() / sum((share**2).sum() for share in shares)
    assert morisita_horn(left, cloud, points) == pytest.approx(expected)
    labels = np.zeros((1200, 1200), np.int32)
    labels[tuple((cloud / MPP).astype(int).T)] = np.arange(1, len(cloud) + 1)
    dealt = rng.random(len(cloud) + 1) < 0.4
    dealt[0] = False
    ours, theirs = np.where(dealt[labels], labels, 0), np.where(dealt[labels], 0, labels)
    table, one, other = context(ours, theirs, kinds=("instances", "instances"))
    assert table.numbers["edge_enrichment"].value == pytest.approx(1, abs=0.1)
    assert table.objects["neighbor_share"].mean() == pytest.approx(0.6, abs=0.05)
    near_by = cKDTree(other.points.points_um).query(one.centroid_um)[0]
    np.testing.assert_allclose(table.objects["nearest_um"], near_by)
    everything = np.concatenate([one.centroid_um, other.points.points_um])
    rank = np.argsort(cdist(one.centroid_um, everything), axis=1)[:, 1:11]
    expected = (rank >= one.n).mean(axis=1)
    np.testing.assert_allclose(table.objects["neighbor_share"], expected)
    assert table.numbers["cross_l_50um"].value == pytest.approx(0, abs=2)
    halves, _, _ = context(
        np.where(np.arange(1200)[None] < 600, labels, 0).astype(np.int32),
        np.where(np.arange(1200)[None] < 600, 0, labels).astype(np.int32),
        kinds=("instances", "instances"),
    )
    assert halves.numbers["edge_enrichment"].value < 0.3
    assert halves.numbers["cross_l_50um"].value < -20


# ── masks of a slide ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def blobs():
    field = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(300, 360)), 5)
    mask = field > np.quantile(field, 0.8)
    mask[5, 5] = mask[6, 6] = mask[7, 5] = True  # joined by corners alone, too small to count
    return mask


def test_the_papers_instance_statistics(blobs, monkeypatch):
    monkeypatch.setattr(planes, "STRIP_PX", 360 * 17)
    mpp = 0.25
    touching = connected(blobs, connectivity=2)
    split = np.where(blobs, 1 + np.arange(360)[None] // 7 + 100 * touching, 0).astype(np.int32)
    objects = slide_objects(split, mpp=mpp)
    geometry = slide_geometry(blobs.shape, mpp=mpp)
    numbers = measure_region(objects, geometry, Window(geometry.tissue, mpp)).numbers
    found = regionprops_table(touching, properties=("area", "centroid"))
    kept = found["area"] >= 36
    assert not kept.all()
    assert numbers["instance_count"].value == kept.sum()
    ratio = found["area"][kept].mean() / blobs.size
    assert numbers["instance_ratio"].value == pytest.approx(ratio)
    centers = np.c_[found["centroid-0"], found["centroid-1"]][kept] * mpp
    assert numbers["instance_dispersion_um"].value == pytest.approx(pdist(centers).max())
    largest = found["area"][kept].max() / found["area"][kept].sum()
    assert numbers["largest_share"].value == pytest.approx(largest)
    assert numbers["area_mm2"].value == pytest.approx(blobs.sum() * mpp**2 / 1e6)


def test_boundary_of_a_disk_is_its_circumference():
    y, x = np.mgrid[:400, :400]
    disk = (np.hypot(y - 200, x - 200) < 150).astype(np.int32)
    geometry = slide_geometry(disk.shape, mpp=MPP)
    numbers = measure_region(
        slide_objects(disk, mpp=MPP, kind="region"), geometry, Window(geometry.tissue, MPP)
    ).numbers
    assert numbers["boundary_mm"].value == pytest.approx(2 * np.pi * 75 / 1000, rel=0.01)
    assert numbers["boundary_per_mm"].value == pytest.approx(2 / 0.075, rel=0.01)
    assert numbers["spread_um"].value == pytest.approx(75 / np.sqrt(2), rel=0.01)
    assert numbers["instance_dispersion_um"].reason == "1 components, needs 2"


def test_lacunarity_is_that_of_all_boxes(blobs):
    tissue = np.ones(blobs.shape, bool)
    tissue[:, :40] = False
    coverage = np.where(blobs, 255, 0).astype(np.uint8)
    side = 9
    masses = [
        blobs[i : i + side, j : j + side].sum()
        for i in range(blobs.shape[0] - side + 1)
        for j in range(40, blobs.shape[1] - side + 1)
    ]
    expected = np.mean(np.square(masses, dtype=float)) / np.mean(masses) ** 2
    assert lacunarity(coverage, tissue, side=side) == pytest.approx(expected)
    assert np.isnan(lacunarity(coverage, tissue, side=400))


def test_entropy_is_one_where_all_is_covered_and_zero_in_one_square():
    full = np.ones((1984, 1984), np.int32)  # four squares of 62 coarse cells a side
    geometry = slide_geometry(full.shape, mpp=MPP)
    window = Window(np.ones((100, 100), bool), 10.0)
    everywhere = measure_region(slide_objects(full, mpp=MPP, kind="region"), geometry, window)
    assert everywhere.numbers["entropy"].value == pytest.approx(1, abs=0.01)
    assert everywhere.numbers["lacunarity_80um"].value == 1
    spot = np.zeros_like(full)
    spot[1100:1150, 1100:1150] = 1
    alone = measure_region(slide_objects(spot, mpp=MPP, kind="region"), geometry, window)
    assert alone.numbers["entropy"].value == 0


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_largest_distance(n):
    points = np.random.default_rng(n).uniform(0, 100, (n, 2))
    assert largest_distance(points) == pytest.approx(pdist(points).max())
    assert largest_distance(np.c_[points[:, 0], points[:, 0]]) == pytest.approx(
        np.ptp(points[:, 0]) * np.sqrt(2)
    )


def test_coarse_distances_do_not_depend_on_blocks(blobs, monkeypatch):
    expected = ndimage.distance_transform_edt(~blobs)
    monkeypatch.setattr("pathexplain.features.spatial.coarse.BLOCK_CELLS", 64)
    found = np.full(blobs.shape, np.nan)
    for block, distance in distance_blocks(blobs, reach=12):
        found[block] = distance
    np.testing.assert_allclose(found, np.where(expected <= 12, expected, np.inf))
    np.testing.assert_array_equal(near(blobs, reach=5.5), expected <= 5.5)
    disk = np.hypot(*np.mgrid[-6:7, -6:7]) <= 6
    padded = np.pad(blobs, 12)
    grown = ndimage.binary_closing(padded, disk)[12:-12, 12:-12]
    inner = (slice(12, -12),) * 2
    np.testing.assert_array_equal(closed(blobs, reach=6)[inner], grown[inner])


def test_the_interface_of_two_masks_is_where_they_meet():
    shape = (160, 240)
    tumor, stroma = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    tumor[40:120, 40:120] = 1
    stroma[40:120, 128:] = 1  # to the right, behind a gap of 4 um
    objects = [slide_objects(plane, mpp=MPP, kind="region") for plane in (tumor, stroma)]
    geometry = slide_geometry(shape, mpp=MPP)
    both, alone = interface_cells(objects, geometry), interface_cells(objects[:1], geometry)
    assert np.argwhere(both)[:, 1].tolist() == [14] * int(both.sum())
    assert both.sum() == 10
    assert alone.sum() == 4 * 10 - 4


# ── lymphocytes in the stroma ────────────────────────────────────────────────────────────────────
def test_stromal_til_percentage_is_the_planted_one():
    """Two tumor islands 100 um apart, stroma between and around, more stroma far away."""
    shape = (400, 2400)
    tumor, stroma, immune = (np.zeros(shape, np.int32) for _ in range(3))
    tumor[:, :200] = tumor[:, 400:600] = 1
    stroma[:, 200:400] = 1
    stroma[:, 600:] = 1
    immune[100:200, 250:350] = 1  # in the stroma between the islands
    immune[100:200, 50:150] = 2  # in the tumor: no part of the score
    immune[100:200, 2000:2200] = 3  # far from the tumor: no part of the score
    stroma[immune > 0] = 0  # stroma masks spare what lies in them
    planes_of = {"immune": immune, "stroma": stroma, "tumor": tumor}
    made = {
        name: slide_objects(plane, mpp=MPP, name=name, kind="region")
        for name, plane in planes_of.items()
    }
    geometry = slide_geometry(shape, mpp=MPP)
    occupied, whole = stromal_pixels(made["immune"], made["stroma"], made["tumor"], geometry)
    assert occupied == 100 * 100
    assert whole == 400 * 200


def test_phenotypes_by_their_cut_offs():
    assert immune_phenotype(100, 0) == 2
    assert immune_phenotype(99.9, 300) == 1
    assert immune_phenotype(99.9, 299.9) == 0
    assert np.isnan(immune_phenotype(float("nan"), 500))


def test_delaunay_is_none_without_a_triangle():
    assert graphs.delaunay(np.zeros((5, 2))) is None
    assert graphs.delaunay(np.c_[np.arange(9.0), np.arange(9.0)]) is None
    assert len(Delaunay(np.eye(3, 2)).simplices) == 1
