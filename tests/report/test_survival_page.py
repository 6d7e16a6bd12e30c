"""A survival page with every section, from a real analysis with names that break pages."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest

from pathexplain.prognosis import SurvivalResult, survival, validate, write_model
from pathexplain.report import write_report

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Open tags and ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.extend([tag] if tag not in VOID else [])
        self.ids.extend(value or "" for key, value in attrs if key == "id")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile_cohort(n: int, seed: int) -> anndata.AnnData:
    """One planted feature with an evil name; evil sites, patients and levels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6))
    death, other = rng.exponential(20 * np.exp(-z[:, 0])), rng.exponential(80, n)
    end = rng.uniform(10, 60, n)
    time = np.minimum(np.minimum(death, other), end)
    obs = pd.DataFrame(
        {
            "time_months": time,
            "status": np.where(death == time, 1, np.where(other == time, 2, 0)),
            "age": rng.normal(60, 10, n),
            "site": rng.choice([EVIL, "B"], n),
        },
        index=[f"{EVIL}{i}" for i in range(n)],
    )
    obs.iloc[0, 0] = np.nan
    names = [f"{EVIL}.shape.area_um2.mean", *(f"nucleus.shape.f{k}.mean" for k in range(4)), "flat"]
    z[:, 5] = 1.0
    var = pd.DataFrame({"unit": "um2", "definition": EVIL}, index=names)
    return anndata.AnnData(z, obs=obs, var=var)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def result(folder: Path) -> SurvivalResult:
    cohort = hostile_cohort(220, 1)
    names = [name for name in cohort.var_names if name != "nucleus.shape.f3.mean"]
    icc = pd.DataFrame({"feature": names, "perturbation": EVIL, "icc": 0.9})
    icc["icc_low"], icc["icc_high"], icc["reason"] = 0.8, 0.95, ""
    icc["n_patients"], icc["n_conditions"] = 220, 2
    icc.to_csv(folder / "icc.csv", index=False)
    eroded = pd.DataFrame(cohort.X * 1.1, columns=cohort.var_names)
    eroded.insert(0, "patient_id", cohort.obs_names)
    eroded.to_csv(folder / "patients_erosion.csv", index=False)
    return survival(
        cohort,
        time="time_months",
        event="status",
        competing="2",
        covariates=("age",),
        robustness=folder,
        n_bootstrap=20,
        n_repeats=1,
        n_permutations=3,
        n_max_t=50,
        n_optimism=3,
        n_stability=5,
    )


def test_every_section_is_there_and_nothing_breaks_out(
    result: SurvivalResult, folder: Path
) -> None:
    assert result.selected[0].startswith(EVIL)
    html = write_report(result, folder)[1].read_text()
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    for name in ("time", "competing", "sites", "robustness", "patients", "checklists"):
        assert f"survival-{name}" in page.ids
    assert html.count("<svg") == len(re.findall(r'role="img" aria-label="[^"]{10,}"', html))
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|NaN|Undefined|np\.float64)\b", text)
    assert "Calibration and usefulness" in text
    assert "net benefit a patient" in text


def test_the_page_prints_what_the_json_holds(result: SurvivalResult, folder: Path) -> None:
    path, page = write_report(result, folder)
    tree, html = json.loads(path.read_text()), page.read_text()
    assert tree["performance"]["metrics"][0]["name"] == "uno_c"
    shown = f"{tree['performance']['metrics'][0]['model']['value']:.3f}"
    assert shown in html
    assert {one["status"] for one in tree["remark"]} == {"filled", "partly", "for you to add"}
    assert len(tree["remark"]) == 20
    assert len({one["number"].rstrip("abcdefg") for one in tree["tripod"]}) == 27
    for one in [*tree["remark"], *tree["tripod"]]:
        assert (one["missing"] == "") == (one["status"] == "filled")
        assert one["text"] or one["missing"]


def test_features_that_were_not_repeatable_are_listed(result: SurvivalResult) -> None:
    dropped = {one.feature: one for one in result.preflight.dropped}
    assert dropped["nucleus.shape.f3.mean"].detail == "not in icc.csv"
    assert dropped["flat"].reason == "constant"
    assert result.preflight.n_features == 6
    assert result.robustness is not None
    (shift, *_) = result.robustness.shifts
    assert shift.condition == "erosion"
    assert shift.ratio == pytest.approx(shift.hr.value**-0.1, rel=0.05)
    (first, *_) = result.robustness.corrections
    assert (first.feature, first.icc, first.reason) == (result.selected[0], 0.9, "")
    assert first.calibrated.value == pytest.approx(first.measured.value ** (1 / 0.9))
    assert 1 < first.measured.value < first.simex.value < first.calibrated.value * 1.2


def test_the_flow_adds_up(result: SurvivalResult) -> None:
    steps = result.cohort.flow
    came, stayed = [step.n for step in steps if step.kind == "remaining"]
    assert came - sum(step.n for step in steps if step.kind == "excluded") == stayed
    assert sum(step.n for step in steps if step.kind == "outcome") == stayed
    assert steps[1].names == (f"{EVIL}0",)


def test_the_page_of_an_external_validation(result: SurvivalResult, folder: Path) -> None:
    assert result.model is not None
    path = write_model(result.model, folder / "model.json")
    new = hostile_cohort(120, 2)
    new.obs["status"] = (new.obs["status"] == 1).astype(int)
    found: Any = validate(path, new, n_bootstrap=20)
    html = write_report(found, folder)[1].read_text()
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    assert "script" not in page.tags
    assert found.model_sha256 in html
    assert f"{found.c_index.value:.3f}" in html
