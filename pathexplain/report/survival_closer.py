"""The sections of a survival page that look at the selected biomarkers from other sides.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pathexplain.report import plots, survival_plots
from pathexplain.report.figures import figure_markup
from pathexplain.report.flow_plot import Box, flow_plot
from pathexplain.report.page import Section, render
from pathexplain.report.survival_performance import form_figures
from pathexplain.report.wording import format_interval, readable_feature

if TYPE_CHECKING:
    from markupsafe import Markup

    from pathexplain.prognosis.result import CohortSummary, SurvivalResult, WithInterval

__all__ = ["checklist_section", "closer_sections", "flow_figure"]


def closer_sections(result: SurvivalResult, *, prefix: str) -> list[Section]:
    """Build the sections on time, competing events, sites and segmentation that apply."""
    made = [
        ("Does it hold over time, and over the whole range?", "time", _time(result, prefix)),
        ("Competing events", "competing", _competing(result, prefix)),
        ("Does it hold at every site?", "sites", _sites(result, prefix)),
        ("Does it hold under another segmentation?", "robustness", _robustness(result, prefix)),
    ]
    return [Section(title, f"{prefix}-{name}", body) for title, name, body in made if body]


def checklist_section(result: SurvivalResult, *, prefix: str) -> list[Section]:
    """Build the section that answers the reporting guidelines."""
    if not result.remark:
        return []
    lists = [
        ("REMARK", "tumor marker prognostic studies", result.remark),
        ("TRIPOD+AI", "prediction models", result.tripod),
    ]
    body = render("survival_checklists.html", lists=lists)
    return [Section("Reporting checklists", f"{prefix}-checklists", body)]


def flow_figure(cohort: CohortSummary, *, name: str) -> Markup | None:
    """Draw the flow of patients; None where it is not known."""
    if not cohort.flow:
        return None
    boxes = [Box(step.kind, step.label, step.n) for step in cohort.flow]
    alt = "Flow of patients: " + "; ".join(f"{box.kind} {box.label}: {box.n}" for box in boxes)
    return figure_markup(flow_plot(boxes), alt=alt, name=name)


def _time(result: SurvivalResult, prefix: str) -> Markup | None:
    """Early and late hazard ratios, accelerated failure times."""
    if not result.periods:
        return None
    rows = [
        plots.Interval(f"{_short(one.feature)}, {when}", hr.value, hr.low, hr.high)
        for one in result.periods
        for when, hr in (("early", one.early), ("late", one.late))
    ]
    figure = _forest(rows, name=f"{prefix}-periods", label="hazard ratio per SD (95 % interval)")
    forms = form_figures(result, prefix=prefix)
    return render("survival_time.html", result=result, figure=figure, forms=forms, words=_interval)


def _competing(result: SurvivalResult, prefix: str) -> Markup | None:
    """Cumulative incidence and cause-specific hazards."""
    if result.competing is None:
        return None
    unit = result.cohort.time_unit
    figure = survival_plots.incidence_plot(
        result.competing.incidence,
        at_risk_times=result.competing.ticks,
        time_label=f"time ({unit})",
        value_label=f"share with {result.event}",
    )
    alt = "Cumulative incidence: " + "; ".join(
        f"{one.label}: n {one.n}, at the end {one.event[-1]:.2f} with the event, "
        f"{one.competing[-1]:.2f} with the competing event"
        for one in result.competing.incidence
    )
    markup = figure_markup(figure, alt=alt, name=f"{prefix}-incidence")
    return render("survival_competing.html", result=result, figure=markup, words=_interval)


def _sites(result: SurvivalResult, prefix: str) -> Markup | None:
    """Effects by site, and sites left out."""
    if not result.site_effects and not result.held_out_sites:
        return None
    figures = [
        _forest(
            [
                plots.Interval("all patients", *_three(one.hr_unstratified)),
                plots.Interval("within sites", *_three(one.hr_stratified)),
                *(
                    plots.Interval(
                        f"{at.site} ({at.n}, {at.events} events)", *_three(at.hr), emphasis=False
                    )
                    for at in one.by_site
                    if math.isfinite(at.hr.value)
                ),
            ],
            name=f"{prefix}-site-{i_feature}",
            label=f"{_short(one.feature)}: hazard ratio per SD",
        )
        for i_feature, one in enumerate(result.site_effects)
    ]
    return render("survival_sites.html", result=result, figures=figures, words=_interval)


def _robustness(result: SurvivalResult, prefix: str) -> Markup | None:
    """Repeatability and hazard ratios under each condition."""
    if result.robustness is None:
        return None
    shifts = [one for one in result.robustness.shifts if math.isfinite(one.hr.value)]
    rows = [
        plots.Interval(f"{_short(one.feature)}, {one.condition}", *_three(one.hr)) for one in shifts
    ]
    label = "hazard ratio per unperturbed SD"
    figure = _forest(rows, name=f"{prefix}-shifts", label=label) if rows else None
    return render("survival_robustness.html", result=result, figure=figure, words=_interval)


def _forest(rows: list[plots.Interval], *, name: str, label: str) -> Markup:
    """Draw hazard ratios with intervals."""
    alt = f"{label}: " + "; ".join(
        f"{row.label} {format_interval(row.value, row.low, row.high)}" for row in rows
    )
    return figure_markup(plots.forest_plot(rows, value_label=label), alt=alt, name=name)


def _three(one: WithInterval) -> tuple[float, float, float]:
    """Return value, low and high."""
    return one.value, one.low, one.high


def _short(feature: str) -> str:
    """Put a feature's name into words, without its unit."""
    return readable_feature(feature, with_unit=False)


def _interval(one: WithInterval) -> str:
    """Value with its interval in words."""
    return format_interval(one.value, one.low, one.high)
