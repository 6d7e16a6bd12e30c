"""The paper's way 1 on classifiers whose truth is known: found out, and controls at 1."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pathexplain.diagnosis.perturbation import (
    FunctionClassifier,
    PerturbationOptions,
    PerturbationResult,
    perturb,
)
from pathexplain.diagnosis.tiles import TileSpec
from pathexplain.errors import CohortError, ConfigError
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

    import pandas as pd

N_SLIDES = 16
SIDE = 112
SHARE = 16**2 / SIDE**2
TILE = TileSpec(side_px=SIDE, mpp=1.0)


def softplus(z: float) -> float:
    return float(np.logaddexp(0.0, z))


@pytest.fixture(scope="module")
def squares(
    kit: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Slides with one red square or five, and between one and four blue ones whatever the class."""
    folder = tmp_path_factory.mktemp("squares")
    many = [index % 2 == 1 for index in range(N_SLIDES)]
    wanted = [{"red": 5 if m else 1, "blue": 1 + (i // 2) % 4} for i, m in enumerate(many)]
    labels = ["many" if m else "few" for m in many]
    return folder, kit.write_slides(folder, wanted, labels, shape=(SIDE, SIDE))


def run(
    kit: SimpleNamespace,
    squares: tuple[Path, pd.DataFrame],
    classifier: Any = None,
    **more: Any,
) -> Any:
    folder, labels = squares
    options = more.pop("options", {})
    given = {
        "prompts": kit.prompt_set("red", "blue"),
        "segmentor": kit.segmentor({name: [kit.colors[name]] for name in ("red", "blue")}),
        "labels": labels,
        "target": "dx",
        "mpp": 1.0,
        **more,
    }
    used = PerturbationOptions(**{"tiles": TILE, "n_bootstrap": 200, **options})
    return perturb(folder, classifier=classifier or kit.red_only, options=used, **given)


@pytest.fixture(scope="module")
def found(kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]) -> PerturbationResult:
    fills = ("blur", "mean", "noise")
    result: PerturbationResult = run(kit, squares, options={"fills": fills, "n_controls": 2})
    return result


@pytest.mark.parametrize("fill", ["blur", "mean", "noise"])
def test_a_classifier_that_looks_at_one_object_is_found_out(
    found: PerturbationResult, fill: str
) -> None:
    few, many, none = (60 * (n * SHARE - 0.05) for n in (1, 5, 0))
    before = (softplus(few) + softplus(-many)) / 2
    after = (softplus(none) + softplus(-none)) / 2
    red, blue = found.effect("red", fill), found.effect("blue", fill)
    assert red.imp.value == pytest.approx(after / before)
    assert red.loss_change.value == pytest.approx(after - before)
    assert red.log_odds_change.value == pytest.approx(((few - none) + (none - many)) / 2)
    assert red.imp.low > 1.5
    assert red.p_adjusted < 0.05
    assert red.verdict.startswith("the classifier rests on it")
    by_class = {one.class_name: one.loss_change.value for one in red.by_class}
    assert by_class == pytest.approx(
        {"few": softplus(none) - softplus(few), "many": softplus(-none) - softplus(-many)}
    )
    assert (blue.imp.value, blue.imp.low, blue.imp.high) == (1.0, 1.0, 1.0)
    assert not blue.verdict.startswith("the classifier rests")


@pytest.mark.parametrize("fill", ["blur", "mean", "noise"])
def test_controls_stay_at_one(found: PerturbationResult, fill: str) -> None:
    for prompt in ("red", "blue"):
        control = found.effect(prompt, fill).control_imp
        assert (control.value, control.low, control.high) == (1.0, 1.0, 1.0)
        assert found.effect(prompt, fill).n_slides_control == N_SLIDES


def test_the_classifier_is_judged_first(found: PerturbationResult) -> None:
    assert found.performance.auroc.value == 1.0
    assert found.performance.is_better_than_chance
    assert found.n_patients == N_SLIDES
    assert found.effects[0].n_tests == 6
    assert found.prompts[0].area_share.value == pytest.approx(3 * SHARE, rel=0.01)


def test_a_classifier_at_chance_gets_no_verdict(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]
) -> None:
    def blind(tiles: np.ndarray) -> np.ndarray:
        blue = (tiles == kit.colors["blue"]).all(axis=-1).mean(axis=(1, 2))
        return np.column_stack([np.zeros_like(blue), 60 * (blue - 0.03)])

    result = run(kit, squares, blind, options={"n_controls": 1})
    assert not result.performance.is_better_than_chance
    assert all(one.verdict.startswith("not judged") for one in result.effects)


def test_overlapping_prompts_share_what_they_both_hold(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]
) -> None:
    red, blue = kit.colors["red"], kit.colors["blue"]
    segmentor = kit.segmentor({"red": [red], "ink": [red, blue], "blue": [blue]})
    result = run(
        kit,
        squares,
        prompts=kit.prompt_set("red", "ink", "blue"),
        segmentor=segmentor,
        options={"n_controls": 0},
    )
    share = np.array(result.overlap.share)
    assert share[0].tolist() == [1.0, 1.0, 0.0]
    assert share[1].sum() == pytest.approx(2.0)
    alone = result.effect("red").loss_change.value
    values = {one.prompt: one.value.value for one in result.shapley}
    assert values["red"] == pytest.approx(alone / 2)
    assert values["ink"] == pytest.approx(alone / 2)
    assert values["blue"] == pytest.approx(0.0, abs=1e-12)
    joint = next(one for one in result.sets if len(one.prompts) == 3)
    assert sum(values.values()) == pytest.approx(joint.loss_change.value)
    pair = next(one for one in result.sets if one.prompts == ("red", "ink"))
    assert pair.interaction.value == pytest.approx(-alone)
    assert all(one.verdict == "not judged: no slide has a control" for one in result.effects)


def test_tiles_are_taken_out_of_the_bag(kit: SimpleNamespace, tmp_path: Path) -> None:
    wanted = [{"red": 9 if index % 2 else 0, "blue": 1} for index in range(8)]
    labels = kit.write_slides(tmp_path, wanted, ["no", "yes"] * 4, shape=(192, 192))

    def bag(tiles: np.ndarray) -> np.ndarray:
        z = 50 * kit.red_only(tiles)[:, 1].clip(-3, 3).mean()
        return np.array([0.0, z / 50])

    result = run(
        kit,
        (tmp_path, labels),
        bag,
        unit="slide",
        options={"fills": ("remove",), "tiles": TileSpec(side_px=48, mpp=1.0), "n_controls": 1},
    )
    red = result.effect("red")
    assert (
        red.n_slides
        + sum(n for reason, n in red.n_undefined.items() if not reason.startswith("control"))
        == 8
    )
    assert red.n_undefined["the slide holds none of it"] == 4
    for row in result.slides:
        if row.label == "yes" and np.isfinite(row.losses["remove:0"]):
            assert row.losses["remove:0"] > row.losses["original"]


def test_where_tiles_cannot_be_removed_it_is_said(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]
) -> None:
    red = run(kit, squares, options={"fills": ("remove",), "n_controls": 1}).effect("red")
    assert np.isnan(red.imp.value)
    assert red.n_slides == 0
    assert sum(red.n_undefined.values()) == N_SLIDES
    assert red.verdict == "not judged: no slide has a value"


def test_no_room_for_a_control_is_no_control(kit: SimpleNamespace, tmp_path: Path) -> None:
    labels = kit.write_slides(tmp_path, [{"red": 1}] * 4, ["no", "yes"] * 2)
    segmentor = kit.segmentor({"red": [kit.colors["red"], (225, 170, 205)]})
    result = run(
        kit,
        (tmp_path, labels),
        prompts=kit.prompt_set("red"),
        segmentor=segmentor,
        options={"n_controls": 1},
    )
    effect = result.effect("red")
    assert np.isnan(effect.control_imp.value)
    assert effect.n_undefined == {"control: no room for a control as large as the object": 4}


def test_the_patient_is_the_unit(kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]) -> None:
    folder, labels = squares
    twins = labels.assign(patient_id=[f"p{index // 4}" for index in range(N_SLIDES)])
    result = run(kit, (folder, twins), options={"n_controls": 1})
    assert result.n_patients == 4
    assert result.effect("red").n_patients == 4
    assert result.effect("red").p_value == pytest.approx(1 / 16)
    assert any("4 patients" in note for note in result.notes)


def test_an_interrupted_run_goes_on(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    calls = itertools.count()
    stop_at = 25
    cheap = {"n_controls": 0, "sets": "none", "fills": ("mean",)}

    def counted(tiles: np.ndarray) -> np.ndarray:
        if next(calls) == stop_at:
            raise KeyboardInterrupt
        return kit.red_only(tiles)

    model = FunctionClassifier(counted, fingerprint="1")
    with pytest.raises(KeyboardInterrupt):
        run(kit, squares, model, out=tmp_path, options=cheap)
    done = len(list((tmp_path / "slides").glob("*.json")))
    assert 0 < done < N_SLIDES
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.glob(".tiles-*"))
    result = run(kit, squares, model, out=tmp_path, options=cheap)
    n_calls = next(calls)
    assert result.n_slides == N_SLIDES
    again = run(kit, squares, model, out=tmp_path, options=cheap)
    assert next(calls) == n_calls + 1, "nothing may be run again"
    assert to_jsonable(again) == to_jsonable(result)
    assert run(
        kit, squares, FunctionClassifier(counted, fingerprint="2"), out=tmp_path, options=cheap
    ).n_slides
    assert next(calls) > n_calls + 2, "another classifier is run anew"


def test_pictures_show_what_was_taken_away(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    from PIL import Image

    result = run(kit, squares, out=tmp_path, options={"fills": ("mean",), "n_controls": 1})
    assert {one.level for one in result.exemplars} == {"most", "middle", "least"}
    for prompt in ("red", "blue"):
        rows = [one for one in result.exemplars if one.prompt == prompt]
        assert len({one.patient for one in rows}) == len(rows) == 3
    one = next(row for row in result.exemplars if row.prompt == "red")
    parts = {
        part: np.asarray(Image.open(tmp_path / f"{one.picture}-{part}")).astype(int)
        for part in ("tile.jpg", "filled.jpg", "control.jpg", "mask.png")
    }
    mask = parts["mask.png"] > 0
    inner = np.zeros_like(mask)
    inner[2:-2, 2:-2] = mask[4:, 2:-2] & mask[:-4, 2:-2] & mask[2:-2, 4:] & mask[2:-2, :-4]
    assert np.abs(parts["filled.jpg"] - parts["tile.jpg"])[inner].mean() > 40
    assert np.abs(parts["control.jpg"] - parts["tile.jpg"])[inner].mean() < 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fills": ("smear",)}, "smear"),
        ({"fills": ("blur", "blur")}, "each once"),
        ({"control_region": "moon"}, "moon"),
        ({"sets": "some"}, "some"),
        ({"blur_um": 0.0}, "blur_um"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        PerturbationOptions(**options)


def test_labels_that_are_no_classes_are_named(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame]
) -> None:
    with pytest.raises(CohortError, match="few, many of 'dx' are no classes"):
        run(kit, squares, classes=("low", "high"))


@pytest.mark.parametrize(
    ("logits", "says"),
    [([[0.0]], r"\(0, z\)"), ([[0.0, np.nan]], "NaN"), ([[0.0, 1.0]] * 2, "must be")],
)
def test_bad_logits_stop_the_analysis(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame], logits: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        run(kit, squares, lambda _: logits)


def test_a_broken_slide_is_counted_and_the_others_go_on(
    kit: SimpleNamespace, squares: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    folder, labels = squares
    for path in list(folder.glob("*.png"))[:8]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = sorted(tmp_path.glob("*.png"))[0]
    broken.write_bytes(broken.read_bytes()[:200])
    result = run(kit, (tmp_path, labels), options={"n_controls": 0})
    assert [one.slide for one in result.lost] == [broken.stem]
    assert result.n_slides == 7
    assert any("could not be used" in note for note in result.notes)


def test_results_are_json_without_nan(found: PerturbationResult, tmp_path: Path) -> None:
    from pathexplain.report import write_report

    written, page = write_report(found, tmp_path)
    stored = json.loads(written.read_text(encoding="utf-8"))
    assert stored["effects"][0]["imp"]["value"] == found.effects[0].imp.value
    assert "<svg" in page.read_text(encoding="utf-8")
