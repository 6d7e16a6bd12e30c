"""Rows of a manifest of public images, for benchmarks that train on parts of it."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["public_rows", "write_rows"]


def public_rows(*sources: str) -> list[dict[str, str]]:
    """Train rows of some sources, paths absolute.

    `PATHEXPLAIN_DATA` is the folder of ``manifest.csv``.
    """
    folder = Path(os.environ.get("PATHEXPLAIN_DATA", "../shared/data")).resolve()
    path = folder / "manifest.csv"
    if not path.is_file():
        message = f"{path}: no such manifest; set PATHEXPLAIN_DATA to the folder that holds it"
        raise SystemExit(message)
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    return [
        row | {"image": str(folder / row["image"]), "mask": str(folder / row["mask"])}
        for row in rows
        if row["source"] in sources
    ]


def write_rows(rows: Sequence[dict[str, str]], path: Path) -> Path:
    """Write a manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
