"""Compiling the kernels of all feature families: the first process against the second.

Both measure every family on a small slide, with a cache of their own that is empty for the first.
`n_compiled` counts what numba compiled, `n_loaded` what it read from the cache; `slowest` has the
functions that took longest to compile in the first, in seconds with all that they call. The peer is
the same package without a cache, which is what the first process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathexplain.prompts.model import Kind

RUN = """
import json, sys, time
started, busy = time.perf_counter(), time.process_time()
from numba.core import event
recorder = event.RecordingListener()
event.register("numba:compile", recorder)
from benchmarks.compilation import measure
loaded = measure()
names, open_at, spent = {}, [], []
for when, item in recorder.buffer:
    if item.is_start:
        open_at.append(when)
    else:
        spent.append((when - open_at.pop(), item.data["dispatcher"].py_func.__name__))
print(json.dumps({
    "n_compiled": len(spent), "n_loaded": loaded,
    "wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - busy,
    "slowest": {name: round(s, 2) for s, name in sorted(spent, reverse=True)[:12]},
}))
"""


def run() -> dict[str, Any]:
    """Measure in two processes, one after the other."""
    with tempfile.TemporaryDirectory() as cache:
        first, second = _process(cache), _process(cache)
    return {
        "peer": "the same without a cache",
        "first": first,
        "second": {name: value for name, value in second.items() if name != "slowest"},
        "ratio_cpu": first["cpu_s"] / second["cpu_s"],
    }


def _process(cache: str) -> dict[str, Any]:
    """Run one process with this cache."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure() -> int:
    """Measure every family on a small slide, and return how many kernels came from the cache."""
    import gc

    import numpy as np
    from numba.core.dispatcher import Dispatcher

    from pathexplain.features import aggregate_slide, measure_objects
    from pathexplain.features.measure import with_spatial
    from pathexplain.features.slide_objects import slide_geometry, slide_objects
    from pathexplain.features.spatial import measure_spatial
    from pathexplain.prompts import Prompt, PromptSet

    rng = np.random.default_rng(0)
    labels = {"cell": np.zeros((512, 512), np.int32), "tumor": np.zeros((512, 512), np.int32)}
    for k, (y, x) in enumerate(rng.integers(8, 500, (150, 2)), start=1):
        labels["cell"][y - 5 : y + 6, x - 4 : x + 7] = k
    labels["tumor"][100:400, 60:330] = 1
    labels["other"] = np.roll(labels["cell"], 40, axis=1)
    kinds: dict[str, Kind] = {"cell": "instances", "tumor": "region", "other": "instances"}
    pixels = rng.integers(60, 250, (512, 512, 3)).astype(np.uint8)
    prompts = PromptSet(
        1,
        mpp=0.5,
        prompts=tuple(Prompt(name=n, text=n, kind=kind) for n, kind in kinds.items()),
        features=("shape", "stain", "texture", "neighborhood", "context", "region"),
        relations=(("cell", "tumor"), ("cell", "other")),
    )
    objects = {n: slide_objects(a, mpp=0.5, name=n, kind=kinds[n]) for n, a in labels.items()}
    spatial = measure_spatial(objects, slide_geometry((512, 512), mpp=0.5), prompts)
    found = {
        name: with_spatial(measure_objects(a, pixels, mpp=0.5, kind=kinds[name]), spatial, name)
        for name, a in labels.items()
    }
    aggregate_slide(
        found, states=dict.fromkeys(found, "present"), tissue_area_mm2=0.065, spatial=spatial
    )
    kernels = [item for item in gc.get_objects() if isinstance(item, Dispatcher)]
    return sum(sum(item.stats.cache_hits.values()) for item in kernels)
