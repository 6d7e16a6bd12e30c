"""Whole-slide formats of the scanner vendors, through OpenSlide.

Where a scanner says which part of its coordinate space it scanned (`openslide.bounds-*`), the slide
is that part, as in QuPath. An embedded ICC profile is named in `source` and not applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import SlideError
from pathexplain.slides.image_reader import NOT_APPLIED, on_white
from pathexplain.slides.pyramid import Level, PyramidSlide, level_downsample
from pathexplain.slides.scale import FileScale, plausible, resolve_mpp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openslide import OpenSlide

__all__ = ["read_openslide"]

OPAQUE = 255


def read_openslide(path: Path, *, slide_id: str, mpp: float | None) -> PyramidSlide:
    """Open a slide file of a scanner.

    Raises
    ------
    SlideError
        If OpenSlide does not know the file or cannot read it, its pixels are not square, or it has
        no resolution and `mpp` is None.
    """
    from openslide import OpenSlide, OpenSlideError

    try:
        handle = OpenSlide(path)
    except OpenSlideError as fault:
        message = (
            f"slide {slide_id}: OpenSlide cannot open {path}: {fault}; "
            "the file may be truncated, or of another format than its suffix says"
        )
        raise SlideError(message, slide_id=slide_id, path=str(path)) from fault
    try:
        properties = handle.properties
        found = _file_scale(properties)
        resolution, field = resolve_mpp(mpp, found, slide_id=slide_id, path=str(path))
    except BaseException:
        handle.close()
        raise
    vendor = properties.get("openslide.vendor", "unknown")
    bounds = _bounds(properties, handle.dimensions)
    source = {"reader": "openslide", "vendor": vendor, "mpp_source": field}
    if bounds != (0, 0, handle.dimensions[1], handle.dimensions[0]):
        source["bounds_px"] = ",".join(map(str, bounds))
    if "openslide.icc-size" in properties:
        source["icc"] = NOT_APPLIED
    return PyramidSlide(
        slide_id=slide_id,
        mpp=resolution,
        levels=tuple(_level(handle, index, bounds) for index in range(handle.level_count)),
        source=source,
        path=str(path),
        faults=(OpenSlideError, OSError),
        release=handle.close,
    )


def _file_scale(properties: Mapping[str, str]) -> FileScale | None:
    """Resolution by OpenSlide's own two properties."""
    try:
        y, x = (float(properties[f"openslide.mpp-{axis}"]) for axis in "yx")
    except (KeyError, ValueError):
        return None
    scale = FileScale(y, x, "openslide")
    return scale if plausible(scale) else None


def _bounds(
    properties: Mapping[str, str], dimensions: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Part of level 0 that was scanned: y, x, height, width; all of it where nothing is said."""
    width, height = dimensions
    try:
        x, y, wide, tall = (
            int(properties[f"openslide.bounds-{name}"]) for name in ("x", "y", "width", "height")
        )
    except (KeyError, ValueError):
        return 0, 0, height, width
    is_inside = 0 <= x < width and 0 <= y < height and wide > 0 and tall > 0
    if not is_inside:
        return 0, 0, height, width
    return y, x, min(tall, height - y), min(wide, width - x)


def _level(handle: OpenSlide, index: int, bounds: tuple[int, int, int, int]) -> Level:
    """One level; boxes are placed with OpenSlide's own factor, so that they fall on its grid."""
    (full_width, full_height), (width, height) = handle.dimensions, handle.level_dimensions[index]
    factor = handle.level_downsamples[index]
    top, left, tall, wide = bounds
    down_y, down_x = level_downsample(full_height, height), level_downsample(full_width, width)

    def crop(y0: int, x0: int, rows: int, columns: int) -> np.ndarray:
        corner = (left + round(x0 * factor), top + round(y0 * factor))
        region = handle.read_region(corner, index, (columns, rows))
        transparent = region.getchannel("A").getextrema()[0] != OPAQUE
        return np.asarray(on_white(region) if transparent else region.convert("RGB"))

    if (tall, wide) == (full_height, full_width):
        return Level((height, width), (down_y, down_x), crop)
    shape = (max(1, int(tall / down_y)), max(1, int(wide / down_x)))
    return Level(shape, (down_y, down_x), crop)
