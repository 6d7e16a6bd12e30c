"""The objects of a whole slide as spatial features need them: points, outlines, coarse coverage.

Not the pixels and not a slide-wide plane: memory grows with the number of objects and with the
slide's area in coarse cells of about 4 µm, not with its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from pathexplain.features.objects import view_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "COARSE_UM",
    "LabelPlane",
    "SlideGeometry",
    "SlideObjects",
    "boundary_pixels",
    "coarse_step",
    "covered_cells",
    "slide_geometry",
    "slide_objects",
]

COARSE_UM = 4.0
"""Side of a coarse cell, rounded to whole pixels of the working resolution."""

State = Literal["present", "absent", "not assessed"]
_FULL = 255


class LabelPlane(Protocol):
    """A label image that is read in windows: an array, a memory map, a chunked store."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102  as numpy

    def __getitem__(self, window: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class SlideGeometry:
    """The grid of a slide and where its tissue is.

    Attributes
    ----------
    shape_px : (int, int)
        Height and width at the working resolution.
    mpp : float
        Working resolution, µm per pixel.
    tissue : (h, w) bool
        Tissue at low resolution; what lies outside it is glass.
    tissue_mpp : float
        µm a cell of `tissue`.
    """

    shape_px: tuple[int, int]
    mpp: float
    tissue: NDArray[np.bool_]
    tissue_mpp: float

    @property
    def coarse_step(self) -> int:
        """Pixels along the side of a coarse cell."""
        return coarse_step(self.mpp)

    @property
    def coarse_mpp(self) -> float:
        """µm along the side of a coarse cell."""
        return self.coarse_step * self.mpp

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Coarse cells of the slide; those at the far edges may be cut."""
        step = self.coarse_step
        height, width = self.shape_px
        return -(-height // step), -(-width // step)


@dataclass(frozen=True, eq=False)
class SlideObjects:
    """All objects of one prompt on one slide.

    Attributes
    ----------
    name : str
        The prompt.
    kind : "instances" or "region"
    state : "present", "absent" or "not assessed"
    label : (n,) int64
        Ids, ascending.
    centroid_um : (n, 2) float64
        (y, x) of the mean pixel center from the slide's top left corner.
    area_um2 : (n,) float64
    touches_border : (n,) bool
        The object reaches the edge of the slide.
    boundary_um : (m, 2) float32
        (y, x) of the centers of pixels with a neighbor (of four) that is of another label, or
        background; the edge of the image is no boundary.
    boundary_label : (m,) int32
        Index into `label` of the object that each belongs to.
    coverage : (h, w) uint8
        Share of each coarse cell that the objects cover, 0 to 255.
    labels : LabelPlane or None
        The label image, read window by window; None where it is gone.
    """

    name: str
    kind: str
    state: State
    label: NDArray[np.int64]
    centroid_um: NDArray[np.float64]
    area_um2: NDArray[np.float64]
    touches_border: NDArray[np.bool_]
    boundary_um: NDArray[np.float32]
    boundary_label: NDArray[np.int32]
    coverage: NDArray[np.uint8]
    labels: LabelPlane | None = None

    @property
    def n(self) -> int:
        """Number of objects."""
        return int(self.label.size)


def coarse_step(mpp: float) -> int:
    """Pixels along the side of a coarse cell.

    Examples
    --------
    >>> coarse_step(0.5), coarse_step(0.25), coarse_step(10.0)
    (8, 16, 1)
    """
    return max(1, round(COARSE_UM / mpp))


def slide_geometry(
    shape_px: tuple[int, int],
    *,
    mpp: float,
    tissue: NDArray[np.bool_] | None = None,
    tissue_mpp: float | None = None,
) -> SlideGeometry:
    """Describe the grid of an image; without a tissue mask, all of it is tissue.

    Examples
    --------
    >>> slide_geometry((100, 60), mpp=0.5).coarse_shape
    (13, 8)
    """
    if tissue is None or tissue_mpp is None:
        return SlideGeometry(shape_px, mpp, np.ones(shape_px, bool), mpp)
    return SlideGeometry(shape_px, mpp, np.asarray(tissue, bool), tissue_mpp)


def slide_objects(
    labels: NDArray[Any],
    *,
    mpp: float,
    name: str = "object",
    kind: str = "instances",
    state: State = "present",
) -> SlideObjects:
    """Describe the objects of a label image that fits in memory.

    Examples
    --------
    >>> labels = np.zeros((16, 16), np.int32)
    >>> labels[2:6, 2:6] = 3
    >>> found = slide_objects(labels, mpp=0.5)
    >>> found.centroid_um.tolist(), found.area_um2.tolist(), len(found.boundary_um)
    ([[2.0, 2.0]], [4.0], 12)
    >>> found.coverage.tolist()
    [[64, 0], [0, 0]]
    """
    view = view_objects(labels, mpp=mpp)
    points, owner = boundary_pixels(view.labels)
    index = np.searchsorted(view.target, owner)
    return SlideObjects(
        name=name,
        kind=kind,
        state=state,
        label=view.label,
        centroid_um=(view.centroid_px + 0.5) * mpp,
        area_um2=view.area_px.astype(np.float64) * mpp**2,
        touches_border=view.touches_border,
        boundary_um=((points + 0.5) * mpp).astype(np.float32),
        boundary_label=index.astype(np.int32),
        coverage=covered_cells(view.labels, step=coarse_step(mpp)),
        labels=view.labels if np.array_equal(view.target, view.label) else np.asarray(labels),
    )


def boundary_pixels(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Find pixels of objects with a neighbor of four that has another label.

    Returns
    -------
    points : (m, 2) int64
        Row and column.
    owner : (m,) int32
        Label of each.
    """
    edge = np.zeros(labels.shape, bool)
    down = labels[1:] != labels[:-1]
    right = labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    edge &= labels > 0
    points = np.argwhere(edge)
    return points, labels[edge]


def covered_cells(labels: NDArray[np.int32], *, step: int) -> NDArray[np.uint8]:
    """Share of each cell of `step` pixels that objects cover, 0 to 255, (h, w) uint8.

    Cells that the image's far edge cuts count the pixels that they have.
    """
    rows = np.arange(0, labels.shape[0], step)
    columns = np.arange(0, labels.shape[1], step)
    inside = (labels > 0).astype(np.int32)
    counts = np.add.reduceat(np.add.reduceat(inside, rows, axis=0), columns, axis=1)
    heights = np.diff(np.append(rows, labels.shape[0]))
    widths = np.diff(np.append(columns, labels.shape[1]))
    share = counts / (heights[:, None] * widths)
    return np.asarray(np.rint(share * _FULL), np.uint8)
