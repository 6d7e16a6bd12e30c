"""Look at features before any fit: leave out what cannot be tested, flag what misleads.

Nothing here looks at the event, so leaving features out does not bias the screen's p-values.
Features whose likelihood is monotone (separation) show up in the fit: `screening` reports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.result import Dropped, FeaturePair, Preflight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = [
    "MAX_CORRELATION",
    "MAX_MISSING",
    "MAX_MODE_SHARE",
    "check_features",
    "correlated_pairs",
    "find_untestable",
    "follows_time",
    "imputed",
]

MAX_MISSING = 0.5  # share of patients; beyond it the complete cases are another cohort
MAX_MODE_SHARE = 0.95  # share of one value; caret's nearZeroVar cuts at 95/5 (Kuhn 2008)
LEAST_GAP = 1e-9  # relative; values nearer to each other differ by rounding alone
MAX_CORRELATION = 0.95  # pairs above it are flagged as one feature measured twice
_LISTED_PAIRS = 200
_BLOCK = 512


def find_untestable(
    features: NDArray[np.float64], names: tuple[str, ...]
) -> tuple[NDArray[np.intp], tuple[Dropped, ...]]:
    """Return the columns worth testing, and the others with their reason.

    Parameters
    ----------
    features : (n, m) float64
        NaN is missing.
    names : tuple of str
        m names.

    Examples
    --------
    >>> x = np.array([[1.0, 2, 1], [1, 3, 2], [1, 4, 3]])
    >>> kept, dropped = find_untestable(x, ("flat", "a", "b"))
    >>> kept.tolist(), [(d.feature, d.reason) for d in dropped]
    ([1, 2], [('flat', 'constant')])
    """
    kept: list[int] = []
    dropped: list[Dropped] = []
    seen: dict[bytes, str] = {}
    for j, name in enumerate(names):
        fault = _fault(features[:, j])
        key = np.where(np.isnan(features[:, j]), np.nan, features[:, j] + 0.0).tobytes()
        if fault is None and key in seen:
            fault = ("duplicate", f"the same values as {seen[key]}")
        if fault is None:
            seen[key] = name
            kept.append(j)
        else:
            dropped.append(Dropped(name, *fault))
    return np.asarray(kept, dtype=np.intp), tuple(dropped)


def check_features(study: Study, kept: NDArray[np.intp], dropped: tuple[Dropped, ...]) -> Preflight:
    """Report on the whole family; `kept` and `dropped` come from `find_untestable`."""
    names = tuple(study.names[j] for j in kept)
    pairs, n_pairs = correlated_pairs(study.features[:, kept], names, limit=MAX_CORRELATION)
    return Preflight(
        n_features=len(study.names),
        n_tested=int(kept.size),
        dropped=dropped,
        correlated=pairs,
        n_correlated=n_pairs,
        events_per_feature=study.outcome.events / max(int(kept.size), 1),
    )


def correlated_pairs(
    features: NDArray[np.float64], names: tuple[str, ...], *, limit: float
) -> tuple[tuple[FeaturePair, ...], int]:
    """Return the strongest pairs with |r| > `limit` (at most 200) and how many there are.

    Missing values stand at their column's mean.
    """
    z = imputed(features, np.nanmean(features, axis=0)) if features.size else features
    z = z - z.mean(axis=0)
    z = z / np.sqrt((z**2).sum(axis=0))
    found: list[FeaturePair] = []
    total = 0
    for start in range(0, z.shape[1], _BLOCK):
        r = z[:, start : start + _BLOCK].T @ z
        rows, columns = np.nonzero(np.abs(r) > limit)
        is_upper = columns > rows + start
        rows, columns = rows[is_upper], columns[is_upper]
        total += rows.size
        strongest = np.argsort(-np.abs(r[rows, columns]), kind="stable")[:_LISTED_PAIRS]
        found.extend(
            FeaturePair(names[start + rows[k]], names[columns[k]], float(r[rows[k], columns[k]]))
            for k in strongest
        )
    found.sort(key=lambda pair: -abs(pair.correlation))
    return tuple(found[:_LISTED_PAIRS]), total


def follows_time(study: Study, kept: NDArray[np.intp]) -> tuple[str, ...]:
    """Name features with |r| > 0.95 to the follow-up time: probably an outcome column."""
    time = study.outcome.time - study.outcome.time.mean()
    suspects = []
    for j in kept:
        x = study.features[:, j]
        centered = np.where(np.isnan(x), 0.0, x - np.nanmean(x))
        size = np.sqrt((centered**2).sum() * (time**2).sum())
        if size > 0 and abs(centered @ time) > MAX_CORRELATION * size:
            suspects.append(study.names[j])
    return tuple(suspects)


def imputed(features: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `features` (n, m) with NaN replaced by `values` (m,)."""
    return np.where(np.isnan(features), values, features)


def _fault(x: NDArray[np.float64]) -> tuple[str, str] | None:
    """Return why a column cannot be tested, or None."""
    known = x[~np.isnan(x)]
    if known.size == 0:
        return "all missing", f"undefined in all {x.size} patients"
    if x.size - known.size > MAX_MISSING * x.size:
        return "mostly missing", f"undefined in {x.size - known.size} of {x.size} patients"
    values, counts = _distinct(known)
    if values.size == 1:
        return "constant", f"{values[0]:g} in all {known.size} patients"
    if counts.max() > MAX_MODE_SHARE * known.size:
        value = values[counts.argmax()]
        return "near-constant", f"{value:g} in {counts.max()} of {known.size} patients"
    return None


def _distinct(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the values of x that differ by more than rounding, and how often each is there.

    Examples
    --------
    >>> _distinct(np.array([0.3, 0.1 + 0.2, 0.0, 2.0]))[1].tolist()
    [1, 2, 1]
    """
    ordered = np.sort(x)
    is_new = np.append(True, np.diff(ordered) > LEAST_GAP * np.abs(ordered[1:]))
    starts = np.flatnonzero(is_new)
    return ordered[starts], np.diff(np.append(starts, ordered.size))
