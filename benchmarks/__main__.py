"""Run one benchmark, or list them: ``python -m benchmarks NAME --json`` and ``--list``.

Each module here has a docstring line saying what it compares, and ``run() -> dict`` whose values
are ready for JSON: the ratios against named peers, measured in the same run. The facts on the
machine are added here, so that no figure travels without them.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = ("numpy", "scipy", "torch", "numba", "scikit-image", "lifelines", "scikit-survival")


def names() -> dict[str, str]:
    """Return each benchmark with the first line of its docstring, importing none of them."""
    found = {}
    for path in sorted(HERE.glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = docstring.partition("\n")[0]
    return found


def machine() -> dict[str, Any]:
    """Return what a reader needs to compare figures: processor, cores, threads, versions."""
    versions = {}
    for name in PEERS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON object for NAME, or the list; 2 where the name is unknown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="the benchmark to run")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--list", action="store_true", help="list what can be run")
    options = parser.parse_args(arguments)
    known = names()
    if options.list:
        sys.stdout.writelines(f"{name:<16}{summary}\n" for name, summary in known.items())
        return 0
    if options.name not in known:
        given = options.name or "nothing"
        sys.stderr.write(f"no benchmark {given!r}; there are: {', '.join(known)}\n")
        return 2
    result = importlib.import_module(f"benchmarks.{options.name}").run()
    answer = {"benchmark": options.name, **result, "machine": machine()}
    sys.stdout.write(json.dumps(answer, indent=None if options.json else 2) + "\n")
    return 0


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
