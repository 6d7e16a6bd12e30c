"""The rule by which a feature is reported, over plain arrays: family-wise p and stability.

A marginal test also finds the neighbors of a feature that carries survival, and a stable selection
has no error probability of its own: a reported biomarker passes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.max_t import max_t
from pathexplain.prognosis.stability import StabilitySelection, stability_selection

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Discovery", "discover"]


@dataclass(frozen=True)
class Discovery:
    """What m features came to: `p_max_t` (m,) step-down, `reported` (m,) bool.

    `stability` is None where no feature passed max-T, so that nothing was left to select.
    """

    p_max_t: NDArray[np.float64]
    stability: StabilitySelection | None
    reported: NDArray[np.bool_]
    alpha: float


def discover(  # noqa: PLR0913  the outcome, its design, and the choices of both methods
    features: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    covariates: NDArray[np.float64] | None = None,
    alpha: float = 0.05,
    threshold: float = 0.75,
    max_false: float = 0.5,
    n_permutations: int = 1000,
    n_pairs: int = 50,
    seed: int = 0,
) -> Discovery:
    """Report features with a max-T p up to `alpha` that stability selection selects as well.

    Arguments are those of `max_t` and `stability_selection`. The family-wise error is at most
    `alpha`; the expected number of stable but false features at most `max_false`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 20))
    >>> time = rng.exponential(np.exp(-x[:, 3]))
    >>> found = discover(x, time, np.ones(200, bool), n_permutations=99, n_pairs=10)
    >>> np.flatnonzero(found.reported).tolist()
    [3]
    """
    p = max_t(
        features,
        time,
        event,
        entry=entry,
        strata=strata,
        covariates=covariates,
        n_permutations=n_permutations,
        seed=seed,
    ).step_down
    if not (p <= alpha).any():
        return Discovery(p, None, np.zeros(p.size, dtype=bool), alpha)
    stable = stability_selection(
        features,
        time,
        event,
        entry=entry,
        strata=strata,
        covariates=covariates,
        threshold=threshold,
        max_false=max_false,
        n_pairs=n_pairs,
        seed=seed,
    )
    return Discovery(p, stable, (p <= alpha) & stable.selected, alpha)
