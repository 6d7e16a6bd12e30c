"""Nuclei that CellViT found: its ``cells.json``, in pixels of the slide at full resolution.

Contours run through the centres of the outermost pixels of a nucleus, so half a pixel is added all
around. CellViT: Hörst 2024, doi:10.1016/j.media.2024.103143.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import SegmentationError
from pathexplain.segmentor.datasets.qupath import is_of
from pathexplain.segmentor.polygons import PolygonMask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt

__all__ = ["open_cellvit"]

HALF_PX = 0.5
ANY_NUCLEUS = "nucleus"


def open_cellvit(
    path: Path, prompt: Prompt, *, extent_um: tuple[float, float], mpp: float
) -> PolygonMask:
    """Open the cells of a slide that are what a prompt asks for.

    Parameters
    ----------
    path : Path
        ``cells.json``.
    prompt : Prompt
        An object that is a class of the file, by name or synonym; "nucleus" takes all cells.
    extent_um : (float, float)
        Height and width of the slide.
    mpp : float
        µm per pixel of the slide at full resolution.

    Raises
    ------
    SegmentationError
        When the file is not CellViT's, has no class for the prompt, or does not fit the slide.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        classes = {int(key): str(name) for key, name in content["type_map"].items()}
        cells = [
            (int(cell["type"]), np.asarray(cell["contour"], float)) for cell in content["cells"]
        ]
        wanted = _wanted(classes, prompt, path)
        objects = tuple(_outline(contour, mpp) for kind, contour in cells if kind in wanted)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = (
            f"{path}: is not the cells.json of CellViT ({type(error).__name__}: {error}); it has "
            "type_map and cells, each with type and contour"
        )
        raise SegmentationError(message, path=str(path)) from error
    return PolygonMask(objects, extent_um, path)


def _wanted(classes: dict[int, str], prompt: Prompt, path: Path) -> set[int]:
    """Classes that a prompt asks for."""
    if prompt.object == ANY_NUCLEUS:
        return set(classes)
    names = {prompt.name.replace("_", " "), prompt.object or prompt.name}
    wanted = {
        key for key, name in classes.items() if any(is_of(name, category) for category in names)
    }
    if not wanted:
        known = ", ".join(map(repr, classes.values()))
        message = (
            f"{path}: no class for prompt {prompt.name!r}; its classes are {known}; name the "
            "prompt as its class, or ask for the nucleus to take all"
        )
        raise SegmentationError(message, prompt=prompt.name, path=str(path))
    return wanted


def _outline(contour: NDArray[np.float64], mpp: float) -> tuple[NDArray[np.float64], ...]:
    """Rings of one nucleus in µm, along the edges of its pixels."""
    import shapely

    if contour.ndim != 2 or contour.shape[1] != 2 or not np.isfinite(contour).all():  # noqa: PLR2004
        message = f"a contour of shape {contour.shape}, must be (N, 2) numbers"
        raise ValueError(message)
    line: Any = shapely.Polygon(contour) if len(contour) > 2 else shapely.MultiPoint(contour)  # noqa: PLR2004
    grown = shapely.buffer(line, HALF_PX, cap_style="square", join_style="mitre")
    rings = (ring for part in shapely.get_parts(grown) for ring in (part.exterior, *part.interiors))
    return tuple((shapely.get_coordinates(ring) + HALF_PX) * mpp for ring in rings)
