"""Univariable Cox screen: our features per second against loops over lifelines and scikit-survival.

1,000 patients, about 60 % events, times rounded so that they tie, Efron ties everywhere. Ours fits
1,000 features; a peer fits the first 20 of the same matrix and its time is scaled by 50, since
each of its fits is independent of the others. The ratios compare processor seconds of one thread
of ours with those of a peer, so other load on the machine does not enter; wall-clock seconds with
all threads stand beside them. Compilation is not timed (it is cached on disk). The best of three
runs counts for ours, the only run for a peer. A thousand permutations of the screen are timed on
the wall with all threads: by the score statistic, and with every feature refitted each time.
"""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter

from pathexplain.prognosis.cox import CoxFits, fit_each, risk_order
from pathexplain.prognosis.max_t import max_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PATIENTS, FEATURES, PEER_FEATURES, REPEATS = 1000, 1000, 20, 3
PERMUTATIONS = 1000
GROWTH = (500, 1000, 2000, 5000)


def make_cohort(
    n: int, m: int, *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return features (n, m), of which the first ten carry survival, times and events."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, m))
    failure = generator.exponential(np.exp(-0.3 * features[:, :10].sum(axis=1)))
    censoring = generator.exponential(1.5, n)
    follow_up = np.ceil(200 * np.minimum(failure, censoring))
    return features, follow_up, failure <= censoring


def run() -> dict[str, Any]:
    """Return seconds, the two ratios, the largest differences, and growth with size."""
    features, follow_up, event = make_cohort(PATIENTS, FEATURES)
    few = features[:, :PEER_FEATURES]
    fit_each(few, risk_order(follow_up, event))  # load the compiled code
    wall, _ = _best(lambda: fit_each(features, risk_order(follow_up, event)), time.perf_counter)
    processor, fits = _best(lambda: fit_each(features, risk_order(follow_up, event), threads=1))
    result: dict[str, Any] = {
        "patients": PATIENTS,
        "events": int(event.sum()),
        "distinct_times": int(np.unique(follow_up).size),
        "features": FEATURES,
        "peer_features_timed": PEER_FEATURES,
        "ours_wall_seconds_all_threads": wall,
        "ours_processor_seconds": processor,
    }
    peers: dict[str, Callable[..., NDArray[np.float64]]] = {"lifelines": _lifelines}
    if importlib.util.find_spec("sksurv") is not None:
        peers["scikit_survival"] = _scikit_survival
    for name, peer in peers.items():
        peer(few[:, :1], follow_up, event)  # imports are not timed
        start = time.process_time()
        beta = peer(few, follow_up, event)
        seconds = (time.process_time() - start) * FEATURES / PEER_FEATURES
        result[f"{name}_processor_seconds_scaled"] = seconds
        result[f"ratio_vs_{name}"] = seconds / processor
        difference = np.abs(beta - fits.beta[:PEER_FEATURES]).max()
        result[f"largest_difference_to_{name}"] = float(difference)
    result["growth_with_patients"] = {
        str(n): _seconds_for(n, 500, 1000) for n in (250, *GROWTH[:-1])
    }
    result["growth_with_features"] = {str(m): _seconds_for(1000, m, m) for m in GROWTH}
    statistics: tuple[Literal["score", "wald"], ...] = ("score", "wald")
    for statistic in statistics:
        start = time.perf_counter()
        max_t(features, follow_up, event, statistic=statistic, n_permutations=PERMUTATIONS)
        result[f"permutations_wall_seconds_{statistic}"] = time.perf_counter() - start
    return result


def _seconds_for(patients: int, features: int, per: int) -> float:
    """Return processor seconds for `features` of the cohort, scaled to `per` features."""
    x, follow_up, event = make_cohort(patients, features)
    seconds, _ = _best(lambda: fit_each(x, risk_order(follow_up, event), threads=1))
    return seconds * per / features


def _best(
    function: Callable[[], CoxFits], clock: Callable[[], float] = time.process_time
) -> tuple[float, CoxFits]:
    """Return the shortest of a few runs, and what the last one gave."""
    times = []
    for _ in range(REPEATS):
        start = clock()
        fits = function()
        times.append(clock() - start)
    return min(times), fits


def _lifelines(
    features: NDArray[np.float64], follow_up: NDArray[np.float64], event: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fit each column with lifelines at its defaults."""
    beta = []
    for column in features.T:
        frame = pd.DataFrame({"time": follow_up, "event": event, "x": column})
        beta.append(CoxPHFitter().fit(frame, "time", "event").params_["x"])
    return np.asarray(beta)


def _scikit_survival(
    features: NDArray[np.float64], follow_up: NDArray[np.float64], event: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fit each column with scikit-survival (GPL: a peer here, never a part of the package)."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    outcome = Surv.from_arrays(event, follow_up)
    model = CoxPHSurvivalAnalysis(ties="efron")
    return np.asarray([model.fit(column[:, None], outcome).coef_[0] for column in features.T])
