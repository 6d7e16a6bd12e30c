"""Clusters of correlated features, from the features alone.

The target is not looked at, and no model sees the clusters: they only say which features share the
credit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from pathexplain.diagnosis.result import Cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["cluster_features", "membership", "spearman_matrix"]

SAME_CLUSTER = 0.7
"""Features whose mean absolute Spearman correlation reaches this share a cluster."""


def spearman_matrix(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman correlations between columns, (p, p); gaps take the column's mean rank.

    A column without two different values has a correlation of 0 with all others.

    Examples
    --------
    >>> spearman_matrix(np.array([[1.0, 9.0], [2.0, 4.0], [3.0, 1.0]])).round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    ranks = rankdata(values, axis=0, nan_policy="omit")
    is_known = ~np.isnan(ranks)
    mean = np.where(is_known, ranks, 0.0).sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
    centered = np.where(is_known, ranks - mean, 0.0)
    norms = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(norms > 0, norms, 1.0)
    matrix = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix)


def cluster_features(values: NDArray[np.float64], features: Sequence[str]) -> tuple[Cluster, ...]:
    """Group features by average linkage on 1 - |Spearman|, cut at 0.3.

    Parameters
    ----------
    values : (n, p) float64, NaN where undefined
    features : p names

    Returns
    -------
    Clusters in the order of their first feature; every feature is in exactly one.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 1.0], [3.0, 6.0, 2.0]])
    >>> [cluster.features for cluster in cluster_features(x, ["a", "twice_a", "b"])]
    [('a', 'twice_a'), ('b',)]
    """
    correlation = np.abs(spearman_matrix(values))
    if len(features) == 1:
        return (Cluster(features[0], (features[0],), 1.0),)
    distance = 1 - (correlation + correlation.T) / 2
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    labels = fcluster(tree, t=1 - SAME_CLUSTER, criterion="distance")
    _, first = np.unique(labels, return_index=True)
    return tuple(
        _describe(np.flatnonzero(labels == labels[i]), correlation, features)
        for i in np.sort(first)
    )


def membership(clusters: Sequence[Cluster], features: Sequence[str]) -> NDArray[np.bool_]:
    """Return which feature is in which cluster, (p, n_clusters) bool.

    Examples
    --------
    >>> membership([Cluster("a", ("a", "b"), 0.9)], ["a", "b"]).tolist()
    [[True], [True]]
    """
    position = {name: i for i, name in enumerate(features)}
    table = np.zeros((len(features), len(clusters)), dtype=bool)
    for i_cluster, cluster in enumerate(clusters):
        table[[position[name] for name in cluster.features], i_cluster] = True
    return table


def _describe(
    members: NDArray[np.int64], correlation: NDArray[np.float64], features: Sequence[str]
) -> Cluster:
    """Name a cluster after the member closest to the others."""
    inside = correlation[np.ix_(members, members)]
    n = len(members)
    mean = float((inside.sum() - n) / (n * (n - 1))) if n > 1 else 1.0
    center = int(members[inside.sum(axis=1).round(12).argmax()])
    return Cluster(features[center], tuple(features[i] for i in members), mean)
