"""Importance: which features a diagnosis rests on.

Not for outcomes with a time: see `pathexplain.prognosis`.
"""

from __future__ import annotations

from pathexplain.diagnosis.analysis import importance
from pathexplain.diagnosis.result import ImportanceResult

__all__ = ["ImportanceResult", "importance"]
