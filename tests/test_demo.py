"""The demo's verdicts come from the results, whatever they are; a page tells of them."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pathexplain import demo
from pathexplain.phantom import cohort

if TYPE_CHECKING:
    from pathlib import Path

MADE = cohort(4, seed=0, shape_px=(64, 64))


def _survival(hazard: float, *, is_discovery: bool, feature: str = demo.DENSITY) -> Any:
    row = SimpleNamespace(
        feature=feature,
        hr_per_sd=SimpleNamespace(value=hazard, low=hazard / 2, high=hazard * 2),
        p_bh=0.01,
        is_discovery=is_discovery,
    )
    dropped = SimpleNamespace(feature=demo.DENSITY, reason="constant", detail="all 0")
    return SimpleNamespace(
        screen=SimpleNamespace(rows=(row,), n_tests=7, alpha=0.05),
        preflight=SimpleNamespace(dropped=(dropped,)),
    )


def _importance(*clusters: str, effect: float = 0.5, q: float = 0.01) -> Any:
    ranked = tuple(
        SimpleNamespace(rank=rank, features=(name,)) for rank, name in enumerate(clusters, start=1)
    )
    explained = SimpleNamespace(name="forest", label="forest", clusters=ranked)
    metric = SimpleNamespace(interval=SimpleNamespace(value=0.9))
    area = SimpleNamespace(
        feature=demo.MEAN_AREA,
        q_value=q,
        effect=SimpleNamespace(value=effect),
        effect_name="Cliff's delta",
        n_tests=9,
    )
    return SimpleNamespace(
        importances=SimpleNamespace(models=(explained,)),
        reason="no model beats chance",
        model=lambda _name: SimpleNamespace(metric=lambda _metric: metric),
        univariate=(area,),
        target=SimpleNamespace(positive="malignant"),
    )


@pytest.mark.parametrize(
    ("hazard", "is_discovery", "is_found"),
    [(0.5, True, True), (0.5, False, False), (2.0, True, False)],
)
def test_survival_verdict(hazard: float, is_discovery: bool, is_found: bool) -> None:
    check = demo.survival_check(MADE, _survival(hazard, is_discovery=is_discovery))
    assert check.is_found is is_found
    assert f"{hazard:.2f} per SD" in check.evidence
    assert "rank 1 of 7" in check.evidence


def test_untested_density_is_not_found_and_says_why() -> None:
    check = demo.survival_check(MADE, _survival(0.5, is_discovery=True, feature="other"))
    assert not check.is_found
    assert "constant, all 0" in check.evidence


@pytest.mark.parametrize(
    ("clusters", "effect", "q", "is_found"),
    [
        (("a.b.c.mean", "epithelial.shape.area_um2.p90"), 0.5, 0.01, True),
        (("epithelial.shape.area_um2.p90",), -0.5, 0.01, False),
        (("epithelial.shape.area_um2.p90",), 0.5, 0.2, False),
        (
            ("a.b.c.mean", "a.b.d.mean", "a.b.e.mean", "epithelial.shape.feret_max_um.sd"),
            0.5,
            0.01,
            False,
        ),
        (("lymphocyte.shape.area_um2.mean",), 0.5, 0.01, False),
        (("epithelial.shape.circularity.mean",), 0.5, 0.01, False),
    ],
)
def test_diagnosis_verdict(
    clusters: tuple[str, ...], effect: float, q: float, is_found: bool
) -> None:
    check = demo.diagnosis_check(MADE, _importance(*clusters, effect=effect, q=q))
    assert check.is_found is is_found


def test_models_no_better_than_chance_find_nothing() -> None:
    result = _importance()
    result.importances = None
    check = demo.diagnosis_check(MADE, result)
    assert not check.is_found
    assert check.evidence == "no model beats chance"


def test_real_image_ships_with_scikit_image() -> None:
    image = demo.real_tissue()
    assert image.shape == (512, 512, 3)
    # Brown DAB: red well above blue somewhere, and pale glass somewhere.
    assert ((image[..., 0].astype(int) - image[..., 2]) > 60).mean() > 0.05
    assert (image.min(axis=-1) > 200).mean() > 0.05


def test_fields_of_an_earlier_run_and_failures_are_told_first() -> None:
    model: Any = SimpleNamespace(weights_sha256="0f")
    slides = [SimpleNamespace(status="skipped"), SimpleNamespace(status="failed")]
    failed = [SimpleNamespace(slide_id="s2", reason="EOF")]
    run: Any = SimpleNamespace(warnings=("odd",), failed=failed, slides=slides)
    odd, broken, kept = demo._warnings(model, run)
    assert odd == "odd"
    assert broken == "Slide s2 failed: EOF"
    assert kept.startswith("1 of 2 fields were measured by an earlier run")


@pytest.mark.slow
def test_whole_demo_is_one_page_that_says_what_it_is(tmp_path: Path) -> None:
    lines: list[str] = []
    page = demo.run_demo(tmp_path, n_patients=12, segmentor="stain", progress=lines.append)
    html = page.read_text(encoding="utf-8")
    assert len(lines) == 5
    head = html[html.index("<h1>") : html.index("<h2 id=")]
    assert "This cohort is synthetic" in head
    assert "No trained weights were used" in head
    checks = json.loads((tmp_path / "checks.json").read_text(encoding="utf-8"))["checks"]
    n_found = sum(check["is_found"] for check in checks)
    assert f"{n_found} of 2" in head
    assert html.count("✓ found") == n_found
    assert html.count("✗ not found") == 2 - n_found
    assert not re.search(r'src="(?!data:)', html)
    for link in re.findall(r'href="([^#"][^"]*)"', html):
        assert (tmp_path / link).is_file(), link
    for name in ("importance", "survival"):
        assert (tmp_path / f"{name}.json").is_file()
        assert (tmp_path / f"{name}.html").is_file()
