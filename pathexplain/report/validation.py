"""An external validation as a page: how the locked model did, beside how it did at development.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.report import plots, survival_plots
from pathexplain.report.figures import figure_markup
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.survival_closer import flow_figure
from pathexplain.report.wording import format_interval, format_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from pathexplain.prognosis.external import ExternalValidation
    from pathexplain.prognosis.result import KaplanMeier, WithInterval

__all__ = ["validation_html"]


def validation_html(result: ExternalValidation, *, extra: Iterable[Section] = ()) -> str:
    """Render an external validation as one self-contained HTML document."""
    page = Page(
        kind="External validation",
        title="Does the locked model hold in new patients?",
        lead=f"Event: {result.event}; time: {result.time}. {result.headline}",
        facts=_facts(result),
        warnings=[note.text for note in result.notes if note.level == "warning"],
        sections=[*_sections(result), *extra],
        provenance={
            "model": result.model_path,
            "SHA-256 of the model": result.model_sha256,
            **result.options,
            "pathexplain": result.versions.get("pathexplain", ""),
        },
    )
    return render_page(page)


def _facts(result: ExternalValidation) -> list[Fact]:
    """List the numbers of the first screen."""
    then = result.development.c_index
    return [
        Fact(
            "C-index here (95 % interval)",
            _interval(result.c_index),
            f"cross-validated at development {_interval(then)}; guessing gives 0.5",
            is_headline=True,
        ),
        Fact("Patients", str(result.cohort.n), f"of {result.cohort.n_input}"),
        Fact("Events", str(result.cohort.events), f"development {result.development.events}"),
        Fact(
            "Calibration slope",
            format_number(result.calibration_slope.value),
            f"95 % interval {format_number(result.calibration_slope.low)} to "
            f"{format_number(result.calibration_slope.high)}; 1 is right",
        ),
    ]


def _sections(result: ExternalValidation) -> list[Section]:
    """Build the sections."""
    return [
        Section(
            "Beside development",
            "validation-comparison",
            render("validation_comparison.html", result=result, words=_interval, figure=_c(result)),
        ),
        Section("Curves", "validation-curves", _curves(result)),
        Section(
            "Patients and terms",
            "validation-patients",
            render(
                "validation_patients.html",
                result=result,
                words=_interval,
                flow=flow_figure(result.cohort, name="validation-flow"),
            ),
        ),
    ]


def _c(result: ExternalValidation) -> Markup:
    """C-index at development and here."""
    rows = [
        plots.Interval("development, cross-validated", *vars(result.development.c_index).values()),
        plots.Interval("here, locked model", *vars(result.c_index).values()),
    ]
    if result.clinical_c_index is not None:
        rows.append(
            plots.Interval("here, covariates alone", *vars(result.clinical_c_index).values())
        )
    alt = "C-index: " + "; ".join(
        f"{row.label} {format_interval(row.value, row.low, row.high)}" for row in rows
    )
    figure = plots.forest_plot(
        rows, value_label="C-index (95 % interval)", reference=0.5, logarithmic=False
    )
    return figure_markup(figure, alt=alt, name="validation-c")


def _curves(result: ExternalValidation) -> Markup:
    """Kaplan-Meier curves of the locked threshold."""
    panels = [
        {"panel": panel, "figure": _panel(panel, result, name=f"validation-km-{i_panel}")}
        for i_panel, panel in enumerate(result.kaplan_meier)
    ]
    return render("survival_curves.html", panels=panels, words=_interval, result=result)


def _panel(panel: KaplanMeier, result: ExternalValidation, *, name: str) -> Markup:
    """Draw one panel."""
    curves = [
        plots.Curve(group.label, group.time, group.survival, group.low, group.high, group.at_risk)
        for group in panel.groups
    ]
    figure = survival_plots.survival_plot(
        curves,
        at_risk_times=panel.ticks,
        time_label=f"time ({result.cohort.time_unit})",
        value_label=f"share without {result.event}",
        censored=[group.censored_at for group in panel.groups],
    )
    alt = f"{panel.title}: " + "; ".join(
        f"{group.label}: n {group.n}, {group.events} events" for group in panel.groups
    )
    return figure_markup(figure, alt=alt, name=name)


def _interval(one: WithInterval) -> str:
    """Value with its interval in words."""
    return format_interval(one.value, one.low, one.high)
