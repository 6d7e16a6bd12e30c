"""`perturb` and `attend` from the shell: options handed over, files written, faults said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pathexplain.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """
import numpy as np

def load():
    return lambda tiles: [[0.0, 0.2 * (150 - float(tile.mean()))] for tile in tiles]
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Four slides: two with a dark square, which the classifier goes by."""
    (tmp_path / "slides").mkdir()
    for index in range(4):
        image = np.full((96, 96, 3), (225, 170, 205), np.uint8)
        side = 70 if index % 2 else 12
        image[10 : 10 + side, 10 : 10 + side] = (90, 60, 140)
        Image.fromarray(image).save(tmp_path / "slides" / f"s{index}.png")
    (tmp_path / "mine.py").write_text(ENTRY, encoding="utf-8")
    prompts = "version: 1\nmpp: 1.0\nprompts:\n  - {text: nuclei, min_area_um2: 0}\n"
    (tmp_path / "prompts.yaml").write_text(prompts, encoding="utf-8")
    rows = [f"s{i},p{i},{'dark' if i % 2 else 'bright'}" for i in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["slide_id,patient_id,dx", *rows]), "utf-8")
    return [
        str(tmp_path / "slides"), "--prompts", str(tmp_path / "prompts.yaml"),
        "--labels", str(tmp_path / "labels.csv"), "--target", "dx", "--mpp", "1",
        "--segmentor", "stain", "--tile-px", "96", "--out", str(tmp_path / "out"),
    ]  # fmt: skip


def test_perturb_writes_a_report_and_figures(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--classifier", f"{tmp_path / 'mine.py'}:load", "--classes", "bright,dark"]
    more += ["--fills", "mean,remove", "--controls", "1", "--figures"]
    assert main(["perturb", *words, *more]) == 0
    shown = capsys.readouterr()
    names = [f"{tmp_path / 'out' / 'perturbation'}.{kind}" for kind in ("json", "html")]
    assert shown.out.split() == names
    assert "note: 4 patients" in shown.err
    result = json.loads((tmp_path / "out" / "perturbation.json").read_text(encoding="utf-8"))
    assert result["classes"] == ["bright", "dark"]
    assert result["settings"]["fills"] == ["mean", "remove"]
    assert [one["fill"] for one in result["effects"]] == ["mean", "remove"]
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"importance-mean.svg", "importance-mean.png"} <= figures


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--classifier", "weights.pt"], "can run anything when it is read"),
        (["--classifier", "nowhere"], "give a directory of transformers"),
        (["--classifier", "MINE:load", "--fills", "smear"], "smear"),
        (["--classifier", "MINE:load", "--target", "grade"], "'grade'"),
        (["--classifier", "MINE:load", "--classes", "a,b"], "no classes of the classifier"),
        (["--classifier", "MINE:load", "--sets", "some"], "some"),
    ],
)
def test_wrong_input_is_named_before_any_work(
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    says: str,
) -> None:
    more = [word.replace("MINE", str(tmp_path / "mine.py")) for word in more]
    if "--target" in more:
        at = words.index("--target")
        del words[at : at + 2]
    assert main(["perturb", *words, *more]) == 2
    assert says in capsys.readouterr().err


def test_attend_hands_over_its_options(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    made: dict[str, Any] = {}

    class Result:
        notes = ("few patients",)

    def attend(_: object, **options: Any) -> Result:
        options.pop("progress")("s0", 1, 2)
        made.update(options)
        return Result()

    monkeypatch.setattr("pathexplain.diagnosis.attention.attend", attend)
    monkeypatch.setattr("pathexplain.report.write_report", lambda _, out: (out / "j", out / "h"))
    more = ["--encoder", "imagenet", "--folds", "3", "--epochs", "7", "--networks", "2"]
    assert main(["attend", *words, *more, "--classes", "bright,dark", "--seed", "5"]) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == [str(tmp_path / "out" / name) for name in "jh"]
    assert "note: few patients" in shown.err
    assert (made["encoder"], made["classes"], made["target"]) == (
        "imagenet", ("bright", "dark"), "dx",
    )  # fmt: skip
    options = made["options"]
    assert (options.n_splits, options.seed, options.tiles.side_px) == (3, 5, 96)
    assert (options.training.epochs, options.training.n_networks) == (7, 2)
