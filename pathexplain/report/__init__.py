"""Results as self-contained HTML pages and JSON files.

Not for computing: reports render frozen results, nothing else.
"""

from __future__ import annotations

from pathexplain.report.attention_plots import attention_figures
from pathexplain.report.figures import write_figures
from pathexplain.report.importance import importance_html
from pathexplain.report.importance_figures import importance_figures
from pathexplain.report.perturbation_plots import perturbation_figures
from pathexplain.report.survival import survival_html
from pathexplain.report.writing import write_report

__all__ = [
    "attention_figures",
    "importance_figures",
    "importance_html",
    "perturbation_figures",
    "survival_html",
    "write_figures",
    "write_report",
]
