"""Masks in files, read window by window: label TIFF and PNG, GeoJSON, SpatialData stores.

Whatever its resolution, a label image covers its whole slide; polygons of a GeoJSON file are in
pixels of the slide at full resolution, as QuPath writes them. Which file belongs to which slide and
prompt is settled in `masks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pathexplain.errors import SegmentationError
from pathexplain.segmentor.datasets.label_images import read_label_image
from pathexplain.segmentor.datasets.qupath import is_of, read_outlines
from pathexplain.segmentor.polygons import PolygonMask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from pathexplain.prompts import Prompt

__all__ = ["MASK_SUFFIXES", "MaskSource", "RasterMask"]
__all__ += ["is_class_of", "open_geojson", "open_raster", "open_store"]

RASTER_SUFFIXES = (".tif", ".tiff", ".png")
MASK_SUFFIXES = (*RASTER_SUFFIXES, ".geojson")
STRIP_ROWS = 1024
IN_MEMORY_BYTES = 2**28
SHAPE_TOLERANCE = 0.01
MOST_PARTS = 50
TWO = 2


class MaskSource(Protocol):
    """What one prompt's file says about one slide.

    Attributes
    ----------
    is_numbered : bool
        Whether objects have numbers of their own, the same over the whole slide.
    """

    @property
    def is_numbered(self) -> bool: ...  # noqa: D102  described above

    def window(
        self, y_um: float, x_um: float, height: int, width: int, mpp: float
    ) -> NDArray[np.int64]:
        """Return (height, width) numbers of objects at `mpp`; 0 is background."""
        ...


@dataclass(frozen=True, eq=False)
class RasterMask:
    """A label image over a whole slide, in memory or on disk.

    Parameters
    ----------
    array : (h, w) integers
        Anything that slices to an array.
    extent_um : (float, float)
        Height and width of the slide.
    path : Path
        For messages.

    Raises
    ------
    SegmentationError
        When the image is no label image, or has not the proportions of the slide.

    Examples
    --------
    >>> from pathlib import Path
    >>> mask = RasterMask(np.array([[0, 7], [7, 9]]), (4.0, 4.0), Path("gland.png"))
    >>> mask.window(0.0, 1.0, 2, 3, 1.0)
    array([[0, 7, 7],
           [0, 7, 7]])
    >>> mask.is_numbered
    True
    """

    array: Any
    extent_um: tuple[float, float]
    path: Path

    def __post_init__(self) -> None:
        """Check kind and proportions once."""
        if len(self.array.shape) != TWO or self.array.dtype.kind not in "biu":
            message = (
                f"{self.path}: {self.array.dtype} of shape {tuple(self.array.shape)}; a mask is "
                "one plane of integers, 0 for background"
            )
            raise SegmentationError(message, path=str(self.path))
        height, width = self.array.shape
        expected = height * self.extent_um[1] / self.extent_um[0]
        if abs(width - expected) > max(1.5, SHAPE_TOLERANCE * expected):
            message = (
                f"{self.path}: a mask of {height} × {width} px cannot cover a slide of "
                f"{self.extent_um[0]:.1f} × {self.extent_um[1]:.1f} µm, whose proportions differ; "
                "a mask covers its whole slide, at any resolution"
            )
            raise SegmentationError(message, path=str(self.path))

    @cached_property
    def is_numbered(self) -> bool:
        """False where only one value is used: then connected areas are the objects."""
        seen: set[int] = set()
        for top in range(0, self.array.shape[0], STRIP_ROWS):
            seen |= set(np.unique(np.asarray(self.array[top : top + STRIP_ROWS])).tolist()) - {0}
            if len(seen) > 1:
                return True
        return False

    def window(
        self, y_um: float, x_um: float, height: int, width: int, mpp: float
    ) -> NDArray[np.int64]:
        """Take the value under each pixel's centre, 0 beyond the slide."""
        rows = self._indices(0, y_um, height, mpp)
        columns = self._indices(1, x_um, width, mpp)
        within_y = (rows >= 0) & (rows < self.array.shape[0])
        within_x = (columns >= 0) & (columns < self.array.shape[1])
        result = np.zeros((height, width), np.int64)
        if within_y.any() and within_x.any():
            y, x = rows[within_y], columns[within_x]
            block = np.asarray(self.array[y[0] : y[-1] + 1, x[0] : x[-1] + 1])
            result[np.ix_(within_y, within_x)] = block[np.ix_(y - y[0], x - x[0])]
        return np.maximum(result, 0)

    def _indices(self, axis: int, start_um: float, count: int, mpp: float) -> NDArray[np.int64]:
        """Mask pixels under the centres of `count` pixels from `start_um` on."""
        pitch_um = self.extent_um[axis] / self.array.shape[axis]
        if round(self.extent_um[axis] / mpp) == self.array.shape[axis]:
            pitch_um = mpp
        # Centres that meet an edge but for rounding belong to the pixel below it.
        places = (start_um + (np.arange(count) + 0.5) * mpp) / pitch_um
        return np.asarray(np.floor(np.round(places, 6)), np.int64)


def open_raster(path: Path, extent_um: tuple[float, float]) -> RasterMask:
    """Open a label image; large TIFFs stay on disk.

    Raises
    ------
    ConfigError, SegmentationError
        When the file is damaged, or not one plane of integers.
    """
    if path.suffix.lower() == ".png":
        return RasterMask(read_label_image(path), extent_um, path)
    try:
        array = _read_tiff(path)
    except (OSError, ValueError, RuntimeError) as error:
        message = f"{path}: cannot be read as a mask: {error}"
        raise SegmentationError(message, path=str(path)) from error
    return RasterMask(array, extent_um, path)


def _read_tiff(path: Path) -> Any:
    """Read a small TIFF into memory; of a large one, windows when they are asked for."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        level = file.series[0].levels[0]
        if level.nbytes <= IN_MEMORY_BYTES:
            return np.squeeze(level.asarray())
        return _TiffOnDisk(path, tuple(level.shape), np.dtype(level.dtype))


@dataclass(frozen=True)
class _TiffOnDisk:
    """Slices to arrays; the file is open only while it is read."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, window: Any) -> NDArray[Any]:
        """Read the tiles or strips under a window."""
        import tifffile
        import zarr

        with tifffile.imread(self.path, aszarr=True, level=0) as store:
            return np.asarray(zarr.open(store, mode="r")[window])


def open_store(path: Path, name: str, extent_um: tuple[float, float]) -> MaskSource | None:
    """Open labels ``<name>_labels`` or ``<name>``, or shapes ``<name>``, of a SpatialData store.

    Returns
    -------
    MaskSource or None
        None where the store has no such element.

    Raises
    ------
    SegmentationError
        When the element does not fit the slide.
    """
    import zarr

    for labels in (path / "labels" / f"{name}_labels", path / "labels" / name):
        if labels.is_dir():
            scales = [array for _, array in zarr.open_group(labels, mode="r").arrays()]
            finest = max(scales, key=lambda array: array.shape)
            return RasterMask(finest, extent_um, labels)
    if not (path / "shapes" / name).is_dir():
        return None
    from spatialdata import read_zarr, transform

    shapes = transform(
        read_zarr(path, selection=("shapes",)).shapes[name], to_coordinate_system="global"
    )
    return PolygonMask(tuple(map(_rings, shapes.geometry)), extent_um, path / "shapes" / name)


def _rings(outline: BaseGeometry) -> tuple[NDArray[np.float64], ...]:
    """Rings of a polygon or of several, holes too."""
    import shapely

    parts = shapely.get_parts(outline)
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return tuple(shapely.get_coordinates(ring) for ring in rings)


def open_geojson(
    path: Path, prompt: Prompt, *, extent_um: tuple[float, float], mpp: float, by_class: bool
) -> PolygonMask:
    """Open polygons in pixels of a slide; of QuPath's cells the nucleus where nuclei are meant.

    Parameters
    ----------
    path : Path
    prompt : Prompt
    extent_um : (float, float)
        Height and width of the slide.
    mpp : float
        µm per pixel of the slide at full resolution.
    by_class : bool
        Whether only objects are meant whose class is the prompt; otherwise all of the file.

    Raises
    ------
    ConfigError
        When the file is no GeoJSON of polygons.
    SegmentationError
        When the polygons do not fit the slide, or many objects lie in one feature.
    """
    outlines = read_outlines(path, structure=prompt.structure or "tissue")
    most = max((len(outline.polygons) for outline in outlines), default=0)
    if prompt.kind == "instances" and most > MOST_PARTS:
        message = (
            f"{path}: one feature holds {most} polygons, which would count as one {prompt.name!r}; "
            "give every object a feature of its own (of CellViT use cells.json, not cells.geojson)"
        )
        raise SegmentationError(message, prompt=prompt.name, path=str(path))
    objects = tuple(
        tuple(ring * mpp for polygon in outline.polygons for ring in polygon)
        for outline in outlines
        if not by_class or is_class_of(outline.class_name, prompt)
    )
    return PolygonMask(objects, extent_um, path)


def is_class_of(class_name: str | None, prompt: Prompt) -> bool:
    """Whether a class of QuPath is what a prompt asks for, by its object or by its name.

    Examples
    --------
    >>> from pathexplain.prompts import Prompt
    >>> is_class_of("TILs", Prompt.from_text("lymphocyte")), is_class_of(None, Prompt("a", "b"))
    (True, False)
    >>> is_class_of("Odd cells", Prompt.from_text("something", name="odd_cells"))
    True
    """
    if class_name is None:
        return False
    wanted = {prompt.name.replace("_", " "), prompt.object or prompt.name}
    return any(is_of(class_name, category) for category in wanted)
