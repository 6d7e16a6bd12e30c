"""Exports of a slide with 1,000,000 objects: seconds and peak memory, against geopandas on 100,000.

A made-up store holds nuclei of 24 corners on a grid, all shape and stain features (2 % undefined)
and their labels. Every format is written in a process of its own, whose peak resident memory is
that of the operating system less what it was before the first object was read. geopandas reads the
same 100,000 objects and writes GeoJSON through GDAL and GeoParquet, as a whole. `flat_memory` is
the peak at 1,000,000 objects over that at 100,000: 1 means that it does not depend on their number.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SIZES = (100_000, 1_000_000)
PITCH_PX, CORNERS, MPP = 16, 24, 0.5
CHUNK_PX, ROWS = 1024, 50_000
PROMPT = "nucleus"


def run() -> dict[str, Any]:
    """Write all formats at both sizes, and the peer's at the smaller."""
    from pathexplain.extraction.exports import FORMATS

    ours: dict[str, dict[str, Any]] = {}
    peer = {}
    with tempfile.TemporaryDirectory() as folder:
        for n_objects in SIZES:
            store = make_store(Path(folder) / f"made_{n_objects}.zarr", n_objects)
            ours[str(n_objects)] = {
                name: _in_a_process(_export, store, Path(folder), name) for name in FORMATS
            }
            if n_objects == SIZES[0]:
                peer = {
                    name: _in_a_process(_export_with_geopandas, store, Path(folder), name)
                    for name in ("geojson", "geoparquet")
                }
    small, large = (ours[str(n_objects)] for n_objects in SIZES)
    return {
        "peer": "geopandas.GeoDataFrame.to_file and to_parquet",
        "ours": ours,
        "peer_at_100000": peer,
        "flat_memory": {name: large[name]["peak_mb"] / small[name]["peak_mb"] for name in large},
        "ratio_time": {name: peer[name]["seconds"] / small[name]["seconds"] for name in peer},
        "ratio_memory": {name: peer[name]["peak_mb"] / small[name]["peak_mb"] for name in peer},
    }


def make_store(store: Path, n_objects: int) -> Path:
    """Write those parts of a store that exports read, piece by piece."""
    import anndata
    import pandas as pd
    import zarr

    columns = _columns()
    about = {
        "slide_id": store.stem,
        "mpp": MPP,
        "source_mpp": MPP / 2,
        "prompts": {PROMPT: {"kind": "instances", "n_objects": n_objects}},
    }
    root = zarr.create_group(store, attributes={"pathexplain": about})
    table = root.create_group("tables/objects")
    values = table.create_array(
        "X", shape=(n_objects, len(columns)), chunks=(4096, len(columns)), dtype="f8"
    )
    rng = np.random.default_rng(0)
    for top in range(0, n_objects, ROWS):
        block = rng.normal(50, 9, (min(ROWS, n_objects - top), len(columns)))
        block[rng.random(block.shape) < 0.02] = np.nan
        values[top : top + len(block)] = block
    label = np.arange(1, n_objects + 1)
    obs, var = table.create_group("obs"), table.create_group("var")
    with anndata.settings.override(auto_shard_zarr_v3=False):
        anndata.io.write_elem(obs, "prompt", pd.Categorical([PROMPT] * n_objects))
        anndata.io.write_elem(obs, "instance_id", label)
        anndata.io.write_elem(var, "_index", np.array(columns, dtype=object))
    _write_outlines(store / "shapes" / PROMPT, n_objects)
    _write_labels(root.create_group(f"labels/{PROMPT}_labels"), n_objects)
    return store


def _columns() -> list[str]:
    """Names of all shape and stain features of an object."""
    from pathexplain.features import FAMILIES

    return [
        f"{name}.{column.name}" for name in ("shape", "stain") for column in FAMILIES[name].columns
    ]


def _write_outlines(folder: Path, n_objects: int) -> None:
    """Write polygons with wavy edges, a row group at a time."""
    import pyarrow as pa
    import shapely
    from pyarrow import parquet

    folder.mkdir(parents=True)
    schema = pa.schema([("geometry", pa.binary()), ("instance_id", pa.int64())])
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    radius = MPP * (5 + np.sin(5 * angle))[:, None]
    per_row = _per_row(n_objects)
    with parquet.ParquetWriter(folder / "shapes.parquet", schema) as writer:
        for first in range(0, n_objects, ROWS):
            index = np.arange(first, min(first + ROWS, n_objects))
            center = np.stack([index % per_row, index // per_row], axis=1) * PITCH_PX * MPP + 4
            polygons = shapely.polygons(center[:, None] + ring * radius)
            wkb = pa.array(shapely.to_wkb(polygons), pa.binary())
            writer.write_table(pa.Table.from_arrays([wkb, pa.array(index + 1)], schema=schema))


def _write_labels(group: Any, n_objects: int) -> None:
    """Write squares of 8 px on the grid of the polygons, in three levels."""
    per_row = _per_row(n_objects)
    side = per_row * PITCH_PX
    for level in range(3):
        step = 2**level
        array = group.create_array(
            str(level),
            shape=(side // step, side // step),
            chunks=(CHUNK_PX, CHUNK_PX),
            dtype="i4",
        )
        for top in range(0, side // step, CHUNK_PX):
            y = np.arange(top, min(top + CHUNK_PX, side // step)) * step
            x = np.arange(side // step) * step
            number = (y[:, None] // PITCH_PX) * per_row + x // PITCH_PX + 1
            is_inside = (y[:, None] % PITCH_PX < PITCH_PX // 2) & (x % PITCH_PX < PITCH_PX // 2)
            array[top : top + len(y)] = np.where(is_inside & (number <= n_objects), number, 0)


def _per_row(n_objects: int) -> int:
    """Objects in a row of the grid."""
    return int(np.ceil(np.sqrt(n_objects)))


def _in_a_process(work: Any, *arguments: object) -> dict[str, float]:
    """Call in a new process; return its seconds, peak memory and the size of what it wrote."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(theirs, work, *arguments))
    process.start()
    theirs.close()
    answer: dict[str, float] = ours.recv()
    process.join()
    return answer


def _measured(connection: Connection, work: Any, *arguments: object) -> None:
    """Measure a call in this process and send the figures."""
    import geopandas
    import tifffile

    from pathexplain.extraction import exports

    del geopandas, tifffile, exports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    written = work(*arguments)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = written.stat().st_size
    written.unlink()
    connection.send(
        {
            "seconds": seconds,
            "peak_mb": max(1.0, (peak - before) / 1024),
            "peak_of_process_mb": peak / 1024,
            "file_mb": size / 1e6,
        }
    )


def _export(store: Path, out: Path, name: str) -> Path:
    """Export with pathexplain."""
    from pathexplain.extraction.exports import export_slide

    return export_slide(store, out, [name])[0]


def _export_with_geopandas(store: Path, out: Path, name: str) -> Path:
    """Read the store as a whole and write it with geopandas."""
    import geopandas
    import shapely

    from pathexplain.extraction.stored_objects import StoredObjects

    objects = StoredObjects(store)
    batches = list(objects.batches())
    values = np.concatenate([batch.values for batch in batches])  # noqa: PD011 - no pandas
    outlines = shapely.from_wkb([wkb for batch in batches for wkb in batch.wkb])
    frame = geopandas.GeoDataFrame(
        dict(zip(objects.columns, values.T, strict=True)), geometry=outlines
    )
    path = out / f"peer.{name}"
    if name == "geojson":
        frame.to_file(path, driver="GeoJSON")
    else:
        frame.to_parquet(path)
    return path
