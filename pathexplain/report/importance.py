"""An importance result as a page: what a diagnosis rests on, with what must be read beside it.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.report import importance_plots, plots
from pathexplain.report.figures import figure_markup
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.wording import (
    DASH,
    format_interval,
    format_number,
    format_p,
    join_words,
    readable_feature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from pathexplain.diagnosis.result import (
        CalibrationCurve,
        DoseCurve,
        ImportanceResult,
        Metric,
        ModelImportance,
        ModelResult,
    )

__all__ = [
    "best_model",
    "importance_facts",
    "importance_html",
    "importance_sections",
    "top_features",
]

_MAX_ROWS = 12
_MAX_DOSES = 4
_FOUND_Q = 0.05  # the usual false discovery rate; only colors rows, the q-values are printed


def importance_html(result: ImportanceResult, *, extra: Iterable[Section] = ()) -> str:
    """Render an importance result as one self-contained HTML document.

    Parameters
    ----------
    result : ImportanceResult
        What `pathexplain.importance` returned.
    extra : iterable of Section
        Further sections, for example exemplars; they follow the importances.

    Returns
    -------
    str
        HTML that loads nothing from anywhere.
    """
    target = result.target
    page = Page(
        kind="Importance",
        title=f"What does {target.column} rest on?",
        lead=(
            f"{target.n_features} features of {target.n_patients} patients, asked to tell "
            f"{join_words([f'{c} ({n})' for c, n in _classes(result)])} apart on patients that "
            "the model has not seen."
        ),
        facts=importance_facts(result),
        warnings=_warnings(result),
        sections=[*importance_sections(result), *extra],
        provenance=_settings(result),
    )
    return render_page(page)


def best_model(result: ImportanceResult) -> ModelResult | None:
    """Return the model whose held-out AUROC is highest, None when there is no model."""
    return max(result.models, key=lambda model: model.metric("auroc").interval.value, default=None)


def top_features(result: ImportanceResult, *, n: int) -> tuple[str, ...]:
    """Name the features that lead in the best explained model, one a cluster, at most `n`."""
    explained = _explained(result)
    if not explained:
        return ()
    clusters: dict[str, str] = {}
    for feature in sorted(explained[0].features, key=lambda one: one.rank):
        clusters.setdefault(feature.cluster, feature.feature)
    return tuple(clusters.values())[:n]


def importance_facts(result: ImportanceResult) -> list[Fact]:
    """List the numbers of the first screen."""
    target = result.target
    facts = []
    best = best_model(result)
    if best is not None:
        auroc = best.metric("auroc").interval
        several = f"best of {len(result.models)} models" if len(result.models) > 1 else best.label
        facts.append(
            Fact(
                "Held-out AUROC (95 % interval)",
                format_interval(auroc.value, auroc.low, auroc.high, digits=2),
                f"{best.label}, {several}; guessing gives 0.5; permuted labels reach it with "
                f"p = {format_p(best.null.p_adjusted)} (all models together)",
                is_headline=True,
            )
        )
    lost = sum(one.n for one in target.lost)
    facts += [
        Fact("Patients", str(target.n_patients), f"{lost} more could not be used" if lost else ""),
        Fact("Classes", " : ".join(str(n) for n in target.counts), " : ".join(target.classes)),
        Fact("Features tested", str(target.n_features), f"in {len(result.clusters)} clusters"),
    ]
    return facts


def importance_sections(result: ImportanceResult, *, prefix: str = "importance") -> list[Section]:
    """Build the sections of an importance result; `prefix` keeps ids unique on a shared page."""
    return [
        Section(
            "How well it works on unseen patients", f"{prefix}-held-out", _held_out(result, prefix)
        ),
        Section("What the models rest on", f"{prefix}-rest", _rest(result, prefix)),
        Section("One feature at a time", f"{prefix}-univariate", _univariate(result)),
        Section(
            "Patients and folds",
            f"{prefix}-patients",
            render("importance_patients.html", result=result),
        ),
    ]


def _held_out(result: ImportanceResult, prefix: str) -> Markup:
    """Scores of all models, ROC and calibration of the best, gain over covariates."""
    best = best_model(result)
    figures = []
    if best is not None:
        figures.append((_roc_figure(best, prefix), "Receiver operating curve"))
        figures.extend(_calibration_figures(best.calibration, prefix))
    names = [metric.label for metric in result.models[0].metrics] if result.models else []
    return render(
        "importance_held_out.html",
        result=result,
        best=best,
        names=names,
        figures=figures,
        cell=_metric_cell,
    )


def _roc_figure(best: ModelResult, prefix: str) -> Markup:
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
    alt = "Receiver operating curve: " + join_words([curve.label for curve in curves])
    return figure_markup(importance_plots.roc_plot(curves), alt=alt, name=f"{prefix}-roc")


def _calibration_figures(
    curves: Sequence[CalibrationCurve], prefix: str
) -> list[tuple[Markup, str]]:
    """Give one calibration plot a class, with its caption."""
    return [
        (
            figure_markup(
                importance_plots.calibration_plot(
                    [
                        (
                            point.predicted,
                            plots.Interval(
                                "", point.observed.value, point.observed.low, point.observed.high
                            ),
                        )
                        for point in curve.points
                    ]
                ),
                alt=f"Calibration of {curve.class_name}: observed against predicted probability",
                name=f"{prefix}-calibration-{i_curve}",
            ),
            _bin_sizes(curve),
        )
        for i_curve, curve in enumerate(curves)
    ]


def _bin_sizes(curve: CalibrationCurve) -> str:
    """Caption of a calibration plot."""
    sizes = sorted({point.n for point in curve.points})
    patients = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"Calibration: {curve.class_name}, {len(curve.points)} bins of {patients} patients"


def _rest(result: ImportanceResult, prefix: str) -> Markup:
    """Clusters, features, directions and doses of each explained model, and their agreement."""
    blocks = [
        {
            "model": model,
            "clusters": _cluster_figure(model, f"{prefix}-{model.name}"),
            "swarm": _swarm_figure(model, f"{prefix}-{model.name}"),
            "doses": [
                _dose_figure(dose, f"{prefix}-{model.name}-dose-{i_dose}")
                for i_dose, dose in enumerate(model.doses[:_MAX_DOSES])
            ],
            "rows": sorted(model.clusters, key=lambda one: one.rank)[:_MAX_ROWS],
            "features": sorted(model.features, key=lambda one: one.rank)[:_MAX_ROWS],
        }
        for model in _explained(result)
    ]
    agreement = result.importances.agreement if result.importances else None
    return render("importance_rest.html", result=result, blocks=blocks, agreement=agreement)


def _explained(result: ImportanceResult) -> list[ModelImportance]:
    """Explained models, best held-out AUROC first."""
    if result.importances is None:
        return []
    return sorted(
        result.importances.models,
        key=lambda one: -result.model(one.name).metric("auroc").interval.value,
    )


def _cluster_figure(model: ModelImportance, name: str) -> Markup:
    """Bars of the leading clusters."""
    leading = sorted(model.clusters, key=lambda one: one.rank)[:_MAX_ROWS]
    rows = [
        plots.Interval(
            _cluster_label(one.cluster, len(one.features)),
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
    return figure_markup(plots.bar_plot(rows, value_label=label), alt=alt, name=f"{name}-clusters")


def _swarm_figure(model: ModelImportance, name: str) -> Markup | None:
    """One row of dots a feature, for the first class that has them."""
    if not model.beeswarms:
        return None
    class_name = model.beeswarms[0].class_name
    swarms = [one for one in model.beeswarms if one.class_name == class_name][:_MAX_ROWS]
    figure = importance_plots.beeswarm_plot(
        [list(row) for row in zip(*(one.shap for one in swarms), strict=True)],
        [list(row) for row in zip(*(one.values for one in swarms), strict=True)],
        labels=[readable_feature(one.feature, unit=one.unit) for one in swarms],
        effect_label=f"SHAP value: push towards {class_name} ({model.output})",
    )
    alt = f"SHAP values of {len(swarms)} features for {class_name}, one dot a patient"
    return figure_markup(figure, alt=alt, name=f"{name}-swarm")


def _dose_figure(dose: DoseCurve, name: str) -> Markup:
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
    alt = (
        f"Predicted probability of {dose.class_name} from {format_number(start)} to "
        f"{format_number(end)} as {readable_feature(dose.feature)} rises"
    )
    return figure_markup(figure, alt=alt, name=name)


def _univariate(result: ImportanceResult) -> Markup:
    """Table of single-feature tests, strongest first, the ones that could not be made last."""
    ordered = sorted(result.univariate, key=lambda one: (one.p_value != one.p_value, one.p_value))
    return render("importance_univariate.html", tests=ordered, found=_FOUND_Q, n_shown=_MAX_ROWS)


def _metric_cell(metric: Metric) -> str:
    """Value and interval of a metric."""
    one = metric.interval
    return format_interval(one.value, one.low, one.high, digits=2)


def _cluster_label(name: str, n_features: int) -> str:
    """Name of a cluster by its central feature, and how many more it holds."""
    words = readable_feature(name, with_unit=False)
    return words if n_features == 1 else f"{words} + {n_features - 1} like it"


def _classes(result: ImportanceResult) -> list[tuple[str, int]]:
    """Class names with their counts."""
    return list(zip(result.target.classes, result.target.counts, strict=True))


def _warnings(result: ImportanceResult) -> list[str]:
    """Put what must be read first in one list: no importance, then the notes."""
    first = [result.reason] if result.importances is None and result.reason else []
    return [*first, *result.notes]


def _settings(result: ImportanceResult) -> dict[str, object]:
    """Choices of the run as words."""
    settings = result.settings
    return {
        "models": ", ".join(settings.models),
        "outer folds": settings.n_splits,
        "groups kept together": settings.groups or "patient",
        "covariates": ", ".join(settings.covariates) or DASH,
        "label permutations": settings.n_permutations,
        "bootstrap resamples": settings.n_bootstrap,
        "seed": settings.seed,
    }
