"""Prognosis: which features carry survival, screened, corrected and validated.

Not for diagnosis (`diagnosis`) and not for drawing (`report`).
"""

from __future__ import annotations

from pathexplain.prognosis.analysis import survival
from pathexplain.prognosis.external import ExternalValidation, validate
from pathexplain.prognosis.locking import write_model
from pathexplain.prognosis.result import SurvivalResult

__all__ = ["ExternalValidation", "SurvivalResult", "survival", "validate", "write_model"]
