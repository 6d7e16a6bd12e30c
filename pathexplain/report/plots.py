"""Figures that several reports share, and the palette and axes of all of them.

Not for estimating anything: no fit, no smoothing, no test. Every function takes plain arrays and
returns a matplotlib `Figure` made outside pyplot. Colors: Okabe and Ito (2008), the blue-to-orange
pair and its neighbors, which stay apart in the common color vision deficiencies and in print.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.wording import format_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = [
    "COLORS",
    "GREY",
    "WIDTH_IN",
    "Curve",
    "Interval",
    "bar_plot",
    "forest_plot",
    "open_spines",
    "wrapped",
]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
GREY = "#8a9099"
WIDTH_IN = 6.6
_LABEL_WIDTH = 36
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
_FEWER_TICKS = (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100)


@dataclass(frozen=True)
class Curve:
    """One group's step curve: `time`, `value`, `low`, `high` of one length, and numbers at risk."""

    label: str
    time: ArrayLike
    value: ArrayLike
    low: ArrayLike
    high: ArrayLike
    at_risk: Sequence[int] = ()


@dataclass(frozen=True)
class Interval:
    """One row of a forest or bar plot: an estimate and its interval."""

    label: str
    value: float
    low: float
    high: float
    emphasis: bool = True


def forest_plot(
    rows: Sequence[Interval],
    *,
    value_label: str,
    reference: float = 1.0,
    logarithmic: bool = True,
) -> Figure:
    """Draw estimates with intervals, one row each, the figures printed at the right."""
    with house_style():
        height = 0.9 + 0.30 * len(rows)
        figure = new_figure(width_in=7.6, height_in=height)
        axes = figure.subplots()
        for i_row, row in enumerate(rows):
            color = COLORS[0] if row.emphasis else GREY
            axes.plot([row.low, row.high], [i_row, i_row], color=color, lw=1.6)
            axes.plot([row.value], [i_row], "s", color=color, ms=5)
            axes.annotate(
                format_interval(row.value, row.low, row.high),
                (1.01, i_row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
                annotation_clip=False,
            )
        axes.axvline(reference, color=INK, lw=0.8, ls=(0, (4, 3)))
        if logarithmic:
            _log_axis(axes, [bound for row in rows for bound in (row.low, row.high)])
        axes.set_yticks(range(len(rows)), [wrapped(row.label) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(value_label)
        axes.tick_params(axis="y", length=0)
        open_spines(axes, left=False)
    return figure


def bar_plot(rows: Sequence[Interval], *, value_label: str) -> Figure:
    """Draw horizontal bars with intervals, the longest first as given."""
    with house_style():
        figure = new_figure(width_in=7.4, height_in=0.9 + 0.30 * len(rows))
        axes = figure.subplots()
        for i_row, row in enumerate(rows):
            color = COLORS[0] if row.emphasis else GREY
            axes.barh([i_row], [row.value], color=color, height=0.62, alpha=0.85)
            if np.isfinite([row.low, row.high]).all():
                axes.plot([row.low, row.high], [i_row, i_row], color=INK, lw=1.2)
        axes.axvline(0.0, color=INK, lw=0.8)
        axes.set_yticks(range(len(rows)), [wrapped(row.label) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(value_label)
        axes.tick_params(axis="y", length=0)
        open_spines(axes, left=False)
    return figure


def wrapped(label: str) -> str:
    """Break a long label into lines, so that the plot keeps its width."""
    return "\n".join(textwrap.wrap(label, width=_LABEL_WIDTH) or [label])


def open_spines(axes: Axes, *, left: bool = True) -> None:
    """Keep only the axis lines that carry ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines["left"].set_visible(left)


def _log_axis(axes: Axes, bounds: Sequence[float]) -> None:
    """Log scale with plain numbers as ticks, wide enough to hold all finite bounds."""
    finite = [bound for bound in bounds if np.isfinite(bound) and bound > 0]
    axes.set_xscale("log")
    if not finite:
        return
    low, high = min([*finite, 1.0]) / 1.08, max([*finite, 1.0]) * 1.08
    # Over about one decade there is room for fewer ticks.
    candidates = _FEWER_TICKS if high / low > 12 else _TICKS  # noqa: PLR2004
    ticks = [tick for tick in candidates if low <= tick <= high]
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
