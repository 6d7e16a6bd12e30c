"""`robustness`: conditions do what they say, results can be resumed, and agree where they must."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from pathexplain.errors import CohortError, ConfigError
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.robustness import (
    icc_2_1,
    read_robustness,
    robust_features,
    robustness,
)
from pathexplain.robustness.conditions import make_conditions
from pathexplain.robustness.perturbing import RestainedSlide, moved_boundaries, with_boundaries
from pathexplain.robustness.reading import ICC_COLUMNS
from pathexplain.segmentor.assessment.perturbations import restained
from pathexplain.segmentor.segmentation import Segmentation
from pathexplain.slides import ArraySlide

MPP = 0.5
PINK, DARK = (230, 170, 200), (80, 40, 120)


class DarkSegmentor:
    """Probability from darkness: 0 at 180, 1 at 60, so that thresholds and stains matter."""

    name = "dark"
    licence = "none"
    weights_sha256 = None

    def __init__(self):
        self.n_calls = 0

    def describe(self, prompt):
        return "trained", prompt.name, 1.0

    def segment(self, image, prompts, *, mpp):
        self.n_calls += 1
        level = np.clip((180 - image[..., 1].astype(np.float32)) / 120, 0, 1)
        return Segmentation(
            prompts=tuple(prompts),
            probabilities=np.stack([level] * len(prompts)),
            presence=np.ones(len(prompts), np.float32),
            mpp=mpp,
            interiors=(None,) * len(prompts),
            trained=("trained",) * len(prompts),
        )


PROMPTS = PromptSet(
    1,
    mpp=MPP,
    prompts=(
        Prompt(name="cell", text="cells", kind="instances", paraphrases=("nuclei", "dots")),
        Prompt(name="area", text="areas", kind="region"),
    ),
    features=("shape", "region"),
)


N_SLIDES = 4
TRIED = ("boundary", "mpp", "paraphrase")


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Four fields; cells grow from field to field."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("slides")
    y, x = np.mgrid[:128, :128]
    for index in range(N_SLIDES):
        image = np.full((128, 128, 3), PINK, np.uint8)
        for _ in range(12):
            cy, cx = rng.uniform(10, 118, 2)
            image[np.hypot(y - cy, x - cx) < 4 + index] = DARK
        image = ndimage.gaussian_filter(image, (1, 1, 0))
        Image.fromarray(image).save(folder / f"s{index}.png")
    return folder


def run(slides, out, **changes):
    options = {"prompts": PROMPTS, "out": out, "segmentor": DarkSegmentor(), "mpp": MPP}
    return robustness(slides, **(options | changes))


@pytest.fixture(scope="module")
def done(slides, tmp_path_factory):
    """One study that several tests read; none changes it."""
    return run(slides, tmp_path_factory.mktemp("study"), perturbations=TRIED)


def test_a_study_from_slides_to_agreement(done):
    assert done.exit_code == 0
    assert done.conditions == (
        "reference", "eroded", "dilated", "mpp_fine", "mpp_coarse", "paraphrase_1", "paraphrase_2",
    )  # fmt: skip
    table = pd.read_csv(done.out / "icc.csv")
    assert list(table.columns) == list(ICC_COLUMNS)
    assert set(table["perturbation"]) == {*TRIED, "all"}
    name = "cell.shape.area_um2.median"
    area = table[table["feature"] == name].set_index("perturbation")
    # the wording changes nothing here; a pixel more or less all around changes areas most
    assert area.loc["paraphrase", "icc"] == pytest.approx(1)
    assert area.loc["boundary", "icc"] < area.loc["mpp", "icc"] <= 1
    assert (area["icc_low"] <= area["icc"]).all()
    assert area.loc["all", ["n_patients", "n_conditions"]].tolist() == [N_SLIDES, 7]
    tables = {
        condition: pd.read_csv(done.out / f"patients_{condition}.csv")
        for condition in done.conditions
    }
    assert all(table.columns[0] == "patient_id" for table in tables.values())
    assert (tables["eroded"][name] < tables["reference"][name]).all()
    assert (tables["dilated"][name] > tables["reference"][name]).all()
    about = json.loads((done.out / "robustness.json").read_text())
    assert about["provenance"]["versions"]
    assert [c["name"] for c in about["conditions"]] == list(done.conditions)


def test_the_numbers_are_those_of_the_patient_tables(done):
    feature = "area.region.area_mm2.total"
    values = [
        pd.read_csv(done.out / f"patients_{name}.csv")[feature]
        for name in ("reference", "eroded", "dilated")
    ]
    expected = icc_2_1(np.stack(values, axis=1))
    table = done.table.set_index(["feature", "perturbation"])
    found = table.loc[(feature, "boundary")]
    assert found["icc"] == pytest.approx(expected.icc)
    assert found["icc_high"] == pytest.approx(expected.high)


def test_an_interrupted_study_is_finished_and_a_finished_one_measures_nothing(
    slides, done, tmp_path
):
    def stop(_stage, n_done, _total):
        if n_done == 5:
            raise KeyboardInterrupt

    only = {"perturbations": ["boundary"]}
    with pytest.raises(KeyboardInterrupt):
        run(slides, tmp_path, progress=stop, **only)
    model = DarkSegmentor()
    resumed = run(slides, tmp_path, segmentor=model, **only)
    assert model.n_calls == 3 * N_SLIDES - 5
    whole = done.table[done.table["perturbation"] == "boundary"]
    part = resumed.table[resumed.table["perturbation"] == "boundary"]
    pd.testing.assert_frame_equal(part.reset_index(drop=True), whole.reset_index(drop=True))
    assert not list(tmp_path.glob(".planes-*"))
    again = DarkSegmentor()
    run(slides, tmp_path, segmentor=again, **only)
    assert again.n_calls == 0
    with pytest.raises(ConfigError, match="other inputs"):
        run(slides, tmp_path, prompts=replace(PROMPTS, mpp=1.0), **only)


def test_unknown_perturbations_are_refused(slides, tmp_path):
    with pytest.raises(ConfigError, match="no perturbation 'blur'"):
        run(slides, tmp_path, perturbations=["blur"])


def test_a_slide_that_fails_is_named_and_patients_are_the_unit(slides, tmp_path):
    folder = tmp_path / "slides"
    shutil.copytree(slides, folder)
    (folder / "s9.png").write_bytes(b"no image")
    file = tmp_path / "patients.csv"
    file.write_text("slide_id,patient_id\ns0,A\ns1,A\ns2,B\ns3,C\ns9,D\n")
    found = run(folder, tmp_path / "r", patients=file, perturbations=[])
    assert found.exit_code == 3
    assert len(found.failed) == 1
    assert found.failed[0].startswith("s9, reference: ")
    assert found.n_patients == 3


def test_features_are_kept_or_dropped_with_a_reason(done):
    names = ["cell.shape.area_um2.median", "area.shape.solidity.skewness", "no.such.feature.mean"]
    kept, dropped = robust_features(done.out, names, min_icc=-1.0)
    assert kept == tuple(names[:1])
    assert "needs 3" in dropped[names[1]]
    assert "not measured" in dropped[names[2]]
    _, dropped = robust_features(done.out, names[:1], min_icc=1.0)
    assert "< 1" in dropped[names[0]]
    with pytest.raises(CohortError, match="no perturbation 'stain'"):
        robust_features(done.out, names, perturbation="stain")
    with pytest.raises(CohortError, match="cannot be read"):
        read_robustness(done.out / "nowhere")


def test_boundaries_move_by_a_pixel():
    rng = np.random.default_rng(2)
    labels, _ = ndimage.label(ndimage.gaussian_filter(rng.normal(size=(60, 70)), 3) > 0.05)
    labels = labels.astype(np.int32)
    cross = ndimage.generate_binary_structure(2, 1)
    smaller, larger = moved_boundaries(labels, -1), moved_boundaries(labels, 1)
    np.testing.assert_array_equal(
        smaller > 0, ndimage.binary_erosion(labels > 0, cross, border_value=1)
    )
    np.testing.assert_array_equal(larger > 0, ndimage.binary_dilation(labels > 0, cross))
    assert (smaller[smaller > 0] == labels[smaller > 0]).all()
    assert (larger[labels > 0] == labels[labels > 0]).all()


def test_stains_change_on_reading_and_nothing_else():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    slide = ArraySlide(pixels, mpp=MPP, slide_id="a")
    changed = RestainedSlide(slide, 1.2, 1.0)
    assert (changed.slide_id, changed.mpp, changed.shape) == ("a", MPP, (64, 64))
    np.testing.assert_array_equal(
        changed.read(0, 0, 64, 64, MPP), restained(pixels, hematoxylin=1.2)
    )


def test_conditions_of_thresholds_mpp_and_wordings():
    made = {c.name: c for c in make_conditions(PROMPTS)}
    assert [p.threshold for p in made["threshold_high"].prompts.prompts] == [0.6, 0.6]
    assert made["mpp_fine"].prompts.mpp == pytest.approx(0.45)
    assert [p.text for p in made["paraphrase_2"].prompts.prompts] == ["dots", "areas"]
    term = Prompt.from_text("nuclei-level lymphocyte in breast pathology")
    words = make_conditions(PromptSet(1, mpp=MPP, prompts=(term,)), perturbations=["paraphrase"])
    assert all(c.prompts.prompts[0].text != term.text for c in words[1:])
    assert all("breast" in c.prompts.prompts[0].text for c in words[1:])
    # looked up in the vocabulary, they would all be one prompt
    assert [c.prompts.prompts[0].object for c in words[:2]] == ["lymphocyte", None]


def test_other_boundaries_are_of_the_same_objects():
    image = np.full((60, 60, 3), 255, np.uint8)
    image[10:14, 10:14] = image[30:36, 30:36] = image[0:3, 20:24] = 0
    cell = Prompt(name="cell", text="cells", kind="instances")
    for pixels, areas in ((-1, {4, 16}), (1, {32, 60, 22})):
        whole = with_boundaries(DarkSegmentor(), pixels, least_um2={})
        objects = whole.segment(image, [cell], mpp=MPP).objects[0]
        assert set(np.bincount(objects.ravel())[1:]) - {0} == areas
        # 4 um^2 are 16 pixels: less is dropped, but at the edge, where it may go on
        moved = with_boundaries(DarkSegmentor(), pixels, least_um2={"cell": 4.1})
        objects = moved.segment(image, [cell], mpp=MPP).objects[0]
        assert objects[12, 12] == 0
        assert objects[33, 33] > 0
        assert objects[0, 21] > 0


def test_a_segmentor_with_other_boundaries_keeps_its_name():
    moved = with_boundaries(DarkSegmentor(), -1, least_um2={})
    assert (moved.name, moved.describe(PROMPTS.prompts[0])[0]) == ("dark", "trained")
