"""OME-Zarr images (0.4 and 0.5) and images of SpatialData stores: folders of chunks.

Format: https://ngff.openmicroscopy.org. Only the chunks under a window are read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import SlideError
from pathexplain.slides.pyramid import Level, PyramidSlide, level_downsample
from pathexplain.slides.scale import UM_PER_UNIT, FileScale, plausible, resolve_mpp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_zarr"]

LONG_UNITS = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}
CHANNELS = (1, 3)


def read_zarr(path: Path, *, slide_id: str, mpp: float | None) -> PyramidSlide:
    """Open an OME-Zarr image, or the only image of a SpatialData store.

    The resolution is that of the axes where their unit is a length. SpatialData gives its axes no
    unit, so `mpp` is needed for its images. An image of a store with several is named by its own
    folder, ``STORE.zarr/images/NAME``, with the reader "zarr".

    Raises
    ------
    SlideError
        If the folder is no such image, holds several, is not 8-bit gray or RGB, has planes in z or
        t, its pixels are not square, or it has no resolution and `mpp` is None.
    """
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        group = _image(group, path, slide_id)
        described = _multiscales(group.attrs)
        if described is None:
            raise _unknown(slide_id, path, "it has no multiscales")
        axes = _axes(described)
        paths = [str(item["path"]) for item in described["datasets"]]
        arrays: list[Any] = [group[name] for name in paths]
    except (OSError, KeyError, TypeError, ValueError) as fault:
        if isinstance(fault, SlideError):
            raise
        raise _unknown(slide_id, path, str(fault)) from fault
    _check_kind(arrays[0], axes, slide_id, path)
    resolution, field = resolve_mpp(
        mpp, _file_scale(described, axes), slide_id=slide_id, path=str(path)
    )
    return PyramidSlide(
        slide_id=slide_id,
        mpp=resolution,
        levels=_levels(arrays, axes),
        source={"reader": "zarr", "vendor": "ome-zarr", "mpp_source": field},
        path=str(path),
        faults=(OSError, ValueError, KeyError, RuntimeError),
    )


def _unknown(slide_id: str, path: Path, why: str) -> SlideError:
    message = (
        f"slide {slide_id}: {path} is no OME-Zarr or SpatialData image that can be read: {why}"
    )
    return SlideError(message, slide_id=slide_id, path=str(path))


def _image(group: Any, path: Path, slide_id: str) -> Any:
    """Group of the image: the folder itself, or the only image of a store."""
    if _multiscales(group.attrs) is not None:
        return group
    images = group.get("images")
    names = sorted(name for name, _ in images.groups()) if images is not None else []
    if len(names) == 1:
        return images[names[0]]
    if names:
        message = (
            f"slide {slide_id}: {path} holds {len(names)} images ({', '.join(names)}); name one as "
            f"{path}/images/{names[0]}, with the reader zarr"
        )
        raise SlideError(message, slide_id=slide_id, path=str(path))
    raise _unknown(slide_id, path, "it holds no image")


def _multiscales(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what OME-Zarr says of an image; None where it says nothing."""
    found = dict(attributes.get("ome", attributes)).get("multiscales")
    return dict(found[0]) if found else None


def _axes(described: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the axes, in order."""
    return tuple(str(axis["name"]) for axis in described["axes"])


def _check_kind(array: Any, axes: Sequence[str], slide_id: str, path: Path) -> None:
    """Refuse by name what is not one plane of 8-bit gray or RGB."""
    sizes = dict(zip(axes, array.shape, strict=True))
    deep = {name: n for name, n in sizes.items() if name in {"t", "z"} and n > 1}
    kind = ""
    if not {"y", "x"} <= set(axes) or set(axes) - set("tczyx"):
        kind = f"axes {', '.join(axes)}"
    elif deep:
        kind = f"several planes ({', '.join(f'{n} in {name}' for name, n in deep.items())})"
    elif array.dtype != np.uint8:
        kind = f"{array.dtype.itemsize * 8}-bit ({array.dtype}) pixels"
    elif sizes.get("c", 1) not in CHANNELS:
        kind = f"{sizes['c']} channels"
    if kind:
        message = f"slide {slide_id}: {kind} are not supported; save {path} as 8-bit RGB"
        raise SlideError(message, slide_id=slide_id, path=str(path))


def _file_scale(described: Mapping[str, Any], axes: Sequence[str]) -> FileScale | None:
    """Resolution of the finest level by its transformations, where the axes have a unit."""
    units = {str(axis["name"]): str(axis.get("unit", "")) for axis in described["axes"]}
    sizes = np.ones(len(axes))
    finest = described["datasets"][0].get("coordinateTransformations", ())
    for step in (*finest, *described.get("coordinateTransformations", ())):
        if step.get("type") == "scale":
            sizes = sizes * np.asarray(step["scale"], np.float64)
    um = {name: LONG_UNITS.get(unit, UM_PER_UNIT.get(unit)) for name, unit in units.items()}
    y_um, x_um = um["y"], um["x"]
    if y_um is None or x_um is None:
        return None
    y, x = (float(sizes[axes.index(name)]) for name in "yx")
    scale = FileScale(y * y_um, x * x_um, "ome-zarr")
    return scale if math.isfinite(y * x) and plausible(scale) else None


def _levels(arrays: Sequence[Any], axes: Sequence[str]) -> tuple[Level, ...]:
    """All levels, finest first."""
    at = (axes.index("y"), axes.index("x"))
    full = tuple(int(arrays[0].shape[axis]) for axis in at)
    levels = []
    for array in arrays:
        height, width = (int(array.shape[axis]) for axis in at)
        downsample = (level_downsample(full[0], height), level_downsample(full[1], width))
        levels.append(Level((height, width), downsample, _Cropper(array, tuple(axes))))
    return tuple(levels)


class _Cropper:
    """Reads the chunks of one level that a box touches."""

    def __init__(self, array: Any, axes: tuple[str, ...]) -> None:
        self.array = array
        self.axes = axes

    def __call__(self, y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return the box as (height, width, 3) uint8 RGB."""
        box: dict[str, Any] = {"y": slice(y0, y0 + height), "x": slice(x0, x0 + width)}
        whole = slice(None) if "c" in self.axes else 0
        index = tuple(box.get(name, whole if name == "c" else 0) for name in self.axes)
        pixels = np.asarray(self.array[index])
        left = [name for name in self.axes if name in {"c", "y", "x"}]
        if "c" not in left:
            return np.repeat(pixels[..., None], 3, axis=2)
        pixels = np.moveaxis(pixels, left.index("c"), -1)
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
