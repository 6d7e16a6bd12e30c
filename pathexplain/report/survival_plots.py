"""Figures of a survival report: curves with numbers at risk, and the screen at a glance.

Not for estimating anything; see `plots` for the rules of all figures.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, WIDTH_IN, open_spines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from pathexplain.prognosis.alternatives import CumulativeIncidence
    from pathexplain.report.plots import Curve

__all__ = ["incidence_plot", "survival_plot", "volcano_plot"]

_LABEL_PLACES = ((5, 3), (5, -9), (-10, 3), (-10, -9), (-3, 7))
_MANY_POINTS = 500
"""From here on points are drawn as one picture, which keeps the file small."""


def survival_plot(
    curves: Sequence[Curve],
    *,
    at_risk_times: Sequence[float],
    time_label: str,
    value_label: str,
    censored: Sequence[Sequence[float]] = (),
) -> Figure:
    """Draw step curves with confidence bands over a table of numbers at risk.

    `censored` holds for each curve the times at which patients left without the event.
    """
    with house_style():
        figure = new_figure(width_in=WIDTH_IN, height_in=3.4 + 0.24 * len(curves))
        ratios = [3.1, 0.25 + 0.24 * len(curves)]
        axes, table = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
        for color, curve in zip(cycle(COLORS), curves, strict=False):
            time, value = np.asarray(curve.time, float), np.asarray(curve.value, float)
            axes.step(time, value, where="post", color=color, lw=1.8, label=curve.label)
            low, high = np.asarray(curve.low, float), np.asarray(curve.high, float)
            axes.fill_between(time, low, high, step="post", color=color, alpha=0.18, lw=0)
        for color, curve, times in zip(cycle(COLORS), curves, censored, strict=False):
            _censoring_marks(axes, curve, times, color=color)
        axes.set(ylim=(0, 1.02), ylabel=value_label)
        axes.set_xticks(list(at_risk_times))
        axes.tick_params(labelbottom=True)
        if len(curves) > 1:
            axes.legend(loc="best")  # free of the curves, wherever they run
        open_spines(axes)
        _at_risk_table(table, curves, at_risk_times, time_label=time_label)
    return figure


def incidence_plot(
    curves: Sequence[CumulativeIncidence],
    *,
    at_risk_times: Sequence[float],
    time_label: str,
    value_label: str,
) -> Figure:
    """Draw cumulative incidence with bands, the competing event dashed, 1 - Kaplan-Meier thin."""
    with house_style():
        figure = new_figure(width_in=WIDTH_IN, height_in=3.4 + 0.24 * len(curves))
        ratios = [3.1, 0.25 + 0.24 * len(curves)]
        axes, table = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
        for color, curve in zip(cycle(COLORS), curves, strict=False):
            style = {"where": "post", "color": color}
            axes.step(curve.time, curve.event, lw=1.9, label=curve.label, **style)
            axes.step(curve.time, curve.competing, lw=1.3, ls=(0, (4, 2)), **style)
            axes.step(curve.time, curve.kaplan_meier, lw=0.7, **style)
            low, high = np.asarray(curve.low, float), np.asarray(curve.high, float)
            axes.fill_between(curve.time, low, high, step="post", color=color, alpha=0.18, lw=0)
        axes.set(ylim=(0, 1.02), ylabel=value_label)
        axes.set_xticks(list(at_risk_times))
        axes.tick_params(labelbottom=True)
        if len(curves) > 1:
            axes.legend(loc="upper left")
        open_spines(axes)
        _at_risk_table(table, curves, at_risk_times, time_label=time_label)
    return figure


def volcano_plot(
    effects: ArrayLike,
    p_values: ArrayLike,
    *,
    is_found: ArrayLike,
    labels: Sequence[str],
    effect_label: str,
    p_label: str,
    n_labelled: int = 5,
) -> Figure:
    """Draw effect against -log10(p) for a whole family of tests; the strongest few are named."""
    effect, p = np.asarray(effects, float), np.asarray(p_values, float)
    found = np.asarray(is_found, bool)
    usable = np.isfinite(effect) & np.isfinite(p)
    height = -np.log10(np.clip(p, 1e-300, 1.0))
    with house_style():
        figure = new_figure(width_in=WIDTH_IN, height_in=3.8)
        axes = figure.subplots()
        for mask, color, label in (
            (usable & ~found, GREY, "not found"),
            (usable & found, COLORS[1], "found"),
        ):
            axes.scatter(
                effect[mask],
                height[mask],
                s=18,
                color=color,
                alpha=0.8,
                lw=0,
                label=label,
                rasterized=bool(mask.sum() > _MANY_POINTS),
            )
        order = [i for i in np.argsort(p, kind="stable") if usable[i]][:n_labelled]
        _name_points(axes, effect, height, order=order, labels=labels)
        axes.axvline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set(xlabel=effect_label, ylabel=p_label)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2)
        open_spines(axes)
    return figure


def _censoring_marks(axes: Axes, curve: Curve, times: Sequence[float], *, color: str) -> None:
    """Put a short tick on the curve where a patient's follow-up ended."""
    steps, value = np.asarray(curve.time, float), np.asarray(curve.value, float)
    if not len(times) or not steps.size:
        return
    at = np.maximum(np.searchsorted(steps, np.asarray(times, float), side="right") - 1, 0)
    axes.plot(list(times), value[at], "|", color=color, ms=5, mew=0.8)


def _at_risk_table(
    axes: Axes,
    curves: Sequence[Curve | CumulativeIncidence],
    times: Sequence[float],
    *,
    time_label: str,
) -> None:
    """Print the numbers at risk under the ticks of the curve above."""
    axes.set_ylim(len(curves) - 0.4, -1.0)
    axes.set_yticks(range(len(curves)), [curve.label for curve in curves])
    for i_curve, curve in enumerate(curves):
        axes.get_yticklabels()[i_curve].set_color(COLORS[i_curve % len(COLORS)])
        for time, n in zip(times, curve.at_risk, strict=False):
            axes.text(time, i_curve, str(n), ha="center", va="center", fontsize=8.5)
    axes.text(0.0, 1.0, "at risk", transform=axes.transAxes, fontsize=8, va="top", color=GREY)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(time_label)


def _name_points(
    axes: Axes, x: Any, y: Any, *, order: Sequence[Any], labels: Sequence[str]
) -> None:
    """Put numbers at the strongest points and their names below, so that no labels collide."""
    lines = []
    for rank, index in enumerate(order, start=1):
        axes.annotate(
            str(rank),
            (x[index], y[index]),
            xytext=_LABEL_PLACES[(rank - 1) % len(_LABEL_PLACES)],
            textcoords="offset points",
            fontsize=8,
        )
        lines.append(f"{rank}  {labels[index]}")
    axes.figure.supxlabel("\n".join(lines), x=0.08, ha="left", fontsize=8)
