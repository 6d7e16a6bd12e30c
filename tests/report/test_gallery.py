"""Exemplars of a real run of the pipeline: pictures equal the slide, outlines equal the masks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pathexplain.extraction import extract
from pathexplain.phantom import cohort, write_cohort
from pathexplain.report.exemplars import pick_exemplars
from pathexplain.report.gallery import RunFolder, exemplar_section
from pathexplain.report.writing import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.prognosis.result import SurvivalResult

PROMPTS = """\
version: 1
mpp: 0.5
prompts:
  - {name: nucleus, structure: nuclei, object: nucleus, region: colon, kind: instances}
features: [shape]
"""
AREA = "nucleus.shape.area_um2.mean"
DENSITY = "nucleus.aggregate.density_per_mm2.total"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder: Path = tmp_path_factory.mktemp("gallery")
    images = write_cohort(cohort(4, seed=1, shape_px=(160, 160)), folder)
    prompts = folder / "prompts.yaml"
    prompts.write_text(PROMPTS, encoding="utf-8")
    extract(images, prompts=prompts, out=folder / "run", segmentor="stain", mpp=0.5)
    return RunFolder(folder / "run", patient_of={"phantom-001": "<script>P1</script>"})


def test_pictures_are_cut_from_the_slide_and_hold_the_object(run: RunFolder) -> None:
    objects = run.objects("nucleus", "shape.area_um2")
    assert len(objects) > 20
    exemplar = next(
        one
        for one in pick_exemplars(objects, n_each=4)
        if min(one.y_um, one.x_um) > 12 and max(one.y_um, one.x_um) < 68
    )
    crop = run.crop(exemplar, "nucleus", width_um=20.0)
    image = np.asarray(Image.open(run.slides[exemplar.slide].path))
    y0, x0 = (round(place / 0.5 - 20) for place in (exemplar.y_um, exemplar.x_um))
    assert (crop.pixels == image[y0 : y0 + 40, x0 : x0 + 40]).all()
    points = np.array(re.findall(r"[ML](\S+?) ([^LZM]+)", crop.outline), float)
    extent = np.ptp(points, axis=0) * 0.5
    assert extent.prod() >= exemplar.value
    assert abs(points.mean(axis=0) - 20).max() < 8


def test_section_shows_levels_escapes_and_says_what_is_missing(run: RunFolder) -> None:
    section = exemplar_section(
        run, [AREA, DENSITY, "nope", "nucleus.shape.nothing.mean"], units={AREA: "um^2"}, n_each=2
    )
    body = str(section.body)
    assert body.count("<img") == body.count("data:image/jpeg;base64") == 12
    assert "<script" not in body
    assert "µm²" in body
    assert "middle of a slide" in body
    assert body.count("is not shown") == 2
    assert "slide_id" not in body


def test_each_row_holds_different_patients(run: RunFolder) -> None:
    for level in ("low", "middle", "high"):
        picked = pick_exemplars(run.objects("nucleus", "shape.area_um2"), n_each=3)
        row = [one.patient for one in picked if one.level == level]
        assert len(row) == len(set(row)) == 3


def test_unknown_features_give_an_empty_section(run: RunFolder) -> None:
    assert "No exemplars can be shown" in exemplar_section(run, ["a.b.c.d"]).body


def test_the_report_of_a_run_shows_the_cells_behind_its_features(
    run: RunFolder, survival_result: SurvivalResult, tmp_path: Path
) -> None:
    _, with_run = write_report(survival_result, tmp_path, run=run.path)
    assert "The cells behind the features" in with_run.read_text(encoding="utf-8")
    _, alone = write_report(survival_result, tmp_path, run=tmp_path)
    assert "The cells behind the features" not in alone.read_text(encoding="utf-8")


def test_a_run_knows_whose_each_slide_is(tmp_path: Path) -> None:
    images = write_cohort(cohort(4, seed=1, shape_px=(64, 64)), tmp_path)
    (tmp_path / "p.yaml").write_text(PROMPTS, encoding="utf-8")
    owners = {image.stem: f"patient {index // 2}" for index, image in enumerate(images)}
    rows = "".join(f"{slide},{patient}\n" for slide, patient in owners.items())
    (tmp_path / "owners.csv").write_text("slide_id,patient_id\n" + rows, encoding="utf-8")
    extract(
        images,
        prompts=tmp_path / "p.yaml",
        out=tmp_path / "run",
        segmentor="stain",
        mpp=0.5,
        patients=tmp_path / "owners.csv",
    )
    slides = RunFolder(tmp_path / "run").slides
    assert {name: slide.patient for name, slide in slides.items()} == owners
