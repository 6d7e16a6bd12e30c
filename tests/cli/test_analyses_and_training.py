"""`survival`, `importance`, `train`, `demo` and `evaluate` from the shell."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pathexplain
from pathexplain.cli import main


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty patients; survival depends on one feature."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(60, 2))
    columns = {
        "patient_id": [f"p{i}" for i in range(60)],
        "diagnosis": np.where(values[:, 0] > 0, "tumor", "normal"),
        "time_months": rng.exponential(np.exp(values[:, 1])) + 0.1,
        "event": rng.integers(0, 2, 60),
        "nucleus.shape.area_um2.mean": values[:, 0],
        "nucleus.shape.solidity.mean": values[:, 1],
    }
    path = tmp_path / "cohort.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_survival_writes_a_report(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"n_bootstrap": 20, "n_repeats": 1, "n_permutations": 2, "n_max_t": 40}
    few |= {"n_optimism": 2, "n_stability": 2}
    quick = functools.partial(pathexplain.survival, **few)
    monkeypatch.setattr("pathexplain.prognosis.survival", quick)
    assert main(["survival", str(table), "--time", "time_months", "--event", "event"]) == 0
    shown = capsys.readouterr()
    paths = [Path(line) for line in shown.out.split()]
    assert [path.name for path in paths] == ["survival.json", "survival.html"]
    assert all(path.parent == table.parent / "survival" and path.is_file() for path in paths)
    assert "60 patients, 2 features; clinical columns: diagnosis, time_months, event" in shown.err


def test_the_analyses_hand_over_their_options(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: dict[str, dict[str, Any]] = {}
    runs: list[Path] = []

    def write_report(_: object, folder: Path, *, run: Path) -> tuple[Path, Path]:
        runs.append(run)
        return folder / "j", folder / "h"

    def note_call(name: str) -> Any:
        return lambda _, **options: made.setdefault(name, options)

    monkeypatch.setattr("pathexplain.diagnosis.importance", note_call("importance"))
    monkeypatch.setattr("pathexplain.prognosis.survival", note_call("survival"))
    monkeypatch.setattr("pathexplain.report.write_report", write_report)
    columns = ["--clinical-columns", "diagnosis,time_months,event,nucleus.shape.area_um2.mean"]
    words = ["importance", str(table), "--target", "diagnosis", "--groups", "who", "--seed", "3"]
    words += ["--order", "G1,G2", "--site", "s", "--jobs", "2"]
    assert main([*words, "--covariates", "a, b", "--covariates", "c", *columns]) == 0
    given = made["importance"]
    assert given.pop("progress").__name__ == "stage"
    assert given == {
        "target": "diagnosis",
        "groups": "who",
        "site": "s",
        "folds": None,
        "covariates": ("a", "b", "c"),
        "order": ("G1", "G2"),
        "n_splits": 5,
        "n_permutations": 59,
        "n_refits": 200,
        "jobs": 2,
        "checkpoint": table.parent / "importance",
        "robustness": None,
        "min_icc": 0.75,
        "seed": 3,
    }
    shown = capsys.readouterr()
    assert shown.out.split() == [str(table.parent / "importance" / name) for name in "jh"]
    assert "1 features" in shown.err
    words = ["survival", str(table), "--time", "t", "--event", "e", "--strata", "site"]
    words += ["--competing", "2", "--horizons", "12, 36", "--jobs", "2"]
    assert main([*words, "--covariates", "age", "--out", str(table.parent / "o")]) == 0
    assert made["survival"].pop("progress") is not None
    assert made["survival"] == {
        "time": "t",
        "event": "e",
        "covariates": ("age",),
        "strata": "site",
        "entry": None,
        "competing": "2",
        "site": None,
        "horizons": (12.0, 36.0),
        "robustness": None,
        "min_icc": 0.75,
        "cuts": {},
        "alpha": 0.05,
        "seed": 0,
        "jobs": 2,
        "checkpoint": table.parent / "o" / ".pieces",
    }
    assert runs == [table, table]


def test_a_column_that_is_not_there_is_named(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["importance", str(table), "--target", "grade"]) == 2
    assert "'grade'" in capsys.readouterr().err
    assert main(["survival", str(table), "--time", "weeks", "--event", "event"]) == 2
    assert "weeks" in capsys.readouterr().err


def test_train_hands_over_its_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(config: Path, *, progress: Any) -> Path:
        progress(1, 2, {"loss": 0.5, "seconds": 1.0})
        return config.with_suffix("")

    monkeypatch.setattr("pathexplain.segmentor.training.train", train)
    assert main(["train", "model.yaml"]) == 0
    assert capsys.readouterr().out == "model\n"


def test_demo_hands_over_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: dict[str, Any] = {}

    def run_demo(out: Path, *, progress: Any, **options: Any) -> Path:
        progress("making the synthetic cohort")
        made.update(options)
        return out / "demo.html"

    monkeypatch.setattr("pathexplain.demo.run_demo", run_demo)
    assert main(["demo", "--out", "d", "--patients", "12", "--seed", "4"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (f"{Path('d/demo.html')}\n", "making the synthetic cohort\n")
    assert made == {"n_patients": 12, "seed": 4, "segmentor": None}


def test_evaluate_prints_or_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pathexplain.segmentor.assessment.results import Evaluation, Skipped

    made: list[dict[str, Any]] = []

    def evaluate(segmentor: str, *, progress: Any, **options: Any) -> Evaluation:
        progress(1, 2)
        made.append({"segmentor": segmentor, **options})
        skipped = (Skipped("a.png", "OSError: broken"),)
        return Evaluation(
            segmentor, None, "test", (), 0.5, 3, float("nan"), 0, skipped=skipped, n_images=1
        )

    monkeypatch.setattr("pathexplain.segmentor.evaluation.evaluate", evaluate)
    data = tmp_path / "manifest.csv"
    data.touch()
    words = ["evaluate", "stain", "--data", str(data), "--sources", "glas", "--sources", "tnbc"]
    assert main(words) == 0
    shown = capsys.readouterr()
    figures = json.loads(shown.out)
    assert (figures["presence_auroc"], figures["nonsense_empty_share"]) == (0.5, None)
    assert shown.err == "skipped: a.png: OSError: broken\n"
    assert main(["evaluate", "--data", str(data), "--out", str(tmp_path / "e.json")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'e.json'}\n"
    assert json.loads((tmp_path / "e.json").read_text("utf-8"))["presence_auroc"] == 0.5
    folder = tmp_path / "figures"
    words = ["evaluate", "--data", str(data), "--out", str(folder), "--robustness", "2"]
    assert main(words) == 0
    written = f"{folder / 'evaluation.json'}\n{folder / 'images.csv'}\n"
    assert capsys.readouterr().out == written
    options = {"data": data, "split": "test", "device": "auto", "seed": 0}
    assert made[0] == {
        "segmentor": "stain", "sources": ("glas", "tnbc"), "robustness": 0, **options
    }  # fmt: skip
    assert made[1] == {"segmentor": "compact", "sources": None, "robustness": 0, **options}
    assert made[2]["robustness"] == 2
    assert main(["evaluate", "--data", str(data), "--sheets"]) == 2
    assert "--sheets needs a folder" in capsys.readouterr().err
