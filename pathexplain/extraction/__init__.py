"""From slides and prompts to stores and tables: whole-slide segmentation, features, resume."""

from __future__ import annotations

from pathexplain.extraction.manifest import RunSummary, SlideStatus
from pathexplain.extraction.run import extract
from pathexplain.extraction.slide import Tiling

__all__ = ["RunSummary", "SlideStatus", "Tiling", "extract"]
