"""Results as self-contained HTML pages and JSON files.

Not for computing: reports render frozen results, nothing else.
"""

from __future__ import annotations

from pathexplain.report.importance import importance_html
from pathexplain.report.survival import survival_html
from pathexplain.report.writing import write_report

__all__ = ["importance_html", "survival_html", "write_report"]
