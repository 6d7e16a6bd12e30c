"""The picture that only a cohort of known truth allows: what was painted against what was measured.

Not for estimating anything; every dot is a patient as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.figures import house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, WIDTH_IN, open_spines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pathexplain.report.demonstration import Recovery

__all__ = ["recovery_plot"]

_MARKERS = ("o", "^", "s", "D")


def recovery_plot(recoveries: Sequence[Recovery]) -> Figure:
    """Draw measured against painted values, one panel a quantity, a color and a marker a group."""
    with house_style():
        figure = new_figure(width_in=WIDTH_IN, height_in=3.0)
        panels = figure.subplots(1, len(recoveries), squeeze=False)[0]
        for axes, one in zip(panels, recoveries, strict=True):
            _draw(axes, one)
        panels[0].legend(frameon=False, loc="best", fontsize="small")
    return figure


def _draw(axes: Axes, one: Recovery) -> None:
    """Draw one quantity; on the line, measured equals painted."""
    ends = (0.0, 1.05 * float(np.nanmax([one.painted, one.measured])))
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1)
    for index, group in enumerate(sorted(set(one.groups))):
        rows = [i for i, own in enumerate(one.groups) if own == group]
        axes.plot(
            one.painted[rows],
            one.measured[rows],
            _MARKERS[index % len(_MARKERS)],
            color=COLORS[index % len(COLORS)],
            label=group,
            markersize=5,
            alpha=0.8,
        )
    axes.set(xlabel=f"{one.label}, painted", ylabel="measured", xlim=ends, ylim=ends)
    open_spines(axes)
