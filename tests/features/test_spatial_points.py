"""Pairs and nearest neighbors of points against all distances; threads change nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from pathexplain.features import objects as object_views
from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import Window, graph, points
from pathexplain.features.spatial.boundary import Other
from pathexplain.features.spatial.context import measure_context
from pathexplain.features.spatial.neighborhood import PointSet, measure_neighborhood

EDGES_UM = np.array([0.0, 12.0, 45.0])


def square_window(side_um):
    return Window(np.ones((side_um // 4,) * 2, bool), 4.0)


@pytest.mark.parametrize("is_same", [True, False])
def test_pairs_with_a_point_outside_the_window_are_counted_but_not_weighted(is_same):
    rng = np.random.default_rng(3)
    ours, theirs = rng.uniform(-50, 250, (70, 2)), rng.uniform(-50, 250, (90, 2))
    window = square_window(200)
    covariance = window.covariance(EDGES_UM[-1])
    targets = ours if is_same else theirs
    here, there = window.holds(ours), window.holds(targets)
    found = points.pair_sums(
        ours, None if is_same else theirs, edges_um=EDGES_UM, covariance=covariance,
        inside=here, others_inside=None if is_same else there,
    )  # fmt: skip
    distance = cdist(ours, targets)
    if is_same:
        np.fill_diagonal(distance, np.inf)
    for ring, (low, high) in enumerate(itertools.pairwise(EDGES_UM)):
        expected = ((distance > low) & (distance <= high)).sum(axis=1)
        np.testing.assert_array_equal(found.counts[:, ring], expected)
    seen = points.pair_sums(
        ours[here], None if is_same else theirs[there], edges_um=EDGES_UM, covariance=covariance
    )
    np.testing.assert_allclose(found.weighted, seen.weighted, rtol=1e-12)
    assert 0 < here.sum() < len(ours)
    assert found.counts.sum() > seen.counts.sum()


@pytest.mark.parametrize("k", [1, 3, [2, 4]])
def test_the_nearest_are_those_that_scipy_finds_one_by_one(k):
    rng = np.random.default_rng(8)
    tree, asked = cKDTree(rng.normal(0, 300, (200, 2))), rng.normal(0, 300, (500, 2))
    distance, index = points.nearest(tree, asked, k=k)
    for i, point in enumerate(asked):
        expected = tree.query(point, k=k)
        np.testing.assert_array_equal(distance[i], expected[0])
        np.testing.assert_array_equal(index[i], expected[1])


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    rng = np.random.default_rng(5)
    ours, theirs = rng.uniform(0, 900, (9000, 2)), rng.uniform(0, 900, (5000, 2))
    window, geometry = square_window(900), slide_geometry((1800, 1800), mpp=0.5)
    blank = slide_objects(np.zeros((4, 4), np.int32), mpp=0.5, name="cell")
    one = replace(blank, area_um2=rng.gamma(9, 4, len(ours)), labels=None)
    two = replace(
        one,
        boundary_um=theirs.astype(np.float32),
        coverage=np.zeros(geometry.coarse_shape, np.uint8),
    )

    def measure(n_threads):
        for module in (object_views, points, graph):
            monkeypatch.setattr(module, "cores", lambda: n_threads)
        own = PointSet(ours, window)
        other = Other(two, PointSet(theirs, window), geometry)
        return measure_neighborhood(one, own), measure_context(one, own, other)

    for alone, shared in zip(measure(1), measure(3), strict=True):
        assert alone.objects.keys() == shared.objects.keys()
        for name, values in alone.objects.items():
            np.testing.assert_array_equal(values, shared.objects[name], err_msg=name)
        assert repr(alone.numbers) == repr(shared.numbers)
