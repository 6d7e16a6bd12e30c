"""`extract` from the shell: options handed over, bars, what is said at the end."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pathexplain
from pathexplain.cli import main
from pathexplain.extraction import RunSummary, SlideStatus

PROMPTS = "version: 1\nmpp: 0.5\nprompts:\n  - {text: nuclei, min_area_um2: 10}\n"


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
