"""GeoJSON as QuPath reads it: a FeatureCollection with object types, classes and measurements.

Coordinates are pixels of the slide at full resolution. QuPath: Bankhead 2017,
doi:10.1038/s41598-017-17204-5; the members of a feature are those that QuPath 0.4 and later write.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.extraction.stored_objects import ObjectBatch, StoredObjects

__all__ = ["CLASS_COLORS", "write_geojson"]

CLASS_COLORS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
"""Colours that people who see few colours tell apart (Okabe and Ito 2008)."""

OBJECT_TYPES = {"instances": "detection", "region": "annotation"}
DECIMALS = 2
NAMESPACE = uuid.UUID("9d3a6c0e-52a1-5f0c-9f3b-6f1f0c7b2a51")


def write_geojson(objects: StoredObjects, path: Path) -> None:
    """Write all objects of a slide, one feature a line.

    Parameters
    ----------
    objects : StoredObjects
    path : Path
        Features have a stable `id`, `objectType` (detection for counted objects, annotation for
        regions), `classification` (the prompt) and `measurements` (name to value, six digits;
        what is undefined is left out). Coordinates have two decimals.
    """
    per_um = 1.0 / float(objects.about["source_mpp"])
    names = [json.dumps(name) for name in objects.columns]
    colors = {
        prompt: CLASS_COLORS[index % len(CLASS_COLORS)]
        for index, prompt in enumerate(objects.prompts)
    }
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for batch in objects.batches():
            head = _head(batch, colors[batch.prompt])
            for index, geometry in enumerate(_geometries(batch.wkb, per_um)):
                identity = uuid.uuid5(
                    NAMESPACE, f"{objects.slide_id}|{batch.prompt}|{batch.label[index]}"
                )
                measured = _measurements(names, batch.values[index])
                stream.write(
                    f'{separator}{{"type": "Feature", "id": "{identity}", "geometry": {geometry}, '
                    f'{head}, "measurements": {{{measured}}}}}}}'
                )
                separator = ",\n"
        stream.write("\n]}\n")


def _head(batch: ObjectBatch, color: tuple[int, int, int]) -> str:
    """Write the properties that all objects of a prompt share, without the closing brace."""
    shared = {
        "objectType": OBJECT_TYPES[batch.kind],
        "classification": {"name": batch.prompt, "color": list(color)},
    }
    return f'"properties": {json.dumps(shared)[:-1]}'


def _measurements(names: list[str], row: NDArray[np.float64]) -> str:
    """Write ``"name": value`` of what is defined: JSON has no word for NaN."""
    pairs = zip(names, row.tolist(), np.isfinite(row).tolist(), strict=True)
    return ", ".join(f"{name}: {value:.6g}" for name, value, is_defined in pairs if is_defined)


def _geometries(wkb: list[bytes], per_um: float) -> list[str]:
    """Write outlines as GeoJSON geometries, in pixels."""
    import shapely

    geometries = shapely.from_wkb(wkb)
    scaled = shapely.transform(geometries, lambda xy: np.round(xy * per_um, DECIMALS))
    return [json.dumps(_mapping(item), separators=(",", ":")) for item in scaled]


def _mapping(geometry: Any) -> dict[str, Any]:
    """GeoJSON mapping of a polygon or of several."""
    import shapely

    if geometry.geom_type == "Polygon":
        return {"type": "Polygon", "coordinates": _rings(geometry)}
    parts = [_rings(part) for part in shapely.get_parts(geometry)]
    return {"type": "MultiPolygon", "coordinates": parts}


def _rings(polygon: Any) -> list[list[list[float]]]:
    """Rings of a polygon, the outer one first, each closed."""
    import shapely

    rings = (polygon.exterior, *polygon.interiors)
    return [shapely.get_coordinates(ring).tolist() for ring in rings]
