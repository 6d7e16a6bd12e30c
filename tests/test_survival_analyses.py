"""The survival analyses run from the first cell to the last, on what ships with lifelines or us."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

ANALYSES = Path(__file__).parents[1] / "analyses"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs an analysis as a reader would, away from the repository; returns its names."""
    monkeypatch.setenv("PATHEXPLAIN_QUICK", "1")
    monkeypatch.setenv("PATHEXPLAIN_PLACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    return lambda name: runpy.run_path(str(ANALYSES / name))


@pytest.mark.slow
def test_wisconsin_or_what_stands_for_it(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("04_wisconsin_prognostic_nuclei.py")
    said = capsys.readouterr().out
    assert "running on the GBSG2 cohort of lifelines instead" in said
    tree = json.loads((tmp_path / "survival.json").read_text())
    assert tree["screen"]["rows"][0]["feature"] == "pnodes"
    assert (tmp_path / "model.json").is_file()


def test_the_yardstick_finds_what_is_known_and_no_noise(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run("05_tcga_scores_and_outcomes.py")
    said = capsys.readouterr().out
    assert "open access" in said
    assert "noise found: False" in said
    assert "found: stage" in said or ", stage" in said


@pytest.mark.slow
def test_printed_coefficients_of_r(run: Any, tmp_path: Path) -> None:
    run("06_clinical_cohorts.py")
    rows = json.loads((tmp_path / "lung.json").read_text())["screen"]["rows"]
    (status,) = [row for row in rows if row["feature"] == "ph.ecog"]
    # coxph(Surv(time, status) ~ age + sex + ph.ecog, lung), as R prints it
    assert (status["beta"], status["se"]) == (
        pytest.approx(0.463728, abs=1e-6),
        pytest.approx(0.113577, abs=1e-6),
    )
    assert (status["n"], status["events"]) == (227, 164)


@pytest.mark.slow
def test_images_become_a_page_or_a_refusal(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("07_from_images_to_outcomes.py")
    said = capsys.readouterr().out
    assert "running on synthetic tissue instead" in said
    assert "12 patients" in said
    assert (tmp_path / "survival.html").is_file() or "refused: " in said


def test_a_cohort_of_ones_own_is_developed_locked_and_tested(run: Any, tmp_path: Path) -> None:
    names = run("08_your_own_cohort.py")
    assert names["result"].selected == ("lymphocyte.aggregate.density_per_mm2.total",)
    tree = json.loads((tmp_path / "validation.json").read_text())
    locked = json.loads((tmp_path / "model.json").read_text())
    assert tree["model_sha256"] == locked["sha256"]
    assert tree["c_index"]["low"] > 0.5
