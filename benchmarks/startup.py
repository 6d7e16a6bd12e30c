"""Seconds until `import pathexplain` and `pathexplain --help` answer, against bare Python.

Each figure is the median over five fresh processes; the peer is ``python -c pass``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

REPEATS = 5
COMMANDS = {
    "python": ["-c", "pass"],
    "import": ["-c", "import pathexplain"],
    "help": ["-m", "pathexplain", "--help"],
}


def run() -> dict[str, Any]:
    """Time the three commands in turn and return medians in seconds and their ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "python_s": medians["python"],
        "import_s": medians["import"],
        "help_s": medians["help"],
        "ratio_import_to_python": medians["import"] / medians["python"],
        "ratio_help_to_python": medians["help"] / medians["python"],
        "repeats": REPEATS,
    }
