"""The selected biomarkers seen from other sides: time, competing events, sites, covariates.

Not for selecting them (`model`), and not for what each look computes; here they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.prognosis.alternatives import aft_models, competing_events
from pathexplain.prognosis.assumptions import effects_over_time, functional_forms
from pathexplain.prognosis.biomarkers import cut_points
from pathexplain.prognosis.characteristics import associations, characteristics
from pathexplain.prognosis.concordance import concordance_index
from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.km import follow_up_ticks, median_split
from pathexplain.prognosis.locking import Development, LockedModel, describe_model
from pathexplain.prognosis.model import clinical_model
from pathexplain.prognosis.result import WithInterval
from pathexplain.prognosis.rmst import mean_times
from pathexplain.prognosis.sites import leave_one_site_out, site_effects
from pathexplain.prognosis.time_varying import period_effects

if TYPE_CHECKING:
    from pathexplain.prognosis.execution import Execution
    from pathexplain.prognosis.model import RiskModel
    from pathexplain.prognosis.optimism import Optimism
    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.result import FinalModel, Validation
    from pathexplain.prognosis.study import Study

__all__ = ["lock", "look_closer"]

PH_LEVEL = 0.05
_UNKNOWN = WithInterval(float("nan"), float("nan"), float("nan"))


def look_closer(
    study: Study,
    model: RiskModel | None,
    final: FinalModel | None,
    options: Options,
    execution: Execution,
) -> dict[str, Any]:
    """Return the fields of a result that look at the features of the final model.

    Where there is no final model, only what describes the patients and the sites is filled.
    """
    columns = np.empty(0, dtype=np.intp) if model is None else model.columns
    return {
        "selected": tuple(study.names[j] for j in columns),
        "characteristics": characteristics(study),
        "associations": associations(study, columns),
        "periods": period_effects(study, columns),
        "effects_over_time": () if model is None else effects_over_time(study, model),
        "functional_forms": functional_forms(study, columns),
        "cut_points": cut_points(study, columns, options),
        "mean_times": mean_times(study, columns, options.horizons[-1]),
        "accelerated": _accelerated(study, model, final),
        "competing": _competing(study, model),
        "site_effects": site_effects(study, columns),
        "held_out_sites": leave_one_site_out(study, options, execution),
    }


def _accelerated(study: Study, model: RiskModel | None, final: FinalModel | None) -> Any:
    """Fit accelerated failure times where a term of the final model fails its Schoenfeld test."""
    if model is None or final is None:
        return ()
    if all(term.p_proportional_hazards.value >= PH_LEVEL for term in final.terms):
        return ()
    names = tuple(term.name for term in final.terms)
    n_tests = max(term.p.n_tests for term in final.terms)
    return aft_models(study, model.design(study), names, n_tests=n_tests)


def _competing(study: Study, model: RiskModel | None) -> Any:
    """Show cumulative incidence by the first selected feature, or of everybody."""
    if study.outcome.competing is None:
        return None
    ticks = follow_up_ticks(float(study.outcome.time.max()))
    if model is None:
        nobody = np.empty(0, dtype=np.intp)
        groups = np.zeros(study.outcome.n, dtype=np.int64)
        return competing_events(
            study, groups, labels=("all patients",), columns=nobody, ticks=ticks
        )
    first = int(model.columns[0])
    labels = ("at or below median", "above median")
    groups = median_split(study.features[:, first])
    return competing_events(study, groups, labels=labels, columns=model.columns, ticks=ticks)


def lock(  # all that stands in the file
    study: Study,
    model: RiskModel | None,
    validation: Validation | None,
    columns: tuple[str, str],
    options: Options,
    optimism: Optimism | None,
    versions: dict[str, str],
) -> LockedModel | None:
    """Describe the final model and its figures; `columns` are time and event. None without one."""
    if model is None:
        return None
    outcome, risk = study.outcome, model.risk(study)
    per_sd = fit_joint((risk / risk.std(ddof=1))[:, None], study.risk)
    apparent = concordance_index(
        outcome.time, outcome.event, risk, group=study.strata, entry=outcome.entry
    )
    development = Development(
        n=outcome.n,
        events=outcome.events,
        c_index=validation.c_index if validation is not None else _UNKNOWN,
        c_index_apparent=apparent,
        c_index_corrected=float("nan") if optimism is None else optimism.corrected,
        hr_per_sd_of_score=float(np.exp(per_sd.beta[0])),
        gain=validation.gain if validation is not None and validation.gain else _UNKNOWN,
    )
    has_clinical = study.covariates.shape[1] > 0
    return LockedModel(
        time=columns[0],
        event=columns[1],
        time_unit=outcome.unit,
        covariates=study.levels,
        mpp=study.mpp,
        horizon=options.horizons[-1],
        model=describe_model(study, model),
        clinical=describe_model(study, clinical_model(study)) if has_clinical else None,
        development=development,
        versions=versions,
    )
