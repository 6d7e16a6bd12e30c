"""The paper's way 2 where one object alone tells the class: found, held out, and never redone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from pathexplain.diagnosis.attention import AttentionOptions, AttentionResult, attend
from pathexplain.diagnosis.attention.painting import mosaic, paint
from pathexplain.diagnosis.networks.classifiers import load_classifier
from pathexplain.diagnosis.networks.training import TrainingOptions
from pathexplain.diagnosis.perturbation import PerturbationOptions, perturb
from pathexplain.diagnosis.tiles import SlideTiles, TileSpec
from pathexplain.errors import CohortError, ConfigError
from pathexplain.report import write_report
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

N_PATIENTS = 12
SPEC = TileSpec(side_px=64, mpp=1.0)
OPTIONS = AttentionOptions(
    tiles=SPEC,
    training=TrainingOptions(epochs=30, n_networks=1, hidden=16, gates=8, learning_rate=5e-3),
    n_splits=3,
    n_permutations=0,
    n_bootstrap=200,
    n_painted=1,
)


@pytest.fixture(scope="module")
def study(kit: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two slides a patient; boxes are dark in one class and red in the other, blue says nothing."""
    folder = tmp_path_factory.mktemp("slides")
    rng = np.random.default_rng(0)
    is_dark = [index % 2 == 0 for index in range(2 * N_PATIENTS)]
    wanted = [{"dark" if dark else "red": 4, "blue": int(rng.integers(1, 5))} for dark in is_dark]
    labels = kit.write_slides(
        folder,
        wanted,
        ["dark" if dark else "red" for dark in is_dark],
        patients=[f"p{index // 2:02}" for index in range(2 * N_PATIENTS)],
    )
    colors = kit.colors
    segmentor = kit.segmentor({"box": [colors["dark"], colors["red"]], "blue": [colors["blue"]]})
    return {
        "slides": folder,
        "prompts": kit.prompt_set("box", "blue"),
        "labels": labels,
        "target": "dx",
        "segmentor": segmentor,
        "mpp": 1.0,
        "options": OPTIONS,
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attention")


@pytest.fixture(scope="module")
def found(study: dict[str, Any], out: Path) -> AttentionResult:
    return attend(**study, out=out)


class Means:
    """An encoder that sees 4 × 4 px and nothing around them: the mean color and its square."""

    name, fingerprint, sources = "means", "1", ()

    def maps(self, tiles: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(tiles.astype(np.float32) / 255).permute(0, 3, 1, 2)
        mean = torch.nn.functional.avg_pool2d(pixels, 4)
        return torch.cat([mean, mean.square()], dim=1)


def test_the_object_that_tells_the_class_is_found(study: dict[str, Any]) -> None:
    found = attend(**study, encoder=Means())
    assert found.objects == ("box", "blue", "other")
    assert found.model("objects").auroc.value > 0.9
    by_object = {one.object: one for one in found.contributions}
    assert by_object["box"].class_name == "red"
    assert by_object["box"].difference.low > 0
    assert by_object["box"].auroc.value > 0.9
    others = max(abs(by_object[name].difference.value) for name in ("blue", "other"))
    assert by_object["box"].difference.value > 3 * others


def test_patients_are_held_out_whole(found: AttentionResult) -> None:
    held_out = [set(fold.test_patients) for fold in found.folds]
    assert sum(map(len, held_out)) == len(set().union(*held_out)) == N_PATIENTS
    fold_of = {patient: i for i, members in enumerate(held_out) for patient in members}
    assert all(row.fold == fold_of[row.patient] for row in found.slides)
    assert found.n_patients == N_PATIENTS
    assert found.n_slides == 2 * N_PATIENTS


def test_activations_and_bias_are_the_log_odds(found: AttentionResult) -> None:
    odds, total = [], []
    for row in found.slides:
        first, second = row.probabilities["objects"]
        if min(first, second) > 1e-4:
            odds.append(np.log(second / first))
            total.append(sum(v for v in row.activations.values() if np.isfinite(v)))
    gaps = np.array(odds) - np.array(total)
    by_fold = {row.fold for row in found.slides}
    assert len(np.unique(gaps.round(1))) <= 2 * len(by_fold), "one bias a fold"


def test_nothing_is_done_twice(
    study: dict[str, Any], out: Path, found: AttentionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        message = "done already"
        raise AssertionError(message)

    monkeypatch.setattr("pathexplain.diagnosis.networks.study.make_bag", refuse)
    monkeypatch.setattr("pathexplain.diagnosis.networks.fold_training.train_network", refuse)
    assert to_jsonable(attend(**study, out=out)) == to_jsonable(found)


def test_the_folder_is_a_classifier_that_has_not_seen_the_patient(
    study: dict[str, Any], out: Path, found: AttentionResult
) -> None:
    model = load_classifier(out, device="cpu")
    options = PerturbationOptions(tiles=SPEC, n_controls=1, n_bootstrap=100, sets="none")
    given = {key: value for key, value in study.items() if key != "options"}
    result = perturb(classifier=model, options=options, **given)
    mine = {row.slide: row.probabilities for row in result.slides}
    for row in found.slides:
        assert mine[row.slide] == pytest.approx(row.probabilities["plain"], abs=2e-3)
    assert result.effect("box").imp.value > result.effect("blue").imp.value
    assert any("trained without its patient" in note for note in result.notes)


def test_a_report_shows_figures_and_painted_slides(found: AttentionResult, out: Path) -> None:
    written, page = write_report(found, out)
    stored = json.loads(written.read_text(encoding="utf-8"))
    assert stored["gain"]["value"] == pytest.approx(found.gain.value)
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg") == 3 * len(found.painted) == 9
    assert "trained on" in html, "the encoder's sources are told"


def test_too_few_patients_for_the_folds_are_refused_before_any_work(
    study: dict[str, Any],
) -> None:
    labels = study["labels"].assign(patient_id="one")
    with pytest.raises(CohortError, match="1 groups cannot fill 3 folds"):
        attend(**{**study, "labels": labels})


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="n_splits 1"):
        AttentionOptions(n_splits=1)
    with pytest.raises(ConfigError, match="n_permutations is 10"):
        AttentionOptions(n_permutations=10)
    with pytest.raises(ConfigError, match="out of range"):
        TrainingOptions(epochs=0)


def test_painting_puts_every_value_where_its_object_is() -> None:
    masks = np.zeros((2, 1, 4, 4), bool)
    masks[0, 0, :2] = True
    tiles = SlideTiles(
        slide_id="s",
        mpp=1.0,
        origins=np.array([[0, 0], [0, 4]]),
        pixels=np.full((2, 4, 4, 3), 200, np.uint8),
        masks=masks,
        tissue=np.ones((2, 4, 4), bool),
        trained=("trained",),
        thumbnail=np.zeros((2, 2, 3), np.uint8),
        thumbnail_mpp=8.0,
    )
    picture, field = mosaic(tiles, np.array([[1.0, -1.0], [np.nan, np.nan]]))
    assert field[:2, :4].tolist() == [[1.0] * 4] * 2
    assert field[2:, :4].tolist() == [[-1.0] * 4] * 2
    assert np.isnan(field[:, 4:]).all()
    painted = paint(picture, field, limit=1.0).astype(int)
    assert painted[0, 0, 0] > painted[0, 0, 2], "orange towards the class"
    assert painted[3, 0, 2] > painted[3, 0, 0], "blue against it"
    assert painted[0, 5].tolist() == [200, 200, 200]
