"""Extractions killed by SIGKILL at random points end as the one that nobody disturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

N_KILLS = 20


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_killed_at_random_points_and_resumed_the_result_is_the_undisturbed_one(tmp_path):
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    program = Path(__file__).with_name("killing.py")
    answer = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(N_KILLS), "0"],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert result["kills"] >= N_KILLS
    assert result["finished"] >= 1
    assert result["interrupted_in_work"] >= 3
    assert result["n_files"] > 50
    assert result["repeated"] == []
    assert result["differing"] == []
