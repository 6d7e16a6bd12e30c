"""Spatial features, relations and places through a whole extraction."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
import spatialdata

from pathexplain.extraction import Tiling, extract
from pathexplain.features import describe_features
from pathexplain.prompts import Within

MPP = 0.5


@pytest.fixture
def spatial_prompts(prompts):
    return replace(
        prompts,
        features=("shape", "neighborhood", "context", "region"),
        relations=(("cell", "area"), ("cell", "nothing")),
        within=(
            Within("cell", inside="area"),
            Within("cell", interface=("area",), margin_um=15),
            Within("cell", inside="nothing"),
        ),
    )


DEEP = (90, 45, 125)  # of cells that lie in the area, which covers them


@pytest.fixture
def halves(field):
    """Cells everywhere; the left half is red, and its cells are in it."""
    image = field.copy()
    left = np.arange(image.shape[1])[None] < 350
    image[(image == (230, 170, 200)).all(axis=2) & left] = (190, 40, 60)
    image[(image == (80, 40, 120)).all(axis=2) & left] = DEEP
    return image


@pytest.fixture
def covering(segmentor):
    """Let the area cover the cells in it, as a region does."""
    plain = segmentor.segment

    def segment(image, prompts, *, mpp):
        found = plain(image, prompts, mpp=mpp)
        names = [prompt.name for prompt in found.prompts]
        planes = found.probabilities.copy()
        planes[names.index("area")] += (image == DEEP).all(axis=2)
        return replace(found, probabilities=planes)

    segmentor.segment = segment
    return segmentor


def test_tiles_change_nothing_and_names_reach_the_tables(
    save, halves, spatial_prompts, covering, tmp_path
):
    path = save("field", halves)
    options = {"prompts": spatial_prompts, "segmentor": covering, "mpp": MPP}
    whole = extract(path, out=tmp_path / "whole", **options)
    tiled = extract(path, out=tmp_path / "tiled", tiling=Tiling(core_px=200, halo_px=50), **options)
    assert whole.exit_code == tiled.exit_code == 0
    one, other = (anndata.read_h5ad(run.out / "slides.h5ad") for run in (whole, tiled))
    assert list(one.var_names) == list(other.var_names)
    np.testing.assert_allclose(other.X, one.X, rtol=1e-6, atol=1e-9)
    row = one.to_df().iloc[0]
    cells = row["cell.aggregate.n.total"]
    inside = row["cell@area.aggregate.n.total"]
    assert 0 < inside < cells
    assert row["cell@area.aggregate.share.total"] == pytest.approx(inside / cells)
    assert row["cell@nothing.aggregate.n.total"] == 0
    assert np.isnan(row["cell@nothing.aggregate.density_per_mm2.total"])
    assert row["cell@area~15um.aggregate.n.total"] > 0
    assert np.isfinite(row["cell-area.context.distance_um.p10"])
    assert np.isnan(row["cell-nothing.context.distance_um.p10"])
    assert np.isfinite(row["cell.neighborhood.ripley_l_50um.total"])
    assert row["area.region.area_mm2.total"] > 0
    described = describe_features(one.var_names, kinds={"cell": "instances", "area": "region"})
    assert described["unit"].tolist() == one.var["unit"].tolist()
    objects = spatialdata.read_zarr(tiled.slides[0].store).tables["objects"]
    frame = objects.to_df()[objects.obs["prompt"].to_numpy() == "cell"]
    assert (frame["area.context.distance_um"] < 0).sum() == inside
    assert objects.var.loc["area.context.distance_um", "unit"] == "um"


def test_relations_and_places_are_part_of_what_a_store_depends_on(spatial_prompts, segmentor):
    from pathexplain.extraction.inputs import config_inputs

    def hashed(prompts):
        return config_inputs(prompts, segmentor, options={})["prompts"]

    assert hashed(spatial_prompts) != hashed(replace(spatial_prompts, within=()))
    assert hashed(spatial_prompts) != hashed(replace(spatial_prompts, relations=()))
