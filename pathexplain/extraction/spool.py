"""Rows of measured objects, on disk while a slide is worked on; few bytes an object in memory.

Not for how objects are measured (`measuring`) or for the store's final form (`store`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.extraction.measuring import Measured

__all__ = ["ObjectSpool", "SpooledObjects"]

ROWS_A_GROUP = 8192
SMALL_BYTES = 32 * 2**20
OUTLINE = "outline"


class ObjectSpool:
    """Takes rows tile by tile and writes them to a Parquet file.

    Parameters
    ----------
    path : Path
        The file; must not exist yet.
    columns : tuple of str
        Names of the features.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path = path
        self._columns = columns
        self._waiting: list[Measured] = []
        self._n_waiting = 0
        self._writer: Any = None
        self._index: list[tuple[NDArray[Any], ...]] = []

    def add(self, rows: Measured) -> None:
        """Take rows."""
        self._waiting.append(rows)
        self._n_waiting += len(rows.label)
        self._index.append((rows.label, rows.area_px, rows.centroid_um, rows.touches_border))
        if self._n_waiting >= ROWS_A_GROUP:
            self._flush()

    @property
    def label(self) -> NDArray[np.int32]:
        """Painted label of every row so far."""
        parts = [index[0] for index in self._index]
        return np.concatenate([np.zeros(0, np.int32), *parts])

    @property
    def centroid_um(self) -> NDArray[np.float64]:
        """(rows, 2) (y, x) of every row so far."""
        return np.concatenate([np.zeros((0, 2)), *(index[2] for index in self._index)])

    def _flush(self) -> None:
        """Write what waits as one row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = np.concatenate([rows.values for rows in self._waiting])
        outlines = np.concatenate([rows.outlines for rows in self._waiting])
        arrays = [pa.array(np.ascontiguousarray(column)) for column in values.T]
        table = pa.table(
            [*arrays, pa.array(outlines, pa.binary())], names=[*self._columns, OUTLINE]
        )
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression="lz4", use_dictionary=False
            )
        self._writer.write_table(table)
        self._waiting, self._n_waiting = [], 0

    def close(
        self, kept: NDArray[np.bool_], area_px: NDArray[np.int64], kind: str
    ) -> SpooledObjects:
        """Write the rest.

        Parameters
        ----------
        kept : (rows,) bool
            Rows that are objects; the others were superseded.
        area_px : (rows,) int64
            Their areas as painted.
        kind : {"instances", "region"}
        """
        if self._n_waiting:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        border = np.concatenate([np.zeros(0, bool), *(index[3] for index in self._index)])
        return SpooledObjects(
            path=self._path,
            measured=self._columns,
            kind=kind,
            kept=kept,
            area_px=area_px[kept],
            centroid_um=self.centroid_um[kept],
            touches_border=border[kept],
        )


@dataclass(frozen=True, eq=False)
class SpooledObjects:
    """Objects 1..n of one prompt, whose features lie on disk.

    Attributes
    ----------
    path : Path
        Parquet file; not there when no row was ever measured.
    measured : tuple of str
        Columns in the file.
    kind : {"instances", "region"}
    kept : (rows,) bool
        Which rows of the file are objects, in order.
    area_px : (n,) int64
    centroid_um : (n, 2) float64
        (y, x).
    touches_border : (n,) bool
    added : tuple of str
        Columns that were found when all objects were known.
    added_values : (n, k) float64 or None
        Their values.
    """

    path: Path
    measured: tuple[str, ...]
    kind: str
    kept: NDArray[np.bool_]
    area_px: NDArray[np.int64]
    centroid_um: NDArray[np.float64]
    touches_border: NDArray[np.bool_]
    added: tuple[str, ...] = ()
    added_values: NDArray[np.float64] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return (*self.measured, *self.added)

    def with_columns(self, names: tuple[str, ...], values: NDArray[np.float64]) -> SpooledObjects:
        """Add columns `names` with values (n, k) float64."""
        return replace(self, added=names, added_values=values)

    @property
    def n(self) -> int:
        """Number of objects."""
        return len(self.area_px)

    @property
    def label(self) -> NDArray[np.int64]:
        """(n,) int64: 1..n."""
        return np.arange(1, self.n + 1)

    @cached_property
    def _small(self) -> Any:
        """All columns at once where they are few bytes: opening the file for each takes longer."""
        import pyarrow.parquet as pq

        if len(self.kept) * len(self.columns) * 8 > SMALL_BYTES:
            return None
        with pq.ParquetFile(self.path, memory_map=False) as file:
            names = [name for name in file.schema_arrow.names if name != OUTLINE]
            return file.read(columns=names)

    def column(self, name: str) -> NDArray[np.float64]:
        """(n,) float64: one feature of all objects."""
        import pyarrow.parquet as pq

        if self.added_values is not None and name in self.added:
            return np.asarray(self.added_values[:, self.added.index(name)])
        if not len(self.kept):
            return np.zeros(0)
        found = self._small
        if found is None:
            found = pq.read_table(self.path, columns=[name], memory_map=False)
        return np.asarray(found[name].to_numpy()[self.kept], np.float64)

    def values(self) -> Iterator[NDArray[np.float64]]:
        """(m, k) float64 of all objects, some thousand at a time."""
        first = 0
        for batch, kept in self._batches(list(self.measured)):
            columns = [
                batch.column(i).to_numpy(zero_copy_only=False) for i in range(len(batch.schema))
            ]
            rows = np.stack([*columns, np.zeros(len(kept))], axis=1)[kept, :-1]
            if self.added_values is not None:
                rows = np.hstack([rows, self.added_values[first : first + len(rows)]])
            first += len(rows)
            yield rows

    def outlines(self) -> Iterator[Any]:
        """Arrow arrays of WKB, in µm, of all objects, some thousand at a time."""
        import pyarrow as pa

        for batch, kept in self._batches([OUTLINE]):
            yield batch.column(0).filter(pa.array(kept))

    def _batches(self, names: list[str]) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
        """Row groups of some columns, and which rows of each are objects."""
        import pyarrow.parquet as pq

        if not len(self.kept):
            return
        with pq.ParquetFile(self.path, memory_map=False) as file:
            start = 0
            for group in range(file.num_row_groups):
                batch = file.read_row_group(group, columns=names).combine_chunks()
                yield batch, self.kept[start : start + batch.num_rows]
                start += batch.num_rows
