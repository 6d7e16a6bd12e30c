"""Micrometers a pixel: from what a file says about itself, or from the caller.

Objective power is never turned into a resolution: "20x" is 0.5 um on one scanner and 0.23 um on
another.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from xml.etree import ElementTree as ET

from pathexplain.errors import SlideError
from pathexplain.slides.pyramid import checked_mpp

__all__ = ["FileScale", "from_ome_xml", "from_resolution_tag", "plausible", "resolve_mpp"]

# Finer than any light microscope's camera, and coarser than any overview picture of tissue.
PLAUSIBLE_MPP = (0.05, 20.0)
# Relative difference of the two axes above which pixels are not square.
ANISOTROPY = 0.01

UM_PER_UNIT = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "in": 25400.0,
    "inch": 25400.0,
}


class FileScale(NamedTuple):
    """Resolution that a file claims: um a pixel along y and x, and which field says so."""

    y: float
    x: float
    field: str


def plausible(scale: FileScale) -> bool:
    """Whether both values can be a microscope's, between 0.05 and 20 um a pixel.

    Screen and print resolutions are not: 72, 96 and 300 dpi are 353, 265 and 85 um a pixel.

    Examples
    --------
    >>> plausible(FileScale(0.5, 0.5, "")), plausible(FileScale(352.8, 352.8, ""))
    (True, False)
    """
    low, high = PLAUSIBLE_MPP
    return low <= scale.y <= high and low <= scale.x <= high


def from_resolution_tag(
    per_unit_y: float, per_unit_x: float, unit: str, field: str
) -> FileScale | None:
    """Turn pixels per unit into um a pixel; None without a unit or where it is not plausible.

    Examples
    --------
    >>> from_resolution_tag(20000, 20000, "cm", "tiff resolution")
    FileScale(y=0.5, x=0.5, field='tiff resolution')
    >>> from_resolution_tag(72, 72, "inch", "tiff resolution") is None
    True
    """
    um = UM_PER_UNIT.get(unit)
    if um is None or not (per_unit_y > 0 and per_unit_x > 0):
        return None
    scale = FileScale(um / per_unit_y, um / per_unit_x, field)
    return scale if plausible(scale) else None


def from_ome_xml(text: str) -> FileScale | None:
    """Read PhysicalSizeX and PhysicalSizeY, with their units, of the first image.

    Examples
    --------
    >>> from_ome_xml('<OME><Image><Pixels PhysicalSizeX="250" PhysicalSizeXUnit="nm" '
    ...              'PhysicalSizeY="0.25"/></Image></OME>')
    FileScale(y=0.25, x=0.25, field='ome-xml')
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return None
    pixels = next((node for node in root.iter() if node.tag.endswith("Pixels")), None)
    if pixels is None:
        return None
    sizes = [_ome_size(pixels.attrib, axis) for axis in ("Y", "X")]
    y, x = sizes
    if y is None or x is None:
        return None
    scale = FileScale(y, x, "ome-xml")
    return scale if plausible(scale) else None


def _ome_size(attributes: dict[str, str], axis: str) -> float | None:
    """One physical size in um; None where it is missing, malformed or in pixels."""
    um = UM_PER_UNIT.get(attributes.get(f"PhysicalSize{axis}Unit", "µm"))
    try:
        size = float(attributes.get(f"PhysicalSize{axis}", "nan"))
    except ValueError:
        return None
    return size * um if um is not None and math.isfinite(size) else None


def resolve_mpp(
    given: float | None, found: FileScale | None, *, slide_id: str, path: str
) -> tuple[float, str]:
    """Decide the resolution: the caller's value first, then the file's own.

    Returns
    -------
    (float, str)
        um a pixel, and where it comes from: ``"given"`` or the field of the file.

    Raises
    ------
    SlideError
        If nobody knows it, or the file says that pixels are not square.

    Examples
    --------
    >>> resolve_mpp(None, FileScale(0.5, 0.5, "openslide"), slide_id="S1", path="S1.svs")
    (0.5, 'openslide')
    """
    if given is not None:
        return checked_mpp(given, slide_id), "given"
    if found is None:
        message = f"slide {slide_id}: no mpp in the file; pass --mpp ({path})"
        raise SlideError(message, slide_id=slide_id, path=path)
    if abs(found.y - found.x) > ANISOTROPY * min(found.y, found.x):
        message = (
            f"slide {slide_id}: pixels are not square, {found.y:g} um high and {found.x:g} um wide "
            f"({found.field} of {path}); resample the file, or pass --mpp if this is wrong"
        )
        raise SlideError(message, slide_id=slide_id, path=path)
    return (found.y + found.x) / 2, found.field
