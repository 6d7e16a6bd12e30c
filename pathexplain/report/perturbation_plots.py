"""Figures of a perturbation report: importances beside their controls, and overlaps.

Not for estimating anything; see `plots` for the rules of all figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation.fills import FILLS
from pathexplain.report.figures import INK, NamedFigure, house_style, new_figure
from pathexplain.report.plots import COLORS, GREY, Interval, forest_plot, open_spines, wrapped
from pathexplain.report.wording import format_interval, format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from pathexplain.diagnosis.perturbation.result import (
        Effect,
        Overlap,
        PerturbationResult,
        ShapleyShare,
    )

__all__ = ["importance_plot", "overlap_plot", "perturbation_figures", "shapley_plot"]

_OFFSET = 0.17


def perturbation_figures(result: PerturbationResult) -> tuple[NamedFigure, ...]:
    """Draw all figures of the report, each with its caption and text alternative."""
    figures = []
    for fill in result.settings.fills:
        effects = [one for one in result.effects if one.fill == fill]
        figure, alt = importance_plot(effects)
        caption = (
            f"{FILLS[fill].capitalize()}. Orange: the prompt taken away; grey: "
            f"{result.settings.n_controls} random regions as large, averaged, "
            "on the slides that have room for them. Dashed: no change."
        )
        figures.append(NamedFigure(f"importance-{fill}", caption, alt, figure))
    if len(result.overlap.prompts) > 1:
        figure, alt = overlap_plot(result.overlap)
        caption = (
            "Share of each prompt's area (row) that lies in each other prompt (column). Prompts "
            "that overlap are counted twice when each is taken away alone."
        )
        figures.append(NamedFigure("overlap", caption, alt, figure))
    if result.shapley:
        figure, alt = shapley_plot(result.shapley)
        total = format_number(sum(one.value.value for one in result.shapley))
        caption = (
            "Shapley values: the loss change of all prompts taken away together, shared out by "
            "each prompt's mean effect over all orders in which they could go. They sum to "
            f"{total} nats."
        )
        figures.append(NamedFigure("shapley", caption, alt, figure))
    return tuple(figures)


def importance_plot(effects: Sequence[Effect]) -> tuple[Figure, str]:
    """Draw the importance of each prompt over that of its controls, with intervals.

    Returns
    -------
    figure : Figure
    alt : str
        What it shows, in words.
    """
    ordered = sorted(effects, key=lambda one: -np.nan_to_num(one.imp.value))
    with house_style():
        figure = new_figure(width_in=7.6, height_in=1.3 + 0.48 * len(ordered))
        axes = figure.subplots()
        for i_row, one in enumerate(ordered):
            for interval, offset, color, mark, label in (
                (one.imp, -_OFFSET, COLORS[1], "s", "the object"),
                (one.control_imp, _OFFSET, GREY, "o", "random regions as large"),
            ):
                y = i_row + offset
                axes.plot([interval.low, interval.high], [y, y], color=color, lw=1.6)
                axes.plot(
                    [interval.value],
                    [y],
                    mark,
                    color=color,
                    ms=5,
                    label=label if i_row == 0 else None,
                )
                axes.annotate(
                    format_interval(interval.value, interval.low, interval.high),
                    (1.01, y),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=8,
                    annotation_clip=False,
                )
        axes.axvline(1.0, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_yticks(
            range(len(ordered)), [wrapped(one.prompt.replace("_", " ")) for one in ordered]
        )
        axes.set_ylim(len(ordered) - 0.5, -0.6)
        axes.set_xlabel("IMP: loss without it over loss as it is (1: does not matter)")
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        open_spines(axes, left=False)
    parts = [
        f"{one.prompt} {format_number(one.imp.value)}, control "
        f"{format_number(one.control_imp.value)}"
        for one in ordered
    ]
    return figure, "Importance of each prompt and of random regions as large: " + "; ".join(parts)


def overlap_plot(overlap: Overlap) -> tuple[Figure, str]:
    """Draw the share of each prompt's area that lies in each other, as a table of squares."""
    names = [name.replace("_", " ") for name in overlap.prompts]
    share = np.array(overlap.share, dtype=float)
    with house_style():
        side = 1.6 + 0.62 * len(names)
        figure = new_figure(width_in=side + 1.2, height_in=side)
        axes = figure.subplots()
        axes.imshow(np.ma.masked_invalid(share), cmap="cividis", vmin=0, vmax=1)
        for row, values in enumerate(share):
            for column, value in enumerate(values):
                text = format_number(100 * value, digits=2) + " %" if np.isfinite(value) else "–"
                color = "white" if value < 0.5 else "black"  # noqa: PLR2004 - readable on the map
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8.5)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("… lies in this one")
        axes.set_ylabel("share of this one that …")
        axes.tick_params(length=0)
    pairs = [
        f"{format_number(100 * share[i, j], digits=2)} % of {names[i]} in {names[j]}"
        for i in range(len(names))
        for j in range(len(names))
        if i != j
    ]
    return figure, "Overlap of the prompts: " + "; ".join(pairs)


def shapley_plot(shares: Sequence[ShapleyShare]) -> tuple[Figure, str]:
    """Draw Shapley values with intervals."""
    ordered = sorted(shares, key=lambda one: -one.value.value)
    figure = forest_plot(
        [
            Interval(one.prompt.replace("_", " "), one.value.value, one.value.low, one.value.high)
            for one in ordered
        ],
        value_label="share of the joint loss change, nats",
        reference=0.0,
        logarithmic=False,
    )
    parts = [f"{one.prompt} {format_number(one.value.value)}" for one in ordered]
    return figure, "Shapley value of each prompt: " + "; ".join(parts)
