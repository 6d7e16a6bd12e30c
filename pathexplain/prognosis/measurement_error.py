"""What a hazard ratio would be if the feature were measured without error, given its ICC.

Not a substitute for better measurement: a sensitivity analysis. References: Cook and Stefanski
(1994) doi 10.1080/01621459.1994.10476871 (SIMEX); Prentice (1982) doi 10.1093/biomet/69.2.331 and
Rosner et al. (1989) doi 10.1002/sim.4780080905 (regression calibration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each
from pathexplain.prognosis.risk_sets import risk_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Corrected", "Simex", "regression_calibration", "simex"]

LAMBDAS = (0.5, 1.0, 1.5, 2.0)
MIN_FITS = 0.9  # share of the added-error fits that must exist


@dataclass(frozen=True)
class Corrected:
    """A log hazard ratio per unit of the feature, and its standard error."""

    beta: float
    se: float


@dataclass(frozen=True)
class Simex:
    """Log hazard ratios as error is added, and extrapolated to none.

    `lambdas` (k,) are the added error variances over the present one, from 0; `beta` (k,) the mean
    coefficients at each. `naive` is what was fitted, `corrected` the extrapolation to -1, NaN where
    the naive fit has no maximum.
    """

    naive: Corrected
    corrected: Corrected
    lambdas: tuple[float, ...]
    beta: tuple[float, ...]
    icc: float
    n_simulations: int
    status: str


def regression_calibration(beta: float, se: float, icc: float) -> Corrected:
    """Divide by the ICC: the slope of the true feature on the measured one, when error is random.

    Good for rare events or small effects; it takes the ICC as known.

    Examples
    --------
    >>> regression_calibration(0.4, 0.1, 0.8)
    Corrected(beta=0.5, se=0.125)
    """
    _check(icc)
    return Corrected(beta / icc, se / icc)


def simex(  # noqa: PLR0913  the outcome, its design, and the choices of the method
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    icc: float,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    covariates: NDArray[np.float64] | None = None,
    n_simulations: int = 100,
    seed: int = 0,
) -> Simex:
    """Add error to the feature, see how the coefficient shrinks, extrapolate to no error.

    The error variance is ``(1 - icc)`` of the feature's; the extrapolation is quadratic. The
    standard error extrapolates the variance of Stefanski and Cook (1995).

    Parameters
    ----------
    x : (n,) float64
        The feature as measured; NaN is left out.
    time, event, entry, strata
        As in `risk_order`.
    icc : float
        Share of the feature's variance between patients, above 0 to 1 (1: no error).
    covariates : (n, q) float64, optional
        Measured without error.
    n_simulations : int
        Draws of error at each level.
    seed : int
        Same seed, same result.

    References
    ----------
    Stefanski and Cook (1995), doi 10.1080/01621459.1995.10476629.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = rng.normal(size=800)
    >>> time = rng.exponential(np.exp(-0.5 * true))
    >>> found = simex(true + rng.normal(size=800) * 0.5, time, np.ones(800, bool), icc=0.8)
    >>> found.naive.beta < found.corrected.beta
    True
    """
    _check(icc)
    risk = risk_order(time, event, entry=entry, strata=strata)
    first = fit_each(x[:, None], risk, covariates=covariates)
    naive = Corrected(float(first.beta[0]), float(first.se[0]))
    lambdas = (0.0, *LAMBDAS)
    nothing = Corrected(float("nan"), float("nan"))
    if first.status[0] != "ok":
        return Simex(naive, nothing, lambdas, (naive.beta,), icc, n_simulations, first.status[0])
    generator = np.random.default_rng(seed)
    sd = float(np.nanstd(x, ddof=1)) * np.sqrt(1.0 - icc)
    means, variances = [naive.beta], [naive.se**2]
    for level in LAMBDAS:
        noise = generator.normal(size=(x.size, n_simulations)) * sd * np.sqrt(level)
        fits = fit_each(x[:, None] + noise, risk, covariates=covariates)
        beta = fits.beta[np.isfinite(fits.beta)]
        if beta.size < max(MIN_FITS * n_simulations, 2):
            status = f"{n_simulations - beta.size} of {n_simulations} fits with added error failed"
            return Simex(naive, nothing, lambdas, tuple(means), icc, n_simulations, status)
        means.append(float(beta.mean()))
        variances.append(float(np.nanmean(fits.se**2) - beta.var(ddof=1)))
    corrected = _extrapolate(lambdas, means)
    variance = _extrapolate(lambdas, variances)
    se = float(np.sqrt(variance)) if variance > 0 else float("nan")
    found = Corrected(corrected, se)
    return Simex(naive, found, lambdas, tuple(means), icc, n_simulations, "ok")


def _extrapolate(lambdas: tuple[float, ...], values: list[float]) -> float:
    """Return the quadratic through `values` at -1."""
    return float(np.polynomial.Polynomial.fit(lambdas, values, 2)(-1.0))


def _check(icc: float) -> None:
    """Refuse an ICC from which nothing can be corrected."""
    if not 0 < icc <= 1:
        message = f"an ICC of {icc} cannot be corrected for; it lies above 0 and up to 1"
        raise CohortError(message)
