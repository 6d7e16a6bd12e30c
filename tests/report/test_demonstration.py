"""The demo's page: verdicts first, detail in the full reports, settings beside their defaults."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.report.demonstration import Check, Picture, Recovery, Setting, demo_html

if TYPE_CHECKING:
    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import SurvivalResult

EVIL = "<script>x</script>"


def page(importance: ImportanceResult, survival: SurvivalResult, **changed: Any) -> str:
    image = np.full((8, 8, 3), 200, np.uint8)
    outlined = image.copy()
    outlined[2, 2:6] = (0, 158, 115)
    options: dict[str, Any] = {
        "curves": survival.kaplan_meier[0],
        "checks": [Check("Diagnosis", EVIL, is_found=False, evidence="rank 9 of 12")],
        "pictures": [Picture(image, outlined, EVIL, 4.0)],
        "recoveries": [Recovery("area", np.array([1.0, 2]), np.array([1.1, np.nan]), ("a", "b"))],
        "run": None,
        "units": {},
        "planted_features": (),
        "settings": [Setting("survival", "n_repeats", "1", "5")],
        "seconds": {"painting": 2.4, "measuring": 60.0},
        "warnings": ["Slide s1 failed: EOF"],
        "remarks": ["Phantoms were trained on"],
        "provenance": {"seed": 0},
    }
    return demo_html(importance=importance, survival=survival, **{**options, **changed})


def test_verdicts_come_first_and_detail_is_in_the_full_reports(
    importance_result: ImportanceResult, survival_result: SurvivalResult
) -> None:
    html = page(importance_result, survival_result)
    head = html[html.index("<h1>") : html.index("<h2 id=")]
    assert "in 62 seconds" in head
    assert "0 of 1 planted effects were found" in head
    assert "Slide s1 failed: EOF" in head
    titles = re.findall(r'<h2 id="([^"]+)"', html)
    assert titles == [
        *("checks", "masks", "diagnosis", "survival", "exemplars", "settings", "provenance")
    ]
    links = re.findall(r'href="([^#"][^"]*)"', html)
    assert links == ["importance.html", "survival.html"]
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_page_is_whole_escaped_and_says_what_was_lighter(
    importance_result: ImportanceResult, survival_result: SurvivalResult
) -> None:
    html = page(importance_result, survival_result)
    assert "<script" not in html
    assert not re.search(r'src="(?!data:)', html)
    assert html.count('src="data:image/jpeg') == html.count('src="data:image/png') == 1
    assert re.search(r"n_repeats</td><td class=\"n\">1</td><td class=\"n\">5<", html)
    assert "Phantoms were trained on" in html


def test_without_importances_or_rows_the_reason_is_given(
    importance_result: ImportanceResult, survival_result: SurvivalResult
) -> None:
    bare = dataclasses.replace(importance_result, importances=None, reason="No model beats chance.")
    empty = dataclasses.replace(survival_result, forest=())
    html = page(bare, empty, recoveries=())
    between = html[html.index('<h2 id="diagnosis"') : html.index('<h2 id="survival"')]
    assert "No model beats chance." in between
    assert "<svg" not in between
    assert "No feature could be tested" in html
