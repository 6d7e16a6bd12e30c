"""Extraction from masks of other tools: the objects of a label image come out as they went in."""

import numpy as np
import pytest
import spatialdata
from PIL import Image
from skimage.measure import label

from pathexplain.errors import ConfigError
from pathexplain.extraction import Tiling, extract
from pathexplain.extraction.store import read_attributes
from pathexplain.prompts import Prompt, PromptSet

MPP = 0.5
TILING = Tiling(core_px=200, halo_px=20)


def stripes_and_disks():
    """600 x 700 px: stripes that touch along a seam, a spiral longer than any tile, disks."""
    labels = np.zeros((600, 700), np.uint16)
    labels[150:200, 20:690] = 11  # ends where the cores of tiles end
    labels[200:250, 20:690] = 12
    labels[300:560, 300:310] = labels[550:560, 300:680] = labels[300:310, 300:680] = 500
    labels[300:500, 670:680] = 500
    y, x = np.mgrid[:600, :700]
    rng = np.random.default_rng(5)
    for number in range(1000, 1060):
        disk = (y - rng.uniform(0, 600)) ** 2 + (x - rng.uniform(0, 700)) ** 2 < 60
        labels[disk & (labels == 0)] = number
    return labels


@pytest.fixture
def labels():
    return stripes_and_disks()


@pytest.fixture
def run(tmp_path, save):
    """Extract one slide with masks from ``tmp_path/masks/field``."""
    prompts = PromptSet(
        version=1,
        mpp=MPP,
        prompts=(
            Prompt(name="gland", text="glands", kind="instances"),
            Prompt(name="tumor", text="tumor", kind="region"),
        ),
    )

    def call(labels, image=None, **changes):
        folder = tmp_path / "masks" / "field"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(folder / "gland.png")
        Image.fromarray(labels).save(folder / "tumor.png")
        pink = np.full((600, 700, 3), (230, 170, 200), np.uint8)
        path = save("field", pink if image is None else image)
        options = {"mpp": MPP, "tiling": TILING, "out": tmp_path / "run", **changes}
        segmentor = f"masks:{tmp_path / 'masks'}"
        return extract(path, prompts=prompts, segmentor=segmentor, **options)

    return call


def stored(summary, name):
    store = spatialdata.read_zarr(summary.slides[0].store)
    objects = store.tables["objects"]
    objects = objects[objects.obs["prompt"] == name]
    areas = np.asarray(objects[:, "shape.area_um2"].X).ravel()
    return np.asarray(store.labels[f"{name}_labels"]["scale0"].ds.to_array()).squeeze(), areas


def test_every_object_survives_tiles_seams_and_glass(run, labels):
    image = np.full((600, 700, 3), 255, np.uint8)
    image[:260, :260] = (230, 170, 200)
    summary = run(labels, image)
    assert summary.exit_code == 0, summary.slides
    about = read_attributes(summary.slides[0].store)
    assert about["n_tiles_tissue"] < about["n_tiles"] == 12
    found, areas = stored(summary, "gland")
    pairs = np.unique(np.stack([found.ravel(), labels.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels)) == len(np.unique(found))
    planted = np.bincount(labels.ravel())[1:]
    np.testing.assert_allclose(np.sort(areas), np.sort(planted[planted > 0]) * MPP**2)
    regions, _ = stored(summary, "tumor")
    expected = label(labels > 0, connectivity=2)
    pairs = np.unique(np.stack([regions.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == expected.max() + 1


def test_without_any_tissue_nothing_is_assessed(run, labels):
    summary = run(labels, np.full((600, 700, 3), 255, np.uint8))
    assert summary.slides[0].reason == "no tissue found, so no prompt was assessed"
    assert read_attributes(summary.slides[0].store)["prompts"]["gland"]["state"] == "not assessed"


def test_changed_masks_are_noticed_and_others_are_not_redone(run, labels):
    first = run(labels)
    assert first.slides[0].status == "done"
    assert run(labels).slides[0].status == "skipped"
    changed = labels.copy()
    changed[labels == 11] = 0
    with pytest.raises(ConfigError, match="changed since: the masks of the slide"):
        run(changed)
    again = run(changed, overwrite=True)
    assert again.slides[0].status == "done"
    assert len(stored(again, "gland")[1]) == len(np.unique(changed)) - 1


def test_a_slide_without_its_masks_fails_with_what_to_do(run, labels, tmp_path, save):
    run(labels)
    other = save("other", np.full((64, 64, 3), 200, np.uint8))
    prompts = PromptSet(
        version=1, mpp=MPP, prompts=(Prompt(name="gland", text="glands", kind="instances"),)
    )
    summary = extract(
        other, prompts=prompts, segmentor=f"masks:{tmp_path / 'masks'}", mpp=MPP, out=tmp_path / "o"
    )
    assert summary.slides[0].status == "failed"
    assert "slide other: no mask of prompt 'gland'" in summary.slides[0].reason
