"""Object features against their peers on 3,600 nuclei, the same input in the same run.

A 2048 x 2048 label image at 0.5 um/px with 60 x 60 elliptic nuclei (6 to 12 px half axes, seeded)
in two stains. Peers, one process each as they have no other way:

- shape: scikit-image's `regionprops_table` for the properties that both have (area, Crofton
  perimeter, axes, eccentricity, equivalent diameter, hull area, solidity, extent, largest Feret
  diameter, Hu moments). Ours measures 73 features: the ratio is a lower bound.
- texture: mahotas' Haralick features, four directions, of each object's own pixels, as a caller
  writes it: crop, mask, `haralick(ignore_zeros=True)` of 16 levels. Ours adds binary patterns and
  granularity.
- stain: of level, of gradient and in a ring of 2 um, the statistics that `scipy.ndimage` finds for
  all objects at once (mean, sd, least, median, largest, skewness, kurtosis); and, as
  `ratio_stain_one_by_one`, those that HistomicsTK has, with numpy and scipy in a loop over objects.
  Ours adds quantiles, entropy, shells, edge and displacement.

Unmixing (and quantizing) the picture for the peers is left out; ours does it in the time stated.

Peers are timed on every `STEP`-th object where an object's cost does not depend on the others, and
scaled to all. `ratio_*` is of wall time on all cores, `ratio_*_cpu` of processor time summed over
threads, which a busy machine disturbs less. `growth` is time an object at 1, 4 and 16 times as many
objects, relative to the first. Compilation is left out and reported: `first_call_s` is nearly
nothing where numba's cache is warm, as it is for every run of the command after the first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 2048
PITCH = 34
PER_SIDE = 60
STEP = 12
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


class _Time(NamedTuple):
    """Shortest wall and processor time of several calls, seconds."""

    wall: float
    cpu: float


def run() -> dict[str, Any]:
    """Time each family and its peer on one image; the best of several runs each."""
    from skimage.measure import regionprops_table

    from pathexplain.features import FAMILIES, measure_objects
    from pathexplain.slides import unmix

    labels, pixels = nuclei(seed=0)
    density = unmix(pixels)
    level = np.clip(density[..., 0] / 0.075, 0, 15).astype(np.int32) + 1
    started = time.perf_counter()
    objects = measure_objects(labels, pixels, mpp=0.5)
    first = time.perf_counter() - started
    ours = {
        family: _best(lambda f=family: _ours(labels, pixels, f), repeats=5)  # type: ignore[misc]  # a default binds the loop's value
        for family in ("shape", "stain", "texture")
    }
    theirs = {
        "shape": _best(lambda: regionprops_table(labels, properties=PROPERTIES), repeats=1),
        "stain": _best(lambda: stain_by_scipy(labels, density), repeats=1),
        "texture": _best(lambda: texture_by_mahotas(labels, level), repeats=2, scale=STEP),
    }
    result: dict[str, Any] = {
        "peers": {
            "shape": "skimage.measure.regionprops_table",
            "stain": "scipy.ndimage over all objects at once",
            "texture": "mahotas.features.haralick",
        },
        "n_objects": objects.n,
        "n_features": {name: len(FAMILIES[name].columns) for name in ours},
        "first_call_s": first,
        "growth": growth(labels, pixels),
    }
    slow = _best(lambda: stain_by_numpy(labels, density), repeats=1, scale=STEP)
    result["ratio_stain_one_by_one_cpu"] = slow.cpu / ours["stain"].cpu
    for family, mine in ours.items():
        peer = theirs[family]
        result |= {
            f"ours_{family}_s": mine.wall,
            f"peer_{family}_s": peer.wall,
            f"ratio_{family}": peer.wall / mine.wall,
            f"ratio_{family}_cpu": peer.cpu / mine.cpu,
        }
    return result


def _ours(labels: NDArray[np.int32], pixels: NDArray[np.uint8], family: str) -> None:
    """Measure one family."""
    from pathexplain.features import measure_objects

    measure_objects(labels, pixels, mpp=0.5, families=(family,))


def nuclei(*, seed: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw separate ellipses of random size and direction, hematoxylin on eosin."""
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
    hematoxylin = np.where(labels > 0, 0.5, 0.05) + rng.normal(0, 0.08, labels.shape)
    eosin = np.where(labels > 0, 0.1, 0.35) + rng.normal(0, 0.05, labels.shape)
    density = hematoxylin[..., None] * (0.65, 0.70, 0.29) + eosin[..., None] * (0.07, 0.99, 0.11)
    return labels, np.clip(256 * 10**-density - 1, 0, 255).astype(np.uint8)


def texture_by_mahotas(labels: NDArray[np.int32], level: NDArray[np.int32]) -> None:
    """Haralick features of every `STEP`-th object."""
    from mahotas.features import haralick
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    for k in range(0, len(boxes), STEP):
        box = boxes[k]
        image = np.where(labels[box] == k + 1, level[box], 0)
        haralick(image, ignore_zeros=True, return_mean_ptp=True)


def stain_by_scipy(labels: NDArray[np.int32], stains: NDArray[np.float64]) -> None:
    """Statistics of hematoxylin and eosin inside and around all objects, by `scipy.ndimage`."""
    from scipy import ndimage
    from skimage.segmentation import expand_labels

    index = np.arange(1, int(labels.max()) + 1)
    ring = np.where(labels == 0, expand_labels(labels, 4), 0)
    for stain in (0, 1):
        density = stains[..., stain]
        slope = np.hypot(*np.gradient(density))
        for values, where in ((density, labels), (density, ring), (slope, labels)):
            for statistic in (ndimage.minimum, ndimage.median, ndimage.maximum):
                statistic(values, where, index)
            mean = np.r_[0.0, ndimage.mean(values, where, index)]
            centered = np.where(where > 0, values - mean[where], 0.0)
            second, third, fourth = (ndimage.mean(centered**k, where, index) for k in (2, 3, 4))
            _ = np.sqrt(second), third / second**1.5, fourth / second**2 - 3


def stain_by_numpy(labels: NDArray[np.int32], stains: NDArray[np.float64]) -> None:
    """Statistics of hematoxylin and eosin inside and around every `STEP`-th object."""
    from scipy import ndimage
    from skimage.morphology import disk

    boxes = ndimage.find_objects(labels)
    footprint = disk(4)
    for k in range(0, len(boxes), STEP):
        rows, columns = boxes[k]
        box = (
            slice(max(rows.start - 4, 0), rows.stop + 4),
            slice(max(columns.start - 4, 0), columns.stop + 4),
        )
        mask = labels[box] == k + 1
        ring = ndimage.binary_dilation(mask, footprint) & (labels[box] == 0)
        for stain in (0, 1):
            density = stains[(*box, stain)]
            slope = np.hypot(*np.gradient(density))
            for values in (density[mask], density[ring], slope[mask]):
                _statistics(values)


def _statistics(values: NDArray[np.float64]) -> list[float]:
    """Return what HistomicsTK says of the intensities of an object."""
    from scipy import stats

    counts, _ = np.histogram(values, bins=10)
    share = counts / values.size
    quantiles = np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9))
    return [
        *(values.min(), values.max(), values.mean(), values.std(), *quantiles),
        *(stats.iqr(values), stats.median_abs_deviation(values), stats.skew(values)),
        *(stats.kurtosis(values), stats.entropy(share), (share**2).sum()),
    ]


def growth(labels: NDArray[np.int32], pixels: NDArray[np.uint8]) -> list[float]:
    """Time an object for images of 1, 4 and 16 times as many, relative to the first."""
    from pathexplain.features import measure_objects

    found = []
    for times in (1, 2, 4):
        side = SIDE // 4
        image = labels[:side, :side]
        step = int(image.max())
        shift = (np.arange(times * times) * step).reshape(times, times).repeat(side, 0)
        shift = shift.repeat(side, 1)
        tiled = np.tile(image, (times, times))
        tiled = np.where(tiled > 0, tiled + shift, 0).astype(np.int32)
        light = np.tile(pixels[:side, :side], (times, times, 1))
        n = len(np.unique(tiled)) - 1
        spent = _best(lambda a=tiled, b=light: measure_objects(a, b, mpp=0.5), repeats=2)  # type: ignore[misc]  # a default binds the loop's value
        found.append(spent.cpu / n)
    return [value / found[0] for value in found]


def _best(function: Callable[[], object], *, repeats: int, scale: int = 1) -> _Time:
    """Time several calls; `scale` is for those that do a part of the work."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return _Time(scale * min(walls), scale * min(cpus))
