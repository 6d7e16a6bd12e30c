"""Each feature against the target over all rows, by linear mixed models.

For tables in which a patient has several rows, or patients come from several sites: rows of one
patient, and patients of one site, are alike, and a test that takes them as independent finds too
much. statsmodels fits; the feature is rank-normalized first, so no outlier decides.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import false_discovery_control, norm, rankdata
from scipy.stats import t as t_distribution

from pathexplain.diagnosis.parallel import in_parallel
from pathexplain.diagnosis.result import Interval, MixedTest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pathexplain.diagnosis.inputs import Inputs

__all__ = ["describe_mixed_model", "mixed_tests", "normal_scores"]

CHUNK = 25
MIN_GROUPS = 4


@dataclass(frozen=True)
class _Task:
    """Some features, to be tested side by side with others."""

    values: NDArray[np.float64]
    names: tuple[str, ...]
    terms: NDArray[np.float64]
    groups: NDArray[np.str_]
    fixed: NDArray[np.float64]


def describe_mixed_model(inputs: Inputs) -> str:
    """Say in words which model `mixed_tests` fits; empty where there is none to fit.

    With several rows a patient, patients are random and sites, where named, fixed; with one row a
    patient, sites are random.
    """
    if inputs.is_repeated:
        site = "" if inputs.sites is None else " and fixed effects of the site"
        return (
            f"linear mixed model (REML) of {inputs.target.n_rows} rows with a random intercept for "
            f"each of {inputs.target.n_patients} patients{site}"
        )
    if inputs.sites is None:
        return ""
    n_sites = len(np.unique(inputs.sites))
    return (
        f"linear mixed model (REML) of {inputs.target.n_patients} patients with a random intercept "
        f"for each of {n_sites} sites"
    )


def mixed_tests(
    inputs: Inputs, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> tuple[MixedTest, ...]:
    """Test every feature in a mixed model; empty where each patient has one row and no site.

    Classes enter as indicator terms, ordered ones as one step variable. The test is Wald's, against
    F with the degrees of freedom of the level at which the target varies (Pinheiro 2000,
    10.1007/b98882): between groups where each group has one class, within groups elsewhere.
    Benjamini and Hochberg over all tests that could be made.
    """
    if not describe_mixed_model(inputs):
        return ()
    fixed = np.empty((len(inputs.codes), 0))
    if inputs.is_repeated and inputs.sites is not None:
        fixed = _indicators(np.unique(inputs.sites, return_inverse=True)[1])
    groups = inputs.patients
    if not inputs.is_repeated and inputs.sites is not None:
        groups = inputs.sites
    is_ordinal = inputs.target.kind == "ordinal"
    terms = inputs.codes[:, None].astype(float) if is_ordinal else _indicators(inputs.codes)
    tasks = [
        _Task(inputs.values[:, i : i + CHUNK], inputs.features[i : i + CHUNK], terms, groups, fixed)
        for i in range(0, len(inputs.features), CHUNK)
    ]
    parts = in_parallel(_test_some, tasks, jobs=jobs, progress=progress)
    return _correct([test for part in parts for test in part])


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard normal quantiles of the ranks, (n,); ties share the mean rank.

    Examples
    --------
    >>> normal_scores(np.array([5.0, 100.0, 7.0])).round(2).tolist()
    [-0.97, 0.97, 0.0]
    """
    return np.asarray(norm.ppf((rankdata(values) - 0.5) / len(values)))


def _test_some(task: _Task) -> list[MixedTest]:
    """Test the features of one task."""
    return [_test(task, i) for i in range(len(task.names))]


def _test(task: _Task, i: int) -> MixedTest:
    """Fit one feature, or say why it cannot be fitted."""
    column = task.values[:, i]
    known = ~np.isnan(column)
    groups = np.unique(task.groups[known], return_inverse=True)[1]
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    empty = MixedTest(
        feature=task.names[i],
        effect=nothing,
        p_value=float("nan"),
        q_value=float("nan"),
        variance_share=float("nan"),
        n=int(known.sum()),
        n_groups=len(np.unique(groups)),
        n_tests=0,
        reason="",
    )
    if empty.n_groups < MIN_GROUPS:
        return replace(empty, reason=f"only {empty.n_groups} groups with known values")
    if np.ptp(column[known]) == 0:
        return replace(empty, reason="constant")
    terms = task.terms[known]
    design = np.column_stack([np.ones(empty.n), terms, task.fixed[known]])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return replace(empty, reason="class and site cannot be told apart, or a class is missing")
    fitted = _fit(normal_scores(column[known]), design, groups)
    if isinstance(fitted, str):
        return replace(empty, reason=fitted)
    return _read(fitted, empty, terms, groups, n_columns=design.shape[1])


def _fit(
    scores: NDArray[np.float64], design: NDArray[np.float64], groups: NDArray[np.int64]
) -> Any:
    """Fit by REML; the reason where that fails."""
    from statsmodels.regression.mixed_linear_model import MixedLM
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, SingularMatrixWarning

    with warnings.catch_warnings():
        # A variance of 0 between groups is an answer, not a failure; `converged` is checked.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SingularMatrixWarning)
        model = MixedLM(scores, design, groups)
        try:
            fitted = model.fit(reml=True, method=["lbfgs", "powell"])
        except np.linalg.LinAlgError:
            # The gradient has no value where the variance between groups is 0; Powell needs none.
            try:
                fitted = model.fit(reml=True, method=["powell"])
            except np.linalg.LinAlgError:
                return "the mixed model is singular"
    return fitted if fitted.converged else "the mixed model did not converge"


def _read(
    fitted: Any,
    empty: MixedTest,
    terms: NDArray[np.float64],
    groups: NDArray[np.int64],
    *,
    n_columns: int,
) -> MixedTest:
    """Take effect, test and share of variance from a fit."""
    n_terms = terms.shape[1]
    slopes = np.asarray(fitted.fe_params)[1 : n_terms + 1]
    covariance = np.asarray(fitted.cov_params())[1 : n_terms + 1, 1 : n_terms + 1]
    wald = float(slopes @ np.linalg.solve(covariance, slopes)) / n_terms
    spread = np.array([np.ptp(terms[groups == g], axis=0).max() for g in np.unique(groups)])
    is_between = bool((spread == 0).all())
    freedom = empty.n_groups - n_columns if is_between else empty.n - empty.n_groups - n_terms
    between = float(np.asarray(fitted.cov_re)[0, 0])
    if not np.isfinite(wald) or freedom < 1:
        return replace(empty, reason="too few groups for the number of terms")
    step = float(terms[:, -1].max())
    effect = step * float(slopes[-1])
    half = step * float(t_distribution.ppf(0.975, freedom)) * float(np.sqrt(covariance[-1, -1]))
    return replace(
        empty,
        effect=Interval(effect, effect - half, effect + half),
        p_value=float(f_distribution.sf(wald, n_terms, freedom)),
        variance_share=between / (between + float(fitted.scale)),
    )


def _indicators(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one column a class or site but the first."""
    return np.eye(int(codes.max()) + 1)[codes][:, 1:]


def _correct(tests: list[MixedTest]) -> tuple[MixedTest, ...]:
    """Fill in q-values and the size of the family."""
    p_values = np.array([test.p_value for test in tests])
    made = ~np.isnan(p_values)
    q_values = np.full(len(tests), np.nan)
    if made.any():
        q_values[made] = false_discovery_control(p_values[made])
    return tuple(
        replace(test, q_value=float(q), n_tests=int(made.sum()))
        for test, q in zip(tests, q_values, strict=True)
    )
