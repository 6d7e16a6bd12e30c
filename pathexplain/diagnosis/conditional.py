"""What the features outside a cluster do not tell about its members: residuals by cluster.

For jointly normal features the best guess of some from all others is linear, and both the guess
and what it misses follow from the inverse of the covariance matrix, one inverse for all clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["outside_residuals"]


def outside_residuals(
    train: NDArray[np.float64], rows: NDArray[np.float64], clusters: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.float64]]:
    """Return each cluster's residuals given all features outside of it.

    With P the inverse of the training covariance S, the residual of the members C of a row x is
    P_CC^-1 (P (x - mean))_C. S is shrunk towards a multiple of the identity (Ledoit 2004,
    10.1016/S0047-259X(03)00096-4), which makes it the residual of a ridge regression: with few
    patients and many features less is taken as explained than could be. Permuting residuals to
    permute conditionally: Fisher 2019 (JMLR 20(177)), Chamma 2023 (arXiv 2309.07593).

    Parameters
    ----------
    train : (n_train, p) float64, what the covariance is learned from
    rows : (n, p) float64
    clusters : c arrays of columns

    Returns
    -------
    c arrays, (n, n_members) float64

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 500))
    >>> x = np.column_stack([a, a + 0.1 * b, rng.normal(size=500)])
    >>> first, last = outside_residuals(x, x, [np.array([0]), np.array([2])])
    >>> bool(first.std() < 0.15), bool(last.std() > 0.9)
    (True, True)
    """
    n_train, p = train.shape
    mean = train.mean(axis=0)
    centered, moved = train - mean, rows - mean
    shrinkage = float(ledoit_wolf_shrinkage(train))
    ridge = shrinkage * float((centered**2).mean())
    if shrinkage >= 1 or p <= n_train:
        kept = 1 - shrinkage
        covariance = kept * (centered.T @ centered) / n_train
        covariance.flat[:: p + 1] += ridge
        precision = np.linalg.inv(covariance)
        whole = moved @ precision
        return [np.linalg.solve(precision[np.ix_(c, c)], whole[:, c].T).T for c in clusters]
    # Woodbury: the inverse of a p x p matrix of rank n_train plus a multiple of the identity.
    inner = centered @ centered.T
    inner.flat[:: n_train + 1] += ridge * n_train / (1 - shrinkage)
    weights = np.linalg.solve(inner, centered)
    whole = (moved - (moved @ centered.T) @ weights) / ridge
    return [
        np.linalg.solve(
            (np.eye(len(c)) - centered[:, c].T @ weights[:, c]) / ridge, whole[:, c].T
        ).T
        for c in clusters
    ]
