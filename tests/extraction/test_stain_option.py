"""The `stain` option of a prompts file: from the file to values, provenance and the input hash."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from pathexplain.errors import ConfigError
from pathexplain.extraction import extract
from pathexplain.extraction.store import read_attributes
from pathexplain.prompts import Prompt, StainOptions, read_prompts

MPP = 0.5
HEMATOXYLIN, EOSIN = np.array([0.62, 0.70, 0.36]), np.array([0.20, 0.86, 0.47])


@pytest.fixture
def tissue():
    """A field of two stains, and cells that `color` finds: (80, 40, 120)."""
    rng = np.random.default_rng(3)
    nucleus = rng.random((256, 256)) < 0.4
    dark, light = rng.gamma(9, 0.06, (256, 256)), rng.gamma(3, 0.01, (256, 256))
    amounts = np.stack([np.where(nucleus, dark, light), np.where(nucleus, light, dark)], -1)
    image = np.clip(256 * 10 ** -(amounts @ np.stack([HEMATOXYLIN, EOSIN])) - 1, 0, 255)
    image = image.astype(np.uint8)
    for index in range(12):
        y, x = 20 + 40 * (index // 6), 20 + 36 * (index % 6)
        image[y - 2 : y + 12, x - 2 : x + 12] = (230, 170, 200)
        image[y : y + 10, x : x + 10] = (80, 40, 120)
    return image


@pytest.fixture
def run(save, tissue, segmentor, make_prompts, tmp_path):
    def call(stain, *, slide=tissue, **changes):
        path = save("S1", slide)
        cells = (Prompt(name="cell", text="cells", kind="instances", min_area_um2=20.0),)
        prompts = make_prompts(prompts=cells, features=("shape", "stain"), stain=stain)
        options = {"out": tmp_path / "run", "segmentor": segmentor, "mpp": MPP}
        return extract(path, **{"prompts": prompts, **options, **changes})

    return call


def test_a_prompts_file_says_how_stains_are_told_apart(tmp_path):
    path = tmp_path / "prompts.yaml"
    text = "version: 1\nmpp: 0.5\nprompts: [{text: gland}]\n"
    path.write_text(text)
    assert read_prompts(path).stain == StainOptions()
    path.write_text(text + "stain: {method: macenko, normalize: true, fallback: ruifrok}\n")
    assert read_prompts(path).stain == StainOptions("macenko", normalize=True, fallback="ruifrok")


def test_vectors_are_estimated_recorded_and_used(run, tmp_path):
    summary = run(StainOptions("macenko", normalize=True))
    about = read_attributes(summary.slides[0].store)
    assert about["stain"] == {"method": "macenko", "normalize": True, "fallback": ""}
    found = about["stains"]
    assert found["method"] == "macenko"
    for row, planted in zip(found["matrix"], (HEMATOXYLIN, EOSIN), strict=False):
        cosine = np.dot(row, planted) / np.linalg.norm(planted)
        assert np.degrees(np.arccos(min(cosine, 1))) < 4
    assert found["scale"] != [1, 1, 1]
    table = anndata.read_h5ad(tmp_path / "run" / "slides.h5ad")
    unmixing = np.linalg.inv(np.array(found["matrix"])) * np.array(found["scale"])
    density = -np.log10((np.array([80, 40, 120]) + 1) / 256) @ unmixing
    for stain, expected in zip(("hematoxylin", "eosin"), density, strict=False):
        value = table[:, f"cell.stain.{stain}_mean.mean"].X.item()
        assert value == pytest.approx(expected, abs=1e-6)


def test_stains_that_a_slide_is_not_measured_for_have_no_column(run, tmp_path):
    run(StainOptions())
    names = anndata.read_h5ad(tmp_path / "run" / "slides.h5ad").var_names
    assert "cell.stain.eosin_mean.mean" in names
    assert not [name for name in names if ".stain.dab_" in name]
    run(StainOptions("h-dab"), overwrite=True)
    names = anndata.read_h5ad(tmp_path / "run" / "slides.h5ad").var_names
    assert "cell.stain.dab_mean.mean" in names
    assert not [name for name in names if ".stain.eosin_" in name]


def test_a_changed_option_is_another_input(run):
    run(StainOptions())
    with pytest.raises(ConfigError, match="stain options"):
        run(StainOptions("h-dab"))
    assert run(StainOptions("h-dab"), overwrite=True).slides[0].status == "done"
    assert run(StainOptions("h-dab")).slides[0].status == "skipped"


@pytest.mark.parametrize("fallback", ["", "ruifrok"])
def test_a_failed_estimate_fails_the_slide_unless_told(run, tissue, fallback):
    tissue[:] = (200, 130, 180)
    tissue[100:120, 100:120] = (80, 40, 120)
    (slide,) = run(StainOptions("macenko", fallback=fallback), slide=tissue).slides
    if not fallback:
        assert slide.status == "failed"
        assert "slide S1" in slide.reason
        assert "fallback: ruifrok" in slide.reason
        return
    assert slide.status == "done"
    found = read_attributes(slide.store)["stains"]
    assert found["method"] == "ruifrok"
    assert found["flag"].startswith("macenko failed: ")
