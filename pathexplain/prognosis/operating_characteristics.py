"""How often the discovery procedure errs and finds, counted on simulated cohorts with known truth.

Not for tissue (`phantom`): features are drawn as numbers, in correlated blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each, risk_order
from pathexplain.prognosis.cutpoints import search_cut_point
from pathexplain.prognosis.discovery import discover
from pathexplain.prognosis.site_predictability import site_predictability

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "CutPointErrors",
    "Design",
    "DiscoveryRates",
    "SiteWarnings",
    "draw_cohort",
    "simulate_cut_points",
    "simulate_discovery",
    "simulate_sites",
]

LEVEL = 0.05


@dataclass(frozen=True)
class Design:
    """A simulated cohort: `n` patients of whom `events` fail, `m` features in blocks.

    Features of a block of `block` correlate by `correlation`, others not at all. The first feature
    of each of the first `n_planted` blocks has hazard ratio `hr` per SD.
    """

    n: int = 600
    events: int = 300
    m: int = 1000
    block: int = 10
    correlation: float = 0.6
    n_planted: int = 0
    hr: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not (self.events < self.n and self.m % self.block == 0 and 0 <= self.correlation < 1):
            message = f"{self}: events below n, blocks that fill m, a correlation from 0 to below 1"
            raise CohortError(message)

    @property
    def planted(self) -> NDArray[np.intp]:
        """Columns that carry survival."""
        return np.arange(self.n_planted) * self.block


@dataclass(frozen=True)
class DiscoveryRates:
    """Counts over `n_cohorts` cohorts of one design.

    `family_wise_error` is the share with any false report, `power` the share of planted features
    reported (NaN without any), `false_discovery_rate` the mean share of false among reported;
    `family_wise_error_max_t` and `false_discovery_rate_max_t` are those of the max-T test alone.
    A feature that correlates with a planted one is false. `p_uniform` tests that the screen's p of
    the last feature is uniform over cohorts (Kolmogorov and Smirnov); it carries nothing.
    """

    design: Design
    n_cohorts: int
    family_wise_error: float
    power: float
    false_discovery_rate: float
    family_wise_error_max_t: float
    false_discovery_rate_max_t: float
    screen_share_below_level: float
    p_uniform: float


@dataclass(frozen=True)
class CutPointErrors:
    """Shares of p <= 0.05 over null cohorts, and tests that each kind of p is uniform."""

    n: int
    n_cohorts: int
    naive: float
    lausen_schumacher: float
    permutation: float
    p_uniform_naive: float
    p_uniform_permutation: float


@dataclass(frozen=True)
class SiteWarnings:
    """Site-confounded cohorts: how often the confounded feature is reported and warned about.

    `reported_stratified` is the share that reports it still when sites are strata;
    `warned_unconfounded` the share of warnings about a feature without a site effect.
    """

    n_cohorts: int
    reported: float
    warned: float
    warned_and_reported: float
    reported_stratified: float
    warned_unconfounded: float


def draw_cohort(
    design: Design, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return features (n, m), times and events (n,): exponential failure, some random censoring.

    The study ends when `events` events are seen.

    Examples
    --------
    >>> x, time, event = draw_cohort(Design(n=60, events=30, m=20), np.random.default_rng(0))
    >>> x.shape, int(event.sum())
    ((60, 20), 30)
    """
    shared = generator.normal(size=(design.n, design.m // design.block))
    own = generator.normal(size=(design.n, design.m))
    x = np.sqrt(design.correlation) * np.repeat(shared, design.block, axis=1)
    x = x + np.sqrt(1.0 - design.correlation) * own
    log_hazard = np.log(design.hr) * x[:, design.planted].sum(axis=1)
    failure = generator.exponential(np.exp(-log_hazard))
    censoring = generator.exponential(4.0, design.n)
    time, event = np.minimum(failure, censoring), failure <= censoring
    if event.sum() < design.events:
        message = f"{design}: fewer than {design.events} events before all are censored"
        raise CohortError(message)
    end = np.sort(time[event])[design.events - 1]
    return x, np.minimum(time, end), event & (time <= end)


def simulate_discovery(
    design: Design,
    *,
    n_cohorts: int,
    n_permutations: int = 500,
    n_pairs: int = 50,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DiscoveryRates:
    """Run `discover` on cohorts of a design and count what it reports.

    Examples
    --------
    >>> small = Design(n=80, events=50, m=20, n_planted=1, hr=2.5)
    >>> rates = simulate_discovery(small, n_cohorts=4, n_permutations=99, n_pairs=5)
    >>> rates.power
    1.0
    """
    is_true = np.isin(np.arange(design.m), design.planted)
    found: list[float] = []
    p: list[float] = []
    false: dict[str, list[int]] = {"rule": [], "max_t": []}
    share: dict[str, list[float]] = {"rule": [], "max_t": []}
    for k in range(n_cohorts):
        generator = np.random.default_rng(np.random.SeedSequence((seed, k)))
        x, time, event = draw_cohort(design, generator)
        result = discover(
            x, time, event, n_permutations=n_permutations, n_pairs=n_pairs, seed=seed + k
        )
        passed = result.p_max_t <= result.alpha
        p.append(float(fit_each(x[:, -1:], risk_order(time, event), threads=1).p[0]))
        found.append(float(result.reported[is_true].mean()) if design.n_planted else np.nan)
        for name, reported in (("rule", result.reported), ("max_t", passed)):
            n_false = int((reported & ~is_true).sum())
            false[name].append(n_false)
            share[name].append(n_false / max(int(reported.sum()), 1))
        if progress is not None:
            progress(k + 1, n_cohorts)
    return DiscoveryRates(
        design=design,
        n_cohorts=n_cohorts,
        family_wise_error=float(np.mean(np.asarray(false["rule"]) > 0)),
        power=float(np.mean(found)),
        false_discovery_rate=float(np.mean(share["rule"])),
        family_wise_error_max_t=float(np.mean(np.asarray(false["max_t"]) > 0)),
        false_discovery_rate_max_t=float(np.mean(share["max_t"])),
        screen_share_below_level=float(np.mean(np.asarray(p) <= LEVEL)),
        p_uniform=float(stats.kstest(p, "uniform").pvalue),
    )


def simulate_cut_points(
    n: int, *, n_cohorts: int, n_permutations: int = 199, seed: int = 0
) -> CutPointErrors:
    """Search cuts of a feature that carries nothing, in cohorts of `n` patients.

    Examples
    --------
    >>> errors = simulate_cut_points(60, n_cohorts=30, n_permutations=19)
    >>> errors.naive > errors.permutation
    True
    """
    naive, asymptotic, exact = [], [], []
    for k in range(n_cohorts):
        generator = np.random.default_rng(np.random.SeedSequence((seed, k)))
        time, event = generator.exponential(size=n), generator.random(n) < 0.6  # noqa: PLR2004
        x = generator.normal(size=n)
        found = search_cut_point(x, time, event, n_permutations=n_permutations, seed=seed + k)
        naive.append(found.naive.p)
        asymptotic.append(found.p_lausen_schumacher)
        exact.append(found.p_permutation)
    return CutPointErrors(
        n=n,
        n_cohorts=n_cohorts,
        naive=float(np.mean(np.asarray(naive) <= LEVEL)),
        lausen_schumacher=float(np.mean(np.asarray(asymptotic) <= LEVEL)),
        permutation=float(np.mean(np.asarray(exact) <= LEVEL)),
        p_uniform_naive=float(stats.kstest(naive, "uniform").pvalue),
        p_uniform_permutation=float(stats.kstest(exact, "uniform").pvalue),
    )


def simulate_sites(
    design: Design,
    *,
    n_cohorts: int,
    shift_sd: float = 1.5,
    site_hr: float = 2.5,
    n_permutations: int = 500,
    n_pairs: int = 50,
    seed: int = 0,
) -> SiteWarnings:
    """Draw cohorts of two sites that differ in survival and, by `shift_sd`, in the first feature.

    The feature carries nothing within a site. `design.n_planted` is not used.

    Examples
    --------
    >>> small = Design(n=120, events=80, m=10)
    >>> simulate_sites(small, n_cohorts=3, n_permutations=99, n_pairs=5).warned
    1.0
    """
    plain = Design(design.n, design.events, design.m, design.block, design.correlation)
    rows = []
    for k in range(n_cohorts):
        generator = np.random.default_rng(np.random.SeedSequence((seed, k)))
        x, _, _ = draw_cohort(plain, generator)
        second = generator.random(plain.n) < 0.5  # noqa: PLR2004  two sites of one size
        x[:, 0] += shift_sd * second
        time = generator.exponential(np.where(second, 1.0 / site_hr, 1.0))
        event = time <= np.sort(time)[plain.events - 1]
        time = np.minimum(time, time[event].max())
        pooled, within = (
            discover(
                x,
                time,
                event,
                strata=strata,
                n_permutations=n_permutations,
                n_pairs=n_pairs,
                seed=seed + k,
            ).reported[0]
            for strata in (None, second.astype(np.int64))
        )
        warns = site_predictability(x, np.where(second, "B", "A")).warns
        rows.append((pooled, warns[0], pooled & warns[0], within, warns[1:].any()))
    return SiteWarnings(n_cohorts, *(float(value) for value in np.mean(rows, axis=0)))
