"""The objects of a finished store, batch by batch: outlines, numbers and features.

Memory depends on the size of a batch, never on how many objects a slide has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import TableError
from pathexplain.extraction.store import LABELS_SUFFIX, read_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ObjectBatch", "StoredObjects"]

BATCH = 4096


@dataclass(frozen=True, eq=False)
class ObjectBatch:
    """Some objects of one prompt.

    Parameters
    ----------
    prompt : str
    kind : {"instances", "region"}
    label : (n,) int64
    wkb : list of bytes
        Outlines in µm, (x, y), as well-known binary.
    values : (n, k) float64
        One column a feature; NaN where undefined.
    """

    prompt: str
    kind: str
    label: NDArray[np.int64]
    wkb: list[bytes]
    values: NDArray[np.float64]


class StoredObjects:
    """A store, opened to read its objects.

    Parameters
    ----------
    store : Path
        ``<slide_id>.zarr``, complete.

    Raises
    ------
    TableError
        When it is no store of pathexplain.
    """

    def __init__(self, store: Path) -> None:
        import zarr

        self.path = store
        self.about = read_attributes(store)
        if not self.about:
            message = f"{store}: is not a store of pathexplain, or cannot be read"
            raise TableError(message, path=str(store))
        self._root: Any = zarr.open_group(store, mode="r")

    @property
    def slide_id(self) -> str:
        """The slide's name."""
        return str(self.about["slide_id"])

    @property
    def prompts(self) -> dict[str, dict[str, Any]]:
        """What the store says of each prompt, in their order."""
        return dict(self.about["prompts"])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the features of an object."""
        return tuple(map(str, self._root["tables/objects/var/_index"][:]))

    def levels(self, prompt: str) -> list[Any]:
        """(H, W) int32 zarr arrays of a prompt's labels, from the finest to the coarsest."""
        group = self._root[f"labels/{prompt}{LABELS_SUFFIX}"]
        return sorted((a for _, a in group.arrays()), key=lambda array: -array.shape[0])

    def batches(self, size: int = BATCH) -> Iterator[ObjectBatch]:
        """All objects, prompt by prompt, in the order of the objects table.

        Raises
        ------
        TableError
            When outlines and table do not hold the same objects.
        """
        import anndata

        table = self._root["tables/objects"]
        owner = np.asarray(anndata.io.read_elem(table["obs/prompt"])).astype(str)
        label = np.asarray(table["obs/instance_id"][:], np.int64)
        for prompt, described in self.prompts.items():
            rows = np.flatnonzero(owner == prompt)
            if len(rows):
                yield from self._of_prompt(prompt, described["kind"], rows, label, size)

    def _of_prompt(
        self, prompt: str, kind: str, rows: NDArray[np.intp], label: NDArray[np.int64], size: int
    ) -> Iterator[ObjectBatch]:
        """Walk through outlines and rows of one prompt side by side."""
        from pyarrow import parquet

        values = self._root["tables/objects/X"]
        start, n_rows = int(rows[0]), len(rows)
        with parquet.ParquetFile(self.path / "shapes" / prompt / "shapes.parquet") as file:
            names = [name for name in file.schema_arrow.names if name != "geometry"]
            done = 0
            for batch in _pieces(file, size, ["geometry", names[0]]):
                here = slice(start + done, start + done + len(batch))
                found = np.asarray(batch.column(names[0]), np.int64)
                done += len(batch)
                if not np.array_equal(found, label[here]) or rows[-1] + 1 != start + n_rows:
                    self._refuse(prompt)
                wkb = batch.column("geometry").to_pylist()
                yield ObjectBatch(prompt, kind, found, wkb, np.asarray(values[here], np.float64))
            if done != n_rows:
                self._refuse(prompt)

    def _refuse(self, prompt: str) -> None:
        """Fail on a store whose parts disagree."""
        message = (
            f"{self.path}: outlines and table of prompt {prompt!r} do not hold the same objects; "
            "delete the store and run the same command again"
        )
        raise TableError(message, slide_id=self.slide_id, prompt=prompt, path=str(self.path))


def _pieces(file: Any, size: int, columns: list[str]) -> Iterator[Any]:
    """Read some rows at a time, closing each row group: read in one go, the reader keeps them."""
    for index in range(file.num_row_groups):
        yield from file.iter_batches(size, row_groups=[index], columns=columns)
