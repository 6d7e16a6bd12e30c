"""Prognosis: which features carry survival, screened, corrected and validated.

Not for diagnosis (`diagnosis`) and not for drawing (`report`).
"""

from __future__ import annotations

from pathexplain.prognosis.analysis import survival
from pathexplain.prognosis.result import SurvivalResult

__all__ = ["SurvivalResult", "survival"]
