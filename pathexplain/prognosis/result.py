"""What a survival analysis hands on: frozen dataclasses with every number a report prints.

Not for computing: each class is filled by the module that its docstring names.
Undefined numbers are NaN (``null`` in JSON) and the reason stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from pathexplain.prognosis.alternatives import AftModel, Competing
    from pathexplain.prognosis.assumptions import EffectOverTime, FunctionalForm
    from pathexplain.prognosis.biomarkers import CutPoints, Stability
    from pathexplain.prognosis.characteristics import Association, Characteristic
    from pathexplain.prognosis.locking import LockedModel
    from pathexplain.prognosis.optimism import Optimism
    from pathexplain.prognosis.performance import Performance
    from pathexplain.prognosis.reporting_items import ReportingItem
    from pathexplain.prognosis.rmst import MeanTime
    from pathexplain.prognosis.robustness import Robustness
    from pathexplain.prognosis.sites import HeldOutSite, SiteEffects
    from pathexplain.prognosis.time_varying import PeriodEffect

__all__ = [
    "CohortSummary",
    "CoxTerm",
    "Dropped",
    "FeaturePair",
    "FinalModel",
    "FlowStep",
    "ForestRow",
    "KaplanMeier",
    "KaplanMeierGroup",
    "Lost",
    "NegativeControl",
    "Note",
    "PValue",
    "Preflight",
    "Screen",
    "ScreenRow",
    "SurvivalResult",
    "Validation",
    "WithInterval",
]

_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class WithInterval:
    """An estimate with its 95 % interval; NaN where undefined or not reached."""

    value: float
    low: float
    high: float

    @classmethod
    def of_log(cls, estimate: float, se: float) -> WithInterval:
        """Return the exponential of a normal estimate, as a hazard ratio of a coefficient.

        Examples
        --------
        >>> WithInterval.of_log(0.0, 0.1).low.__round__(3)
        0.822
        """
        with np.errstate(over="ignore"):
            return cls(*(float(np.exp(estimate + side * _Z * se)) for side in (0, -1, 1)))


@dataclass(frozen=True)
class PValue:
    """A p-value with what it rests on: the test, patients, events and tests made beside it."""

    value: float
    test: str
    n: int
    events: int
    n_tests: int


@dataclass(frozen=True)
class Note:
    """Something a reader must know: `code` for machines, `text` for people."""

    level: Literal["warning", "info"]
    code: str
    text: str


@dataclass(frozen=True)
class Lost:
    """Patients who left the analysis at one step, with the reason (`study`)."""

    reason: str
    n: int
    patients: tuple[str, ...]


@dataclass(frozen=True)
class FlowStep:
    """One box of the flow diagram (`study`): who remains, who leaves and why, how it ended."""

    kind: Literal["remaining", "excluded", "outcome"]
    label: str
    n: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class CohortSummary:
    """Who was analyzed (`study`); times are in `time_unit`, "unknown" where the name has none."""

    n_input: int
    n: int
    events: int
    lost: tuple[Lost, ...]
    time_unit: str
    median_follow_up: WithInterval
    median_survival: WithInterval
    longest_time: float
    n_competing: int = 0
    flow: tuple[FlowStep, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """A feature that was not tested, and why (`preflight`)."""

    feature: str
    reason: str
    detail: str


@dataclass(frozen=True)
class FeaturePair:
    """Two tested features with absolute Pearson correlation above the limit (`preflight`)."""

    first: str
    second: str
    correlation: float


@dataclass(frozen=True)
class Preflight:
    """What was found before any fit; `correlated` lists the strongest pairs, `n_correlated` all."""

    n_features: int
    n_tested: int
    dropped: tuple[Dropped, ...]
    correlated: tuple[FeaturePair, ...]
    n_correlated: int
    events_per_feature: float


@dataclass(frozen=True)
class ScreenRow:
    """One feature of the screen (`screening`).

    `hr_per_sd` is the hazard ratio for one standard deviation (`sd`, in `unit`) more; `beta` is
    the log hazard ratio per unit. `p` is Wald's and is what `p_bh` and `p_holm` adjust;
    `p_max_t` is the permutation p adjusted for the whole family. `c_index` is apparent.
    `status` other than ``"ok"`` means that the estimates are NaN.
    """

    feature: str
    unit: str
    definition: str
    n: int
    events: int
    n_tests: int
    mean: float
    sd: float
    hr_per_sd: WithInterval
    beta: float
    se: float
    z: float
    p: float
    p_lr: float
    p_bh: float
    p_holm: float
    p_max_t: float
    c_index: float
    status: str
    is_discovery: bool


@dataclass(frozen=True)
class Screen:
    """All tested features, smallest p first (`screening`).

    `n_tests` is the family: every feature that reached a fit, failed fits counted as p = 1.
    """

    rows: tuple[ScreenRow, ...]
    n_tests: int
    n_failed: int
    n_discoveries: int
    alpha: float
    ties: str
    adjusted_for: tuple[str, ...]


@dataclass(frozen=True)
class NegativeControl:
    """The same screen on permuted outcomes, where every discovery is false (`permutation`)."""

    n_permutations: int
    discoveries: tuple[int, ...]
    share_with_discovery: float
    observed_discoveries: int
    median_smallest_p: float
    n_max_t_permutations: int


@dataclass(frozen=True)
class CoxTerm:
    """One line of the final model (`final`).

    `scale` says what the hazard ratio is per: one sd of a feature, one unit or level of a
    covariate. `p` is not corrected for the selection that chose the feature.
    """

    name: str
    is_feature: bool
    scale: str
    hr: WithInterval
    p: PValue
    p_proportional_hazards: PValue
    n_imputed: int


@dataclass(frozen=True)
class FinalModel:
    """Multivariable Cox model without penalty, by lifelines, on all patients (`final`)."""

    terms: tuple[CoxTerm, ...]
    n: int
    events: int
    events_per_variable: float
    apparent_c_index: float
    loglik: float
    aic: float
    p_likelihood_ratio: PValue
    ties: str


@dataclass(frozen=True)
class Validation:
    """Cross-validated discrimination of the whole procedure (`validation`).

    In each fold preflight, screen, selection, imputation and scaling saw the training patients
    only. `c_index` is Harrell's over pairs inside a test fold, averaged over `n_repeats`;
    its interval resamples patients with the fitted models fixed. `clinical_c_index` and `gain`
    are None without covariates.
    """

    c_index: WithInterval
    clinical_c_index: WithInterval | None
    gain: WithInterval | None
    n_splits: int
    n_repeats: int
    n_bootstrap: int
    n_models: int
    n_models_with_features: int
    selection_frequency: tuple[tuple[str, float], ...]
    n: int
    events: int
    n_pairs: int


@dataclass(frozen=True)
class KaplanMeierGroup:
    """One curve: steps with 95 % log-log intervals, censoring marks, numbers at risk at ticks."""

    label: str
    n: int
    events: int
    time: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    censored_at: tuple[float, ...]
    at_risk: tuple[int, ...]
    median: WithInterval


@dataclass(frozen=True)
class KaplanMeier:
    """One panel of curves (`km`); a split is a display, the continuous model the analysis."""

    title: str
    ticks: tuple[float, ...]
    groups: tuple[KaplanMeierGroup, ...]
    p_log_rank: PValue | None
    caption: str


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot: a hazard ratio with its interval, ready to draw."""

    panel: Literal["screen", "final"]
    label: str
    hr: WithInterval
    p: PValue


@dataclass(frozen=True)
class SurvivalResult:
    """A survival analysis from cohort to validation; a report renders it and computes nothing.

    Read it in this order: `cohort`, `validation` (cross-validated, the figure to believe),
    `screen` with `negative_control`, `final` (optimistic: same patients as the selection).
    `final` and `validation` are None where `final_reason` and `validation_reason` say why.
    `reported` are biomarkers by max-T and stability together; `selected` are the features of the
    final model, which the parts after it look at more closely;
    `model` is what `--lock` writes; `remark` and `tripod` answer the reporting guidelines.
    """

    time: str
    event: str
    covariates: tuple[str, ...]
    strata: str | None
    headline: str
    cohort: CohortSummary
    validation: Validation | None
    validation_reason: str
    preflight: Preflight
    screen: Screen
    negative_control: NegativeControl
    final: FinalModel | None
    final_reason: str
    kaplan_meier: tuple[KaplanMeier, ...]
    forest: tuple[ForestRow, ...]
    notes: tuple[Note, ...]
    methods: str
    options: dict[str, object]
    entry: str | None = None
    competing_column: str | None = None
    site: str | None = None
    horizons: tuple[float, ...] = ()
    selected: tuple[str, ...] = ()
    characteristics: tuple[Characteristic, ...] = ()
    associations: tuple[Association, ...] = ()
    periods: tuple[PeriodEffect, ...] = ()
    accelerated: tuple[AftModel, ...] = ()
    competing: Competing | None = None
    site_effects: tuple[SiteEffects, ...] = ()
    held_out_sites: tuple[HeldOutSite, ...] = ()
    robustness: Robustness | None = None
    stability: Stability | None = None
    reported: tuple[str, ...] = ()
    cut_points: tuple[CutPoints, ...] = ()
    performance: Performance | None = None
    optimism: Optimism | None = None
    effects_over_time: tuple[EffectOverTime, ...] = ()
    functional_forms: tuple[FunctionalForm, ...] = ()
    mean_times: tuple[MeanTime, ...] = ()
    model: LockedModel | None = None
    remark: tuple[ReportingItem, ...] = ()
    tripod: tuple[ReportingItem, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
