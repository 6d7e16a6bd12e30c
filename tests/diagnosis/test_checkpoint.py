"""Pieces of a long computation survive SIGKILL, and a half-written one does not pass for whole."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from pathexplain.diagnosis.checkpoint import Checkpoint

ENDLESS = """
import os, signal, sys
import numpy as np
from pathexplain.diagnosis.checkpoint import Checkpoint

folder, moment, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
save = np.save

def half(file, array, **options):
    if array[0] == at:
        file.write(b"\\x93NUMPY half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    save(file, array, **options)

def square(value):
    if moment == "computing" and value == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array([value, value**2], float)

if moment == "writing":
    np.save = half
list(Checkpoint(folder, "k").stream("square", square, [0, 1, 2, 3, 4], jobs=1))
"""


@pytest.mark.parametrize("moment", ["computing", "writing"])
def test_a_killed_computation_goes_on_where_it_was(tmp_path, moment):
    command = [sys.executable, "-c", ENDLESS, str(tmp_path), moment, "3"]
    done = subprocess.run(command, check=False, env=dict(os.environ), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    asked = []

    def square(value: int) -> np.ndarray:
        asked.append(value)
        return np.array([value, value**2], float)

    kept = Checkpoint(tmp_path, "k")
    answers = list(kept.stream("square", square, [0, 1, 2, 3, 4], jobs=1))
    assert asked == [3, 4]
    np.testing.assert_array_equal(answers, [[v, v**2] for v in range(5)])
    kept.remove()
    assert not list(tmp_path.iterdir())
