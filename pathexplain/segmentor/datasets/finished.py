"""Which pictures of a dataset are finished, so that nothing is written twice.

One JSON line a picture in ``finished.jsonl``; the first line holds the options, and a folder made
with other options is refused. A line that was cut short is ignored.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pathexplain.errors import ConfigError
from pathexplain.provenance import sha256_json
from pathexplain.segmentor.datasets.table import Row
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pathexplain.segmentor.datasets.annotation import Item
    from pathexplain.segmentor.datasets.writing import Options

__all__ = ["Finished", "fingerprint"]

_NAME = "finished.jsonl"
_VERSION = 1
_PATHS = ("image", "mask")


def fingerprint(item: Item) -> str:
    """Hash what a picture is made from: its files with their sizes, split, patient, region."""
    sizes = [[path.name, path.stat().st_size if path.is_file() else -1] for path in item.files]
    return sha256_json([item.name, item.patient, item.split, item.region, item.mpp, sizes])


class Finished:
    """The pictures of a dataset folder that are finished.

    Raises
    ------
    ConfigError
        When the folder holds a dataset made with other options.
    """

    def __init__(self, out: Path, options: Options) -> None:
        self.out = out
        self._path = out / _NAME
        self._records: dict[str, dict[str, Any]] = {}
        out.mkdir(parents=True, exist_ok=True)
        head = {"version": _VERSION, "options": to_jsonable(options)}
        if not self._path.exists():
            self._append(head)
            return
        first, *lines = self._lines()
        if first != head:
            message = (
                f"{out}: holds a dataset made otherwise ({json.dumps(first.get('options'))}); give "
                "another folder, or delete this one"
            )
            raise ConfigError(message, path=str(out))
        self._records = {line["name"]: line for line in lines if "name" in line}

    def _lines(self) -> list[dict[str, Any]]:
        """All lines that are whole, the first an empty one where none is."""
        found: list[dict[str, Any]] = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return found or [{}]

    def rows_of(self, name: str, inputs: str) -> tuple[Row, ...] | None:
        """Rows of a picture that was made from the same files and is still there, else None."""
        record = self._records.get(name)
        if record is None or record["inputs"] != inputs:
            return None
        rows = tuple(_row(cells, self.out) for cells in record["rows"])
        files = {path for row in rows for path in (row.image, row.mask) if path is not None}
        return rows if all(path.is_file() for path in files) else None

    def add(self, name: str, inputs: str, rows: tuple[Row, ...]) -> None:
        """Note a picture as finished."""
        self._append({"name": name, "inputs": inputs, "rows": [_cells(r, self.out) for r in rows]})

    def _append(self, line: Mapping[str, object]) -> None:
        """Add a line, on disk before this returns; after a torn one, on a line of its own."""
        with self._path.open("ab+") as file:
            is_torn = file.tell() > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n"
            text = ("\n" if is_torn else "") + json.dumps(line, ensure_ascii=False) + "\n"
            file.write(text.encode())


def _cells(row: Row, out: Path) -> dict[str, object]:
    """Turn a row into plain values, paths relative to the folder."""
    cells = dataclasses.asdict(row)
    for name in _PATHS:
        if cells[name] is not None:
            cells[name] = cells[name].relative_to(out).as_posix()
    return cells


def _row(cells: Mapping[str, Any], out: Path) -> Row:
    """Turn plain values into a row."""
    paths = {name: out / cells[name] if cells[name] is not None else None for name in _PATHS}
    return Row(**{**cells, **paths})
