"""Shares, controls, fills and tests of a perturbation against other libraries and brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathexplain.diagnosis.perturbation.controls import allocate, random_region
from pathexplain.diagnosis.perturbation.fills import filled, look_of
from pathexplain.diagnosis.perturbation.shapley import shapley_values
from pathexplain.diagnosis.perturbation.statistics import holm
from pathexplain.diagnosis.resampling import (
    auroc_resamples,
    interval_of,
    patient_weights,
    ratio_of_means,
    sign_flip_p,
)


@pytest.mark.parametrize("n_players", [2, 3, 5])
def test_shapley_values_are_mean_effects_over_all_orders(n_players: int) -> None:
    rng = np.random.default_rng(n_players)
    worth = {
        tuple(i for i in range(n_players) if code >> i & 1): rng.normal(size=3)
        for code in range(1, 2**n_players)
    }
    total = np.zeros((n_players, 3))
    orders = list(permutations(range(n_players)))
    for order in orders:
        for place, player in enumerate(order):
            before = tuple(sorted(order[:place]))
            gain = worth[tuple(sorted((*before, player)))] - worth.get(before, 0.0)
            total[player] += gain / len(orders)
    found = shapley_values(worth, n_players=n_players)
    assert found == pytest.approx(total)
    assert found.sum(axis=0) == pytest.approx(worth[tuple(range(n_players))])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_controls_have_the_objects_area_within_their_room(data: st.DataObject) -> None:
    sizes = st.lists(st.integers(0, 40), min_size=1, max_size=6)
    need = np.array(data.draw(sizes))
    room = np.array(data.draw(st.lists(st.integers(0, 40), min_size=len(need), max_size=len(need))))
    taken = allocate(need, room)
    if need.sum() > room.sum():
        assert taken is None
    else:
        assert taken is not None
        assert taken.sum() == need.sum()
        assert (taken <= room).all()
        assert (taken >= np.minimum(need, room)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0), st.floats(1.0, 12.0))
def test_random_regions_are_exact_and_stay_where_they_may(
    seed: int, share: float, radius: float
) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random((24, 31)) < 0.6
    n_px = int(share * allowed.sum())
    region = random_region(allowed, n_px, rng, radius_px=radius)
    assert region.sum() == n_px
    assert not (region & ~allowed).any()


def test_random_regions_are_patches_of_the_scale_asked_for() -> None:
    rng = np.random.default_rng(0)
    allowed = np.ones((128, 128), bool)
    edges = []
    for radius in (2.0, 12.0):
        region = random_region(allowed, 4000, rng, radius_px=radius)
        edges.append((region[1:] != region[:-1]).sum())
    assert edges[0] > 3 * edges[1]


def test_noise_has_the_stain_of_the_tissue_and_none_of_its_structure() -> None:
    rng = np.random.default_rng(0)
    density = 0.35 + 0.06 * rng.standard_normal((128, 128, 1)) * [0.5, 1.0, 0.7]
    tile = np.clip(255 * 10 ** -(density + 0.01 * rng.standard_normal((128, 128, 3))), 0, 255)
    pixels = np.rint(tile).astype(np.uint8)[None]
    look = look_of(pixels, np.ones((1, 128, 128), bool))
    made = filled("noise", pixels[0], look, mpp=0.5, blur_um=8, seed=1)
    again = look_of(made[None], np.ones((1, 128, 128), bool))
    assert again.density == pytest.approx(look.density, abs=0.01)
    assert np.sqrt(np.diag(again.spread)) == pytest.approx(np.sqrt(np.diag(look.spread)), rel=0.15)
    correlation = np.corrcoef(made.reshape(-1, 3).T)[0, 1]
    assert correlation == pytest.approx(np.corrcoef(pixels.reshape(-1, 3).T)[0, 1], abs=0.1)
    same_place = np.corrcoef(made[..., 1].ravel(), pixels[0, ..., 1].ravel())[0, 1]
    assert abs(same_place) < 0.1


def test_the_look_is_of_tissue_alone() -> None:
    pixels = np.full((1, 8, 8, 3), 250, np.uint8)
    pixels[:, :4] = (200, 100, 150)
    tissue = np.zeros((1, 8, 8), bool)
    tissue[:, :4] = True
    assert look_of(pixels, tissue).color.tolist() == [200, 100, 150]


def test_sign_flips_are_scipys_exact_paired_test() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.4, 1, 9)
    wanted = stats.permutation_test(
        (values,), lambda x, axis: x.sum(axis=axis), permutation_type="samples",
        alternative="greater", n_resamples=10_000, vectorized=True,
    )  # fmt: skip
    found, n_patients = sign_flip_p(values, [f"p{i}" for i in range(9)], n_flips=1, seed=0)
    assert n_patients == 9
    assert found == pytest.approx(wanted.pvalue)


def test_many_patients_get_a_random_test_near_the_exact_one() -> None:
    values = np.random.default_rng(4).normal(0.5, 1, 20)
    found, _ = sign_flip_p(values, [f"p{i}" for i in range(20)], n_flips=20_000, seed=0)
    exact = stats.norm.sf(values.sum() / np.sqrt((values**2).sum()))
    assert found == pytest.approx(exact, abs=0.01)


def test_slides_of_one_patient_flip_together() -> None:
    values = np.array([1.0, 1.0, 1.0, 1.0, np.nan])
    assert sign_flip_p(values, ["a", "a", "b", "b", "c"], n_flips=9, seed=0) == (0.25, 2)
    assert np.isnan(sign_flip_p(values, ["a"] * 5, n_flips=9, seed=0)[0])


def test_holm_is_statsmodels_holm() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(5).random(12) ** 3
    assert holm(p.tolist()) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_patients_are_drawn_whole() -> None:
    names = ["a", "b", "a", "c", "b", "a"]
    weights = patient_weights(names, n_bootstrap=200, seed=0)
    for name in "abc":
        mine = weights[:, [i for i, one in enumerate(names) if one == name]]
        assert (mine == mine[:, :1]).all()
    per_patient = weights[:, [0, 1, 3]]
    assert (per_patient.sum(axis=1) == 3).all()
    assert per_patient.mean() == pytest.approx(1.0)


def test_twice_the_slides_of_the_same_patients_are_not_twice_the_evidence() -> None:
    rng = np.random.default_rng(6)
    above, below = rng.exponential(2, 15), rng.exponential(1, 15)
    names = [f"p{i}" for i in range(15)]
    once = ratio_of_means(above, below, patient_weights(names, n_bootstrap=500, seed=1))
    doubled = [np.repeat(values, 2) for values in (above, below)]
    weights = patient_weights(np.repeat(names, 2).tolist(), n_bootstrap=500, seed=1)
    assert ratio_of_means(*doubled, weights) == pytest.approx(once)


def test_resamples_without_a_class_are_undefined_and_not_chance() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    weights = np.array([[1.0, 1, 1], [3, 0, 0], [0, 3, 0], [1, 1, 1]])
    found = auroc_resamples(scores, np.array([0, 1, 0]), weights)
    assert found[[0, 3]].tolist() == [1.0, 1.0]
    assert np.isnan(found[[1, 2]]).all()
    assert np.isnan(interval_of(1.0, found).low), "half of the resamples say nothing"
