"""Patients drawn anew within strata, and labels dealt anew: whole patients, never single rows.

Patients are drawn within strata of those that have the same classes, so that every class is in
every resample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_counts", "permute_labels"]


def draw_counts(
    patients: NDArray[np.str_], strata: NDArray[np.str_], *, n_draws: int, seed: int
) -> NDArray[np.float64]:
    """Count how often each row's patient is drawn, (n_draws, n); with replacement.

    Parameters
    ----------
    patients : (n,) str, whose each row is
    strata : (n,) str, within which patients are drawn; the same for all rows of a patient

    Examples
    --------
    >>> names = np.array(["a", "b", "c", "c"])
    >>> draw_counts(names, np.array(["0", "0", "1", "1"]), n_draws=2, seed=0)[:, 2:].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    rng = np.random.default_rng(seed)
    names, first, row_of = np.unique(patients, return_index=True, return_inverse=True)
    counts = np.zeros((n_draws, len(names)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata[first] == stratum)
        drawn = rng.integers(0, len(members), (n_draws, len(members)))
        np.add.at(counts, (np.arange(n_draws)[:, None], members[drawn]), 1.0)
    return counts[:, row_of]


def permute_labels(
    codes: NDArray[np.int64], patients: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal the labels anew among patients, (n,) int64.

    Where all rows of a patient have one class, patients swap classes. Where they do not, the
    patients are put in another order and the row labels, in the old order, are dealt out along it:
    labels that stood together in a patient stay neighbors.

    Examples
    --------
    >>> patients = np.array(["a", "a", "b", "c"])
    >>> dealt = permute_labels(np.array([0, 0, 1, 1]), patients, np.random.default_rng(0))
    >>> bool(dealt[0] == dealt[1])
    True
    """
    names, first, row_of = np.unique(patients, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    if (codes == codes[first][row_of]).all():
        return np.asarray(codes[first][order][row_of])
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    dealt = np.empty_like(codes)
    dealt[np.argsort(rank[row_of], kind="stable")] = codes[np.argsort(row_of, kind="stable")]
    return dealt
