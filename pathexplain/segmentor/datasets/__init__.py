"""PathSeg sources, as one format."""

from __future__ import annotations

from pathexplain.segmentor.datasets.conversion import Conversion, convert
from pathexplain.segmentor.datasets.table import Row, read_rows, write_rows

__all__ = ["Conversion", "Row", "convert", "read_rows", "write_rows"]
