"""Shares of a joint effect among prompts whose masks overlap.

Shapley 1953, A value for n-person games, doi:10.1515/9781400881970-018: each prompt gets its mean
marginal effect over all orders in which prompts could be taken away, so overlapping prompts share
what is counted twice when each is taken away alone.
"""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["shapley_values"]


def shapley_values(
    worth: Mapping[tuple[int, ...], NDArray[np.float64]], *, n_players: int
) -> NDArray[np.float64]:
    """Exact Shapley values.

    Parameters
    ----------
    worth : mapping of tuple of int to (B,) float64
        Worth of every set of players, members in ascending order; the empty set is worth 0.
        B games are solved at once.
    n_players : int

    Returns
    -------
    (n_players, B) float64
        They sum to the worth of all players together.

    Raises
    ------
    KeyError
        When a set is missing.

    Examples
    --------
    >>> one = np.ones(1)
    >>> glove = {(0,): 0 * one, (1,): 0 * one, (0, 1): one}
    >>> shapley_values(glove, n_players=2).ravel().tolist()
    [0.5, 0.5]
    """
    games = np.zeros_like(worth[tuple(range(n_players))], dtype=np.float64)
    values = np.zeros((n_players, *games.shape))
    for player in range(n_players):
        others = [other for other in range(n_players) if other != player]
        for size in range(n_players):
            weight = factorial(size) * factorial(n_players - size - 1) / factorial(n_players)
            for team in combinations(others, size):
                before = worth[team] if team else games
                values[player] += weight * (worth[tuple(sorted((*team, player)))] - before)
    return values
