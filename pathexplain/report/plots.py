"""The figures of a report, drawn from numbers that a result already holds.

Not for estimating anything: no fit, no smoothing, no test. Every function takes plain arrays and
returns a matplotlib `Figure` made outside pyplot. Colors: Okabe and Ito (2008), the blue-to-orange
pair and its neighbors, which stay apart in the common color vision deficiencies and in print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.wording import format_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = [
    "COLORS",
    "Curve",
    "Interval",
    "bar_plot",
    "beeswarm_plot",
    "calibration_plot",
    "dose_plot",
    "forest_plot",
    "roc_plot",
    "survival_plot",
    "volcano_plot",
]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
GREY = "#8a9099"
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", ["#0072b2", "#b9bec6", "#d55e00"])
_WIDTH_IN = 6.6


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
        figure = new_figure(width_in=_WIDTH_IN, height_in=3.4 + 0.24 * len(curves))
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
        axes.legend(loc="lower left")
        _open_spines(axes)
        _at_risk_table(table, curves, at_risk_times, time_label=time_label)
    return figure


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
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(value_label)
        axes.tick_params(axis="y", length=0)
        _open_spines(axes, left=False)
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
        figure = new_figure(width_in=_WIDTH_IN, height_in=3.8)
        axes = figure.subplots()
        for mask, color, label in (
            (usable & ~found, GREY, "not found"),
            (usable & found, COLORS[1], "found"),
        ):
            axes.scatter(
                effect[mask], height[mask], s=18, color=color, alpha=0.8, lw=0, label=label,
                rasterized=bool(mask.sum() > 500),  # noqa: PLR2004 - keeps the file small
            )
        order = [i for i in np.argsort(p, kind="stable") if usable[i]][:n_labelled]
        _name_points(axes, effect, height, order=order, labels=labels)
        axes.axvline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set(xlabel=effect_label, ylabel=p_label)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2)
        _open_spines(axes)
    return figure


def roc_plot(curves: Sequence[Curve]) -> Figure:
    """Draw receiver operating curves: `time` holds 1 - specificity, `value` sensitivity."""
    with house_style():
        figure = new_figure(width_in=3.8, height_in=3.8)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.9, ls=(0, (4, 3)))
        for color, curve in zip(cycle(COLORS), curves, strict=False):
            axes.plot(
                np.asarray(curve.time, float), np.asarray(curve.value, float),
                color=color, lw=1.8, label=curve.label, drawstyle="steps-post",
            )
        axes.set(
            xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal",
            xlabel="1 \N{MINUS SIGN} specificity", ylabel="sensitivity",
        )
        axes.legend(loc="lower right")
        _open_spines(axes)
    return figure


def calibration_plot(bins: Sequence[tuple[float, Interval, int]], *, class_name: str) -> Figure:
    """Draw the observed share against the mean predicted probability.

    `bins` are (mean prediction, observed share with interval, n); n is printed beside the dot.
    """
    with house_style():
        figure = new_figure(width_in=3.9, height_in=3.9)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.9, ls=(0, (4, 3)))
        for predicted, observed, n in bins:
            axes.plot([predicted] * 2, [observed.low, observed.high], color=COLORS[0], lw=1.2)
            axes.plot([predicted], [observed.value], "o", color=COLORS[0], ms=5)
            axes.annotate(
                f"n {n}",
                (predicted, observed.value),
                xytext=(5, -3),
                textcoords="offset points",
                fontsize=7.5,
            )
        axes.set(
            xlim=(-0.03, 1.1),
            ylim=(-0.03, 1.05),
            xlabel=f"predicted probability of {class_name} (bin mean)",
            ylabel=f"observed share of {class_name}",
        )
        _open_spines(axes)
    return figure


def beeswarm_plot(
    contributions: ArrayLike, values: ArrayLike, *, labels: Sequence[str], effect_label: str
) -> Figure:
    """Draw one dot a patient and feature: contribution across, feature value as color.

    `contributions` and `values` are (n_patients, n_features), features in the order of `labels`.
    """
    effect, value = np.asarray(contributions, float), np.asarray(values, float)
    with house_style():
        figure = new_figure(width_in=7.4, height_in=0.9 + 0.36 * len(labels))
        axes = figure.subplots()
        for i_feature in range(len(labels)):
            usable = np.isfinite(effect[:, i_feature])
            x = effect[usable, i_feature]
            axes.scatter(
                x, i_feature + _swarm(x), c=_ranks(value[usable, i_feature]), cmap=LOW_TO_HIGH,
                vmin=0, vmax=1, s=11, lw=0, alpha=0.9, plotnonfinite=True,
                rasterized=bool(effect.size > 2000),  # noqa: PLR2004 - keeps the file small
            )
        axes.axvline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_yticks(range(len(labels)), list(labels))
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlabel(effect_label)
        axes.tick_params(axis="y", length=0)
        bar = figure.colorbar(axes.collections[-1], ax=axes, aspect=30, pad=0.02, ticks=[0, 1])
        bar.set_ticklabels(["low", "high"])
        bar.set_label("feature value (rank)")
        bar.outline.set_visible(False)  # type: ignore[operator]  # a Spine at run time
        _open_spines(axes, left=False)
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
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(value_label)
        axes.tick_params(axis="y", length=0)
        _open_spines(axes, left=False)
    return figure


def dose_plot(
    grid: ArrayLike,
    effect: ArrayLike,
    *,
    value_label: str,
    effect_label: str,
    band: tuple[ArrayLike, ArrayLike],
    support: Sequence[int],
) -> Figure:
    """Draw a dose curve with its band; bars at the foot show how many patients lie there."""
    x, y = np.asarray(grid, float), np.asarray(effect, float)
    with house_style():
        figure = new_figure(width_in=3.9, height_in=2.9)
        axes = figure.subplots()
        low, high = (np.asarray(bound, float) for bound in band)
        axes.fill_between(x, low, high, color=COLORS[0], alpha=0.18, lw=0)
        axes.plot(x, y, color=COLORS[0], lw=1.8)
        counts = np.asarray(support, float)
        if counts.size and counts.max() > 0:
            width = 0.8 * float(np.median(np.diff(x))) if x.size > 1 else 1.0
            axes.bar(
                x,
                0.14 * counts / counts.max(),
                width=width,
                color=GREY,
                alpha=0.55,
                transform=axes.get_xaxis_transform(),
            )
        axes.set(xlabel=value_label, ylabel=effect_label)
        _open_spines(axes)
    return figure


def _open_spines(axes: Axes, *, left: bool = True) -> None:
    """Keep only the axis lines that carry ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines["left"].set_visible(left)


def _censoring_marks(axes: Axes, curve: Curve, times: Sequence[float], *, color: str) -> None:
    """Put a short tick on the curve where a patient's follow-up ended."""
    steps, value = np.asarray(curve.time, float), np.asarray(curve.value, float)
    if not len(times) or not steps.size:
        return
    at = np.maximum(np.searchsorted(steps, np.asarray(times, float), side="right") - 1, 0)
    axes.plot(list(times), value[at], "|", color=color, ms=5, mew=0.8)


def _at_risk_table(
    axes: Axes, curves: Sequence[Curve], times: Sequence[float], *, time_label: str
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


def _log_axis(axes: Axes, bounds: Sequence[float]) -> None:
    """Log scale with plain numbers as ticks, wide enough to hold all finite bounds."""
    finite = [bound for bound in bounds if np.isfinite(bound) and bound > 0]
    axes.set_xscale("log")
    if not finite:
        return
    low, high = min([*finite, 1.0]) / 1.08, max([*finite, 1.0]) * 1.08
    candidates = [0.01, 0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100]
    ticks = [tick for tick in candidates if low <= tick <= high]
    if high / low > 12:  # noqa: PLR2004 - about one decade: fewer ticks, so that none collide
        ticks = [tick for tick in ticks if tick in {0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100}]
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)


def _name_points(
    axes: Axes, x: Any, y: Any, *, order: Sequence[Any], labels: Sequence[str]
) -> None:
    """Number the strongest points and list the names beside the axes, so that no labels collide."""
    lines = []
    for rank, index in enumerate(order, start=1):
        axes.annotate(
            str(rank), (x[index], y[index]), xytext=(4, 3), textcoords="offset points", fontsize=8
        )
        lines.append(f"{rank}  {labels[index]}")
    axes.figure.supxlabel("\n".join(lines), x=0.08, ha="left", fontsize=8)


def _swarm(x: Any) -> Any:
    """Spread points of like x up and down, the denser the wider; deterministic."""
    if x.size == 0 or np.ptp(x) == 0:
        return np.linspace(-0.3, 0.3, x.size)
    bins = np.minimum((40 * (x - x.min()) / np.ptp(x)).astype(int), 39)
    counts = np.bincount(bins, minlength=40)
    offsets = np.zeros(x.size)
    for i_bin in np.flatnonzero(counts > 1):
        members = np.flatnonzero(bins == i_bin)
        width = 0.34 * counts[i_bin] / counts.max()
        offsets[members] = np.linspace(-width, width, members.size)
    return offsets


def _ranks(values: Any) -> Any:
    """Ranks scaled to 0..1; NaN stays NaN."""
    scaled = np.full(values.size, np.nan)
    usable = np.flatnonzero(np.isfinite(values))
    if usable.size > 1:
        scaled[usable[np.argsort(values[usable], kind="stable")]] = np.linspace(0, 1, usable.size)
    elif usable.size == 1:
        scaled[usable] = 0.5
    return scaled
