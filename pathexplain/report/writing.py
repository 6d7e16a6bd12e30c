"""A result to disk: one JSON with every number, one HTML page, both whole or not there.

Not for choosing what a page shows; `survival` and `importance` do that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from pathexplain.report.attention import attention_html
from pathexplain.report.gallery import RunFolder, exemplar_section
from pathexplain.report.importance import importance_html, top_features
from pathexplain.report.perturbation import perturbation_html
from pathexplain.report.survival import discoveries, survival_html
from pathexplain.report.validation import validation_html
from pathexplain.serialization import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathexplain.diagnosis.attention.result import AttentionResult
    from pathexplain.diagnosis.perturbation.result import PerturbationResult
    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.external import ExternalValidation
    from pathexplain.prognosis.result import SurvivalResult
    from pathexplain.report.page import Section

__all__ = ["write_report"]

N_EXEMPLARS = 4


def write_report(
    result: ImportanceResult
    | SurvivalResult
    | ExternalValidation
    | PerturbationResult
    | AttentionResult,
    folder: str | Path,
    *,
    name: str | None = None,
    run: str | Path | None = None,
    extra: Iterable[Section] = (),
) -> tuple[Path, Path]:
    """Write a result as ``NAME.json`` and ``NAME.html``, each atomically.

    Parameters
    ----------
    result : a result of this package
        What `pathexplain.importance`, `survival`, `validate`, `perturb` or `attend` returned.
    folder : path
        Made when it is not there. Pictures of the latter two are taken from it.
    name : str, optional
        Base name of both files; ``importance``, ``survival``, ``validation``, ``perturbation`` or
        ``objects`` when not given.
    run : path, optional
        Run folder that the cohort came from, or a table in it; the page then shows the cells
        behind the leading features. A path that is neither adds nothing.
    extra : iterable of Section
        Further sections of the page, for example exemplars.

    Returns
    -------
    (json path, html path)

    Raises
    ------
    TypeError
        If the result is of no kind that has a page.
    """
    target = Path(folder)
    if _is_perturbation(result):
        base, html = name or "perturbation", perturbation_html(result, folder=target)
        return _write(result, html, target, base)
    if _is_attention(result):
        base, html = name or "objects", attention_html(result, folder=target)
        return _write(result, html, target, base)
    extra = (*extra, *_cells_behind(result, run))
    if _is_survival(result):
        base, html = name or "survival", survival_html(result, extra=extra)
    elif _is_importance(result):
        base, html = name or "importance", importance_html(result, extra=extra)
    elif _is_validation(result):
        base, html = name or "validation", validation_html(result, extra=extra)
    else:
        message = f"no page for a {type(result).__name__}; give a survival or importance result"
        raise TypeError(message)
    return _write(result, html, target, base)


def _write(result: object, html: str, target: Path, base: str) -> tuple[Path, Path]:
    """Write both files."""
    return write_json(target / f"{base}.json", result), write_text(target / f"{base}.html", html)


def _cells_behind(result: object, run: str | Path | None) -> tuple[Section, ...]:
    """Exemplars of the leading features, where the cohort is a run folder and features lead."""
    if run is None:
        return ()
    run = Path(run) if Path(run).is_dir() else Path(run).parent
    if not (run / "manifest.json").is_file():
        return ()
    units: dict[str, str] = {}
    if _is_survival(result):
        leading = discoveries(result)[:N_EXEMPLARS]
    elif _is_importance(result):
        leading = top_features(result, n=N_EXEMPLARS)
        units = {test.feature: test.unit for test in result.univariate}
    else:
        return ()
    return (exemplar_section(RunFolder(run), leading, units=units),) if leading else ()


def _is_perturbation(result: object) -> TypeGuard[PerturbationResult]:
    """Say whether the result has what a perturbation page shows."""
    return hasattr(result, "effects") and hasattr(result, "overlap")


def _is_attention(result: object) -> TypeGuard[AttentionResult]:
    """Say whether the result has what an attention page shows."""
    return hasattr(result, "contributions") and hasattr(result, "painted")


# By what a result has, not by its class: importing the classes would load shap and lifelines.
def _is_survival(result: object) -> TypeGuard[SurvivalResult]:
    """Say whether the result has what a survival page shows."""
    return hasattr(result, "screen") and hasattr(result, "kaplan_meier")


def _is_importance(result: object) -> TypeGuard[ImportanceResult]:
    """Say whether the result has what an importance page shows."""
    return hasattr(result, "importances") and hasattr(result, "univariate")


def _is_validation(result: object) -> TypeGuard[ExternalValidation]:
    """Say whether the result has what an external validation's page shows."""
    return hasattr(result, "model_sha256")
