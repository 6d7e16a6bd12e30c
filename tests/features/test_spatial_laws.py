"""The declared laws of spatial families: what moves with its glass keeps its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathexplain.features import FAMILIES
from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import measure_spatial
from pathexplain.features.spatial.measure import spatial_object_columns
from pathexplain.prompts import Prompt, PromptSet, TilScore, Within

CELL_PX = 8  # a coarse cell: slides are moved by whole ones
SPATIAL = [family for family in FAMILIES.values() if family.compute is None]
SETTINGS = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


MPP = 0.5
KINDS = {"cell": "instances", "immune": "instances", "tumor": "region", "stroma": "region"}


def prompt_set(**changes):
    prompts = tuple(Prompt(name=name, text=name, kind=kind) for name, kind in KINDS.items())
    fields = {
        "version": 1,
        "mpp": MPP,
        "prompts": prompts,
        "relations": (("immune", "tumor"), ("immune", "cell"), ("tumor", "stroma")),
        "within": (
            Within("immune", inside="tumor"),
            Within("immune", interface=("tumor",), margin_um=20),
            Within("immune", interface=("tumor", "stroma"), margin_um=20),
        ),
        "til": TilScore("immune", "stroma", "tumor"),
    }
    return PromptSet(**(fields | changes))


def place_disks(rng, shape, n, radius):
    """Label image of disks that do not overlap; some touch, some are cut by the edge."""
    labels = np.zeros(shape, np.int32)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for label in range(1, n + 1):
        center = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        disk = (y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2
        labels[disk & (labels == 0)] = label
    return labels


def measure(labels, *, prompts=None, states=None, mask=None, mask_mpp=None):
    """Measure all spatial features of four label images."""
    chosen = prompts or prompt_set()
    objects = {}
    for name, plane in labels.items():
        state = (states or {}).get(name, "present")
        objects[name] = slide_objects(plane, mpp=MPP, name=name, kind=KINDS[name], state=state)
    shape = next(iter(labels.values())).shape
    geometry = slide_geometry(shape, mpp=MPP, tissue=mask, tissue_mpp=mask_mpp)
    return measure_spatial(objects, geometry, chosen), objects, geometry


@st.composite
def slides(draw):
    """Four label images and the tissue, on a grid of coarse cells."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape = (CELL_PX * draw(st.integers(30, 36)), CELL_PX * draw(st.integers(30, 40)))
    y, x = np.mgrid[: shape[0], : shape[1]]
    tumor = (np.hypot(y - 120, x - 130) < draw(st.integers(40, 90))).astype(np.int32)
    tumor[180:200, 30:50] = 2
    labels = {
        "cell": place_disks(rng, shape, 45, 5),
        "immune": place_disks(rng, shape, 40, 4),
        "tumor": tumor,
        "stroma": ((tumor == 0) & (x > 40)).astype(np.int32),
    }
    mask = np.ones(tuple(n // CELL_PX for n in shape), bool)
    mask[: draw(st.integers(0, 4))] = False
    return labels, mask


def assert_law(law, before, after, names=None):
    """Hold every column and number to its tolerance; `names` maps labels before to after."""
    first, objects, _ = before
    second, moved, _ = after
    columns = dict(spatial_object_columns(prompt_set()))
    for prompt, values in first.values.items():
        order = objects[prompt].label
        mapped = order if names is None else names[prompt][order]
        rows = np.searchsorted(moved[prompt].label, mapped)
        for j, name in enumerate(first.columns):
            tolerance = columns[name].tolerance(law)
            if tolerance is not None:
                np.testing.assert_allclose(
                    second.values[prompt][rows, j], values[:, j], rtol=tolerance, atol=1e-6,
                    err_msg=f"{prompt} {name}",
                )  # fmt: skip
    slide = {f"{f.name}.{c.name}": c for f in SPATIAL for c in f.slide_columns}
    assert first.numbers.keys() == second.numbers.keys()
    for name, number in first.numbers.items():
        tolerance = slide[".".join(name.split(".")[1:3])].tolerance(law)
        if tolerance is not None:
            found = second.numbers[name].value
            assert found == pytest.approx(number.value, rel=tolerance, abs=1e-9, nan_ok=True), name
            assert second.numbers[name].n == number.n, name
    for name, place in first.places.items():
        assert second.places[name].member.sum() == place.member.sum(), name
        assert second.places[name].area_mm2 == pytest.approx(place.area_mm2), name


def turned(slide, function):
    labels, mask = slide
    return {name: function(plane) for name, plane in labels.items()}, function(mask)


def measured(slide):
    labels, mask = slide
    return measure(labels, mask=mask, mask_mpp=4.0)


@SETTINGS
@given(slide=slides(), turns=st.integers(1, 3))
def test_rotation90(slide, turns):
    after = turned(slide, lambda plane: np.ascontiguousarray(np.rot90(plane, turns)))
    assert_law("rotation90", measured(slide), measured(after))


@SETTINGS
@given(slide=slides(), axis=st.integers(0, 1))
def test_flip(slide, axis):
    after = turned(slide, lambda plane: np.ascontiguousarray(np.flip(plane, axis)))
    assert_law("flip", measured(slide), measured(after))


@SETTINGS
@given(slide=slides(), seed=st.integers(0, 1000), gap=st.sampled_from([1, 9]))
def test_relabel(slide, seed, gap):
    labels, mask = slide
    rng = np.random.default_rng(seed)
    names = {
        name: np.concatenate([[0], (rng.permutation(int(plane.max())) + 1) * gap]).astype(np.int32)
        for name, plane in labels.items()
    }
    after = {name: names[name][plane] for name, plane in labels.items()}, mask
    assert_law("relabel", measured(slide), measured(after), names)


def test_translation():
    """Glass is put beside the tissue, which all touches: nothing may be cut by the edge."""
    rng = np.random.default_rng(5)
    shape = (240, 256)
    y, x = np.mgrid[: shape[0], : shape[1]]
    inner = np.pad(np.ones((200, 216), bool), 20)
    tumor = (np.hypot(y - 120, x - 120) < 60).astype(np.int32)
    labels = {
        "cell": place_disks(rng, shape, 45, 5) * inner,
        "immune": place_disks(rng, shape, 40, 4) * inner,
        "tumor": tumor,
        "stroma": ((tumor == 0) & inner).astype(np.int32),
    }
    mask = np.zeros((30, 32), bool)
    mask[3:-3, 3:-3] = True
    pad = ((16, 8), (24, 0))
    moved = {name: np.pad(plane, pad) for name, plane in labels.items()}
    cells = [(a // CELL_PX, b // CELL_PX) for a, b in pad]
    before = measure(labels, mask=mask, mask_mpp=4.0)
    after = measure(moved, mask=np.pad(mask, cells), mask_mpp=4.0)
    assert_law("translation", before, after)


def test_every_spatial_column_declares_laws():
    for family in SPATIAL:
        for column in family.columns:
            assert column.tolerance("relabel") is not None, column.name
            assert len(column.laws) >= 2, column.name
