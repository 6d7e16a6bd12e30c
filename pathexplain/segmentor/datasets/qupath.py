"""Objects drawn in QuPath, as it exports them: GeoJSON in pixels of the image.

Polygons with holes become label images. QuPath's own conventions hold: what is classified "Ignore*"
is not annotated, and where objects are classified "Region*", nothing outside them is. The format is
RFC 7946 with pixels for coordinates; see QuPath's documentation, "Exporting annotations".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.draw import polygon as fill

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import normalize_phrase, parse_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["IGNORE_CLASS", "REGION_CLASS", "Outline", "is_of", "paint", "read_outlines"]

IGNORE_CLASS, REGION_CLASS = "Ignore*", "Region*"
_LEAST_POINTS = 3


@dataclass(frozen=True, eq=False)
class Outline:
    """One object: polygons, each a list of (N, 2) float rings of (x, y), and its class or None.

    The first ring of a polygon is its edge, the others are holes.
    """

    polygons: tuple[tuple[NDArray[np.float64], ...], ...]
    class_name: str | None

    @property
    def far_corner(self) -> tuple[float, float]:
        """Largest y and x, px."""
        corners = np.array([polygon[0].max(axis=0) for polygon in self.polygons])
        x, y = corners.max(axis=0)
        return float(y), float(x)


def read_outlines(path: Path, *, structure: str) -> tuple[Outline, ...]:
    """Read the objects of a GeoJSON file.

    Parameters
    ----------
    path : Path
    structure : {"tissue", "cell", "nuclei"}
        For "nuclei", cells that QuPath detected give their nucleus.

    Raises
    ------
    ConfigError
        When it is no GeoJSON, or an object is a point or a line, which have no area.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "drawn.geojson"
    >>> _ = file.write_text('{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": '
    ...     '[[[0, 0], [4, 0], [4, 2], [0, 0]]]}, '
    ...     '"properties": {"classification": {"name": "Tumor"}}}')
    >>> [outline.class_name for outline in read_outlines(file, structure="tissue")]
    ['Tumor']
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        message = f"{path.name} is not GeoJSON ({error}); export it from QuPath again"
        raise ConfigError(message, path=str(path)) from error
    features = raw.get("features", [raw]) if isinstance(raw, dict) else raw
    if not isinstance(features, list):
        message = f"{path.name} holds no objects; export it from QuPath as GeoJSON"
        raise ConfigError(message, path=str(path))
    try:
        return tuple(_outline(feature, structure) for feature in features)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        message = f"{path.name} holds an object that is no polygon: {error}"
        raise ConfigError(message, path=str(path)) from error


def _outline(feature: dict[str, Any], structure: str) -> Outline:
    """One feature."""
    geometry = feature["geometry"]
    if structure == "nuclei" and feature.get("nucleusGeometry"):
        geometry = feature["nucleusGeometry"]
    kind = geometry["type"]
    if kind not in {"Polygon", "MultiPolygon"}:
        message = f"a {kind} has no area; draw its outline"
        raise ValueError(message)
    parts = geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]
    polygons = tuple(tuple(_ring(ring) for ring in part) for part in parts)
    return Outline(polygons, _class_name(feature.get("properties") or {}))


def _ring(points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """(N, 2) points of one ring."""
    ring = np.array([point[:2] for point in points], np.float64)
    if len(ring) < _LEAST_POINTS or not np.isfinite(ring).all():
        message = f"a ring needs {_LEAST_POINTS} or more points, all finite"
        raise ValueError(message)
    return ring


def _class_name(properties: dict[str, Any]) -> str | None:
    """Name of the class, parts joined as QuPath shows them; None where it has none."""
    classification = properties.get("classification") or {}
    names = classification.get("names") or [classification.get("name")]
    joined = ": ".join(str(name) for name in names if name)
    return joined or None


def is_of(class_name: str, category: str) -> bool:
    """Whether a class of QuPath is a category, in any wording that the vocabulary knows.

    Examples
    --------
    >>> is_of("Immune cells", "inflammatory"), is_of("Crescents", "crescent")
    (True, True)
    >>> is_of("Tumor: Positive", "tumor"), is_of("Stroma", "tumor")
    (True, False)
    """
    for name in (class_name, class_name.partition(":")[0]):
        term = parse_text(name).term
        if normalize_phrase(name) == normalize_phrase(category):
            return True
        if term is not None and term.name == category:
            return True
    return False


def paint(outlines: Iterable[Outline], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Draw objects as labels 1, 2, 3 … on (H, W) int64; later ones lie on top.

    A pixel belongs to an object when its centre does.

    Examples
    --------
    >>> ring = np.array([[1, 0], [3, 0], [3, 2], [1, 2]], float)
    >>> paint([Outline(((ring,),), None)], (3, 4)).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    labels = np.zeros(shape, np.int64)
    for index, outline in enumerate(outlines, start=1):
        for edge, *holes in outline.polygons:
            top, left = np.maximum(np.floor(edge.min(axis=0)[::-1]).astype(int), 0)
            window = labels[top : int(edge[:, 1].max()) + 2, left : int(edge[:, 0].max()) + 2]
            inside = _inside(edge - (left, top), window.shape)
            for hole in holes:
                inside &= ~_inside(hole - (left, top), window.shape)
            window[inside] = index
    return labels


def _inside(ring: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels whose centres, at half a pixel, lie inside a ring."""
    mask = np.zeros(shape, np.bool_)
    mask[fill(ring[:, 1] - 0.5, ring[:, 0] - 0.5, shape)] = True
    return mask
