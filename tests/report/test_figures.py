"""Figures inside a page: valid XML, the same bytes each time, escaped, unique ids, theme ink."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from functools import cache
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from pathexplain.report import importance_plots, plots, survival_plots
from pathexplain.report.figures import INK, figure_markup, png_uri, write_figures
from pathexplain.report.importance_figures import importance_figures
from pathexplain.report.plots import Curve, Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVIL = "<script>alert('x')</script> & $a_1$"


@cache
def every_plot() -> dict[str, Figure]:
    rng = np.random.default_rng(3)
    time = np.linspace(0, 60, 20)
    curve = Curve(EVIL, time, np.exp(-time / 40), np.exp(-time / 30), np.exp(-time / 60), [9, 5, 1])
    rows = [Interval(EVIL, 1.5, 1.1, 2.0), Interval("b", 0.5, 0.3, float("nan"), emphasis=False)]
    p = rng.uniform(size=600)
    p[0] = np.nan
    shares = np.linspace(0, 1, 9)
    values = rng.normal(size=(12, 2))
    values[0, 0] = np.nan
    return {
        "survival": survival_plots.survival_plot(
            [curve],
            at_risk_times=[0, 30, 60],
            time_label=EVIL,
            value_label="share",
            censored=[[4.0, 50.0]],
        ),
        "forest": plots.forest_plot(rows, value_label="HR"),
        "volcano": survival_plots.volcano_plot(
            rng.normal(size=600),
            p,
            is_found=p < 0.1,
            labels=[EVIL] * 600,
            effect_label="log HR",
            p_label="-log10 p",
        ),
        "roc": importance_plots.roc_plot([Curve(EVIL, shares, shares**0.5, [], [])]),
        "calibration": importance_plots.calibration_plot(
            [(0.2, Interval("", 0.1, 0.0, 0.3)), (0.8, Interval("", 0.9, 0.7, 1.0))]
        ),
        "beeswarm": importance_plots.beeswarm_plot(
            rng.normal(size=(12, 2)), values, labels=[EVIL, "b"], effect_label="log odds"
        ),
        "bar": plots.bar_plot(rows, value_label="loss of AUROC"),
        "dose": importance_plots.dose_plot(
            shares,
            shares,
            value_label=EVIL,
            effect_label="p",
            band=(shares - 0.1, shares + 0.1),
            support=[1] * 9,
        ),
    }


@pytest.mark.parametrize("name", sorted(every_plot()))
def test_every_plot_is_escaped_wellformed_svg_without_outside_loads(name: str) -> None:
    svg = str(figure_markup(every_plot()[name], alt=EVIL, name=name))
    root = ET.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == EVIL
    assert "<script" not in svg
    assert INK not in svg
    assert "currentColor" in svg
    assert not re.search(r'(?:href|src)="(?!#|data:)', svg)
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert all(identifier.startswith(f"{name}-") for identifier in ids)
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', svg):
        assert reference in ids


def test_same_figure_gives_same_bytes_and_leaves_global_style_alone() -> None:
    before = dict(mpl.rcParams)
    first = figure_markup(every_plot()["dose"], alt="a", name="f")
    second = figure_markup(every_plot.__wrapped__()["dose"], alt="a", name="f")
    assert first == second
    assert dict(mpl.rcParams) == before


def test_png_uri_decodes_to_the_same_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (7, 9, 3)).astype(np.uint8)
    raw = base64.b64decode(png_uri(pixels).split(",")[1])
    assert (np.asarray(Image.open(io.BytesIO(raw))) == pixels).all()


def test_every_figure_of_an_importance_can_be_had_by_name(importance_result, tmp_path) -> None:
    """One call: names, captions, text alternatives and axes; files hold the alternative too."""
    figures = importance_figures(importance_result)
    names = [one.name for one in figures]
    assert len(names) == len(set(names))
    assert {"held-out-roc", "held-out-null", "forest-clusters", "forest-dose-0"} <= set(names)
    assert all(one.axes and len(one.alt) > 20 and one.caption for one in figures)
    roc = next(one for one in figures if one.name == "held-out-roc")
    assert roc.axes[0].get_ylabel() == "sensitivity"
    svg, png = write_figures([roc], tmp_path)
    assert roc.alt.split(":")[0] in svg.read_text(encoding="utf-8")
    with Image.open(png) as picture:
        assert picture.text["Description"] == roc.alt
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    first = svg.read_bytes()
    write_figures([next(iter(importance_figures(importance_result)))], tmp_path)
    assert svg.read_bytes() == first
