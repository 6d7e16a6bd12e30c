"""The command line: what loads, what is printed where, exit codes, each command on small input."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import pathexplain
from pathexplain.cli import main
from pathexplain.cli.app import app
from pathexplain.errors import FitError
from pathexplain.extraction import RunSummary, SlideStatus

HEAVY = ("torch", "shap", "lifelines", "pandas", "numpy", "sklearn", "spatialdata", "pydantic")
COMMANDS = (
    "extract",
    "check",
    "features",
    "vocabulary",
    "importance",
    "perturb",
    "attend",
    "survival",
    "demo",
    "train",
    "finetune",
    "evaluate",
)
PROMPTS = "version: 1\nmpp: 0.5\nprompts:\n  - {text: nuclei, min_area_um2: 10}\n"
CORPUS = Path(__file__).parent / "prompts_corpus"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.yaml"
    path.write_text(PROMPTS, encoding="utf-8")
    return path


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


# ── what loads ───────────────────────────────────────────────────────────────────────────────────
def test_importing_pathexplain_and_every_help_load_nothing_heavy() -> None:
    code = f"""
import contextlib, io, sys
import pathexplain
loaded = [m for m in {HEAVY!r} if m in sys.modules]
from pathexplain.cli import main
with contextlib.redirect_stdout(io.StringIO()) as page:
    codes = [main(words) for words in ([], ["--help"], *([c, "--help"] for c in {COMMANDS!r}))]
loaded += [m for m in {HEAVY!r} if m in sys.modules]
print(loaded, set(codes), "Usage: pathexplain" in page.getvalue())
"""
    assert run_python(code).strip() == "[] {0} True"


def test_every_public_name_is_there_and_loaded_when_used() -> None:
    for name in pathexplain.__all__:
        assert getattr(pathexplain, name) is not None, name
    assert set(pathexplain.__all__) <= set(dir(pathexplain))
    assert {name for name in pathexplain.__all__ if not name.startswith("__")} == set(
        pathexplain._HOMES
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pathexplain.nothing


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pathexplain", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == pathexplain.__version__


# ── help and wrong calls ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    capsys.readouterr()
    for argument in app[command].assemble_argument_collection(parse_docstring=True):
        if argument.show:
            assert argument.parameter.help, f"{command} {argument.name}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chek"], 'Did you mean "check"'),
        (["extract"], "--prompts"),
        (["extract", "--prompts", "p.yaml", "--mpp", "fine"], "fine"),
        (["extract", "--bogus"], "--bogus"),
        (["survival", "c.csv", "--time", "t"], "--event"),
        (["importance", "c.csv"], "--target"),
        (["importance"], "COHORT"),
        (["train"], "CONFIG"),
        (["evaluate"], "--data"),
        (["demo", "--seed", "x"], "seed"),
        (["check"], "give a prompts file"),
        (["check", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["extract", "--prompts", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["train", "nothing.yaml"], "nothing.yaml"),
        (["evaluate", "stain", "--data", "nothing.csv"], "nothing.csv"),
        (["importance", "nothing.csv", "--target", "t"], "nothing.csv"),
        (
            ["survival", "nothing.csv", "--time", "t", "--event", "e"],
            "nothing.csv cannot be read: No such file or directory\n",
        ),
        (["survival", "nowhere", "--time", "t", "--event", "e"], "nowhere"),
    ],
)
def test_wrong_input_is_a_message_and_exit_code_2(
    words: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.startswith("pathexplain: ")
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


# ── failures ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (FitError("no fit: 0 events"), 1, "pathexplain: no fit: 0 events\n"),
        (KeyboardInterrupt(), 130, "goes on where it stopped"),
        (ZeroDivisionError("of nought"), 1, "unexpected ZeroDivisionError: of nought"),
    ],
)
def test_what_fails_while_working(
    error: BaseException,
    code: int,
    says: str,
    prompts: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("pathexplain.prompts.check_prompts", fail)
    assert main(["check", str(prompts)]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown
    assert main(["check", str(prompts), "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("PATHEXPLAIN_DEBUG", "1")
    assert main(["check", str(prompts)]) == code
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_failure() -> None:
    code = (
        "import sys\n"
        "from pathexplain.cli import main\n"
        "sys.stdin.readline()\n"
        "sys.exit(main(['vocabulary']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"go\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


# ── check, features, vocabulary ──────────────────────────────────────────────────────────────────
def test_check_shows_what_a_good_file_says(
    prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(prompts)]) == 0
    shown = capsys.readouterr()
    assert re.search(r"nucleus +instances +0\.5 +10 +nuclei-level nucleus in multiple", shown.out)
    assert "mpp 0.5" in shown.out
    assert shown.err == ""


def test_check_reports_every_fault_and_says_so_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = CORPUS / "words.yaml"
    assert main(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count(f"{path}:") == 8
    assert "3 faults" in shown.err
    assert shown.err.count("warning: ") == 5
    assert main(["check", str(path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [fault["line"] for fault in found["faults"]] == [5, 7, 8]
    assert (found["ok"], found["prompts"], len(found["warnings"])) == (False, None, 5)


def test_check_json_of_a_good_file(prompts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(prompts), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["prompts"]["prompts"][0]["object"] == "nucleus"


def test_check_prints_the_schema_in_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--schema"]) == 0
    written = (CORPUS.parents[1] / "docs" / "prompts.schema.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == written


def test_features_are_listed_with_unit_and_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "unit", "definition", "source"]
    assert any(line.startswith("shape.area_um2 ") for line in lines)
    assert main(["features", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(lines) - 1
    assert all(row["unit"] and row["definition"] for row in rows)
    assert main(["features", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Features")


def test_vocabulary_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vocabulary"]) == 0
    assert re.search(
        r"^glomerulus +tissue +instances +renal", capsys.readouterr().out, re.MULTILINE
    )
    assert main(["vocabulary", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["regions"]["colon"][0] == "colorectal"
    assert found["objects"][0]["name"] == "nucleus"


# ── extract ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """Stand in for the pipeline: note the call, and report one good and one bad slide."""
    made: list[tuple[Any, dict[str, Any]]] = []

    def extract(slides: Any, **options: Any) -> RunSummary:
        made.append((slides, options))
        options["progress"]("[a]", 1, 2)
        good = SlideStatus("a", Path("a.png"), "done", tissue_area_mm2=2.0)
        bad = SlideStatus("b", Path("b.png"), "failed", "truncated at byte 7")
        worse = SlideStatus("c", Path("c.png"), "failed", "no mpp")
        for index, status in enumerate((good, bad, worse), start=1):
            options["finished"](status, index, 3)
        said = ("2 slides, 1 left",)
        return RunSummary(options["out"], (good, bad, worse), None, said, seconds=60.0)

    monkeypatch.setattr("pathexplain.extraction.extract", extract)
    return made


def test_extract_hands_over_its_options_and_tells_what_failed(
    prompts: Path, calls: list[tuple[Any, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", "run", "--segmentor", "stain", "--mpp", "0.25", "--device", "cpu"]
    options += ["--workers", "2", "--export", "geojson", "--export", "ome-tiff"]
    words = ["extract", "a.png", "b.png", "--prompts", str(prompts), *options, "--overwrite"]
    assert main(words) == 3
    ((slides, given),) = calls
    assert slides == (Path("a.png"), Path("b.png"))
    assert given["prompts"].names == ("nucleus",)
    assert (given["out"], given["segmentor"], given["mpp"]) == (Path("run"), "stain", 0.25)
    assert (given["device"], given["overwrite"], given["patients"]) == ("cpu", True, None)
    assert (given["workers"], given["exports"]) == (2, ("geojson", "ome-tiff"))
    assert given["scheduler"] is None
    shown = capsys.readouterr()
    assert shown.out == "run\n"
    assert "failed: b: truncated at byte 7" in shown.err
    assert "1 done, 2 failed in 1 min 0 s; 60.0 slides an hour, 0.033 mm²" in shown.err
    assert "warning: 2 slides, 1 left" in shown.err


def test_extract_without_slides_and_folder_says_what_it_takes(
    prompts: Path, calls: list[tuple[Any, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extract", "--prompts", str(prompts), "--json"]) == 3
    ((slides, given),) = calls
    assert slides is None
    assert given["out"] == Path("pathexplain-run")
    shown = capsys.readouterr()
    assert "taking every readable image of" in shown.err
    assert "writing to ./pathexplain-run" in shown.err
    assert json.loads(shown.out)["slides"][1]["status"] == "failed"


def test_extract_takes_slides_and_folder_from_the_file(
    prompts: Path, calls: list[tuple[Any, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    prompts.write_text(f"{PROMPTS}slides: ['*.png']\nout: here\n", encoding="utf-8")
    assert main(["extract", "--prompts", str(prompts)]) == 3
    ((slides, given),) = calls
    assert slides is None
    assert given["out"] == prompts.parent.resolve() / "here"
    assert "./pathexplain-run" not in capsys.readouterr().err


def test_extract_shows_what_is_odd_in_the_prompts(
    prompts: Path, calls: list[tuple[Any, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    prompts.write_text(PROMPTS.replace("nuclei", "bicycles"), encoding="utf-8")
    assert main(["extract", "--prompts", str(prompts), "--out", "run"]) == 3
    assert "warning:" in capsys.readouterr().err
    assert len(calls) == 1


def test_bars_show_on_a_terminal_alone(
    prompts: Path,
    calls: list[tuple[Any, dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["extract", "[a].png", "--prompts", str(prompts), "--out", "run"]
    main(words)
    assert "1/2" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    main(words)
    shown = capsys.readouterr().err
    assert "1/2" in shown
    assert "[a]" in shown
    assert "slides, 2 failed" in shown
    assert "3/3" in shown
    assert [slides for slides, _ in calls] == [(Path("[a].png"),)] * 2


def test_extract_runs_on_the_images_of_the_working_folder(
    prompts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands in here: an image, the stain segmentor, a store and a table."""
    folder = prompts.parent
    pixels = np.full((128, 128, 3), 235, np.uint8)
    pixels[20:100, 20:100] = (225, 160, 190)
    pixels[40:60, 50:70] = (80, 45, 130)
    Image.fromarray(pixels).save(folder / "field.png")
    monkeypatch.chdir(folder)
    words = ["extract", "--prompts", "prompts.yaml", "--segmentor", "stain"]
    assert main(words) == 1
    assert "failed: field: slide field: no mpp in the file; pass --mpp" in capsys.readouterr().err
    assert main([*words, "--mpp", "0.5"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "pathexplain-run\n"
    assert re.match(
        r"1 done in (\d+ min )?\d+ s; [\d.]+ slides an hour", shown.err.splitlines()[-1]
    )
    assert {path.name for path in (folder / "pathexplain-run").iterdir()} == {
        ".lock",
        "quality.csv",
        "manifest.json",
        "stores",
        "slides.h5ad",
        "cohort.h5ad",
    }
    assert pathexplain.read_cohort(folder / "pathexplain-run").n_obs == 1
    assert main([*words, "--mpp", "0.5", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["slides"][0]["status"] == "skipped"
    assert main([*words, "--mpp", "0.25"]) == 2
    assert "overwrite" in capsys.readouterr().err


# ── analyses, training, demo ─────────────────────────────────────────────────────────────────────
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
