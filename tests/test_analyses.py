"""Analyses run from the first cell to the last, on the small data that they make themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
