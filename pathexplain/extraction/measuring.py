"""Objects in one window of a slide: features, centers and outlines, as rows.

Not for which objects a window measures: `ownership` and `joined` decide that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pathexplain.extraction.outlines import outlines_of
from pathexplain.features.measure import measure_view
from pathexplain.features.objects import view_objects
from pathexplain.slides.stains import RUIFROK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.slides.stains import StainVectors

__all__ = ["Measured", "Measuring", "Window"]


class Window(NamedTuple):
    """Labels `(h, w)` int32 and pixels `(h, w, 3)` uint8 of a part of the slide.

    `origin_px` is (y, x) of its top left pixel at the working resolution; with a `stride` of s,
    every s-th pixel of the slide is in it.
    """

    labels: NDArray[np.int32]
    pixels: NDArray[np.uint8]
    origin_px: tuple[int, int]
    stride: int = 1


@dataclass(frozen=True, eq=False)
class Measured:
    """Rows of objects.

    Attributes
    ----------
    label : (n,) int32
        Labels as painted.
    area_px : (n,) int64
    centroid_um : (n, 2) float64
        (y, x) from the slide's top left corner.
    touches_border : (n,) bool
    values : (n, k) float64
    outlines : (n,) object
        WKB of polygons in µm.
    """

    label: NDArray[np.int32]
    area_px: NDArray[np.int64]
    centroid_um: NDArray[np.float64]
    touches_border: NDArray[np.bool_]
    values: NDArray[np.float64]
    outlines: NDArray[Any]


@dataclass(frozen=True)
class Measuring:
    """How objects of one prompt are measured.

    Parameters
    ----------
    mpp : float
    families : tuple of str
        Families of single objects.
    kind : {"instances", "region"}
    shape : (int, int)
        Of the slide at the working resolution.
    stains : StainVectors
        How colors are split into stains.
    """

    mpp: float
    families: tuple[str, ...]
    kind: str
    shape: tuple[int, int]
    stains: StainVectors = RUIFROK

    def __call__(
        self, window: Window, ids: NDArray[np.int64], labels: NDArray[np.int32]
    ) -> Measured:
        """Measure the objects `ids` of a window, which were painted as `labels`.

        Both are ascending or not, of one length; every id is in the window.
        """
        import shapely

        mpp = self.mpp * window.stride
        order = np.argsort(ids)
        ids, labels = ids[order], labels[order]
        view = view_objects(window.labels, window.pixels, mpp=mpp, stains=self.stains).only(ids)
        found = measure_view(view, families=self.families, kind=self.kind)
        origin = np.asarray(window.origin_px)
        box = view.box * window.stride + np.tile(origin, 2)
        outlines = outlines_of(
            view.labels,
            view.target,
            view.box,
            mpp=mpp,
            origin_px=(origin[0] / window.stride, origin[1] / window.stride),
        )
        return Measured(
            label=labels,
            area_px=view.area_px * window.stride**2,
            centroid_um=found.centroid_um + origin * self.mpp,
            touches_border=np.asarray(
                (box[:, :2] == 0).any(axis=1) | (box[:, 2:] >= self.shape).any(axis=1)
            ),
            values=found.values,
            outlines=np.asarray(shapely.to_wkb(outlines), object),
        )
