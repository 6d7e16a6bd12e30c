"""An attention result as a page: how well it works held out, what objects add, painted slides.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.report.attention_plots import attention_figures
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.wording import format_interval, format_number, join_words

if TYPE_CHECKING:
    from pathexplain.diagnosis.attention.result import AttentionResult, PaintedSlide

__all__ = ["attention_html"]

_RULE = (
    "Rule: of each class the slides to which the object-aware network gives the highest "
    "probability of that class, each from another patient, and the one slide of all that it gets "
    "most wrong. Nobody chose them by eye."
)


def attention_html(result: AttentionResult, *, folder: str | Path | None = None) -> str:
    """Render an attention result as one self-contained HTML document.

    Parameters
    ----------
    result : AttentionResult
        What `pathexplain.attend` returned.
    folder : path, optional
        Where its pictures are: the `out` of the call. Without it there are none.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    pairs = zip(result.classes, result.class_counts, strict=True)
    counts = join_words([f"{n} {name}" for name, n in pairs])
    page = Page(
        kind="Attention over objects",
        title=f"In which objects does {result.target} show?",
        lead=f"{result.n_slides} slides of {result.n_patients} patients ({counts}); "
        f"objects: {join_words(list(result.objects))}.",
        facts=_facts(result),
        warnings=result.notes,
        sections=_sections(result, folder),
        provenance=_settings(result),
    )
    return render_page(page)


def _facts(result: AttentionResult) -> list[Fact]:
    """List the numbers of the first screen."""
    aware, plain, gain = result.model("objects").auroc, result.model("plain").auroc, result.gain
    return [
        Fact(
            "Held-out AUROC by object (95 % interval)",
            format_interval(aware.value, aware.low, aware.high, digits=2),
            "guessing gives 0.5",
            is_headline=True,
        ),
        Fact(
            "On whole tiles",
            format_interval(plain.value, plain.low, plain.high, digits=2),
            "plain attention, same folds",
        ),
        Fact(
            "Difference",
            format_interval(gain.value, gain.low, gain.high, digits=2),
            "by object less plain",
        ),
        Fact("Patients", str(result.n_patients), f"{result.n_slides} slides"),
    ]


def _sections(result: AttentionResult, folder: str | Path | None) -> list[Section]:
    """Build the sections."""
    shown = dict.fromkeys(one.class_name for one in result.contributions)
    figures = [
        (name, one.markup("attention"), one.caption)
        for name, one in zip(shown, attention_figures(result), strict=True)
    ]
    sections = [
        Section(
            "How well it works on unseen patients",
            "attention-models",
            render("attention_models.html", result=result),
        ),
        Section(
            "What each object adds",
            "attention-objects",
            render("attention_objects.html", result=result, figures=figures),
        ),
    ]
    rows = [_row(one, Path(folder)) for one in result.painted] if folder is not None else []
    painted = [row for row in rows if row is not None]
    if painted:
        body = render("attention_pictures.html", rule=_RULE, rows=painted, jpeg=_jpeg_uri)
        sections.append(Section("Painted on slides", "attention-pictures", body))
    return sections


def _row(one: PaintedSlide, folder: Path) -> dict[str, Any] | None:
    """Pictures of one slide; None where they are gone."""
    parts = (
        (one.picture, "as it is"),
        (one.by_object, "each object as a whole: w · S"),
        (one.by_tile, "the same, tile by tile"),
    )
    if not all((folder / name).is_file() for name, _ in parts):
        return None
    return {
        "title": f"{one.slide}: {one.label}, {one.why}",
        "words": (
            f"Patient {one.patient}; held-out probability of {one.class_name} "
            f"{format_number(one.probability, digits=2)}. The strongest tint stands for "
            f"{format_number(one.limit, digits=2)} of log-odds."
        ),
        "pictures": [((folder / name).read_bytes(), caption) for name, caption in parts],
    }


def _jpeg_uri(content: bytes) -> str:
    """Encode a JPEG file as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def _settings(result: AttentionResult) -> dict[str, object]:
    """Choices of the run as words."""
    one = result.settings
    return {
        "segmentor": one.segmentor,
        "frozen encoder": one.encoder,
        "tiles": f"{one.tile_px} px at {one.tile_mpp:g} µm a pixel",
        "folds": one.n_splits,
        "networks a fold": one.n_networks,
        "training": (
            f"{one.epochs} epochs of AdamW at {one.learning_rate:g}, weight decay "
            f"{one.weight_decay:g}, {one.batch_size} slides a step, width {one.hidden}"
        ),
        "bootstrap resamples": one.n_bootstrap,
        "seed": one.seed,
    }
