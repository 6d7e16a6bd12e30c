"""Figures of prediction and of a model's form: calibration, net benefit, effects over time.

Not for estimating anything; see `plots` for the rules of all figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.figures import INK, house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, WIDTH_IN, open_spines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["band_plot", "calibration_plot", "net_benefit_plot"]


def calibration_plot(
    predicted: ArrayLike, observed: ArrayLike, low: ArrayLike, high: ArrayLike
) -> Figure:
    """Draw observed against predicted risk, the diagonal being perfect."""
    x, y = np.asarray(predicted, float), np.asarray(observed, float)
    with house_style():
        figure = new_figure(width_in=4.0, height_in=3.6)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.vlines(x, np.asarray(low, float), np.asarray(high, float), color=COLORS[0], lw=1.6)
        axes.plot(x, y, "o", color=COLORS[0], ms=5)
        top = float(np.nanmax([*x, *np.asarray(high, float), 0.1]))
        axes.set(xlim=(0, min(1.0, top * 1.08)), ylim=(0, min(1.0, top * 1.08)))
        axes.set(xlabel="predicted risk", ylabel="observed risk (Kaplan\N{EN DASH}Meier)")
        open_spines(axes)
    return figure


def net_benefit_plot(
    thresholds: ArrayLike, curves: Sequence[tuple[str, ArrayLike]], *, value_label: str
) -> Figure:
    """Draw net benefit over threshold risks; treating none is the line at 0."""
    with house_style():
        figure = new_figure(width_in=4.6, height_in=3.6)
        axes = figure.subplots()
        axes.axhline(0.0, color=INK, lw=0.8, label="treat none")
        tops = [0.01]
        for (label, values), color in zip(curves, (COLORS[1], COLORS[0], GREY), strict=False):
            axes.plot(np.asarray(thresholds, float), values, color=color, lw=1.6, label=label)
            tops.append(float(np.nanmax(np.asarray(values, float))))
        axes.set(ylim=(-0.25 * max(tops), 1.15 * max(tops)))
        axes.set(xlabel="threshold risk", ylabel=value_label)
        axes.legend(loc="upper right")
        open_spines(axes)
    return figure


def band_plot(  # one argument a line of the picture
    x: ArrayLike,
    curve: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    points: tuple[ArrayLike, ArrayLike] | None = None,
    straight: tuple[ArrayLike, ArrayLike] | None = None,
) -> Figure:
    """Draw a curve with its band, points behind it and a straight line to compare with."""
    with house_style():
        figure = new_figure(width_in=WIDTH_IN * 0.62, height_in=2.9)
        axes = figure.subplots()
        if points is not None:
            axes.plot(points[0], points[1], ".", color=GREY, ms=4, alpha=0.7)
        axes.fill_between(
            np.asarray(x, float),
            np.asarray(low, float),
            np.asarray(high, float),
            color=COLORS[0],
            alpha=0.18,
            lw=0,
        )
        axes.plot(np.asarray(x, float), np.asarray(curve, float), color=COLORS[0], lw=1.8)
        if straight is not None:
            axes.plot(straight[0], straight[1], color=COLORS[1], lw=1.2, ls=(0, (4, 2)))
        axes.axhline(0.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set(xlabel=x_label, ylabel=y_label)
        open_spines(axes)
    return figure
