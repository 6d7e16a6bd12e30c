"""TIFF, BigTIFF and OME-TIFF through tifffile: tiles or strips, pyramids, 8-bit gray or RGB.

Only the tiles under a window are decoded. Vendor formats with a suffix of their own go through
OpenSlide.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from pathexplain.errors import SlideError
from pathexplain.slides.image_reader import NOT_APPLIED
from pathexplain.slides.pyramid import Level, PyramidSlide, level_downsample
from pathexplain.slides.scale import (
    FileScale,
    from_ome_xml,
    from_resolution_tag,
    plausible,
    resolve_mpp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_tiff"]

# What tifffile and its codecs raise on files that are cut short or damaged.
FAULTS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    IndexError,
    KeyError,
    RuntimeError,
    struct.error,
    zlib.error,
    tifffile.TiffFileError,
)
WHITE = 255
BITS = 8
JPEG_COMPRESSIONS = (6, 7)
APERIO_MPP = re.compile(r"MPP = (\d+\.?\d*)")
UNITS = {2: "inch", 3: "cm"}
ICC_TAG = 34675


def read_tiff(path: Path, *, slide_id: str, mpp: float | None) -> PyramidSlide:
    """Open the first series of a TIFF.

    Raises
    ------
    SlideError
        If the file is truncated or damaged, is not 8-bit gray or RGB, its pixels are not square,
        or it has no resolution and `mpp` is None.
    """
    try:
        file = tifffile.TiffFile(path)
    except FAULTS as fault:
        raise _broken(slide_id, path, str(fault)) from fault
    try:
        levels = _levels(file, slide_id, path)
        found = _file_scale(file)
        resolution, field = resolve_mpp(mpp, found, slide_id=slide_id, path=str(path))
    except SlideError:
        file.close()
        raise
    except FAULTS as fault:
        file.close()
        raise _broken(slide_id, path, str(fault)) from fault
    source = {"reader": "tiff", "vendor": _vendor(file), "mpp_source": field}
    if ICC_TAG in file.pages.first.tags:
        source["icc"] = NOT_APPLIED
    return PyramidSlide(
        slide_id=slide_id,
        mpp=resolution,
        levels=levels,
        source=source,
        path=str(path),
        faults=FAULTS,
        release=file.close,
    )


def _broken(slide_id: str, path: Path, why: str) -> SlideError:
    message = f"slide {slide_id}: cannot read {path}: {why}; the file may be truncated or corrupt"
    return SlideError(message, slide_id=slide_id, path=str(path))


def _vendor(file: tifffile.TiffFile) -> str:
    """Which dialect of TIFF this is."""
    dialects = ("ome", "svs", "imagej", "philips", "scn", "ndpi")
    return next((name for name in dialects if getattr(file, f"is_{name}")), "tiff")


def _levels(file: tifffile.TiffFile, slide_id: str, path: Path) -> tuple[Level, ...]:
    """All levels of the first series, finest first, checked for kind and completeness."""
    size = path.stat().st_size
    levels: list[Level] = []
    for series in file.series[0].levels:
        pages = [page.aspage() for page in series.pages if page is not None]
        _check_kind(pages, slide_id, path)
        if any(_end(page) > size for page in pages):
            raise _broken(slide_id, path, f"pixel data end beyond the file's {size} bytes")
        height, width = pages[0].imagelength, pages[0].imagewidth
        full = levels[0].shape if levels else (height, width)
        downsample = (level_downsample(full[0], height), level_downsample(full[1], width))
        levels.append(Level((height, width), downsample, _Cropper(pages)))
    return tuple(levels)


def _end(page: tifffile.TiffPage) -> int:
    """Last byte that the pixel data of a page need."""
    pairs = zip(page.dataoffsets, page.databytecounts, strict=True)
    return max((offset + count for offset, count in pairs), default=0)


def _check_kind(pages: Sequence[tifffile.TiffPage], slide_id: str, path: Path) -> None:
    """Refuse by name what is not 8-bit gray or RGB."""
    page = pages[0]
    color = tifffile.PHOTOMETRIC(page.photometric).name
    if page.bitspersample != BITS or page.dtype != np.uint8:
        kind = f"{page.bitspersample}-bit ({page.dtype})"
    elif color == "SEPARATED":
        kind = "CMYK"
    elif color not in {"RGB", "YCBCR", "MINISBLACK"}:
        kind = f"{color} color"
    elif color == "YCBCR" and page.compression not in JPEG_COMPRESSIONS:
        kind = "YCbCr without JPEG"
    elif (len(pages), page.samplesperpixel) not in {(1, 1), (1, 3), (1, 4), (3, 1)}:
        kind = f"{len(pages)} planes of {page.samplesperpixel} channels"
    else:
        return
    message = f"slide {slide_id}: {kind} pixels are not supported; save {path} as 8-bit RGB"
    raise SlideError(message, slide_id=slide_id, path=str(path))


def _file_scale(file: tifffile.TiffFile) -> FileScale | None:
    """Resolution by OME-XML, an Aperio or ImageJ description, or the resolution tags."""
    page = file.pages.first
    if file.ome_metadata:
        scale = from_ome_xml(file.ome_metadata)
        if scale is not None:
            return scale
    if page.is_svs:
        claimed = APERIO_MPP.search(page.description)
        scale = FileScale(float(claimed[1]), float(claimed[1]), "aperio") if claimed else None
        if scale is not None and plausible(scale):
            return scale
    x, y = page.resolution
    if file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
        scale = from_resolution_tag(y, x, unit, "imagej")
        if scale is not None:
            return scale
    return from_resolution_tag(y, x, UNITS.get(int(page.resolutionunit), ""), "tiff resolution")


class _Cropper:
    """Decodes the tiles or strips of one level that a box touches."""

    def __init__(self, pages: Sequence[tifffile.TiffPage]) -> None:
        self.pages = pages

    def __call__(self, y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return the box as (height, width, 3) uint8 RGB, transparency on white."""
        box = (y0, x0, height, width)
        planes = np.concatenate([_decode_box(page, *box) for page in self.pages], axis=2)
        channels = planes.shape[2]
        if channels == 1:
            return np.repeat(planes, 3, axis=2)
        if channels == 3:  # noqa: PLR2004 - RGB
            return planes
        alpha = planes[..., 3:].astype(np.float32) / 255
        mixed = planes[..., :3] * alpha + WHITE * (1 - alpha)
        return np.rint(mixed).astype(np.uint8)


def _decode_box(page: Any, y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
    """Decode one page's box as (height, width, channels); absent tiles are white."""
    channels = page.samplesperpixel
    out = np.full((height, width, channels), WHITE, dtype=np.uint8)
    for index in _segments(page, y0, x0, height, width):
        data = _segment_bytes(page, index)
        if not data:
            continue
        pixels, (plane, _, top, left, _), _ = page.decode(data, index, jpegtables=page.jpegtables)
        pixels = pixels[0]
        if page.planarconfig == tifffile.PLANARCONFIG.CONTIG:
            plane, depth = 0, channels
        else:
            depth = 1
        first, leftmost = max(top, y0), max(left, x0)
        last = min(top + pixels.shape[0], y0 + height)
        rightmost = min(left + pixels.shape[1], x0 + width)
        target = out[first - y0 : last - y0, leftmost - x0 : rightmost - x0]
        target[..., plane : plane + depth] = pixels[
            first - top : last - top, leftmost - left : rightmost - left
        ]
    return out


def _segments(page: Any, y0: int, x0: int, height: int, width: int) -> list[int]:
    """List the indices of the tiles or strips under a box, in every plane."""
    if page.is_tiled:
        tall, wide = page.tilelength, page.tilewidth
    else:
        tall, wide = min(page.rowsperstrip, page.imagelength), page.imagewidth
    down, across = math.ceil(page.imagelength / tall), math.ceil(page.imagewidth / wide)
    contiguous = page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    planes = 1 if contiguous else page.samplesperpixel
    rows = range(y0 // tall, math.ceil((y0 + height) / tall))
    columns = range(x0 // wide, math.ceil((x0 + width) / wide))
    return [(p * down + r) * across + c for p in range(planes) for r in rows for c in columns]


def _segment_bytes(page: Any, index: int) -> bytes:
    """Raw bytes of one tile or strip; empty where the file stores none."""
    count = page.databytecounts[index]
    if count == 0:
        return b""
    file = page.parent.filehandle
    with file.lock:
        file.seek(page.dataoffsets[index])
        return bytes(file.read(count))
