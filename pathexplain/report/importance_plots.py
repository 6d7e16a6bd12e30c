"""Figures of an importance report: performance, what the model rests on, and the dose.

Not for estimating anything; see `plots` for the rules of all figures.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, open_spines, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from pathexplain.report.plots import Curve, Interval

__all__ = ["beeswarm_plot", "calibration_plot", "dose_plot", "null_plot", "roc_plot"]

LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", ["#0072b2", "#b9bec6", "#d55e00"])
_MANY_POINTS = 2000
"""From here on points are drawn as one picture, which keeps the file small."""


def roc_plot(curves: Sequence[Curve]) -> Figure:
    """Draw receiver operating curves: `time` holds 1 - specificity, `value` sensitivity."""
    with house_style():
        figure = new_figure(width_in=3.8, height_in=3.8)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.9, ls=(0, (4, 3)))
        for color, curve in zip(cycle(COLORS), curves, strict=False):
            axes.plot(
                np.asarray(curve.time, float),
                np.asarray(curve.value, float),
                color=color,
                lw=1.8,
                label=curve.label,
                drawstyle="steps-post",
            )
        axes.set(
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
            xlabel="1 \N{MINUS SIGN} specificity",
            ylabel="sensitivity",
        )
        axes.legend(loc="lower right")
        open_spines(axes)
    return figure


def calibration_plot(bins: Sequence[tuple[float, Interval]]) -> Figure:
    """Draw the observed share against the mean predicted probability.

    `bins` are (mean prediction, observed share with interval).
    """
    with house_style():
        figure = new_figure(width_in=3.9, height_in=3.9)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.9, ls=(0, (4, 3)))
        for predicted, observed in bins:
            axes.plot([predicted] * 2, [observed.low, observed.high], color=COLORS[0], lw=1.2)
            axes.plot([predicted], [observed.value], "o", color=COLORS[0], ms=5)
        axes.set(
            xlim=(-0.03, 1.1),
            ylim=(-0.03, 1.05),
            xlabel="predicted probability (bin mean)",
            ylabel="observed share",
        )
        open_spines(axes)
    return figure


def null_plot(null: Sequence[float], observed: Interval) -> Figure:
    """Draw what permuted labels gave as bars, and the observed value with its interval."""
    with house_style():
        figure = new_figure(width_in=3.9, height_in=2.6)
        axes = figure.subplots()
        low = min(*null, 0.4)
        axes.hist(list(null), bins=list(np.linspace(low, 1.0, 31)), color=GREY, alpha=0.75)
        top = 1.12 * axes.get_ylim()[1]
        axes.plot([observed.low, observed.high], [0.94 * top] * 2, color=COLORS[1], lw=1.6)
        axes.plot([observed.value], [0.94 * top], "s", color=COLORS[1], ms=5)
        axes.axvline(0.5, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set(
            xlim=(low - 0.01, 1.01),
            ylim=(0, top),
            xlabel="AUROC on held-out patients",
            ylabel="permutations",
        )
        axes.locator_params(axis="y", integer=True)
        open_spines(axes)
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
                x,
                i_feature + _swarm(x),
                c=_ranks(value[usable, i_feature]),
                cmap=LOW_TO_HIGH,
                vmin=0,
                vmax=1,
                s=11,
                lw=0,
                alpha=0.9,
                plotnonfinite=True,
                rasterized=bool(effect.size > _MANY_POINTS),
            )
        axes.axvline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_yticks(range(len(labels)), [wrapped(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlabel(effect_label)
        axes.tick_params(axis="y", length=0)
        bar = figure.colorbar(axes.collections[-1], ax=axes, aspect=30, pad=0.02, ticks=[0, 1])
        bar.set_ticklabels(["low", "high"])
        bar.set_label("feature value (rank)")
        bar.outline.set_visible(False)
        open_spines(axes, left=False)
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
    """Draw a dose curve with its band; bars at the foot show how densely patients lie there."""
    x, y = np.asarray(grid, float), np.asarray(effect, float)
    with house_style():
        figure = new_figure(width_in=3.9, height_in=2.9)
        axes = figure.subplots()
        low, high = (np.asarray(bound, float) for bound in band)
        axes.fill_between(x, low, high, color=COLORS[0], alpha=0.18, lw=0)
        axes.plot(x, y, color=COLORS[0], lw=1.8)
        counts = np.asarray(support, float)[1:] / np.diff(x)
        if counts.size and counts.max() > 0:
            axes.bar(
                x[:-1],
                0.14 * counts / counts.max(),
                width=np.diff(x),
                align="edge",
                color=GREY,
                alpha=0.55,
                transform=axes.get_xaxis_transform(),
            )
        axes.set(xlabel=wrapped(value_label), ylabel=wrapped(effect_label))
        open_spines(axes)
    return figure


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
