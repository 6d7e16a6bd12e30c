"""The flow of patients as a picture: who remained, who left and why, how follow-up ended.

Not for counting: the numbers come as they are.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, WIDTH_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Box", "flow_plot"]

_MAIN_WIDTH, _SIDE_WIDTH = 30, 44
_LINE_IN, _GAP_IN, _PADDING_IN = 0.17, 0.22, 0.16


@dataclass(frozen=True)
class Box:
    """One box: `kind` says whether patients remain, leave, or how they ended."""

    kind: Literal["remaining", "excluded", "outcome"]
    label: str
    n: int


def flow_plot(boxes: Sequence[Box]) -> Figure:
    """Draw remaining boxes down the left, excluded ones to the right, outcomes side by side."""
    rows = _rows(boxes)
    heights = [max(_height(box) for box in row) for row in rows]
    total = sum(heights) + _GAP_IN * (len(rows) - 1) + 0.1
    with house_style():
        figure = new_figure(width_in=WIDTH_IN, height_in=total)
        axes = figure.subplots()
        axes.set(xlim=(0, WIDTH_IN), ylim=(total, 0))
        axes.axis("off")
        top, trunk_end = 0.05, 0.0
        for row, height in zip(rows, heights, strict=True):
            middle = top + height / 2
            if row[0].kind == "excluded":
                _arrow(axes, (1.5, middle), (2.75, middle))
                _draw(axes, row[0], (2.75, top, WIDTH_IN - 2.8, height), color=GREY)
            else:
                _draw_row(axes, row, (top, height, trunk_end))
                trunk_end = top + height
            top += height + _GAP_IN
    return figure


def _draw_row(axes: Axes, row: Sequence[Box], place: tuple[float, float, float]) -> None:
    """Draw one remaining box, or the outcomes side by side, with the line that leads there."""
    top, height, trunk_end = place
    width = 2.9 if row[0].kind == "remaining" else (WIDTH_IN - 0.1) / len(row) - 0.12
    for i_box, box in enumerate(row):
        left = 0.05 + i_box * (width + 0.15)
        if trunk_end:
            _arrow(axes, (1.5, trunk_end), (left + min(width / 2, 1.45), top))
        color = COLORS[0] if box.kind == "remaining" else COLORS[1]
        _draw(axes, box, (left, top, width, height), color=color)


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """Put outcomes into one row, every other box into its own."""
    rows: list[list[Box]] = []
    for box in boxes:
        if box.kind == "outcome" and rows and rows[-1][0].kind == "outcome":
            rows[-1].append(box)
        else:
            rows.append([box])
    return rows


def _text(box: Box) -> str:
    """Write a box's words."""
    width = _SIDE_WIDTH if box.kind == "excluded" else _MAIN_WIDTH
    if box.kind == "outcome":
        width = 22
    return "\n".join(textwrap.wrap(f"{box.label}: {box.n:,}", width=width))


def _height(box: Box) -> float:
    """Give a box the room that its lines need, in inches."""
    return _PADDING_IN + _LINE_IN * (_text(box).count("\n") + 1)


def _draw(axes: Axes, box: Box, place: tuple[float, float, float, float], *, color: str) -> None:
    """Draw a box with its words."""
    from matplotlib.patches import FancyBboxPatch

    left, top, width, height = place
    style = "round,pad=0,rounding_size=0.06"
    axes.add_patch(
        FancyBboxPatch((left, top), width, height, boxstyle=style, fill=False, ec=color, lw=1.2)
    )
    axes.text(left + 0.1, top + height / 2, _text(box), va="center", fontsize=8.5, color=INK)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between boxes."""
    style = {"arrowstyle": "-|>", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
