"""An importance result as a page: what a diagnosis rests on, with what must be read beside it.

Not for computing: every number comes from the result as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.report.importance_figures import (
    MAX_DOSES,
    MAX_ROWS,
    best_model,
    importance_figures,
)
from pathexplain.report.page import Fact, Page, Section, render, render_page
from pathexplain.report.wording import DASH, format_interval, format_p, join_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from pathexplain.diagnosis.result import ImportanceResult, Metric, ModelImportance
    from pathexplain.report.figures import NamedFigure

__all__ = [
    "best_model",
    "importance_facts",
    "importance_html",
    "importance_sections",
    "top_features",
]

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
            f"{target.n_features} features of {_patients(result)}, asked to tell "
            f"{join_words([f'{c} ({n})' for c, n in _classes(result)])} apart on patients that "
            "the model has not seen."
        ),
        facts=importance_facts(result),
        warnings=_warnings(result),
        sections=[*importance_sections(result), *extra],
        provenance=_settings(result),
    )
    return render_page(page)


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
        several = f", best of {len(result.models)} models" if len(result.models) > 1 else ""
        facts.append(
            Fact(
                "Held-out AUROC (95 % interval)",
                format_interval(auroc.value, auroc.low, auroc.high, digits=2),
                f"{best.label}{several}; guessing gives 0.5; permuted labels reach it with "
                f"p = {format_p(best.null.p_adjusted)} (all models together)",
                is_headline=True,
            )
        )
    lost = sum(one.n for one in target.lost)
    facts += [
        Fact("Patients", str(target.n_patients), f"{lost} more could not be used" if lost else ""),
        Fact("Classes", " : ".join(str(n) for n in target.counts), " : ".join(target.classes)),
        Fact("Features tested", str(target.n_features), _feature_note(result)),
    ]
    return facts


def _feature_note(result: ImportanceResult) -> str:
    """Say in how many clusters the features are, and how many were left out before."""
    dropped = sum(one.n for one in result.target.dropped)
    left = f"; {dropped} more left out before" if dropped else ""
    return f"in {len(result.clusters)} clusters{left}"


def importance_sections(result: ImportanceResult, *, prefix: str = "importance") -> list[Section]:
    """Build the sections of an importance result; `prefix` keeps ids unique on a shared page."""
    figures = importance_figures(result)
    performance = [one for one in figures if one.name.startswith("held-out-")]
    return [
        Section(
            "How well it works on unseen patients",
            f"{prefix}-held-out",
            _held_out(result, performance, prefix),
        ),
        Section("What the models rest on", f"{prefix}-rest", _rest(result, figures, prefix)),
        Section("One feature at a time", f"{prefix}-univariate", _univariate(result)),
        Section(
            "Patients and folds",
            f"{prefix}-patients",
            render("importance_patients.html", result=result),
        ),
    ]


def _held_out(result: ImportanceResult, figures: Sequence[NamedFigure], prefix: str) -> Markup:
    """Scores of all models, ROC, calibration and null of the best, gain over covariates."""
    names = [metric.label for metric in result.models[0].metrics] if result.models else []
    return render(
        "importance_held_out.html",
        result=result,
        best=best_model(result),
        names=names,
        figures=[(one.markup(prefix), one.caption) for one in figures],
        cell=_metric_cell,
    )


def _rest(result: ImportanceResult, figures: Sequence[NamedFigure], prefix: str) -> Markup:
    """Clusters, features, directions and doses of each explained model, and their agreement."""
    drawn = {one.name: one.markup(prefix) for one in figures}
    blocks = [
        {
            "model": model,
            "clusters": drawn[f"{model.name}-clusters"],
            "swarm": drawn.get(f"{model.name}-swarm"),
            "doses": [
                drawn[f"{model.name}-dose-{i}"] for i in range(min(MAX_DOSES, len(model.doses)))
            ],
            "rows": sorted(model.clusters, key=lambda one: one.rank)[:MAX_ROWS],
            "features": sorted(model.features, key=lambda one: one.rank)[:MAX_ROWS],
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


def _univariate(result: ImportanceResult) -> Markup:
    """Table of single-feature tests, strongest first, the ones that could not be made last."""
    ordered = sorted(result.univariate, key=lambda one: (one.p_value != one.p_value, one.p_value))
    mixed = sorted(result.mixed, key=lambda one: (one.p_value != one.p_value, one.p_value))
    return render(
        "importance_univariate.html",
        result=result,
        tests=ordered,
        mixed=mixed,
        found=_FOUND_Q,
        n_shown=MAX_ROWS,
    )


def _metric_cell(metric: Metric) -> str:
    """Value and interval of a metric."""
    one = metric.interval
    return format_interval(one.value, one.low, one.high, digits=2)


def _patients(result: ImportanceResult) -> str:
    """Count patients, and rows where they have several."""
    target = result.target
    rows = f" ({target.n_rows} rows)" if target.n_rows > target.n_patients else ""
    return f"{target.n_patients} patients{rows}"


def _classes(result: ImportanceResult) -> list[tuple[str, int]]:
    """Class names with their counts."""
    return list(zip(result.target.classes, result.target.counts, strict=True))


def _warnings(result: ImportanceResult) -> list[str]:
    """Put what must be read first in one list: no importance, then the notes."""
    first = [result.reason] if result.importances is None and result.reason else []
    return [*first, *result.notes]


def _target_words(result: ImportanceResult) -> str:
    """Say how the target's classes are told apart."""
    target = result.target
    joined = (" < " if target.kind == "ordinal" else ", ").join(target.classes)
    return f"{target.column}, {target.kind}: {joined}"


def _settings(result: ImportanceResult) -> dict[str, object]:
    """Choices of the run as words."""
    settings = result.settings
    return {
        "models": ", ".join(settings.models),
        "target": _target_words(result),
        "rows of a patient told by": settings.groups or DASH,
        "held out whole": settings.site or settings.groups or "patient",
        "folds": settings.folds or f"drawn, {len(result.folds)}",
        "covariates": ", ".join(settings.covariates) or DASH,
        "label permutations": settings.n_permutations,
        "bootstrap resamples": settings.n_bootstrap,
        "bootstraps with a new fit": settings.n_refits,
        "least robustness (ICC)": settings.min_icc if settings.min_icc is not None else DASH,
        "seed": settings.seed,
    }
