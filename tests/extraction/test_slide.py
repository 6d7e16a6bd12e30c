"""A slide from end to end: seams give the same objects anywhere, odd slides defined results."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pathexplain.extraction import joined
from pathexplain.extraction.slide import Tiling, extract_slide
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.slides import ArraySlide, open_slide

MPP = 0.5
PINK, DARK, RED = (230, 170, 200), (80, 40, 120), (190, 40, 60)


@pytest.fixture
def look(tmp_path, segmentor, prompts):
    """Extract an image; return what was found of each prompt."""

    def call(image, *, core=200, halo=50, families=("shape",), chosen=prompts):
        folder = tmp_path / f"planes{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        slide = image if not isinstance(image, np.ndarray) else ArraySlide(image, mpp=MPP)
        found = extract_slide(
            slide,
            prompts=PromptSet(**(vars(chosen) | {"features": families})),
            segmentor=segmentor,
            tiling=Tiling(core_px=core, halo_px=halo),
            folder=folder,
        )
        return found, {item.prompt.name: item for item in found.prompts}

    return call


def test_moving_the_grid_by_half_a_tile_changes_no_object(look, field):
    """Padding above and to the left moves every seam; objects are matched by their centers."""
    _, still = look(field)
    by = 100
    padded = np.full((field.shape[0] + by, field.shape[1] + by, 3), PINK, np.uint8)
    padded[by:, by:] = field
    _, moved = look(padded)
    for name in ("cell", "area"):
        one, other = still[name].objects, moved[name].objects
        assert one.n == other.n > 0
        order, moved_order = (
            np.lexsort(np.round(centers, 6).T)
            for centers in (one.centroid_um, other.centroid_um - by * MPP)
        )
        centers = other.centroid_um[moved_order] - by * MPP
        np.testing.assert_allclose(one.centroid_um[order], centers, atol=1e-6)
        areas = one.area_px[order], other.area_px[moved_order]
        assert np.abs(areas[0] / areas[1] - 1).max() <= 0.01


def test_labels_objects_and_their_order_agree(look, field):
    _, found = look(field)
    for name in ("cell", "area"):
        labels, objects = found[name].labels, found[name].objects
        whole = labels[: labels.shape[0], : labels.shape[1]]
        assert np.bincount(whole.ravel())[1:].tolist() == objects.area_px.tolist()
        np.testing.assert_allclose(objects.column("shape.area_um2"), objects.area_px * MPP**2)
        for label in (1, objects.n):
            y, x = np.nonzero(whole == label)
            center = np.array([y.mean() + 0.5, x.mean() + 0.5]) * MPP
            np.testing.assert_allclose(objects.centroid_um[label - 1], center)


def test_what_no_window_holds_is_sampled_and_says_what_it_lost(look, field, monkeypatch):
    _, whole = look(field, families=("shape", "stain"))
    monkeypatch.setattr(joined, "LARGEST_WINDOW_PX", 60_000)
    _, sampled = look(field, families=("shape", "stain"))
    one, other = whole["area"].objects, sampled["area"].objects
    assert one.n == other.n
    largest = int(np.argmax(one.area_px))
    at = int(np.argmax(other.area_px))
    for name, tolerance in [("shape.area_um2", 0.0), ("stain.eosin_mean", 0.02)]:
        assert other.column(name)[at] == pytest.approx(one.column(name)[largest], rel=tolerance)
    assert np.isnan(other.column("stain.eosin_gradient_mean")[at])
    assert np.isfinite(one.column("stain.eosin_gradient_mean")[largest])


def test_one_pixel_objects_are_objects(look):
    image = np.full((300, 300, 3), PINK, np.uint8)
    image[5:300:20, 7:300:20] = DARK
    chosen = PromptSet(1, mpp=MPP, prompts=(Prompt(name="cell", text="cells", kind="instances"),))
    found, by_name = look(image, core=100, halo=20, chosen=chosen)
    objects = by_name["cell"].objects
    assert objects.n == 15 * 15
    assert (objects.column("shape.area_um2") == MPP**2).all()
    assert np.isnan(objects.column("shape.solidity")).all()
    assert found.summary.loc["cell.aggregate.n.total", "value"] == 225


def test_no_tissue_and_no_object(look):
    found, by_name = look(np.full((300, 300, 3), 245, np.uint8))
    assert found.tissue_area_mm2 == 0
    assert {item.state for item in by_name.values()} == {"not assessed"}
    assert "no tissue" in found.reason
    found, by_name = look(np.full((300, 300, 3), PINK, np.uint8))
    assert {item.state for item in by_name.values()} == {"absent"}
    assert [item.objects.n for item in by_name.values()] == [0, 0, 0]
    assert np.isnan(found.quality["overlap"]["cell"]["area"])
    assert found.quality["unclaimed_share"] == 1.0


def test_a_slide_smaller_than_a_tile_and_a_single_level_tiff(look, tmp_path):
    image = np.full((40, 60, 3), PINK, np.uint8)
    image[10:20, 10:20] = DARK
    Image.fromarray(image).save(tmp_path / "small.tif")
    with open_slide(tmp_path / "small.tif", mpp=MPP) as slide:
        found, by_name = look(slide, core=768, halo=128)
    assert found.n_tiles == 1
    assert by_name["cell"].objects.area_px.tolist() == [100]
    assert by_name["cell"].labels.shape == (40, 60)
