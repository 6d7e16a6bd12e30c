"""A perturbation result as a page: what an image classifier rests on, beside its controls.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pathexplain.diagnosis.perturbation.exemplars import RULE
from pathexplain.diagnosis.perturbation.fills import FILLS
from pathexplain.report.figures import png_uri
from pathexplain.report.overlay import outlines
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.perturbation_plots import perturbation_figures
from pathexplain.report.wording import format_interval, format_number, join_words

if TYPE_CHECKING:
    from markupsafe import Markup

    from pathexplain.diagnosis.perturbation.result import Exemplar, PerturbationResult
    from pathexplain.report.figures import NamedFigure

__all__ = ["perturbation_html"]

_MAX_SLIDES = 20
_OUTLINE = (0, 229, 176)
_WHERE = {
    "background": "in tissue outside of all prompts",
    "elsewhere": "in tissue outside of the prompt",
}


def perturbation_html(result: PerturbationResult, *, folder: str | Path | None = None) -> str:
    """Render a perturbation result as one self-contained HTML document.

    Parameters
    ----------
    result : PerturbationResult
        What `pathexplain.perturb` returned.
    folder : path, optional
        Where its pictures are: the `out` of the call. Without it there are none.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    page = Page(
        kind="Perturbation",
        title=f"What does {result.settings.classifier} rest on?",
        lead=(
            f"{result.n_slides} slides of {result.n_patients} patients ("
            f"{join_words(_counts(result))}); taken away in turn: "
            f"{join_words([one.name.replace('_', ' ') for one in result.prompts])}."
        ),
        facts=_facts(result),
        warnings=result.notes,
        sections=_sections(result, folder),
        provenance=_settings(result),
    )
    return render_page(page)


def _counts(result: PerturbationResult) -> list[str]:
    """Classes with their numbers of slides."""
    pairs = zip(result.classes, result.class_counts, strict=True)
    return [f"{n} {name}" for name, n in pairs if n]


def _facts(result: PerturbationResult) -> list[Fact]:
    """List the numbers of the first screen."""
    judged = result.performance
    main = [one for one in result.effects if one.fill == result.settings.main_fill]
    known = [one for one in main if np.isfinite(one.imp.value)]
    facts = []
    if known and judged.is_better_than_chance:
        top = max(known, key=lambda one: one.imp.value)
        facts.append(
            Fact(
                f"IMP of {top.prompt} (95 % interval)",
                format_interval(top.imp.value, top.imp.low, top.imp.high),
                f"the highest; random regions as large: "
                f"{format_number(top.control_imp.value)}; {top.verdict}",
                is_headline=True,
            )
        )
    area, loss = judged.auroc, judged.loss
    return [
        *facts,
        Fact(
            "Classifier's AUROC",
            format_interval(area.value, area.low, area.high, digits=2),
            "on these slides as they are; guessing gives 0.5",
        ),
        Fact(
            "Its loss, nats",
            format_number(loss.value, digits=2),
            f"guessing the shares gives {format_number(judged.chance_loss, digits=2)}",
        ),
        Fact("Patients", str(result.n_patients), f"{result.n_slides} slides"),
    ]


def _sections(result: PerturbationResult, folder: str | Path | None) -> list[Section]:
    """Build the sections."""
    figures = {one.name: one for one in perturbation_figures(result)}
    sections = [
        Section("What each prompt is worth", "perturbation-effects", _effects(result, figures)),
        Section("Prompts that overlap", "perturbation-prompts", _prompts(result, figures)),
    ]
    blocks = _blocks(result, Path(folder)) if folder is not None else []
    if blocks:
        body = render("perturbation_pictures.html", rule=RULE, blocks=blocks, png=png_uri)
        sections.append(Section("What was taken away", "perturbation-pictures", body))
    shown = sorted(result.slides, key=lambda one: -one.losses["original"])[:_MAX_SLIDES]
    body = render("perturbation_slides.html", result=result, shown=shown)
    sections.append(Section("Slides", "perturbation-slides", body))
    return sections


def _effects(result: PerturbationResult, figures: dict[str, NamedFigure]) -> Markup:
    """Fill in importances, one block a fill."""
    fills = result.settings.fills
    return render(
        "perturbation_effects.html",
        result=result,
        doing="replaced" if len(fills) > 1 else f"replaced ({FILLS[fills[0]]})",
        where=_WHERE[result.settings.control_region],
        figures=[(fill, FILLS[fill].capitalize(), figures[f"importance-{fill}"]) for fill in fills],
        prefix="perturbation",
        n_tests=result.effects[0].n_tests,
    )


def _prompts(result: PerturbationResult, figures: dict[str, NamedFigure]) -> Markup:
    """Presence, overlaps, sets and shares."""
    return render(
        "perturbation_prompts.html",
        result=result,
        overlap=figures.get("overlap"),
        shapley=figures.get("shapley"),
        prefix="perturbation",
        fill=FILLS[result.settings.main_fill],
    )


def _blocks(result: PerturbationResult, folder: Path) -> list[tuple[str, list[dict[str, Any]]]]:
    """Pictures by prompt; a slide whose pictures are gone is left out."""
    blocks = []
    for prompt in result.prompts:
        rows = [
            _row(one, folder)
            for one in result.exemplars
            if one.prompt == prompt.name and (folder / f"{one.picture}-tile.jpg").is_file()
        ]
        if rows:
            blocks.append((prompt.name.replace("_", " "), rows))
    return blocks


def _row(exemplar: Exemplar, folder: Path) -> dict[str, Any]:
    """One tile as it is, filled, and with a control filled."""

    def read(part: str) -> Any:
        """Pixels of one picture."""
        with Image.open(folder / f"{exemplar.picture}-{part}") as image:
            return np.array(image.convert("L" if part.endswith("png") else "RGB"))

    mask = read("mask.png") > 0
    line = (outlines(np.zeros((*mask.shape, 3), np.uint8), mask, width_px=2) > 0).any(axis=-1)
    over = np.zeros((*mask.shape, 4), np.uint8)
    over[line] = (*_OUTLINE, 255)
    has_control = (folder / f"{exemplar.picture}-control.jpg").is_file()
    change = format_number(exemplar.loss_change, digits=2)
    return {
        "slide": exemplar.slide,
        "words": (
            f"{exemplar.level.capitalize()} change: slide {exemplar.slide}, patient "
            f"{exemplar.patient}, {exemplar.label}; loss change {change} nats."
        ),
        "tile": read("tile.jpg"),
        "over": over,
        "filled": read("filled.jpg"),
        "control": read("control.jpg") if has_control else None,
    }


def _settings(result: PerturbationResult) -> dict[str, object]:
    """Choices of the run as words."""
    one = result.settings
    return {
        "classifier": f"{one.classifier} (a loss for each {one.unit})",
        "segmentor": one.segmentor,
        "fills": ", ".join(FILLS[name] for name in one.fills),
        "blur, sigma": f"{one.blur_um:g} µm",
        "controls": f"{one.n_controls} a prompt, {_WHERE[one.control_region]}",
        "tiles": f"{one.tile_px} px at {one.tile_mpp:g} µm a pixel",
        "bootstrap resamples": one.n_bootstrap,
        "seed": one.seed,
    }
