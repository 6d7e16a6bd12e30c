"""The quality record against planted truth: overlaps, unclaimed tissue, merged objects, focus."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from pathexplain.errors import ConfigError
from pathexplain.extraction import Tiling, extract
from pathexplain.extraction.quality import focus_of
from pathexplain.extraction.segmenting import Seen
from pathexplain.extraction.store import read_attributes
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.slides import TileWindow, Tissue

MPP = 0.5
PINK, DARK, RED = (230, 170, 200), (80, 40, 120), (190, 40, 60)


class Boxes:
    """Finds pixels by channel, so that prompts overlap: blue below 130, or red below 200."""

    name, licence, weights_sha256 = "boxes", "none", None

    def describe(self, prompt):
        return "trained", prompt.name, 1.0

    def segment(self, image, prompts, *, mpp):
        from pathexplain.segmentor.segmentation import Segmentation

        rules = {"blue": image[..., 2] < 130, "red": image[..., 0] < 200}
        planes = np.stack([rules[item.name] for item in prompts]).astype(np.float32)
        return Segmentation(
            prompts=tuple(prompts),
            probabilities=planes,
            presence=planes.max(axis=(1, 2)),
            mpp=mpp,
            interiors=(None,) * len(planes),
            trained=("trained",) * len(planes),
        )


@pytest.fixture
def prompts():
    return PromptSet(
        version=1,
        mpp=MPP,
        prompts=(
            Prompt(name="blue", text="blue", kind="instances"),
            Prompt(name="red", text="red", kind="region"),
        ),
        features=("shape",),
    )


def painted():
    """400 x 400 px of pink with 30 dark disks of radius 6, 10 pairs of them, and a red band."""
    image = np.full((400, 400, 3), PINK, np.uint8)
    y, x = np.mgrid[:400, :400]
    for index in range(30):
        row, column = divmod(index, 6)
        centers = [(30 + 60 * row, 30 + 60 * column)]
        if index < 10:
            centers.append((centers[0][0], centers[0][1] + 12.5))
        for center_y, center_x in centers:
            image[(y - center_y) ** 2 + (x - center_x) ** 2 <= 6.2**2] = DARK
    image[340:380] = (190, 160, 190)
    return image


def quality_of(summary):
    return read_attributes(summary.slides[0].store)["quality"]


def run(path, prompts, out, **options):
    return extract(path, prompts=prompts, out=out, segmentor=Boxes(), mpp=MPP, **options)


def test_overlap_unclaimed_and_merged_are_the_planted_ones(save, prompts, tmp_path):
    image = painted()
    summary = run(
        save("a", image), prompts, tmp_path / "run", tiling=Tiling(core_px=150, halo_px=40)
    )
    found = quality_of(summary)
    dark = (image[..., 2] < 130).sum()
    pale = (image[..., 0] < 200).sum()
    assert found["overlap"]["blue"]["red"] == 1.0
    assert found["overlap"]["red"]["blue"] == pytest.approx(dark / pale)
    assert found["unclaimed_share"] == pytest.approx(1 - pale / image[..., 0].size)
    assert found["merged_share"]["blue"] == pytest.approx(10 / 30)
    assert found["merged_share"]["red"] is None
    table = pd.read_csv(tmp_path / "run" / "quality.csv")
    assert table["slide_id"].tolist() == ["a"]
    assert table.loc[0, "overlap.red.blue"] == pytest.approx(dark / pale)
    assert table["merged_share.red"].isna().all()
    assert table.loc[0, "tissue_area_mm2"] == pytest.approx(400**2 * MPP**2 * 1e-6)


def test_a_blurred_slide_has_less_focus(save, prompts, tmp_path):
    image = painted()
    image = np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255)
    sharp = image.astype(np.uint8)
    soft = ndimage.gaussian_filter(sharp, (2, 2, 0))
    summary = run([save("sharp", sharp), save("soft", soft)], prompts, tmp_path / "run")
    one, other = (read_attributes(slide.store)["quality"] for slide in summary.slides)
    assert one["focus"] > 5 * other["focus"]


def roi(folder, name, *squares):
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]],
            },
            "properties": {"objectType": "annotation"},
        }
        for y0, x0, y1, x1 in squares
    ]
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_roi_leaves_out_what_lies_outside(save, prompts, tmp_path):
    path = save("a", painted())
    inside = roi(tmp_path / "roi", "a", (0, 0, 100, 400), (320, 0, 360, 200))
    # The first square holds the centers of rows 1 and 2, the second a part of the band alone.
    options = {"tiling": Tiling(core_px=150, halo_px=40), "roi": inside.parent}
    summary = run(path, prompts, tmp_path / "run", **options)
    about = read_attributes(summary.slides[0].store)
    assert about["prompts"]["blue"]["n_objects"] == 12
    assert about["tissue_area_mm2"] == pytest.approx(
        (100 * 400 + 40 * 200) * MPP**2 * 1e-6, rel=0.02
    )
    assert run(path, prompts, tmp_path / "run", **options).slides[0].status == "skipped"
    roi(tmp_path / "roi", "a", (0, 0, 100, 400))
    with pytest.raises(ConfigError, match="region of interest"):
        run(path, prompts, tmp_path / "run", **options)


def test_a_slide_without_its_roi_fails_by_name(save, prompts, tmp_path):
    other = roi(tmp_path / "roi", "b", (0, 0, 100, 100))
    summary = run(save("a", painted()), prompts, tmp_path / "run", roi=other.parent)
    assert summary.exit_code == 1
    assert "a.geojson" in summary.slides[0].reason
    with pytest.raises(ConfigError, match="no regions of interest"):
        run(save("a", painted()), prompts, tmp_path / "run", roi=tmp_path / "nowhere")


def test_focus_is_that_of_tiles_whose_middle_is_tissue():
    mask = np.zeros((100, 200), bool)
    mask[:, :100] = True
    tissue = Tissue(mask, np.zeros((100, 200, 3), np.uint8), mpp=8.0)
    seen = Seen((Prompt(name="red", text="red", kind="region"),), tissue, MPP)
    sharp = np.random.default_rng(0).integers(100, 200, (800, 800, 3)).astype(np.uint8)
    for left in (0, 800, 1600, 2400):
        tile = TileWindow(0, left, 800, 800, 0, left, 800, left + 800)
        seen.add(tile, sharp if left < 1600 else np.full_like(sharp, 244), _nothing())
    assert seen.focus == [focus_of(sharp)] * 2


def _nothing():
    """Segmentation of one pixel without anything."""
    from pathexplain.segmentor.segmentation import Segmentation

    one = (Prompt(name="red", text="red", kind="region"),)
    blank, unlike = np.zeros((1, 1, 1), np.float32), np.zeros(1, np.float32)
    return Segmentation(one, blank, unlike, MPP, (None,), ("trained",))
