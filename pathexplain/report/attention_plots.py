"""Figures of an attention report: what each object adds to a class.

Not for estimating anything; see `plots` for the rules of all figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.figures import NamedFigure
from pathexplain.report.plots import Interval, forest_plot
from pathexplain.report.wording import format_number

if TYPE_CHECKING:
    from pathexplain.diagnosis.attention.result import AttentionResult

__all__ = ["attention_figures"]


def attention_figures(result: AttentionResult) -> tuple[NamedFigure, ...]:
    """Draw one figure a class that is shown, each with its caption and text alternative."""
    figures: list[NamedFigure] = []
    for name in dict.fromkeys(one.class_name for one in result.contributions):
        rows = [one for one in result.contributions if one.class_name == name]
        rows = sorted(rows, key=lambda one: -np.nan_to_num(one.difference.value))
        figure = forest_plot(
            [
                Interval(
                    one.object.replace("_", " "),
                    one.difference.value,
                    one.difference.low,
                    one.difference.high,
                )
                for one in rows
            ],
            value_label=f"adds to the log-odds of {name}, beyond other slides",
            reference=0.0,
            logarithmic=False,
        )
        parts = [f"{one.object} {format_number(one.difference.value)}" for one in rows]
        caption = (
            f"{name}: what each object adds on the class's slides less what it adds on the others, "
            "log-odds, with 95 % intervals over patients."
        )
        alt = f"What each object adds to {name}: " + "; ".join(parts)
        figures.append(NamedFigure(f"objects-{len(figures) + 1}", caption, alt, figure))
    return tuple(figures)
