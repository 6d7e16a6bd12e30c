"""Stability selection: which features an elastic-net Cox path keeps choosing in half samples.

Not for p-values (`max_t`) and not for estimates: the path shrinks, and only counts matter here.
References: Meinshausen and Buhlmann (2010) doi 10.1111/j.1467-9868.2010.00740.x; complementary
pairs: Shah and Samworth (2013) doi 10.1111/j.1467-9868.2011.01034.x.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError, FitError
from pathexplain.prognosis.cox import processors
from pathexplain.prognosis.coxnet import coxnet_path
from pathexplain.prognosis.risk_sets import risk_order
from pathexplain.prognosis.selection_bounds import (
    largest_q,
    meinshausen_buhlmann_bound,
    shah_samworth_bound,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "ArtificialControl",
    "StabilitySelection",
    "artificial_feature_control",
    "stability_selection",
]

MIN_EVENTS_IN_HALF = 5
N_ALPHAS, LAST_ALPHA = 60, 0.02  # of each path, which ends when q features are in


@dataclass(frozen=True)
class StabilitySelection:
    """How often each of m features was among the first `q` of a half sample's path.

    `frequency` (m,) is over the `n_samples` half samples that could be fitted, `n_failed` could
    not. `selected` (m,) has frequency >= `threshold`. `bound_mb` and `bound_ss` bound the expected
    number of false selections, after Meinshausen and Buhlmann and after Shah and Samworth
    (r-concave); `q_mean` is how many features a half sample selected on average.
    """

    frequency: NDArray[np.float64]
    selected: NDArray[np.bool_]
    q: int
    q_mean: float
    threshold: float
    bound_mb: float
    bound_ss: float
    n_samples: int
    n_failed: int


@dataclass(frozen=True)
class ArtificialControl:
    """Stability selection with artificial features, which carry nothing, beside the real ones.

    Artificial features are the real ones with their patients permuted together, so that they keep
    distributions and correlations. `frequency` (m,) is of the real features, averaged over
    `n_draws`; `artificial_highest` (n_draws,) is the highest artificial frequency of each draw,
    `artificial_selected` (n_draws,) how many artificial features reached the threshold, and
    `exceeds` (m,) whether a feature was selected more often than the highest artificial one in
    every draw.
    """

    frequency: NDArray[np.float64]
    artificial_highest: NDArray[np.float64]
    artificial_selected: NDArray[np.int64]
    exceeds: NDArray[np.bool_]
    threshold: float
    n_draws: int


def stability_selection(  # noqa: PLR0913  the outcome, its design, and the choices of the method
    features: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    covariates: NDArray[np.float64] | None = None,
    threshold: float = 0.75,
    max_false: float = 1.0,
    q: int | None = None,
    n_pairs: int = 50,
    l1_ratio: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> StabilitySelection:
    """Count how often each feature is among the first that enter an elastic-net Cox path.

    Each of `n_pairs` random splits of the patients gives two half samples (events dealt evenly,
    within strata); in each, features are imputed at the median and scaled, and the path is followed
    until `q` features have entered.

    Parameters
    ----------
    features : (n, m) float64
        NaN is missing. Constant features are never selected.
    time, event, entry, strata
        As in `risk_order`.
    covariates : (n, q) float64, optional
        Complete columns that stand in every model without penalty.
    threshold : float
        Share of half samples that selects a feature, above 0.5 to 1.
    max_false : float
        Shah and Samworth's bound on expected false selections, which decides `q` where that is not
        given.
    q : int, optional
        Features that a half sample selects.
    n_pairs : int
        Complementary pairs of half samples.
    l1_ratio : float
        1 is the lasso.
    seed : int
        Same seed, same result.
    progress : callable, optional
        Called with pairs done and in all.

    Raises
    ------
    CohortError
        If events do not suffice for halves, or an option is out of range.
    FitError
        If no half sample could be fitted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 20))
    >>> time = rng.exponential(np.exp(-x[:, 3]))
    >>> found = stability_selection(x, time, np.ones(200, bool), n_pairs=10)
    >>> np.flatnonzero(found.selected).tolist()
    [3]
    """
    m = features.shape[1]
    if event.sum() < 2 * MIN_EVENTS_IN_HALF:
        message = f"{int(event.sum())} events are too few to halve: {2 * MIN_EVENTS_IN_HALF} needed"
        raise CohortError(message)
    size = largest_q(m, threshold, max_false=max_false, n_pairs=n_pairs) if q is None else q
    bounds = (
        meinshausen_buhlmann_bound(size, m, threshold),
        shah_samworth_bound(size, m, threshold, n_pairs=n_pairs),
    )
    beside = np.zeros((time.size, 0)) if covariates is None else covariates
    halves = _halves(event, strata, n_pairs, np.random.default_rng(seed))

    def chosen(rows: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        return _select_half(
            np.column_stack([beside[rows], features[rows]]),
            (time[rows], event[rows]),
            (None if entry is None else entry[rows], None if strata is None else strata[rows]),
            beside.shape[1],
            size,
            l1_ratio,
        )

    counts, sizes, done = np.zeros(m), [], 0
    with ThreadPoolExecutor(processors()) as pool:
        for choice in pool.map(chosen, halves):
            done += 1
            if choice is not None:
                counts += choice
                sizes.append(int(choice.sum()))
            if progress is not None and done % 2 == 0:
                progress(done // 2, n_pairs)
    if not sizes:
        message = f"none of {len(halves)} half samples could be fitted; look for separation"
        raise FitError(message)
    frequency = counts / len(sizes)
    return StabilitySelection(
        frequency=frequency,
        selected=frequency >= threshold - 1e-12,
        q=size,
        q_mean=float(np.mean(sizes)),
        threshold=threshold,
        bound_mb=bounds[0],
        bound_ss=bounds[1],
        n_samples=len(sizes),
        n_failed=len(halves) - len(sizes),
    )


def artificial_feature_control(  # noqa: PLR0913  the choices of stability_selection, once more
    features: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    covariates: NDArray[np.float64] | None = None,
    threshold: float = 0.75,
    q: int | None = None,
    n_pairs: int = 25,
    n_draws: int = 3,
    seed: int = 0,
) -> ArtificialControl:
    """Run stability selection on the features and as many artificial ones.

    Artificial features compete for the same places, as knockoffs do, but are permuted rather than
    exchangeable with the real ones: a control, not a proof.

    References
    ----------
    Wu, Boos and Stefanski (2007), doi 10.1198/016214506000000843 (pseudovariables).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 10))
    >>> time = rng.exponential(np.exp(-x[:, 3]))
    >>> control = artificial_feature_control(x, time, np.ones(200, bool), n_pairs=10, n_draws=2)
    >>> bool(control.exceeds[3]), control.artificial_selected.tolist()
    (True, [0, 0])
    """
    generator = np.random.default_rng(seed)
    m = features.shape[1]
    real, artificial = [], []
    for draw in range(n_draws):
        order = np.arange(time.size)
        groups = np.zeros(time.size, np.int64) if strata is None else strata
        for code in np.unique(groups):
            rows = np.flatnonzero(groups == code)
            order[rows] = generator.permutation(rows)
        found = stability_selection(
            np.column_stack([features, features[order]]),
            time,
            event,
            entry=entry,
            strata=strata,
            covariates=covariates,
            threshold=threshold,
            q=q,
            n_pairs=n_pairs,
            seed=seed + draw,
        )
        real.append(found.frequency[:m])
        artificial.append(found.frequency[m:])
    highest = np.max(artificial, axis=1)
    return ArtificialControl(
        frequency=np.mean(real, axis=0),
        artificial_highest=highest,
        artificial_selected=(np.asarray(artificial) >= threshold - 1e-12).sum(axis=1),
        exceeds=(np.asarray(real) > highest[:, None]).all(axis=0),
        threshold=threshold,
        n_draws=n_draws,
    )


def _halves(
    event: NDArray[np.bool_],
    strata: NDArray[np.int64] | None,
    n_pairs: int,
    generator: np.random.Generator,
) -> list[NDArray[np.intp]]:
    """Split the patients in two, again and again, events and strata dealt evenly."""
    kind = event.astype(np.int64) + (0 if strata is None else 2 * strata)
    halves = []
    for _ in range(n_pairs):
        order = generator.permutation(event.size)
        order = order[np.argsort(kind[order], kind="stable")]
        halves.extend([np.sort(order[0::2]), np.sort(order[1::2])])
    return halves


def _select_half(
    columns: NDArray[np.float64],
    outcome: tuple[NDArray[np.float64], NDArray[np.bool_]],
    design: tuple[NDArray[np.float64] | None, NDArray[np.int64] | None],
    n_free: int,
    q: int,
    l1_ratio: float,
) -> NDArray[np.bool_] | None:
    """Return which penalized columns are the first `q` to enter; None where nothing can be fitted.

    Columns that enter at one penalty are ranked by their coefficient there.
    """
    z, is_usable = _scaled(columns)
    if n_free and not is_usable[:n_free].all():
        return None
    factor = np.where(np.arange(z.shape[1]) < n_free, 0.0, 1.0)
    risk = risk_order(*outcome, entry=design[0], strata=design[1])
    chosen = np.zeros(z.shape[1] - n_free, dtype=bool)
    if not is_usable[n_free:].any() or risk.events == 0:
        return None
    try:
        path = coxnet_path(
            z[:, is_usable],
            risk,
            l1_ratio=l1_ratio,
            n_alphas=N_ALPHAS,
            alpha_min_ratio=LAST_ALPHA,
            penalty_factor=factor[is_usable],
            max_features=q,
        )
    except FitError:
        return None
    beta = np.zeros((path.alphas.size, z.shape[1]))
    beta[:, is_usable] = path.beta
    beta = beta[:, n_free:]
    entered = np.where((beta != 0).any(axis=0), (beta != 0).argmax(axis=0), beta.shape[0])
    size = np.abs(beta[np.minimum(entered, beta.shape[0] - 1), np.arange(beta.shape[1])])
    first = np.lexsort((-size, entered))[:q]
    chosen[first[entered[first] < beta.shape[0]]] = True
    return chosen


def _scaled(columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Impute at the median, center, scale; say which columns vary."""
    known = np.isfinite(columns).any(axis=0)
    filled = np.where(known, columns, 0.0)
    missing = np.isnan(filled)
    if missing.any():
        filled = np.where(missing, np.nanmedian(filled, axis=0), filled)
    sd = filled.std(axis=0)
    is_usable = known & (sd > 1e-12 * (np.abs(filled).max(axis=0) + np.finfo(float).tiny))
    return (filled - filled.mean(axis=0)) / np.where(is_usable, sd, 1.0), is_usable
