"""The parts of a survival page on prediction and on the form of the model.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.report import performance_plots
from pathexplain.report.figures import figure_markup
from pathexplain.report.wording import format_interval, format_number, format_p, readable_feature

if TYPE_CHECKING:
    from markupsafe import Markup

    from pathexplain.prognosis.result import SurvivalResult

__all__ = ["form_figures", "performance_figures"]


def performance_figures(result: SurvivalResult, *, prefix: str) -> list[Markup]:
    """Draw calibration and net benefit, where they are known."""
    performance = result.performance
    if performance is None or performance.calibration is None or performance.decision is None:
        return []
    return [_calibration(result, prefix), _net_benefit(result, prefix)]


def form_figures(result: SurvivalResult, *, prefix: str) -> list[dict[str, object]]:
    """Draw each selected feature's effect over time and over its value."""
    figures: list[dict[str, object]] = []
    for k, over_time in enumerate(result.effects_over_time):
        figure = None
        if over_time.curve:
            figure = figure_markup(
                performance_plots.band_plot(
                    over_time.curve_time,
                    over_time.curve,
                    over_time.low,
                    over_time.high,
                    points=(over_time.time, over_time.residual),
                    straight=(
                        [over_time.curve_time[0], over_time.curve_time[-1]],
                        [over_time.estimate, over_time.estimate],
                    ),
                    x_label=f"time ({result.cohort.time_unit})",
                    y_label="log hazard ratio per SD",
                ),
                alt=f"{over_time.feature}: scaled Schoenfeld residuals of {len(over_time.time)} "
                f"events; smoothed log hazard ratio {format_number(over_time.curve[0])} early, "
                f"{format_number(over_time.curve[-1])} late",
                name=f"{prefix}-schoenfeld-{k}",
            )
        figures.append(
            {"feature": over_time.feature, "time": figure, "form": _form(result, k, prefix)}
        )
    return figures


def _form(result: SurvivalResult, k: int, prefix: str) -> Markup | None:
    """Draw one feature's log hazard ratio over its value."""
    form = result.functional_forms[k]
    if not form.value:
        return None
    figure = performance_plots.band_plot(
        form.value,
        form.log_hr,
        form.low,
        form.high,
        straight=(form.value, form.straight),
        x_label=readable_feature(form.feature),
        y_label="log hazard ratio, to the median",
    )
    alt = (
        f"{form.feature}: log hazard ratio over its value, spline and straight line; "
        f"p for a curve {format_p(form.p_nonlinear.value)}"
    )
    return figure_markup(figure, alt=alt, name=f"{prefix}-form-{k}")


def _calibration(result: SurvivalResult, prefix: str) -> Markup:
    """Draw observed against predicted risk."""
    assert result.performance is not None
    assert result.performance.calibration is not None
    groups = result.performance.calibration.groups
    figure = performance_plots.calibration_plot(
        [one.predicted for one in groups],
        [one.observed.value for one in groups],
        [one.observed.low for one in groups],
        [one.observed.high for one in groups],
    )
    alt = f"Calibration at {result.performance.calibration.horizon:g}: " + "; ".join(
        f"predicted {format_number(one.predicted)}, observed "
        f"{format_interval(one.observed.value, one.observed.low, one.observed.high)}"
        for one in groups
    )
    return figure_markup(figure, alt=alt, name=f"{prefix}-calibration")


def _net_benefit(result: SurvivalResult, prefix: str) -> Markup:
    """Draw the decision curve."""
    assert result.performance is not None
    decision = result.performance.decision
    assert decision is not None
    curves = [("model", decision.model)]
    if decision.clinical is not None:
        curves.append(("covariates alone", decision.clinical))
    curves.append(("treat everybody", decision.everybody))
    figure = performance_plots.net_benefit_plot(
        decision.threshold, curves, value_label="net benefit a patient"
    )
    alt = (
        f"Net benefit at {decision.horizon:g} over threshold risks "
        f"{format_number(decision.threshold[0])} to {format_number(decision.threshold[-1])} for "
        + ", ".join(label for label, _ in curves)
    )
    return figure_markup(figure, alt=alt, name=f"{prefix}-net-benefit")
