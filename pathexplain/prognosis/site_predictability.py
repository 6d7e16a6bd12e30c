"""Whether a feature tells the site: then it may carry the scanner, not the patient.

Not for adjusting: stratify by site, or leave sites out. Reference: Howard et al. (2021)
doi 10.1038/s41467-021-24698-1 (site signatures in digital histology).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SitePredictability", "site_predictability"]

WARN_AUC = 0.7  # mean one-against-rest AUC above which a feature is flagged (own choice)
MIN_AT_SITE = 5
MIN_SITES = 2


@dataclass(frozen=True)
class SitePredictability:
    """How well each of m features tells sites apart.

    `auc` (m,) is the mean over sites of the one-against-rest area, each taken in its better
    direction (0.5 to 1); `eta_squared` (m,) the share of the feature's rank variance between
    sites; `p` (m,) Kruskal and Wallis's. `warns` (m,) where the AUC is at least 0.7 and p, Holm
    adjusted, below 0.05. NaN for a feature that is constant or known at one site alone. `sites` are
    those with at least 5 patients; the others are left out.
    """

    auc: NDArray[np.float64]
    eta_squared: NDArray[np.float64]
    p: NDArray[np.float64]
    p_holm: NDArray[np.float64]
    warns: NDArray[np.bool_]
    sites: tuple[str, ...]


def site_predictability(
    features: NDArray[np.float64], site: NDArray[np.str_]
) -> SitePredictability:
    """Test each feature (n, m) for differences between the sites (n,) of the patients.

    Raises
    ------
    CohortError
        If fewer than two sites have 5 patients.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> site = np.repeat(["A", "B"], 50)
    >>> x = rng.normal(size=(100, 2)) + np.outer(site == "B", [2.0, 0.0])
    >>> site_predictability(x, site).warns.tolist()
    [True, False]
    """
    names, counts = np.unique(site, return_counts=True)
    sites = tuple(str(name) for name in names[counts >= MIN_AT_SITE])
    if len(sites) < MIN_SITES:
        message = f"{len(sites)} sites have at least {MIN_AT_SITE} patients; two are needed"
        raise CohortError(message)
    rows = np.array([_of_feature(column, site, sites) for column in features.T])
    rows = rows.reshape(-1, 3)
    p_holm = _holm(rows[:, 2])
    with np.errstate(invalid="ignore"):
        warns = (rows[:, 0] >= WARN_AUC) & (p_holm < 0.05)  # noqa: PLR2004  said in the docstring
    return SitePredictability(rows[:, 0], rows[:, 1], rows[:, 2], p_holm, warns, sites)


def _of_feature(
    x: NDArray[np.float64], site: NDArray[np.str_], sites: tuple[str, ...]
) -> tuple[float, float, float]:
    """Return mean AUC, eta squared of ranks, and p of one feature."""
    kept = np.isfinite(x) & np.isin(site, sites)
    values, labels = x[kept], site[kept]
    present = [name for name in sites if (labels == name).any()]
    if len(present) < MIN_SITES or np.ptp(values) == 0:
        return (float("nan"),) * 3
    areas = [roc_auc_score(labels == name, values) for name in present]
    statistic, p = stats.kruskal(*(values[labels == name] for name in present))
    mean_auc = float(np.mean([max(area, 1.0 - area) for area in areas]))
    return mean_auc, float(statistic / (values.size - 1)), float(p)


def _holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust for the family, NaN staying NaN."""
    from pathexplain.prognosis.screening import adjust_holm

    return adjust_holm(p)
