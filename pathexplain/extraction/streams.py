"""Fill a store whose elements were written with one row or a few pixels each, piece by piece.

SpatialData writes elements as a whole; a slide's labels and objects may be larger than memory. So
`store` has it write small stand-ins, which settle all metadata, and these functions put the real
arrays in their place.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.extraction.closing import LabelPyramid
    from pathexplain.extraction.results import PromptResult
    from pathexplain.extraction.spool import SpooledObjects

__all__ = ["fill_labels", "fill_objects", "fill_shapes"]

ROWS_A_CHUNK = 16384


def fill_labels(element: Path, labels: LabelPyramid) -> None:
    """Move a pyramid into the place of its stand-in, which has as many levels."""
    for level in range(labels.n_levels):
        place = element / f"s{level}"
        shutil.rmtree(place)
        shutil.move(labels.folder / f"s{level}", place)


def fill_shapes(element: Path, objects: SpooledObjects) -> None:
    """Write the outlines of objects 1..n in the place of the stand-in's, as row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = element / "shapes.parquet"
    schema = pq.read_schema(path)
    about = json.loads(schema.metadata[b"geo"])
    for column in about["columns"].values():
        # Written before the first outline is known: an empty list stands for "any".
        column["geometry_types"] = []
        column.pop("bbox", None)
    schema = schema.with_metadata({**schema.metadata, b"geo": json.dumps(about).encode()})
    start = 1
    with pq.ParquetWriter(path, schema) as writer:
        for outlines in objects.outlines():
            labels = np.arange(start, start + len(outlines))
            start += len(outlines)
            columns = {"geometry": outlines, "instance_id": pa.array(labels, pa.int64())}
            arrays = [columns[name] for name in schema.names]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def fill_objects(table: Path, slide_id: str, prompts: Iterable[PromptResult]) -> None:
    """Write one row an object in the place of the stand-in's rows, prompt after prompt."""
    items = [item for item in prompts if item.objects.n]
    n_rows = sum(item.objects.n for item in items)
    codes = np.repeat(np.arange(len(items)), [item.objects.n for item in items]).astype(np.int8)
    centroid = _stacked([item.objects.centroid_um for item in items])
    _fill(table / "X", n_rows, (block for item in items for block in item.objects.values()))
    obs = table / "obs"
    _fill(obs / "_index", n_rows, _names(slide_id, items))
    _fill(obs / "instance_id", n_rows, (item.objects.label for item in items))
    _fill(obs / "touches_border", n_rows, (item.objects.touches_border for item in items))
    _fill(obs / "centroid_y_um", n_rows, [centroid[:, 0]])
    _fill(obs / "centroid_x_um", n_rows, [centroid[:, 1]])
    _fill(obs / "prompt" / "codes", n_rows, [codes])
    _fill(obs / "region" / "codes", n_rows, [codes])
    _fill(obs / "slide_id" / "codes", n_rows, [np.zeros(n_rows, np.int8)])
    _fill(table / "obsm" / "spatial", n_rows, [centroid[:, ::-1]])


def _stacked(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows of all prompts."""
    return np.concatenate([np.zeros((0, 2)), *parts])


def _names(slide_id: str, items: Iterable[PromptResult]) -> Iterator[NDArray[Any]]:
    """Names of rows: slide, prompt and label."""
    for item in items:
        for start in range(1, item.objects.n + 1, ROWS_A_CHUNK):
            labels = range(start, min(start + ROWS_A_CHUNK, item.objects.n + 1))
            yield np.array([f"{slide_id}|{item.prompt.name}|{label}" for label in labels], object)


def _fill(place: Path, n_rows: int, blocks: Iterable[NDArray[Any]]) -> None:
    """Replace an array by one with as many rows as there are, chunk by chunk."""
    import zarr

    small: Any = zarr.open_array(str(place), mode="r")
    width = small.shape[1:]
    attributes = dict(small.attrs)
    dtype, codecs = small.metadata.data_type, small.compressors
    shutil.rmtree(place)
    array: Any = zarr.create_array(
        str(place),
        shape=(n_rows, *width),
        chunks=(min(ROWS_A_CHUNK, n_rows), *width),
        dtype=dtype,
        compressors=codecs,
        fill_value=small.fill_value,
        attributes=attributes,
    )
    start = 0
    for block in _of_chunk_size(blocks):
        array[start : start + len(block)] = block
        start += len(block)


def _of_chunk_size(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Give the same rows in blocks of a chunk each, so that no chunk is written twice."""
    waiting: list[NDArray[Any]] = []
    n_waiting = 0
    for block in blocks:
        rest = block
        while n_waiting + len(rest) >= ROWS_A_CHUNK:
            cut = ROWS_A_CHUNK - n_waiting
            yield np.concatenate([*waiting, rest[:cut]])
            waiting, n_waiting, rest = [], 0, rest[cut:]
        if len(rest):
            waiting.append(rest)
            n_waiting += len(rest)
    if n_waiting:
        yield np.concatenate(waiting)
