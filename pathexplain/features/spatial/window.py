"""The window that points were seen in: the tissue, as a mask at low resolution.

Shares of disks, distances to its border and its set covariance: what edge corrections need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from scipy import fft, ndimage, spatial

from pathexplain.features.objects import over_chunks
from pathexplain.features.spatial.points import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SetCovariance", "Window"]

N_SAMPLES = 64
"""Points of the spiral that stands, with its mirror images, for a disk."""
GRID_AT_MOST = 1024
"""Cells along a side of the grid on which the set covariance is computed."""
_CHUNK = 4096
_UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class SetCovariance:
    """|W ∩ (W + h)| for steps h on a square grid around 0.

    `area_um2` (2 m + 1, 2 m + 1) float64 holds the steps -m..m, `step_um` apart.
    """

    area_um2: NDArray[np.float64]
    step_um: float


@dataclass(frozen=True, eq=False)
class Window:
    """Where objects can be seen: True cells of a mask.

    Parameters
    ----------
    mask : (h, w) bool
    step_um : float
        Side of a cell.

    Examples
    --------
    >>> window = Window(np.ones((50, 50), bool), 4.0)
    >>> window.area_mm2
    0.04
    >>> window.disk_share(np.array([[100.0, 100.0], [100.0, 0.0]]), 50.0).round(1).tolist()
    [1.0, 0.5]
    """

    mask: NDArray[np.bool_]
    step_um: float

    @cached_property
    def area_mm2(self) -> float:
        """Area, mm²."""
        return float(np.count_nonzero(self.mask)) * self.step_um**2 / _UM2_PER_MM2

    def holds(self, points_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) bool: whether each point (y, x) lies in the window."""
        place = np.floor(points_um / self.step_um).astype(np.int64)
        known = ((place >= 0) & (place < self.mask.shape)).all(axis=1)
        inside = np.zeros(len(place), bool)
        inside[known] = self.mask[place[known, 0], place[known, 1]]
        return inside

    def disk_share(
        self,
        points_um: NDArray[np.float64],
        radius_um: float,
        border_um: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """(n,) float64: share of the disk around each point that lies in the window, 0 to 1.

        Near the border, the disk is stood for by the 64 points of a sunflower spiral of equal areas
        (Vogel 1979, doi:10.1016/0025-5564(79)90080-4) and its mirror images, 512 in all, so that
        the share does not depend on which way up the slide lies.
        """
        k = np.arange(N_SAMPLES) + 0.5
        angle = k * np.pi * (3 - np.sqrt(5))
        spiral = radius_um * np.sqrt(k / N_SAMPLES)[:, None] * np.c_[np.sin(angle), np.cos(angle)]
        turned = [spiral, spiral[:, ::-1]]
        steps = np.concatenate([arm * sign for arm in turned for sign in _SIGNS])
        share = np.ones(len(points_um))
        border = self.border_distance(points_um) if border_um is None else border_um
        near = np.flatnonzero(border < radius_um + self.step_um)
        chosen, found = points_um[near], np.zeros(len(near))
        over_chunks(
            len(near),
            lambda a, b: _share(chosen, steps, self.mask, self.step_um, found, a, b),
            chunk=_CHUNK,
        )
        share[near] = found
        return share

    @cached_property
    def _border(self) -> spatial.cKDTree | None:
        """Centers of cells next to the outside, the slide's edge among it; None without any."""
        inner = ndimage.binary_erosion(self.mask, border_value=0)
        cells = np.argwhere(self.mask & ~inner)
        return spatial.cKDTree((cells + 0.5) * self.step_um) if len(cells) else None

    def border_distance(self, points_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) float64 µm: distance of each point to the border; 0 outside the window."""
        if self._border is None or not len(points_um):
            return np.zeros(len(points_um))
        distance = nearest(self._border, points_um)[0] + self.step_um / 2
        return np.where(self.holds(points_um), distance, 0.0)

    def covariance(self, reach_um: float) -> SetCovariance:
        """Set covariance for steps up to `reach_um` along each axis.

        On a grid of at most 1,024 cells a side: a larger mask is averaged over blocks first.
        """
        block = max(1, -(-max(self.mask.shape) // GRID_AT_MOST))
        padded = np.pad(self.mask, [(0, -n % block) for n in self.mask.shape])
        h, w = (n // block for n in padded.shape)
        share = padded.reshape(h, block, w, block).mean(axis=(1, 3))
        step = self.step_um * block
        reach = int(np.ceil(reach_um / step)) + 1
        shape = tuple(fft.next_fast_len(n + reach, real=True) for n in share.shape)
        spectrum = fft.rfft2(share, shape)
        full = fft.irfft2(np.abs(spectrum) ** 2, shape)
        index = np.arange(-reach, reach + 1)
        area = full[np.ix_(index % shape[0], index % shape[1])] * step**2
        far = np.abs(index)
        area[far >= h, :] = 0.0
        area[:, far >= w] = 0.0
        return SetCovariance(np.maximum((area + area[::-1, ::-1]) / 2, 0.0), step)


_SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@numba.njit(nogil=True, cache=True)
def _share(
    points: Any, steps: Any, mask: Any, step_um: float, share: Any, start: int, stop: int
) -> None:
    """Share of `steps` around each point that fall on the mask."""
    height, width = mask.shape
    n = steps.shape[0]
    for i in range(start, stop):
        inside = 0
        for k in range(n):
            y = int(np.floor((points[i, 0] + steps[k, 0]) / step_um))
            x = int(np.floor((points[i, 1] + steps[k, 1]) / step_um))
            if 0 <= y < height and 0 <= x < width and mask[y, x]:
                inside += 1
        share[i] = inside / n
