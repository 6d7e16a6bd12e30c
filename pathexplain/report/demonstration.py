"""The demo's page: what was planted, what was found, what the masks look like, both analyses.

Not for deciding what was found; the checks come ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.figures import png_uri
from pathexplain.report.gallery import RunFolder, exemplar_section
from pathexplain.report.importance import importance_facts, importance_sections, top_features
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.survival import discoveries, survival_facts, survival_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import SurvivalResult

__all__ = ["Check", "Picture", "demo_html"]

_N_EXEMPLARS = 3


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


def demo_html(  # noqa: PLR0913 - the parts of one page, all by keyword
    *,
    importance: ImportanceResult,
    survival: SurvivalResult,
    checks: Sequence[Check],
    pictures: Sequence[Picture],
    run: RunFolder,
    units: Mapping[str, str],
    planted_features: Sequence[str],
    warnings: Sequence[str],
    provenance: Mapping[str, object],
) -> str:
    """Render the demo as one self-contained HTML document.

    Parameters
    ----------
    importance, survival
        The two results.
    checks : sequence of Check
        Shown first.
    pictures : sequence of Picture
        Masks to look at.
    run : RunFolder
        Where exemplars are cut from.
    units : mapping of feature to unit
    planted_features : sequence of str
        Shown as exemplars, before the features that the analyses put first.
    warnings, provenance
        Shown as they are.
    """
    n_found = sum(check.is_found for check in checks)
    shown = dict.fromkeys(
        [
            *planted_features,
            *top_features(importance, n=_N_EXEMPLARS),
            *discoveries(survival)[:_N_EXEMPLARS],
        ]
    )
    page = Page(
        kind="Demo",
        title="From prompts to evidence, on a cohort whose truth is known",
        lead=(
            f"{importance.target.n_patients} synthetic patients with one field each went through "
            "all stages: text prompts, masks, features, diagnosis, survival."
        ),
        notice=(
            "This cohort is synthetic. Images, diagnoses and survival times were generated with "
            "two planted effects; nothing here is evidence about patients."
        ),
        facts=_facts(importance, survival, n_found=n_found, n_checks=len(checks)),
        warnings=warnings,
        sections=[
            Section(
                "What was planted, what was found",
                "checks",
                render("demo_checks.html", checks=checks),
            ),
            Section(
                "What the segmentor sees",
                "masks",
                render("demo_masks.html", pictures=pictures, png=png_uri, over=_over),
            ),
            *_renamed("Diagnosis", importance_sections(importance)),
            *_renamed("Survival", survival_sections(survival)),
            exemplar_section(run, tuple(shown), units=units),
        ],
        provenance=provenance,
    )
    return render_page(page)


def _over(picture: Picture) -> str:
    """Encode the outlines alone, transparent elsewhere, to lie over the image."""
    is_line = (picture.outlined != picture.image).any(axis=-1)
    return png_uri(np.dstack([picture.outlined, np.where(is_line, 255, 0)]).astype(np.uint8))


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


def _renamed(name: str, sections: Sequence[Section]) -> list[Section]:
    """Put the analysis in front of the titles of its sections."""
    return [
        Section(f"{name}: {one.title[0].lower()}{one.title[1:]}", one.anchor, one.body)
        for one in sections
    ]
