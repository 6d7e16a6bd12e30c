"""The page: escaping, one file, order of the first screen; wording of numbers."""

from __future__ import annotations

import math

import pytest
from markupsafe import Markup

from pathexplain.report import wording
from pathexplain.report.page import Fact, Page, Section, render_page

EVIL = "<script>alert(1)</script>"


def test_everything_a_caller_hands_over_is_escaped() -> None:
    html = render_page(
        Page(
            kind=EVIL,
            title=EVIL,
            lead=EVIL,
            facts=[Fact(EVIL, EVIL, EVIL)],
            warnings=[EVIL],
            sections=[Section(EVIL, "a", Markup("<p>body</p>")), Section("b", "b", Markup(""))],
            provenance={EVIL: EVIL},
            notice=EVIL,
        )
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 14
    assert "<p>body</p>" in html


def test_warnings_and_facts_come_before_the_sections() -> None:
    html = render_page(
        Page(
            "Kind",
            "Title",
            "",
            [Fact("C-index", "0.7")],
            ["few events"],
            [Section("Curves", "curves", Markup(""))],
        )
    )
    places = [html.index(text) for text in ("<h1>", "few events", "C-index", 'id="curves"')]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0000123, "1.23×10⁻⁵"),
        (0.0123, "0.0123"),
        (0.0, "0"),
        (-0.5, "−0.500"),
        (12.34, "12.3"),
        (123456.0, "123,456"),
        (1.2e7, "1.20×10⁷"),
        (math.inf, "–"),
        (None, "–"),
        (9.999, "10.0"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert wording.format_number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, "0.50"), (0.0499, "0.050"), (0.0012, "0.0012"), (1e-9, "1.0×10⁻⁹"), (0.0, "0")],
)
def test_p_values(p: float, text: str) -> None:
    assert wording.format_p(p) == text


def test_undefined_interval_is_a_dash() -> None:
    assert wording.format_interval(math.nan, 0.1, 0.2) == "–"
    assert wording.format_interval(0.5, math.nan, 0.2) == "0.500 (– to 0.200)"
