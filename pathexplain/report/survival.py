"""A survival result as a page: the cross-validated figure first, then the screen, then the model.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pathexplain.report import plots, survival_plots
from pathexplain.report.figures import figure_markup
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.survival_closer import checklist_section, closer_sections, flow_figure
from pathexplain.report.survival_performance import performance_figures
from pathexplain.report.wording import (
    format_interval,
    format_number,
    format_p,
    join_words,
    readable_feature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from pathexplain.prognosis.result import (
        ForestRow,
        KaplanMeier,
        SurvivalResult,
        WithInterval,
    )

__all__ = [
    "discoveries",
    "forest_figure",
    "kaplan_meier_figure",
    "survival_facts",
    "survival_html",
    "survival_sections",
]

_MAX_ROWS = 12


def survival_html(result: SurvivalResult, *, extra: Iterable[Section] = ()) -> str:
    """Render a survival result as one self-contained HTML document.

    Parameters
    ----------
    result : SurvivalResult
        What `pathexplain.survival` returned.
    extra : iterable of Section
        Further sections, for example exemplars; they follow the results.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    page = Page(
        kind="Survival",
        title="Which features carry survival?",
        lead=f"Event: {result.event}; time: {result.time}. {result.headline}",
        facts=survival_facts(result),
        warnings=[note.text for note in result.notes if note.level == "warning"],
        sections=[*survival_sections(result), *extra],
        provenance=result.options,
    )
    return render_page(page)


def discoveries(result: SurvivalResult) -> tuple[str, ...]:
    """Name the features that the screen found, smallest p first."""
    return tuple(row.feature for row in result.screen.rows if row.is_discovery)


def survival_facts(result: SurvivalResult) -> list[Fact]:
    """List the numbers of the first screen."""
    cohort, screen = result.cohort, result.screen
    lost = sum(one.n for one in cohort.lost)
    return [
        _headline(result),
        Fact(
            "Patients", str(cohort.n), f"of {cohort.n_input}; {lost} lost" if lost else "none lost"
        ),
        Fact(
            "Events",
            str(cohort.events),
            f"{format_number(100 * cohort.events / cohort.n, digits=2)} % of patients"
            if cohort.n
            else "",
        ),
        Fact(
            f"Median follow-up ({cohort.time_unit})",
            format_number(cohort.median_follow_up.value),
            f"95 % interval {format_number(cohort.median_follow_up.low)} to "
            f"{format_number(cohort.median_follow_up.high)}; reverse Kaplan\N{EN DASH}Meier",
        ),
        Fact(
            "Features found",
            f"{screen.n_discoveries} of {screen.n_tests}",
            f"false discovery rate {screen.alpha:g} over all {screen.n_tests} tests",
        ),
    ]


def survival_sections(result: SurvivalResult, *, prefix: str = "survival") -> list[Section]:
    """Build the sections of a survival result; `prefix` keeps ids unique on a shared page."""
    return [
        Section(
            "How well it predicts unseen patients",
            f"{prefix}-held-out",
            render("survival_held_out.html", result=result, words=_interval)
            + render(
                "survival_performance.html",
                result=result,
                words=_interval,
                figures=performance_figures(result, prefix=prefix),
            ),
        ),
        Section("The screen: one feature at a time", f"{prefix}-screen", _screen(result, prefix)),
        Section("Curves", f"{prefix}-curves", _curves(result, prefix)),
        Section("The final model", f"{prefix}-final", _final(result, prefix)),
        *closer_sections(result, prefix=prefix),
        Section(
            "Patients and features",
            f"{prefix}-patients",
            render(
                "survival_patients.html",
                result=result,
                words=_interval,
                words_of=format_interval,
                flow=flow_figure(result.cohort, name=f"{prefix}-flow"),
            ),
        ),
        *checklist_section(result, prefix=prefix),
    ]


def _headline(result: SurvivalResult) -> Fact:
    """Give the cross-validated C-index, or the reason why there is none."""
    label = "Cross-validated C-index (95 % interval)"
    validation = result.validation
    if validation is None:
        return Fact(label, "none", result.validation_reason, is_headline=True)
    note = (
        f"{validation.n_repeats} × {validation.n_splits} folds, the whole selection repeated in "
        "each; guessing gives 0.5"
    )
    if validation.gain is not None:
        note += f"; gain over covariates alone {_interval(validation.gain)}"
    return Fact(label, _interval(validation.c_index), note, is_headline=True)


def _screen(result: SurvivalResult, prefix: str) -> Markup:
    """Volcano, forest of the leading features, table of all of them."""
    rows = result.screen.rows
    figures = []
    if rows:
        figures.append(_volcano(result, prefix))
    forest = [row for row in result.forest if row.panel == "screen"][:_MAX_ROWS]
    found = set(discoveries(result))
    if forest:
        label = "hazard ratio per SD (95 % interval, log axis)"
        name = f"{prefix}-screen-forest"
        figures.append(forest_figure(forest, found=found, name=name, label=label))
    screen = render(
        "survival_screen.html", result=result, figures=figures, n_shown=_MAX_ROWS, words=_interval
    )
    return screen + render("survival_stability.html", result=result)


def _volcano(result: SurvivalResult, prefix: str) -> Markup:
    """Effect against p of the whole family."""
    rows = result.screen.rows
    figure = survival_plots.volcano_plot(
        [_log(row.hr_per_sd.value) for row in rows],
        [row.p for row in rows],
        is_found=[row.is_discovery for row in rows],
        labels=[readable_feature(row.feature, with_unit=False) for row in rows],
        effect_label="log hazard ratio per SD",
        p_label="\N{MINUS SIGN}log10(p), Wald",
    )
    leading = join_words([readable_feature(row.feature) for row in rows[:3]])
    alt = f"Effect against p-value of {len(rows)} features; the smallest p-values: {leading}"
    return figure_markup(figure, alt=alt, name=f"{prefix}-volcano")


def forest_figure(
    rows: Sequence[ForestRow], *, found: set[str] | None, name: str, label: str
) -> Markup:
    """Hazard ratios with intervals."""
    intervals = [
        plots.Interval(
            readable_feature(row.label, with_unit=False),
            row.hr.value,
            row.hr.low,
            row.hr.high,
            emphasis=found is None or row.label in found,
        )
        for row in rows
    ]
    alt = "Hazard ratios: " + "; ".join(f"{row.label} {_interval(row.hr)}" for row in rows)
    return figure_markup(plots.forest_plot(intervals, value_label=label), alt=alt, name=name)


def _curves(result: SurvivalResult, prefix: str) -> Markup:
    """Kaplan-Meier panels."""
    panels = [
        {
            "panel": panel,
            "figure": kaplan_meier_figure(panel, result, name=f"{prefix}-km-{i_panel}"),
        }
        for i_panel, panel in enumerate(result.kaplan_meier)
    ]
    curves = render("survival_curves.html", panels=panels, words=_interval, result=result)
    return curves + render("survival_cuts.html", result=result, words=_interval)


def kaplan_meier_figure(panel: KaplanMeier, result: SurvivalResult, *, name: str) -> Markup:
    """One panel with its numbers at risk."""
    curves = [
        plots.Curve(group.label, group.time, group.survival, group.low, group.high, group.at_risk)
        for group in panel.groups
    ]
    figure = survival_plots.survival_plot(
        curves,
        at_risk_times=panel.ticks,
        time_label=_time_label(result),
        value_label=f"share without {result.event}",
        censored=[group.censored_at for group in panel.groups],
    )
    alt = f"{panel.title}: " + "; ".join(
        f"{group.label}: n {group.n}, {group.events} events, median {_interval(group.median)}"
        for group in panel.groups
    )
    return figure_markup(figure, alt=alt, name=name)


def _final(result: SurvivalResult, prefix: str) -> Markup:
    """Multivariable model, or why there is none."""
    rows = [row for row in result.forest if row.panel == "final"]
    label = "hazard ratio per SD of a feature, per unit or level of a covariate"
    name = f"{prefix}-final-forest"
    figure = forest_figure(rows, found=None, name=name, label=label) if rows else None
    return render("survival_final.html", result=result, figure=figure, words=_interval, p=format_p)


def _time_label(result: SurvivalResult) -> str:
    """Name of the time column with its unit, said once."""
    unit = result.cohort.time_unit
    words = readable_feature(result.time, with_unit=False).removesuffix(unit).strip() or "time"
    return f"{words} ({unit})"


def _interval(one: WithInterval) -> str:
    """Value with its interval in words."""
    return format_interval(one.value, one.low, one.high)


def _log(value: float) -> float:
    """Natural logarithm for the axis; NaN where there is no hazard ratio."""
    return math.log(value) if value > 0 else math.nan
