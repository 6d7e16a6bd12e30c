"""Both reports: nothing unescaped, nothing loaded, ids unique, gaps said in words, same bytes."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from pathexplain.report import importance_html, survival_html, write_report
from pathexplain.report.importance import top_features
from pathexplain.report.survival import discoveries

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import SurvivalResult

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Tags, ids and addresses of a page; an unclosed tag fails."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.extend([tag] if tag not in VOID else [])
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            if key in {"src", "href", "xlink:href", "action", "data"}:
                self.addresses.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    return page


@pytest.fixture(scope="session", params=["importance", "survival"])
def html(
    request: pytest.FixtureRequest,
    importance_result: ImportanceResult,
    survival_result: SurvivalResult,
) -> str:
    if request.param == "importance":
        return importance_html(importance_result)
    return survival_html(survival_result)


def test_names_from_the_table_are_escaped(html: str) -> None:
    page = parsed(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    page = parsed(html)
    assert page.addresses
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not re.search(r"url\((?!#)|@import|<link|<iframe", html)


def test_ids_are_unique_and_every_anchor_exists(html: str) -> None:
    page = parsed(html)
    assert len(page.ids) == len(set(page.ids))
    anchors = {address[1:] for address in page.addresses if address.startswith("#")}
    assert anchors <= set(page.ids)


def test_figures_have_text_alternatives(html: str) -> None:
    assert html.count("<svg") == len(re.findall(r'role="img" aria-label="[^"]{10,}"', html))


def test_first_screen_comes_first(html: str) -> None:
    head = html[html.index("<h1>") : html.index("<h2 id=")]
    assert "Read with care" in head
    assert "95 % interval" in head
    assert head.index("Read with care") < head.index('class="facts"')


def test_no_python_words_reach_the_reader(html: str) -> None:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|NaN|Undefined|np\.float64)\b", text)


def test_numbers_of_the_results_are_printed(
    importance_result: ImportanceResult, survival_result: SurvivalResult
) -> None:
    page = importance_html(importance_result)
    assert "0.90 (0.80 to 0.95)" in page
    assert "no diagnosis" in page
    page = survival_html(survival_result)
    assert "0.700 (0.500 to 0.980)" in page
    assert "1.80 (1.29 to 2.52)" in page
    assert "not fitted: separated" in page
    assert "nucleus: area, mean (µm²)" in page


def test_no_importances_gives_the_reason_and_no_figures(
    importance_result: ImportanceResult,
) -> None:
    reason = "No model beats chance."
    bare = dataclasses.replace(
        importance_result, importances=None, reason=reason, comparison=None, notes=()
    )
    page = importance_html(bare)
    assert page.index(reason) < page.index("<h2 id=")
    assert "No importances are shown" in page
    assert "clusters-" not in page
    assert top_features(bare, n=3) == ()


def test_missing_parts_of_a_survival_result_are_said(survival_result: SurvivalResult) -> None:
    empty_screen = dataclasses.replace(survival_result.screen, rows=(), n_discoveries=0)
    bare = dataclasses.replace(
        survival_result,
        validation=None,
        validation_reason="too few events",
        final=None,
        final_reason="nothing was found",
        kaplan_meier=(),
        forest=(),
        screen=empty_screen,
        notes=(),
    )
    page = survival_html(bare)
    for text in (
        "too few events",
        "nothing was found",
        "No curves were drawn",
        "No feature was left",
    ):
        assert text in page


def test_leading_features(
    importance_result: ImportanceResult, survival_result: SurvivalResult
) -> None:
    assert top_features(importance_result, n=1) == ("nucleus.shape.area_um2.mean",)
    assert discoveries(survival_result) == (
        "nucleus.shape.area_um2.mean",
        "lymphocyte.aggregate.density_per_mm2.total",
    )


def test_same_result_gives_the_same_bytes(survival_result: SurvivalResult) -> None:
    assert survival_html(survival_result) == survival_html(survival_result)


@pytest.mark.parametrize("kind", ["importance_result", "survival_result"])
def test_write_report_writes_json_and_html(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    result: Any = request.getfixturevalue(kind)
    json_path, html_path = write_report(result, tmp_path / "new")
    assert json_path.name == f"{kind.removesuffix('_result')}.json"
    assert json.loads(json_path.read_text(encoding="utf-8"))["notes"]
    assert html_path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert write_report(result, tmp_path, name="mine")[1] == tmp_path / "mine.html"
    assert not list(tmp_path.glob("*.part"))


def test_write_report_refuses_what_has_no_page(tmp_path: Path) -> None:
    wrong: Any = {"a": 1}
    with pytest.raises(TypeError, match="no page for a dict"):
        write_report(wrong, tmp_path)
