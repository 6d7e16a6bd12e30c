"""GeoParquet: one row an object with its outline in µm and all its features, in one file.

Format: OGC GeoParquet 1.1.0, geometry as well-known binary, without a coordinate reference system.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.extraction.stored_objects import ObjectBatch, StoredObjects

__all__ = ["write_geoparquet"]

ROW_GROUP = 65_536


def write_geoparquet(objects: StoredObjects, path: Path) -> None:
    """Write all objects of a slide.

    Parameters
    ----------
    objects : StoredObjects
    path : Path
        Columns: slide_id, prompt, instance_id, geometry (µm, (x, y) from the slide's top left
        corner), and one a feature, null where it is undefined.
    """
    import pyarrow as pa
    from pyarrow import parquet

    text = pa.dictionary(pa.int32(), pa.string())
    fields = [("slide_id", text), ("prompt", text), ("instance_id", pa.int64())]
    fields += [("geometry", pa.binary())]
    fields += [(name, pa.float64()) for name in objects.columns]
    schema = pa.schema(fields, metadata={"geo": json.dumps(_geo())})
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in objects.batches(ROW_GROUP):
            writer.write_table(_table(batch, objects.slide_id, schema), row_group_size=ROW_GROUP)


def _geo() -> dict[str, Any]:
    """Metadata that make a Parquet file GeoParquet."""
    geometry = {
        "encoding": "WKB",
        "geometry_types": ["Polygon", "MultiPolygon"],
        "crs": None,
        "edges": "planar",
    }
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}


def _table(batch: ObjectBatch, slide_id: str, schema: Any) -> Any:
    """Arrow table of some objects."""
    import pyarrow as pa

    n_rows = len(batch.label)
    nothing = pa.array(np.zeros(n_rows, np.int32))
    columns: list[Any] = [
        pa.DictionaryArray.from_arrays(nothing, [slide_id]),
        pa.DictionaryArray.from_arrays(nothing, [batch.prompt]),
        pa.array(batch.label),
        pa.array(batch.wkb, pa.binary()),
    ]
    columns += [pa.array(column, from_pandas=True) for column in batch.values.T]
    return pa.Table.from_arrays(columns, schema=schema)
