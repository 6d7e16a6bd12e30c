"""A program, not a test: extracts slides in processes that are killed at random points.

``killing.py FOLDER N SEED`` prints a JSON object. Processes are forked from this one, which has run
an extraction already, so that neither imports nor compilation are paid again; half of them are
killed by a signal from outside after a random time, half at a random operation on files.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import anndata
import dask
import numpy as np
from PIL import Image

from pathexplain.extraction import extract
from pathexplain.extraction.slide_rows import read_slide_row
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.segmentor import load_segmentor

N_SLIDES = 2
FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}
VOLATILE = {"created", "command", "seconds", "modified_ns"}


def paint_slides(folder: Path) -> list[Path]:
    """Small fields with a dozen dark spots each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for index in range(N_SLIDES):
        image = np.full((96, 96, 3), (230, 170, 200), np.uint8)
        for y, x in rng.integers(4, 84, (12, 2)):
            image[y : y + 6, x : x + 6] = (80, 40, 120)
        paths.append(folder / f"s{index}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


class Runs:
    """Extractions of the same slides, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.slides = paint_slides(folder / "slides")
        self.prompts = PromptSet(
            version=1, mpp=0.5, prompts=(Prompt.from_text("nucleus"),), features=("shape",)
        )
        self.segmentor = load_segmentor("stain")

    def extract(self, out: Path) -> None:
        """Extract all slides in this process."""
        summary = extract(
            self.slides,
            prompts=self.prompts,
            out=out,
            segmentor=self.segmentor,
            mpp=0.5,
            exports=("geojson",),
        )
        if summary.exit_code:
            raise RuntimeError(summary.slides)

    def count_events(self, out: Path) -> int:
        """Operations on files of an undisturbed run."""
        reading, writing = os.pipe()
        if not (child := os.fork()):
            count = 0

            def counted(event: str, _arguments: object) -> None:
                nonlocal count
                count += event in FILE_EVENTS

            sys.addaudithook(counted)
            self.extract(out)
            os.write(writing, str(count).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        return int(answer)

    def start(self, out: Path, kill_at_event: int | None = None) -> int:
        """Fork a process that extracts, and dies at an operation if one is given."""
        if child := os.fork():
            return child
        count = 0

        def counted(event: str, _arguments: object) -> None:
            nonlocal count
            if event in FILE_EVENTS:
                count += 1
                if count == kill_at_event:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            if kill_at_event is not None:
                sys.addaudithook(counted)
            self.extract(out)
            code = 0
        finally:
            os._exit(code)


def content(out: Path) -> dict[str, str]:
    """What a run folder holds, by path, without times and command lines."""
    found = {}
    for path in sorted(item for item in out.rglob("*") if item.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".h5ad":
            found[name] = _table(anndata.read_h5ad(path))
        elif name == "manifest.json" or name.endswith(".zarr/zarr.json"):
            found[name] = json.dumps(_stable(json.loads(path.read_text())), sort_keys=True)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _table(table: anndata.AnnData) -> str:
    about = json.dumps(_stable(table.uns["pathexplain"]), sort_keys=True, default=np.ndarray.tolist)
    cells = np.asarray(table.X).tobytes() + np.asarray(table.layers["n"]).tobytes()
    return about + table.obs.to_csv() + table.var.to_csv() + hashlib.sha256(cells).hexdigest()


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in VOLATILE}
    return [_stable(item) for item in value] if isinstance(value, list) else value


def complete(out: Path) -> dict[str, int]:
    """When each store that stands at its place was made; fails on one that is not whole."""
    made = {}
    for store in sorted((out / "stores").glob("*")):
        read_slide_row(store)
        made[store.name] = (store / "zarr.json").stat().st_mtime_ns
    return made


def main(folder: Path, n_kills: int, seed: int) -> dict[str, object]:
    """Kill until `n_kills` processes have died, finishing each run folder that was begun."""
    rng = random.Random(seed)
    runs = Runs(folder)
    runs.extract(folder / "warm")
    start = time.perf_counter()
    n_events = runs.count_events(folder / "reference")
    seconds = time.perf_counter() - start
    reference = content(folder / "reference")
    result: dict[str, object] = {"kills": 0, "finished": 0, "repeated": [], "differing": []}
    kills, n_finished, left_behind = 0, 0, 0
    while kills < n_kills:
        out = folder / f"run{n_finished}"
        is_whole = False
        while not is_whole:
            before = complete(out) if out.exists() else {}
            by_event = kills % 2 == 0
            child = runs.start(out, rng.randint(1, 2 * n_events // 3) if by_event else None)
            if not by_event and kills < n_kills:
                time.sleep(rng.uniform(0, 2 * seconds / 3))
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            kills += os.WIFSIGNALED(status)
            is_whole = not os.WIFSIGNALED(status)
            if is_whole and os.WEXITSTATUS(status):
                raise RuntimeError(status)
            after = complete(out) if out.exists() else {}
            left_behind += any((out / ".scratch").glob("*")) and not is_whole
            result["repeated"] += [name for name in before if after.get(name) != before[name]]
        found = content(out)
        result["differing"] += [
            name for name in {**reference, **found} if reference.get(name) != found.get(name)
        ]
        shutil.rmtree(out)
        n_finished += 1
    return result | {
        "kills": kills,
        "finished": n_finished,
        "interrupted_in_work": left_behind,
        "n_files": len(reference),
        "seconds_undisturbed": seconds,
    }


if __name__ == "__main__":
    with dask.config.set(scheduler="synchronous"):
        print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
