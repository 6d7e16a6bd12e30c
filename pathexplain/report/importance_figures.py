"""All figures of an importance result, each with its name, caption and text alternative.

What the page shows, what is written as SVG and PNG, and what a notebook draws are these. Not for
computing: every number comes from the result as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pathexplain.report import importance_plots, plots
from pathexplain.report.figures import NamedFigure
from pathexplain.report.wording import (
    format_interval,
    format_number,
    format_p,
    join_words,
    readable_feature,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pathexplain.diagnosis.result import (
        CalibrationCurve,
        DoseCurve,
        ImportanceResult,
        ModelImportance,
        ModelResult,
    )

__all__ = [
    "MAX_DOSES",
    "MAX_ROWS",
    "best_model",
    "cluster_label",
    "importance_figures",
    "leading_figures",
]

MAX_ROWS = 12
MAX_DOSES = 4


def importance_figures(result: ImportanceResult) -> tuple[NamedFigure, ...]:
    """Draw every figure of an importance report.

    Parameters
    ----------
    result : ImportanceResult
        What `pathexplain.importance` returned.

    Returns
    -------
    tuple of NamedFigure
        ``held-out-*`` of the best model; then of each explained model ``MODEL-clusters``,
        ``MODEL-swarm`` and ``MODEL-dose-0`` onwards. `axes` of each are matplotlib's, to restyle.
    """
    figures = [] if not result.models else list(_held_out(result))
    if result.importances is not None:
        for model in result.importances.models:
            figures.extend(_explained(model))
    return tuple(figures)


def leading_figures(result: ImportanceResult) -> tuple[NamedFigure, ...]:
    """Draw the clusters of the best explained model, and the dose curve of its first feature.

    Empty where no model is explained.
    """
    if result.importances is None:
        return ()
    model = max(
        result.importances.models,
        key=lambda one: result.model(one.name).metric("auroc").interval.value,
    )
    doses = (_dose(dose, "leading-dose") for dose in model.doses[:1])
    return (replace(_clusters(model), name="leading-clusters"), *doses)


def best_model(result: ImportanceResult) -> ModelResult | None:
    """Return the model whose held-out AUROC is highest, None when there is no model."""
    return max(result.models, key=lambda model: model.metric("auroc").interval.value, default=None)


def cluster_label(name: str, n_features: int) -> str:
    """Name of a cluster by its central feature, and how many more it holds.

    Examples
    --------
    >>> cluster_label("nucleus.shape.area_um2.mean", 3)
    'nucleus: area, mean + 2 like it'
    """
    words = readable_feature(name, with_unit=False)
    return words if n_features == 1 else f"{words} + {n_features - 1} like it"


def _held_out(result: ImportanceResult) -> Iterator[NamedFigure]:
    """Draw the best model's performance: curves, calibration, and the null to read it against."""
    best = max(result.models, key=lambda model: model.metric("auroc").interval.value)
    yield _roc(best)
    for i, curve in enumerate(best.calibration):
        yield _calibration(curve, i)
    yield _null(best)


def _roc(best: ModelResult) -> NamedFigure:
    """Receiver operating curves of the best model."""
    curves = [
        plots.Curve(
            f"{curve.class_name}: {format_number(curve.auroc, digits=2)}",
            curve.false_positive_rate,
            curve.true_positive_rate,
            (),
            (),
        )
        for curve in best.roc
    ]
    alt = "Receiver operating curve: AUROC of " + join_words([curve.label for curve in curves])
    figure = importance_plots.roc_plot(curves)
    return NamedFigure("held-out-roc", "Receiver operating curve", alt, figure)


def _calibration(curve: CalibrationCurve, i: int) -> NamedFigure:
    """Calibration of one class."""
    figure = importance_plots.calibration_plot(
        [
            (p.predicted, plots.Interval("", p.observed.value, p.observed.low, p.observed.high))
            for p in curve.points
        ]
    )
    sizes = sorted({point.n for point in curve.points})
    patients = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    caption = f"Calibration: {curve.class_name}, {len(curve.points)} bins of {patients} patients"
    pairs = "; ".join(
        f"predicted {format_number(p.predicted, digits=2)}, "
        f"observed {format_number(p.observed.value, digits=2)}"
        for p in curve.points
    )
    alt = f"Calibration of {curve.class_name}: {pairs}"
    return NamedFigure(f"held-out-calibration-{i}", caption, alt, figure)


def _null(best: ModelResult) -> NamedFigure:
    """AUROC under permuted labels beside the observed one."""
    observed = best.metric("auroc").interval
    figure = importance_plots.null_plot(
        best.null.aurocs, plots.Interval("", observed.value, observed.low, observed.high)
    )
    caption = (
        f"Permuted labels: {best.null.n_permutations} AUROCs (grey) and the observed one with its "
        f"interval (orange); p = {format_p(best.null.p_value)} alone, "
        f"{format_p(best.null.p_adjusted)} for all models together, by the lower of the "
        f"model's own and the permutations' lighter fit's, "
        f"{format_number(best.null.observed, digits=2)}"
    )
    low, high = min(best.null.aurocs), max(best.null.aurocs)
    alt = (
        f"AUROC with permuted labels from {format_number(low, digits=2)} to "
        f"{format_number(high, digits=2)}; observed "
        f"{format_interval(observed.value, observed.low, observed.high, digits=2)}"
    )
    return NamedFigure("held-out-null", caption, alt, figure)


def _explained(model: ModelImportance) -> Iterator[NamedFigure]:
    """Draw what one model rests on."""
    yield _clusters(model)
    if model.beeswarms:
        yield _swarm(model)
    for i, dose in enumerate(model.doses[:MAX_DOSES]):
        yield _dose(dose, f"{model.name}-dose-{i}")


def _clusters(model: ModelImportance) -> NamedFigure:
    """Bars of the leading clusters."""
    leading = sorted(model.clusters, key=lambda one: one.rank)[:MAX_ROWS]
    rows = [
        plots.Interval(
            cluster_label(one.cluster, len(one.features)),
            one.shap.value,
            one.shap.low,
            one.shap.high,
        )
        for one in leading
    ]
    label = f"mean |SHAP| on held-out patients ({model.output})"
    alt = f"Importance of clusters, {model.label}: " + "; ".join(
        f"{row.label} {format_number(row.value)}" for row in rows[:5]
    )
    caption = f"Clusters by mean absolute SHAP value ({model.method}), with 95 % intervals"
    figure = plots.bar_plot(rows, value_label=label)
    return NamedFigure(f"{model.name}-clusters", caption, alt, figure)


def _swarm(model: ModelImportance) -> NamedFigure:
    """One row of dots a feature, for the first class that has them."""
    class_name = model.beeswarms[0].class_name
    swarms = [one for one in model.beeswarms if one.class_name == class_name][:MAX_ROWS]
    labels = [readable_feature(one.feature, unit=one.unit) for one in swarms]
    figure = importance_plots.beeswarm_plot(
        [list(row) for row in zip(*(one.shap for one in swarms), strict=True)],
        [list(row) for row in zip(*(one.values for one in swarms), strict=True)],
        labels=labels,
        effect_label=f"SHAP value: push towards {class_name} ({model.output})",
    )
    directions = {one.feature: one.direction for one in model.features}
    told = "; ".join(
        f"{label}: {directions.get(one.feature, 'mixed')}"
        for label, one in zip(labels, swarms, strict=True)
    )
    alt = f"SHAP values for {class_name}, one dot a patient; what a larger value does: {told}"
    return NamedFigure(f"{model.name}-swarm", "SHAP values, one dot a held-out row", alt, figure)


def _dose(dose: DoseCurve, name: str) -> NamedFigure:
    """Predicted probability against one feature."""
    figure = importance_plots.dose_plot(
        dose.grid,
        dose.probability,
        value_label=readable_feature(dose.feature, unit=dose.unit),
        effect_label=f"probability of {dose.class_name}",
        band=(dose.low, dose.high),
        support=dose.support,
    )
    start, end = dose.probability[0], dose.probability[-1]
    feature = readable_feature(dose.feature)
    alt = (
        f"Predicted probability of {dose.class_name} from {format_number(start, digits=2)} to "
        f"{format_number(end, digits=2)} as {feature} rises"
    )
    return NamedFigure(name, f"Dose: {feature}", alt, figure)
