"""What is reported of models that beat chance: clusters, features, curves, agreement.

A part of `result`, which says what all of it has in common. Not for computing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "Agreement",
    "AgreementRow",
    "Beeswarm",
    "Cluster",
    "ClusterImportance",
    "DoseCurve",
    "FeatureImportance",
    "Importances",
    "Interval",
    "ModelImportance",
    "Stability",
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
class Cluster:
    """Features that move together; `name` is the member closest to the others."""

    name: str
    features: tuple[str, ...]
    mean_abs_spearman: float


@dataclass(frozen=True)
class FeatureImportance:
    """Mean absolute SHAP value of one feature on held-out patients.

    `share` is its part of the sum over features. `rank_low` and `rank_high` are the 95 % range of
    its rank over bootstraps in which the model was fitted anew. `direction` is ``higher`` when
    larger values push towards `class_name`, ``lower`` when they push away, ``mixed`` when neither
    (absolute Spearman of value and SHAP below 0.5), ``none`` when the models do not use it.
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
    held-out log loss when the members are permuted together, and `auroc_drop` the drop of AUROC;
    `conditional_rise` and `conditional_drop`: the same when only that part of the members is
    permuted that the other features do not tell, so what no other feature can replace.
    `rank_low` and `rank_high`: 95 % range of the rank by SHAP over bootstraps with a refit, and
    `leading_share` in which share of those the cluster is among the leading ones;
    `folds_in_top`: in how many outer folds it is.
    """

    cluster: str
    features: tuple[str, ...]
    shap: Interval
    share: float
    rank: int
    rank_low: int
    rank_high: int
    leading_share: float
    folds_in_top: int
    log_loss_rise: Interval
    auroc_drop: float
    permutation_rank: int
    conditional_rise: Interval
    conditional_drop: float
    conditional_rank: int


@dataclass(frozen=True)
class Beeswarm:
    """SHAP value and raw feature value of each held-out patient, for one feature and class.

    `patients` names the rows. `values` are in the feature's unit, NaN where it was missing (the
    model saw the fold's median).
    """

    feature: str
    unit: str
    class_name: str
    patients: tuple[str, ...]
    values: tuple[float, ...]
    shap: tuple[float, ...]


@dataclass(frozen=True)
class DoseCurve:
    """Accumulated local effect of one feature on the predicted probability, with its support.

    `probability` at each `grid` value (percentiles of the feature, in its unit), centered on the
    mean prediction, with its 95 % interval over patients; `support`: patients in the interval that
    ends at the grid value (0 at the first).
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
class Stability:
    """How well ranks survive a new draw of patients with a new fit.

    `spearman`: mean Spearman correlation between the importances of clusters in a refit and the
    reported ones, with the 2.5th and 97.5th percentile over refits. `leading` is the number of
    clusters that count as leading.
    """

    n_refits: int
    leading: int
    spearman: Interval
    description: str


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
    stability: Stability


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
