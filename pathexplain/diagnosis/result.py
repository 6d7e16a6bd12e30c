"""What an importance analysis returns: frozen dataclasses that hold every number a report shows.

Not for computing: a report renders these as they are. All intervals are 95 % percentile intervals
over patients, with the fitted models held fixed; NaN means "undefined" and is written as ``null``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "Agreement",
    "AgreementRow",
    "Beeswarm",
    "CalibrationCurve",
    "CalibrationPoint",
    "Cluster",
    "ClusterImportance",
    "Comparison",
    "DoseCurve",
    "FeatureImportance",
    "FoldSummary",
    "ImportanceResult",
    "Importances",
    "Interval",
    "LostPatients",
    "Metric",
    "ModelImportance",
    "ModelResult",
    "NullDistribution",
    "Prediction",
    "RocCurve",
    "Settings",
    "TargetSummary",
    "UnivariateTest",
]


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval.

    Examples
    --------
    >>> Interval(0.8, 0.7, 0.9).above(0.5)
    True
    """

    value: float
    low: float
    high: float

    def above(self, threshold: float) -> bool:
        """Say whether the whole interval lies above `threshold`; False where it is undefined."""
        return math.isfinite(self.low) and self.low > threshold


@dataclass(frozen=True)
class LostPatients:
    """Patients that the analysis could not use, and why."""

    reason: str
    n: int
    patients: tuple[str, ...]


@dataclass(frozen=True)
class TargetSummary:
    """The target column after parsing; `positive` is the class that binary scores point to."""

    column: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    positive: str | None
    n_patients: int
    n_features: int
    lost: tuple[LostPatients, ...]


@dataclass(frozen=True)
class FoldSummary:
    """One outer fold: how many patients train and are held out, by class, and its groups."""

    index: int
    n_train: int
    n_test: int
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    test_groups: tuple[str, ...]


@dataclass(frozen=True)
class Metric:
    """A held-out score with its interval over patients and what guessing would reach."""

    name: str
    label: str
    interval: Interval
    chance: float
    is_higher_better: bool
    n: int


@dataclass(frozen=True)
class RocCurve:
    """Receiver operating characteristic of pooled held-out scores, one class against the rest."""

    class_name: str
    auroc: float
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class CalibrationPoint:
    """Patients of one probability bin: mean prediction, observed share with Wilson interval, n."""

    predicted: float
    observed: Interval
    n: int


@dataclass(frozen=True)
class CalibrationCurve:
    """Held-out calibration of one class, in bins of about equal numbers of patients."""

    class_name: str
    points: tuple[CalibrationPoint, ...]


@dataclass(frozen=True)
class Prediction:
    """One patient's held-out prediction; `probabilities` follow the classes of the target."""

    patient: str
    fold: int
    observed: str
    predicted: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class NullDistribution:
    """AUROC with permuted labels, and the chance of one as high as observed.

    `p_adjusted` compares with the highest AUROC of all models in each permutation (Westfall and
    Young's max-T), so it holds for all models together. `description` says how the null was made.
    """

    n_permutations: int
    aurocs: tuple[float, ...]
    p_value: float
    p_adjusted: float
    description: str


@dataclass(frozen=True)
class ModelResult:
    """Held-out performance of one kind of model; `verdict` says why it may be explained or not."""

    name: str
    label: str
    hyperparameters: tuple[dict[str, float], ...]
    metrics: tuple[Metric, ...]
    roc: tuple[RocCurve, ...]
    calibration: tuple[CalibrationCurve, ...]
    predictions: tuple[Prediction, ...]
    null: NullDistribution
    is_better_than_chance: bool
    verdict: str

    def metric(self, name: str) -> Metric:
        """Return the metric called `name` (``auroc``, ``auprc``, ...); KeyError if not there."""
        return {metric.name: metric for metric in self.metrics}[name]


@dataclass(frozen=True)
class Comparison:
    """The same elastic-net model on covariates alone, on features alone, and on both.

    `gain` is AUROC(both) - AUROC(covariates), from the same patients in each resample.
    """

    covariates: tuple[str, ...]
    clinical: tuple[Metric, ...]
    features: tuple[Metric, ...]
    combined: tuple[Metric, ...]
    gain: Interval
    note: str


@dataclass(frozen=True)
class Cluster:
    """Features that move together; `name` is the member closest to the others."""

    name: str
    features: tuple[str, ...]
    mean_abs_spearman: float


@dataclass(frozen=True)
class FeatureImportance:
    """Mean absolute SHAP value of one feature on held-out patients.

    `share` is its part of the sum over features. `rank_low` and `rank_high` are the 95 % range of
    its rank over resampled patients. `direction` is ``higher`` when larger values push towards
    `class_name`, ``lower`` when they push away, ``mixed`` when neither (absolute Spearman of value
    and SHAP below 0.5), ``none`` when the models do not use the feature.
    """

    feature: str
    cluster: str
    unit: str
    definition: str
    class_name: str
    shap: Interval
    share: float
    rank: int
    rank_low: int
    rank_high: int
    direction: str
    direction_spearman: float


@dataclass(frozen=True)
class ClusterImportance:
    """Importance of a cluster of correlated features taken together, on held-out patients.

    `shap`: mean absolute value of the members' summed SHAP values. `log_loss_rise`: rise of the
    held-out log loss when the members are permuted together; `auroc_drop`: the drop of AUROC.
    `folds_in_top`: in how many outer folds the cluster is among the leading ones by SHAP.
    """

    cluster: str
    features: tuple[str, ...]
    shap: Interval
    share: float
    rank: int
    rank_low: int
    rank_high: int
    folds_in_top: int
    log_loss_rise: Interval
    auroc_drop: float
    permutation_rank: int


@dataclass(frozen=True)
class Beeswarm:
    """SHAP value and raw feature value of each held-out patient, for one feature and class.

    `values` are in the feature's unit, NaN where it was missing (the model saw the fold's median).
    """

    feature: str
    unit: str
    class_name: str
    patients: tuple[str, ...]
    values: tuple[float, ...]
    shap: tuple[float, ...]


@dataclass(frozen=True)
class DoseCurve:
    """Partial dependence of the predicted probability on one feature, with its support.

    `probability`, and its `low` and `high` over the outer folds' models, at each `grid` value (5th
    to 95th percentile, in the feature's unit); `support`: patients nearest to each grid value.
    """

    feature: str
    unit: str
    class_name: str
    grid: tuple[float, ...]
    probability: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    support: tuple[int, ...]


@dataclass(frozen=True)
class ModelImportance:
    """What one model that beats chance rests on; SHAP values are in units of `output`.

    `additivity_error` is the largest difference between a held-out patient's summed SHAP values
    plus the baseline and the model's own output.
    """

    name: str
    label: str
    output: str
    method: str
    additivity_error: float
    features: tuple[FeatureImportance, ...]
    clusters: tuple[ClusterImportance, ...]
    beeswarms: tuple[Beeswarm, ...]
    doses: tuple[DoseCurve, ...]


@dataclass(frozen=True)
class AgreementRow:
    """Rank of one cluster by each method (1 is first; ties share the mean rank)."""

    cluster: str
    ranks: tuple[float, ...]
    mean_rank: float


@dataclass(frozen=True)
class Agreement:
    """Ranks of clusters by method, best mean rank first, and Spearman between the methods."""

    methods: tuple[str, ...]
    rows: tuple[AgreementRow, ...]
    spearman: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Importances:
    """Explanations of all models that beat chance."""

    models: tuple[ModelImportance, ...]
    agreement: Agreement


@dataclass(frozen=True)
class UnivariateTest:
    """One feature against the target, by ranks.

    `effect` is Cliff's delta for two classes (positive when the positive class has the larger
    values) or epsilon squared for more. `q_value` is Benjamini-Hochberg over `n_tests` tests. A
    test that could not be made has NaN and says why in `reason`.
    """

    feature: str
    unit: str
    test: str
    statistic: float
    p_value: float
    q_value: float
    effect_name: str
    effect: Interval
    n: int
    n_per_class: tuple[int, ...]
    median_per_class: tuple[float, ...]
    n_tests: int
    reason: str


@dataclass(frozen=True)
class Settings:
    """The choices that make the result reproducible."""

    seed: int
    n_splits: int
    n_permutations: int
    n_bootstrap: int
    n_top: int
    groups: str | None
    covariates: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class ImportanceResult:
    """Everything an importance report shows.

    `importances` is None when no model beats chance, and `reason` then says so. `notes` are what a
    reader must know before trusting the numbers.
    """

    target: TargetSummary
    folds: tuple[FoldSummary, ...]
    models: tuple[ModelResult, ...]
    comparison: Comparison | None
    clusters: tuple[Cluster, ...]
    importances: Importances | None
    reason: str
    univariate: tuple[UnivariateTest, ...]
    settings: Settings
    notes: tuple[str, ...]

    def model(self, name: str) -> ModelResult:
        """Return the model called `name`; KeyError if it was not fitted."""
        return {model.name: model for model in self.models}[name]
