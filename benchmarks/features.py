"""Shape family against scikit-image's regionprops_table, same properties, same 3,600 nuclei.

A 2048 x 2048 label image at 0.5 um/px with 60 x 60 elliptic nuclei (6 to 12 px half axes, seeded).
Both measure area, Crofton perimeter, axes, eccentricity, equivalent diameter, hull area, solidity,
extent, largest Feret diameter and Hu moments; ours also measures what regionprops lacks (contour
curvature, Fourier descriptors, holes, convexity), so the ratio is a lower bound. Compilation is
left out and reported; ours uses all cores, regionprops_table has one. `ratio_shape` is of wall
time, `ratio_shape_cpu` of processor time summed over threads, which a busy machine disturbs less.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 2048
PITCH = 34
PER_SIDE = 60
PROPERTIES = (
    "area",
    "perimeter_crofton",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "equivalent_diameter_area",
    "area_convex",
    "solidity",
    "extent",
    "feret_diameter_max",
    "moments_hu",
)


def run() -> dict[str, Any]:
    """Time both on one image, and stain beside them; the best of several runs each."""
    from skimage.measure import regionprops_table

    from pathexplain.features import measure_objects

    labels, pixels = nuclei(seed=0)
    started = time.perf_counter()
    objects = measure_objects(labels, pixels, mpp=0.5)
    first = time.perf_counter() - started
    ours, ours_cpu = _best(lambda: measure_objects(labels, mpp=0.5, families=("shape",)), repeats=7)
    stain, _ = _best(
        lambda: measure_objects(labels, pixels, mpp=0.5, families=("stain",)), repeats=7
    )
    theirs, theirs_cpu = _best(lambda: regionprops_table(labels, properties=PROPERTIES), repeats=2)
    return {
        "peer": "skimage.measure.regionprops_table",
        "properties": list(PROPERTIES),
        "n_objects": objects.n,
        "shape_features_of_ours": sum(name.startswith("shape.") for name in objects.columns),
        "ours_shape_s": ours,
        "peer_shape_s": theirs,
        "ratio_shape": theirs / ours,
        "ratio_shape_cpu": theirs_cpu / ours_cpu,
        "ours_stain_s": stain,
        "first_call_s": first,
    }


def nuclei(*, seed: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw separate ellipses of random size and direction, and noise for pixels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((SIDE, SIDE), np.int32)
    y, x = np.mgrid[:PITCH, :PITCH] - (PITCH - 1) / 2
    for k in range(PER_SIDE * PER_SIDE):
        row, column = divmod(k, PER_SIDE)
        a, b = rng.uniform(6, 12, 2)
        angle = rng.uniform(0, np.pi)
        u = y * np.cos(angle) + x * np.sin(angle)
        v = x * np.cos(angle) - y * np.sin(angle)
        window = labels[row * PITCH : (row + 1) * PITCH, column * PITCH : (column + 1) * PITCH]
        window[(u / a) ** 2 + (v / b) ** 2 <= 1] = k + 1
    return labels, rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _best(function: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """Shortest wall time and shortest processor time of several calls, in seconds."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)
