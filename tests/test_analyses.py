"""Analyses run from the first cell to the last, on the small data that they make themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

REPO = Path(__file__).parents[1]
ANALYSES = REPO / "analyses"


def run_analysis(name: str, place: Path) -> str:
    """Run an analysis as a reader would, away from the repository; return what it printed."""
    environment = {
        **os.environ,
        "PATHEXPLAIN_QUICK": "1",
        "PATHEXPLAIN_PLACE": str(place),
        "MPLBACKEND": "agg",
    }
    done = subprocess.run(
        [sys.executable, str(ANALYSES / name)],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_benign_or_malignant_glands(tmp_path: Path) -> None:
    said = run_analysis("02_benign_or_malignant_glands.py", tmp_path)
    assert "synthetic glands" in said
    assert "95 % interval over patients" in said
    assert "random regions as large" in said
    for name in ("importance/importance", "attention/objects", "perturbation/perturbation"):
        assert (tmp_path / f"{name}.html").is_file()
        assert (tmp_path / f"{name}.json").is_file()


@pytest.mark.slow
def test_nuclear_phenotypes(tmp_path: Path) -> None:
    said = run_analysis("09_nuclear_phenotypes.py", tmp_path)
    assert "synthetic: 8 images" in said
    assert "4 patients with benign, 4 with malignant glands" in said
    for name in ("umap.png", "composition.png", "exemplars.png", "phenotypes.h5ad"):
        assert (tmp_path / name).is_file()
    composition = pd.read_csv(tmp_path / "composition.csv", index_col=0)
    # darker nuclei and more lymphocytes were planted, so some phenotype parts the two completely:
    # Mann-Whitney of 4 against 4 patients cannot be smaller
    assert composition["p"].min() == pytest.approx(2 / 70, abs=1e-3)


@pytest.mark.slow
def test_wisconsin_nuclei(tmp_path: Path) -> None:
    said = run_analysis("03_wisconsin_nuclei.py", tmp_path)
    assert "at least 0.99" in said
    assert "given the rest" in said
    assert "larger is malignant, as known" in said
    assert (tmp_path / "wisconsin.html").is_file()
    assert (tmp_path / "figures" / "held-out-roc.svg").is_file()
