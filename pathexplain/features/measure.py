"""From a label image to a table of objects: run the families, apply minimum sizes, count NaN.

The step before aggregation; knows no slide and no prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.errors import FeatureError
from pathexplain.features.objects import ObjectView, view_objects
from pathexplain.features.registry import pixel_families
from pathexplain.slides.stains import RUIFROK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.features.columns import Column, FeatureFamily, Kind
    from pathexplain.features.spatial import SpatialFeatures
    from pathexplain.slides.stains import StainVectors

__all__ = [
    "REGION_REASON",
    "ObjectFeatures",
    "measure_objects",
    "measure_view",
    "with_spatial",
]

REGION_REASON = "instance-only feature of a region prompt"


@dataclass(frozen=True)
class ObjectFeatures:
    """What was measured on the objects of one label image.

    Attributes
    ----------
    values : (n, k) float64
        One row an object; NaN where undefined.
    columns : tuple of str
        The k names, "shape.area_um2".
    label : (n,) int64
        Id of each object in the label image, ascending.
    centroid_um : (n, 2) float64
        (y, x) of the mean pixel center, µm from the image's top left corner.
    touches_border : (n,) bool
        The object reaches the edge of the image, so it may be cut. Its values are those of the
        visible part; `aggregate_slide` leaves its shape out.
    kind : "instances" or "region"
        What the labels are: single objects, or connected parts of a region.
    undefined : mapping
        Column to (reason to count), for columns with a NaN.
    """

    values: NDArray[np.float64]
    columns: tuple[str, ...]
    label: NDArray[np.int64]
    centroid_um: NDArray[np.float64]
    touches_border: NDArray[np.bool_]
    kind: str
    undefined: Mapping[str, Mapping[str, int]]

    @property
    def n(self) -> int:
        """Number of objects."""
        return int(self.label.size)

    @property
    def n_undefined(self) -> dict[str, int]:
        """How many objects have NaN, for each column that has any."""
        return {name: sum(reasons.values()) for name, reasons in self.undefined.items()}

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) float64: one feature of all objects; FeatureError if it was not measured."""
        if name not in self.columns:
            message = f"{name!r} was not measured; there are: {', '.join(self.columns)}"
            raise FeatureError(message)
        return self.values[:, self.columns.index(name)]

    def to_frame(self) -> pd.DataFrame:
        """One row an object, indexed by label: features, centroid (y, x) in µm, touches_border."""
        frame = pd.DataFrame(self.values, columns=list(self.columns), index=self.label)
        frame.index.name = "label"
        frame["centroid_y_um"] = self.centroid_um[:, 0]
        frame["centroid_x_um"] = self.centroid_um[:, 1]
        frame["touches_border"] = self.touches_border
        return frame


def measure_objects(
    labels: NDArray[Any],
    pixels: NDArray[np.uint8] | None = None,
    *,
    mpp: float,
    families: Iterable[str] = ("shape", "stain", "texture"),
    kind: str = "instances",
    stains: StainVectors = RUIFROK,
) -> ObjectFeatures:
    """Measure every object of a label image.

    Parameters
    ----------
    labels : (H, W) int32
        0 is background; ids are positive, gaps allowed. Memory maps are read, not copied.
    pixels : (H, W, 3) uint8, optional
        RGB on the same grid; needed by the stain and texture families.
    mpp : float
        Micrometers per pixel, > 0.
    families : iterable of str
        Names in `FAMILIES`; spatial families, which need a whole slide, are left to
        `measure_spatial`.
    kind : {"instances", "region"}
        "region": labels are connected parts of a region mask, in which touching objects may have
        merged; instance-only features are then NaN.
    stains : StainVectors
        How colors are split into stains (`pathexplain.slides.slide_stains`); default: the fixed
        vectors of Ruifrok for hematoxylin and eosin.

    Returns
    -------
    ObjectFeatures
        n may be 0. A value is NaN below the column's minimum pixel count, where the column says
        it is undefined, and for instance-only features of a region; each is counted by reason.

    Raises
    ------
    FeatureError
        Labels, pixels or mpp are not as described, a family is unknown, or stain lacks pixels.

    Notes
    -----
    Time is that of compiled loops over the objects' boxes on all cores; the first call in a new
    installation compiles for some seconds, later processes load the result from the cache.

    Examples
    --------
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[2:12, 2:12] = 5
    >>> labels[15, 15] = 9
    >>> objects = measure_objects(labels, mpp=0.5, families=["shape"])
    >>> objects.label.tolist(), objects.column("shape.area_um2").tolist()
    ([5, 9], [25.0, 0.25])
    >>> objects.column("shape.solidity").tolist(), objects.n_undefined["shape.solidity"]
    ([1.0, nan], 1)
    """
    view = view_objects(labels, pixels, mpp=mpp, stains=stains)
    return measure_view(view, families=families, kind=kind)


def measure_view(
    view: ObjectView,
    *,
    families: Iterable[str] = ("shape", "stain", "texture"),
    kind: str = "instances",
) -> ObjectFeatures:
    """Measure the objects of a view, which may be some of those in its label image.

    Parameters
    ----------
    view : ObjectView
    families : iterable of str
    kind : {"instances", "region"}
        As for `measure_objects`, which also says what is returned and raised.

    Examples
    --------
    >>> view = view_objects(np.array([[1, 0, 2, 2]]), mpp=0.5)
    >>> some = measure_view(view.only(np.array([2])), families=["shape"])
    >>> some.label.tolist(), some.column("shape.area_um2").tolist()
    ([2], [0.5])
    """
    chosen = pixel_families(families)
    if kind not in {"instances", "region"}:
        message = f"kind is {kind!r}; it is 'instances' (single objects) or 'region' (merged areas)"
        raise FeatureError(message)
    _refuse_missing_pixels(chosen, view.pixels)
    blocks = [family.compute(view) for family in chosen if family.compute is not None]
    values = np.hstack([*blocks, np.empty((view.n, 0))])
    columns = [column for family in chosen for column in family.columns]
    names = tuple(name for family in chosen for name in family.names)
    lacking = {
        f"{family.name}.{name}": reason
        for family in chosen
        for name, reason in family.lacking(view).items()
    }
    undefined = {}
    for j, (name, column) in enumerate(zip(names, columns, strict=True)):
        reasons = _apply_rules(values[:, j], column, view, kind, lacking.get(name, ""))
        if reasons:
            undefined[name] = reasons
    centroid_um = (view.centroid_px + 0.5) * view.mpp
    return ObjectFeatures(
        values, names, view.label, centroid_um, view.touches_border, kind, undefined
    )


def with_spatial(objects: ObjectFeatures, spatial: SpatialFeatures, prompt: str) -> ObjectFeatures:
    """Append the columns that `measure_spatial` found for the objects of a prompt."""
    before: NDArray[np.float64] = objects.values  # noqa: PD011  # an array, not a frame
    found: NDArray[np.float64] = spatial.values[prompt]  # noqa: PD011  # an array, not a frame
    return replace(
        objects,
        values=np.hstack([before, found]),
        columns=(*objects.columns, *spatial.columns),
        undefined={**objects.undefined, **spatial.undefined.get(prompt, {})},
    )


def _refuse_missing_pixels(
    chosen: Sequence[FeatureFamily], pixels: NDArray[np.uint8] | None
) -> None:
    """Refuse a family that needs pixels when there are none."""
    needy = [family.name for family in chosen if family.needs_pixels]
    if needy and pixels is None:
        message = (
            f"families {needy} need pixels (H, W, 3) uint8 and got None; pass the image, or "
            "measure families=['shape'] only"
        )
        raise FeatureError(message)


def _apply_rules(
    values: NDArray[np.float64], column: Column, view: ObjectView, kind: str, lacking: str
) -> dict[str, int]:
    """Set to NaN, in place, what the column does not define; return reason to count."""
    only: Kind = "instances"
    if kind == "region" and column.kind == only:
        values[:] = np.nan
        return {REGION_REASON: view.n} if view.n else {}
    if lacking:
        values[:] = np.nan
        return {lacking: view.n} if view.n else {}
    small = view.area_px < column.min_pixels
    odd = ~small & ~np.isfinite(values)
    values[small | odd] = np.nan
    counts = {
        f"fewer than {column.min_pixels} pixels": int(small.sum()),
        column.undefined or "not finite": int(odd.sum()),
    }
    return {reason: count for reason, count in counts.items() if count}
