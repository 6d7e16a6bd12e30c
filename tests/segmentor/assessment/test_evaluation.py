"""An evaluation of planted answers: every figure by hand, broken images named, JSON and back."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.examples import choose_examples, show_examples
from pathexplain.segmentor.assessment.measuring import measure
from pathexplain.segmentor.assessment.tiles import measure_tile, summarise_tiles
from pathexplain.segmentor.datasets.reading import IGNORE
from pathexplain.segmentor.evaluation import (
    evaluate,
    evaluate_fields,
    open_fields,
    read_evaluation,
    write_images,
)
from pathexplain.segmentor.phrasing import NONSENSE
from pathexplain.serialization import to_jsonable, write_json

HALF = np.zeros((40, 40), np.uint8)
HALF[:, 20:] = 1
NOTHING = np.zeros_like(HALF)


def constant(plane, presence=0.9):
    return lambda prompt, image, mpp: (plane.astype(float), presence)


def test_pixels_are_counted_where_they_are_known(planted, make_field):
    target = HALF.copy()
    target[:10] = IGNORE
    found = np.ones_like(HALF)
    (score,) = measure(planted(constant(found)), make_field({"tumor": target}), index=0).scores
    assert score.values["dice"] == pytest.approx(2 / 3)
    assert score.values["iou"] == pytest.approx(1 / 2)
    assert (score.values["found"], score.values["truth"]) == (30 * 40, 30 * 20)
    assert score.is_there is True


def test_pooled_pixels_also_count_images_without_the_class(planted, make_field):
    fields = [
        make_field({"tumor": HALF}, name="a", patient="p"),
        make_field({"tumor": NOTHING}, name="b", patient="q"),
    ]
    result = evaluate_fields(planted(constant(HALF)), fields)
    (score,) = result.scores
    assert (score.dice.mean, score.dice.n_images) == (1.0, 1)
    assert score.pooled_dice.mean == pytest.approx(2 * 800 / (1600 + 800))
    assert (score.pooled_dice.n_images, score.pooled_dice.n_units) == (2, 2)
    assert score.resampled == "patients"
    assert result.presence is not None
    assert result.presence.empty_annotated.mean == 0.0


def test_an_image_of_the_class_alone_or_of_none_has_no_dice(planted, make_field):
    everything = np.ones_like(HALF)
    for target in (everything, np.where(HALF == 0, IGNORE, 1)):
        field = make_field({"tumor": target})
        (score,) = measure(planted(constant(HALF)), field, index=0).scores
        assert "dice" not in score.values
        assert score.is_there is True


def test_absent_masks_are_empty_and_pairs_are_sorted(planted, make_field):
    field = make_field({"tumor": HALF, "stroma": NOTHING})
    field = dataclasses.replace(field, absent=("glomerulus", "stroma"))

    def plan(prompt, image, mpp):
        return np.ones((40, 40)), {"tumor": 0.8, "stroma": 0.6}.get(prompt.object, 0.1)

    model = planted(plan)
    pairs = measure(model, field, index=5).pairs
    assert model.n_passes == 1
    sorts = [(pair.sort, pair.is_there, pair.is_empty) for pair in pairs]
    assert sorts[:3] == [
        ("annotated", True, False),
        ("annotated", False, False),
        ("impossible", False, True),
    ]
    assert [sort for sort, _, _ in sorts[3:]] == ["nonsense"] * 3 + ["unseen nonsense"] * 2
    assert all(is_empty and not is_there for _, is_there, is_empty in sorts[3:])


def test_nonsense_that_is_called_unseen_is_in_no_training_list():
    from pathexplain.segmentor.assessment.measuring import UNSEEN_NONSENSE

    assert set(UNSEEN_NONSENSE).isdisjoint(NONSENSE)


def test_objects_are_scored_where_the_source_separates_those_of_the_class(planted, make_field):
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[25:35, 5:15], labels[25:35, 25:35] = 1, 2, 3
    targets = {"gland": labels > 0, "malignant gland": labels == 1}
    field = dataclasses.replace(make_field(targets), instances=labels)

    def plan(prompt, image, mpp):
        return (labels == 1).astype(float), 0.9

    model = planted(plan)
    gland, malignant = measure(model, field, index=0).scores
    # one of three objects, exact, but 25 µm² is a speck: nothing is left
    assert gland.values["f1"] == 0.0
    assert "f1" not in malignant.values
    wide = dataclasses.replace(field, mpp=2.0)
    gland, _ = measure(model, wide, index=0).scores
    assert gland.values["f1"] == pytest.approx(2 * 1 / (1 + 3))
    assert gland.values["aji"] == pytest.approx(1 / 3)
    assert gland.values["object_dice"] == pytest.approx((1 / 3 + 1) / 2)


def test_official_parts_of_a_source_stand_beside_it(planted, make_field):
    names = ("testA_1.png", "testB_1.png", "testB_2.png")
    fields = [make_field({"gland": HALF}, source="glas", name=name) for name in names]
    result = evaluate_fields(planted(constant(HALF)), fields)
    found = {score.source: score.dice.n_images for score in result.scores}
    assert found == {"glas": 3, "glas test A": 1, "glas test B": 2}


def test_tiles_are_taken_for_the_tissue_seen_most_of(planted, make_field):
    labels = ("adipose", "mucus", "mucus", "debris")
    fields = [
        make_field({}, source="crc_tiles", kind="tile label", label=label, patient=f"p{i}")
        for i, label in enumerate(labels)
    ]
    seen = {"adipose": 0.6, "mucus": 0.4, "stroma": 0.9}

    def plan(prompt, image, mpp):
        return np.full((40, 40), seen.get(prompt.object, 0.0)), 0.9

    model = planted(plan, taught=("adipose", "mucus"))
    candidates = {"crc_tiles": ("adipose", "mucus", "necrosis", "stroma")}
    tiles = [measure_tile(model, field, candidates=candidates) for field in fields]
    (score,) = summarise_tiles(tiles)
    assert score.candidates == ("adipose", "mucus")
    assert score.n_untaught == 1
    assert score.accuracy.mean == pytest.approx(1 / 3)
    recalls = {r.object: (r.recall.mean, r.called_present.mean) for r in score.recalls}
    assert recalls == {"adipose": (1.0, 1.0), "mucus": (0.0, 0.0)}
    (open_score,) = evaluate_fields(model, fields[:3]).tiles
    assert open_score.candidates == ("adipose", "mucus")


def test_centres_are_found_within_six_um(planted, tmp_path, make_field):
    (tmp_path / "images").mkdir()
    rows = ["image,x_px,y_px,type", "a.png,10,10,epithelial", "a.png,30,30,fibroblast"]
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n")
    blank = np.full((40, 40), IGNORE, np.uint8)
    targets = {"nucleus": blank, "epithelial": blank, "inflammatory": HALF}
    name = str(tmp_path / "images" / "a.png")
    field = make_field(targets, source="crchisto", kind="points", name=name)
    disk = np.hypot(*(np.mgrid[:40, :40] - 12)) < 6
    scores = measure(planted(constant(disk)), field, index=0).scores
    values = {score.object: score.values for score in scores}
    assert values["nucleus"]["detection_f1"] == pytest.approx(2 / 3)
    assert values["epithelial"]["detection_f1"] == 1.0
    assert all("dice" not in found for found in values.values())
    assert {s.object: s.is_there for s in scores}["nucleus"] is True


@pytest.mark.parametrize(("row", "precision"), [(90, 1.0), (40, 0.5)])
def test_what_is_found_where_nobody_looked_does_not_count(
    planted, tmp_path, make_field, row, precision
):
    """Centres reach down to row 12, so 15 µm below, row 42, the annotation ends."""
    (tmp_path / "images").mkdir()
    rows = ["image,x_px,y_px,type", "a.png,12,12,epithelial", "a.png,90,10,fibroblast"]
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n")
    blank = np.full((100, 100), IGNORE, np.uint8)
    name = str(tmp_path / "images" / "a.png")
    field = make_field({"epithelial": blank}, source="crchisto", kind="points", name=name)
    yy, xx = np.mgrid[:100, :100]
    found = (np.hypot(yy - 12, xx - 12) < 5) | (np.hypot(yy - row, xx - 50) < 5)
    (score, *_) = measure(planted(constant(found)), field, index=0).scores
    assert score.values["detection_precision"] == precision
    assert score.values["detection_recall"] == 1.0


def test_a_broken_image_is_named_and_the_others_are_measured(manifest, tmp_path):
    names = open_fields(manifest, split="train").names
    Path(names[1]).write_bytes(b"no picture")
    result = evaluate("stain", data=manifest, split="train")
    assert [skipped.image for skipped in result.skipped] == [names[1]]
    assert "cannot identify image file" in result.skipped[0].reason
    assert result.n_images == len(names) - 1 == result.scores[0].dice.n_images
    for index in range(8):
        (tmp_path / f"{index}.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"none of 1 images could be measured: Unidentified"):
        evaluate("stain", data=manifest)


def test_a_split_that_is_not_there_is_refused(manifest):
    with pytest.raises(ConfigError, match="no annotated image of split 'tset'"):
        evaluate("stain", data=manifest, split="tset")


def test_a_table_of_a_dataset_is_evaluated_too(manifest, tmp_path):
    table = tmp_path / "dataset.csv"
    prompt = "nuclei-level nucleus in breast pathology"
    table.write_text(
        "image,mask,prompt,mpp,split,patient\n"
        f"7.png,7_mask.png,{prompt},0.25,test,p7\n6.png,,tissue-level tumor,0.25,test,p6\n"
    )
    result = evaluate("stain", data=table)
    (theirs,) = evaluate("stain", data=manifest).scores
    (score,) = result.scores
    assert (score.source, score.resampled) == ("own", "patients")
    assert score.dice.mean == theirs.dice.mean
    assert score.aji.mean == theirs.aji.mean
    assert result.n_images == 2
    assert result.presence is not None
    assert result.presence.auroc_annotated.n_images == 2


def test_figures_come_back_from_json_and_images_stand_in_a_table(manifest, tmp_path):
    result = evaluate("stain", data=manifest, robustness=1, split="train")
    path = write_json(tmp_path / "evaluation.json", result)
    assert "images" not in json.loads(path.read_text())
    again = read_evaluation(path)
    assert to_jsonable(again) == to_jsonable(result)
    assert again.scores[0].dice == result.scores[0].dice
    assert again.presence is not None
    assert math.isnan(again.presence.reliability[7].mean_presence)
    assert again.robustness
    assert again.wordings
    table = write_images(tmp_path / "images.csv", result.images).read_text().splitlines()
    assert table[0].startswith("source,image,unit,object,presence,is_there,dice")
    assert len(table) == 1 + len(result.images)
    (tmp_path / "other.json").write_text('{"segmentor": "x"}')
    with pytest.raises(ConfigError, match="not an evaluation"):
        read_evaluation(tmp_path / "other.json")


def test_best_median_and_worst_are_chosen_and_shown(planted, make_field):
    targets = [HALF.copy() for _ in range(5)]
    for index, target in enumerate(targets):
        target[: 8 * index] = 0
    fields = [make_field({"tumor": t}, name=f"{i}.png") for i, t in enumerate(targets)]
    model = planted(constant(HALF))
    result = evaluate_fields(model, fields)
    choices = choose_examples(result.images)
    assert {c.rank: c.image for c in choices} == {
        "best": "0.png", "median": "2.png", "worst": "4.png"
    }  # fmt: skip
    examples = list(show_examples(model, fields, choices))
    for example in examples:
        np.testing.assert_array_equal(example.truth, targets[example.choice.index])
        np.testing.assert_array_equal(example.found, HALF)
    assert {c.rank for c in choose_examples(result.images[:1])} == {"worst"}
    assert {c.rank for c in choose_examples(result.images[:2])} == {"best", "worst"}


def test_images_are_read_at_their_own_resolution(manifest, planted):
    sizes = []

    def plan(prompt, image, mpp):
        sizes.append((image.shape, mpp))
        return np.zeros(image.shape[:2]), 0.1

    evaluate(planted(plan), data=manifest)
    with Image.open(manifest.parent / "7.png") as file:
        assert set(sizes) == {((file.height, file.width, 3), 0.25)}
