"""The demo's page: what was planted, what was found, what the masks look like, both analyses.

Not for deciding what was found; the checks come ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.demonstration_plots import recovery_plot
from pathexplain.report.figures import figure_markup, photo_uri, png_uri
from pathexplain.report.gallery import RunFolder, exemplar_section
from pathexplain.report.importance import importance_facts
from pathexplain.report.importance_figures import leading_figures
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.survival import (
    discoveries,
    forest_figure,
    kaplan_meier_figure,
    survival_facts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import KaplanMeier, SurvivalResult

__all__ = ["Check", "Picture", "Recovery", "Setting", "demo_html"]

_FOREST_ROWS = 8
_N_EACH = 3  # pictures a level: one line of fields at 900 px
_HAZARD_RATIO = "hazard ratio per SD (95 % interval, log axis)"


@dataclass(frozen=True)
class Check:
    """One planted effect: what was planted, whether the results show it, and the numbers."""

    name: str
    planted: str
    is_found: bool
    evidence: str


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, (H, W, 3) uint8, and the same with outlines."""

    image: NDArray[np.uint8]
    outlined: NDArray[np.uint8]
    caption: str
    width_um: float


@dataclass(frozen=True, eq=False)
class Recovery:
    """A quantity as it was painted and as it was measured, one value a patient, (n,) each."""

    label: str
    painted: NDArray[np.float64]
    measured: NDArray[np.float64]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A choice of the demo, beside the default of the command that it belongs to."""

    command: str
    name: str
    demo: str
    default: str


def demo_html(  # noqa: PLR0913 - the parts of one page, all by keyword
    *,
    importance: ImportanceResult,
    survival: SurvivalResult,
    curves: KaplanMeier,
    checks: Sequence[Check],
    pictures: Sequence[Picture],
    recoveries: Sequence[Recovery],
    run: RunFolder,
    units: Mapping[str, str],
    planted_features: Sequence[str],
    settings: Sequence[Setting],
    seconds: Mapping[str, float],
    warnings: Sequence[str],
    remarks: Sequence[str],
    provenance: Mapping[str, object],
) -> str:
    """Render the demo as one HTML document that loads nothing; it links to the two full reports.

    Parameters
    ----------
    importance, survival
        The two results.
    curves : KaplanMeier
        Patients split by the planted prognostic feature.
    checks : sequence of Check
        Shown first.
    pictures, recoveries
        Masks to look at, and what was measured in them against what was painted.
    run : RunFolder
        Where exemplars are cut from.
    units : mapping of feature to unit
    planted_features : sequence of str
        Shown as exemplars.
    settings : sequence of Setting
        What was chosen lighter than the commands' defaults.
    seconds : mapping of stage to float
        How long each stage took.
    warnings, remarks : sequence of str
        What must be read first, and what must be known of the masks.
    provenance
        Shown as it is.
    """
    n_found = sum(check.is_found for check in checks)
    n_patients = importance.target.n_patients
    page = Page(
        kind="Demo",
        title="From prompts to evidence, on a cohort whose truth is known",
        lead=(
            f"{n_patients} phantom patients with one field each went through all stages in "
            f"{round(sum(seconds.values()))} seconds: text prompts, masks, features, diagnosis, "
            f"survival. {n_found} of {len(checks)} planted effects were found."
        ),
        notice=(
            "This cohort is synthetic: a program painted the images and drew diagnoses and "
            "survival times, with two planted effects. Nothing here is evidence about patients."
        ),
        facts=_facts(importance, survival, n_found=n_found, n_checks=len(checks)),
        warnings=warnings,
        sections=[
            Section(
                "What was planted, what was found",
                "checks",
                render("demo_checks.html", checks=checks, n_patients=n_patients),
            ),
            _masks(pictures, recoveries, remarks),
            _diagnosis(importance),
            _survival(survival, curves),
            exemplar_section(run, tuple(planted_features), units=units, n_each=_N_EACH),
            Section(
                "What this demo saved, and how long it took",
                "settings",
                render("demo_settings.html", settings=settings, seconds=seconds),
            ),
        ],
        provenance=provenance,
    )
    return render_page(page)


def _masks(
    pictures: Sequence[Picture], recoveries: Sequence[Recovery], remarks: Sequence[str]
) -> Section:
    """Outlines over images, then painted against measured."""
    labels = " and ".join(one.label for one in recoveries)
    alt = f"Measured against painted, one dot a patient: {labels}"
    figure = (
        figure_markup(recovery_plot(recoveries), alt=alt, name="demo-recovery")
        if recoveries
        else None
    )
    body = render(
        "demo_masks.html",
        pictures=pictures,
        recovery=figure,
        remarks=remarks,
        photo=photo_uri,
        over=_over,
    )
    return Section("What the segmentor sees", "masks", body)


def _diagnosis(result: ImportanceResult) -> Section:
    """Show in two pictures what the leading explained model rests on."""
    figures = leading_figures(result)
    body = render(
        "demo_diagnosis.html",
        result=result,
        figures=[(one.markup("demo"), one.caption) for one in figures],
    )
    return Section("Diagnosis: what it rests on", "diagnosis", body)


def _survival(result: SurvivalResult, curves: KaplanMeier) -> Section:
    """Show in two pictures what carries survival."""
    rows = [row for row in result.forest if row.panel == "screen"][:_FOREST_ROWS]
    found = set(discoveries(result))
    forest = (
        forest_figure(rows, found=found, name="demo-forest", label=_HAZARD_RATIO) if rows else None
    )
    body = render(
        "demo_survival.html",
        result=result,
        curves=curves,
        figure=kaplan_meier_figure(curves, result, name="demo-km"),
        forest=forest,
    )
    return Section("Survival: what carries it", "survival", body)


def _over(picture: Picture) -> str:
    """Encode the outlines alone, transparent elsewhere, to lie over the image."""
    is_line = (picture.outlined != picture.image).any(axis=-1)
    shown = np.where(is_line[..., None], picture.outlined, 0)
    return png_uri(np.dstack([shown, np.where(is_line, 255, 0)]).astype(np.uint8))


def _facts(
    importance: ImportanceResult, survival: SurvivalResult, *, n_found: int, n_checks: int
) -> list[Fact]:
    """List the numbers of the first screen: the checks, then both headlines."""
    found = Fact("Planted effects found", f"{n_found} of {n_checks}", "computed from the results")
    auroc, *_ = importance_facts(importance)
    c_index, *_ = survival_facts(survival)
    patients = Fact(
        "Patients",
        str(importance.target.n_patients),
        f"all synthetic; {survival.cohort.events} events",
    )
    return [found, patients, auroc, c_index]
