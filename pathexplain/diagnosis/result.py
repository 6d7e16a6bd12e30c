"""What an importance analysis returns: frozen dataclasses that hold every number a report shows.

Not for computing: a report renders these as they are. Intervals are 95 % percentile intervals
over patients, with the fitted models held fixed, unless another is named; NaN means "undefined"
and is written as ``null``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.explained import (
    Agreement,
    AgreementRow,
    Beeswarm,
    Cluster,
    ClusterImportance,
    DoseCurve,
    FeatureImportance,
    Importances,
    Interval,
    ModelImportance,
    Stability,
)

if TYPE_CHECKING:
    from pathexplain.diagnosis.target import Kind

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
    "DroppedFeatures",
    "FeatureImportance",
    "FoldSummary",
    "ImportanceResult",
    "Importances",
    "Interval",
    "LostPatients",
    "Metric",
    "MixedTest",
    "ModelImportance",
    "ModelResult",
    "NullDistribution",
    "Prediction",
    "RocCurve",
    "Settings",
    "Stability",
    "TargetSummary",
    "UnivariateTest",
]


@dataclass(frozen=True)
class LostPatients:
    """Rows (patients, or their slides) that the analysis could not use, and why."""

    reason: str
    n: int
    patients: tuple[str, ...]


@dataclass(frozen=True)
class DroppedFeatures:
    """Features that were left out before anything was fitted, and why."""

    reason: str
    n: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class TargetSummary:
    """The target column after parsing; `positive` is the class that binary scores point to.

    `counts` are patients by class; a patient with rows of two classes counts in both. `n_rows` is
    larger than `n_patients` where a patient has several rows.
    """

    column: str
    classes: tuple[str, ...]
    kind: Kind
    counts: tuple[int, ...]
    positive: str | None
    n_patients: int
    n_rows: int
    n_features: int
    lost: tuple[LostPatients, ...]
    dropped: tuple[DroppedFeatures, ...] = ()


@dataclass(frozen=True)
class FoldSummary:
    """One outer fold: patients that train and are held out, rows of them by class, and sites."""

    index: int
    n_train: int
    n_test: int
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    test_sites: tuple[str, ...]


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
    """One row's held-out prediction; `probabilities` follow the classes of the target."""

    sample: str
    patient: str
    fold: int
    observed: str
    predicted: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class NullDistribution:
    """AUROC with permuted labels, and the chance of one as high as observed.

    `observed` is what the p-values compare with: the AUROC that the same way of fitting reaches on
    the real labels, or the model's own where that is lower. `p_adjusted` compares it with the
    highest AUROC of all models in each permutation (Westfall and Young's max-T), so it holds for
    all models together. `description` says how the null was made.
    """

    n_permutations: int
    observed: float
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
class UnivariateTest:
    """One feature against the target, by ranks; one value a patient (the mean of its rows).

    `effect` is Cliff's delta for two classes (positive when the positive class has the larger
    values), epsilon squared for more, Spearman's rho for ordered ones. `q_value` is Benjamini and
    Hochberg's over `n_tests` tests. A test that could not be made has NaN and says why in `reason`.
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
class MixedTest:
    """One feature against the target in a linear mixed model with random intercepts.

    `effect` is the difference between the highest and the first class in standard deviations of
    the rank-normalized feature, with a Wald interval; `p_value` is of the Wald test of all class
    terms. `variance_share` is the share of the variance between the random groups.
    """

    feature: str
    effect: Interval
    p_value: float
    q_value: float
    variance_share: float
    n: int
    n_groups: int
    n_tests: int
    reason: str


@dataclass(frozen=True)
class Settings:
    """The choices that make the result reproducible."""

    seed: int
    n_splits: int
    n_permutations: int
    n_bootstrap: int
    n_refits: int
    n_top: int
    groups: str | None
    site: str | None
    folds: str | None
    covariates: tuple[str, ...]
    models: tuple[str, ...]
    min_icc: float | None = None


@dataclass(frozen=True)
class ImportanceResult:
    """Everything an importance report shows.

    `importances` is None when no model beats chance, and `reason` then says so. `mixed` is empty
    where every patient has one row and no site is named; `mixed_model` says what was fitted.
    `notes` are what a reader must know before trusting the numbers.
    """

    target: TargetSummary
    folds: tuple[FoldSummary, ...]
    models: tuple[ModelResult, ...]
    comparison: Comparison | None
    clusters: tuple[Cluster, ...]
    importances: Importances | None
    reason: str
    univariate: tuple[UnivariateTest, ...]
    mixed: tuple[MixedTest, ...]
    mixed_model: str
    settings: Settings
    notes: tuple[str, ...]

    def model(self, name: str) -> ModelResult:
        """Return the model called `name`; KeyError if it was not fitted."""
        return {model.name: model for model in self.models}[name]
