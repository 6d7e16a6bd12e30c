"""Hand-made results: every field filled, with names that break a page that does not escape."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pathexplain.diagnosis import result as imp
from pathexplain.prognosis import result as sur

EVIL = "<script>alert('x')</script>"
FEATURES = (
    "nucleus.shape.area_um2.mean",
    "lymphocyte.aggregate.density_per_mm2.total",
    f"{EVIL}.stain.od.mean",
    "nucleus.shape.circularity.p90",
)


@pytest.fixture(scope="session")
def evil() -> str:
    return EVIL


def _auroc(value: float) -> imp.Metric:
    return imp.Metric(
        "auroc", "AUROC", imp.Interval(value, value - 0.1, value + 0.05), 0.5, True, 40
    )


def _model(name: str, label: str, value: float) -> imp.ModelResult:
    rate = tuple(np.linspace(0, 1, 11))
    points = tuple(
        imp.CalibrationPoint(x, imp.Interval(x, max(0.0, x - 0.2), min(1.0, x + 0.2)), 10)
        for x in (0.1, 0.5, 0.9)
    )
    brier = imp.Metric("brier", "Brier", imp.Interval(0.12, 0.08, math.nan), 0.25, False, 40)
    return imp.ModelResult(
        name=name,
        label=label,
        hyperparameters=({"C": 1.0},),
        metrics=(_auroc(value), brier),
        roc=(imp.RocCurve(EVIL, value, rate, tuple(x**0.3 for x in rate)),),
        calibration=(imp.CalibrationCurve(EVIL, points),),
        predictions=(imp.Prediction(EVIL, EVIL, 0, "benign", EVIL, (0.2, 0.8)),),
        null=imp.NullDistribution(20, 0.7, (0.5, 0.6), 0.04, 0.048, "labels permuted"),
        is_better_than_chance=True,
        verdict="better than chance",
    )


def _explained(name: str, label: str) -> imp.ModelImportance:
    rng = np.random.default_rng(0)
    clusters = FEATURES[:3]
    one = imp.Interval(0.4, 0.2, 0.6)
    return imp.ModelImportance(
        name=name,
        label=label,
        output="log odds",
        method="exact linear SHAP",
        additivity_error=1e-12,
        features=tuple(
            imp.FeatureImportance(f, f, "um2", EVIL, EVIL, one, 0.3, i + 1, 1, 4, "higher", 0.9)
            for i, f in enumerate(clusters)
        ),
        clusters=tuple(
            imp.ClusterImportance(
                cluster=f,
                features=(f, FEATURES[3]),
                shap=one,
                share=0.5,
                rank=i + 1,
                rank_low=1,
                rank_high=3,
                leading_share=0.9,
                folds_in_top=4,
                log_loss_rise=one,
                auroc_drop=0.1,
                permutation_rank=i + 1,
                conditional_rise=one,
                conditional_drop=0.05,
                conditional_rank=i + 1,
            )
            for i, f in enumerate(clusters)
        ),
        beeswarms=tuple(
            imp.Beeswarm(
                f,
                "um2",
                EVIL,
                tuple("ab" * 20),
                tuple(rng.normal(size=40)),
                tuple(rng.normal(size=40)),
            )
            for f in clusters
        ),
        doses=(
            imp.DoseCurve(
                FEATURES[0],
                "um2",
                EVIL,
                (20.0, 30.0, 40.0),
                (0.1, 0.5, 0.9),
                (0.0, 0.4, 0.8),
                (0.2, 0.6, 1.0),
                (0, 35, 5),
            ),
        ),
        stability=imp.Stability(20, 5, imp.Interval(0.8, 0.6, 0.9), EVIL),
    )


@pytest.fixture(scope="session")
def importance_result() -> imp.ImportanceResult:
    """A result with all of its optional parts."""
    metrics = (_auroc(0.7),)
    agreement = imp.Agreement(
        ("SHAP", "permutation"),
        tuple(imp.AgreementRow(f, (1.0 + i, 2.0), 1.5) for i, f in enumerate(FEATURES[:3])),
        ((1.0, 0.8), (0.8, math.nan)),
    )
    tests = tuple(
        imp.UnivariateTest(
            f,
            "um2",
            "Mann-Whitney",
            10.0,
            p,
            p * 4,
            "Cliff's delta",
            imp.Interval(0.5, 0.2, 0.7),
            40,
            (20, 20),
            (30.0, 35.0),
            4,
            reason,
        )
        for f, p, reason in zip(
            FEATURES, (0.001, 0.2, math.nan, 0.5), ("", "", "constant", ""), strict=True
        )
    )
    return imp.ImportanceResult(
        target=imp.TargetSummary(
            column="diagnosis",
            classes=("benign", EVIL),
            kind="binary",
            counts=(20, 20),
            positive=EVIL,
            n_patients=40,
            n_rows=60,
            n_features=4,
            lost=(imp.LostPatients("no diagnosis", 1, (EVIL,)),),
            dropped=(imp.DroppedFeatures(f"ICC below 0.75 {EVIL}", 1, (EVIL,)),),
        ),
        folds=(imp.FoldSummary(0, 32, 8, (16, 16), (4, 4), (EVIL,)),),
        models=(_model("elastic-net", "elastic net", 0.9), _model("forest", "random forest", 0.8)),
        comparison=imp.Comparison(
            ("age",), metrics, metrics, metrics, imp.Interval(0.1, 0.0, 0.2), EVIL
        ),
        clusters=(imp.Cluster(FEATURES[0], FEATURES, 0.9),),
        importances=imp.Importances(
            (_explained("forest", "random forest"), _explained("elastic-net", "elastic net")),
            agreement,
        ),
        reason="",
        univariate=tests,
        mixed=(
            imp.MixedTest(FEATURES[0], imp.Interval(0.5, 0.2, 0.8), 0.01, 0.02, 0.6, 60, 40, 2, ""),
            imp.MixedTest(EVIL, *[imp.Interval(*[math.nan] * 3)], *[math.nan] * 3, 60, 40, 2, EVIL),
        ),
        mixed_model=f"linear mixed model of {EVIL}",
        settings=imp.Settings(
            seed=0,
            n_splits=5,
            n_permutations=20,
            n_bootstrap=200,
            n_refits=20,
            n_top=10,
            groups=EVIL,
            site="site",
            folds=None,
            covariates=("age",),
            models=("elastic-net", "forest"),
            min_icc=0.75,
        ),
        notes=(f"a note on {EVIL}",),
    )


def _hr(value: float) -> sur.WithInterval:
    return sur.WithInterval(value, value / 1.4, value * 1.4)


def _p(value: float) -> sur.PValue:
    return sur.PValue(value, "Wald", 40, 20, 4)


def _group(label: str, rate: float) -> sur.KaplanMeierGroup:
    time = tuple(np.linspace(0, 60, 13))
    share = tuple(math.exp(-rate * t) for t in time)
    return sur.KaplanMeierGroup(
        label,
        20,
        10,
        time,
        share,
        tuple(s * 0.9 for s in share),
        tuple(min(1.0, s * 1.1) for s in share),
        (7.0, 33.0),
        (20, 12, 4),
        sur.WithInterval(30.0, 20.0, math.nan),
    )


def _screen_row(feature: str, hr: float, p: float, *, status: str = "ok") -> sur.ScreenRow:
    return sur.ScreenRow(
        feature,
        "um2",
        EVIL,
        40,
        20,
        4,
        30.0,
        4.0,
        _hr(hr),
        0.1,
        0.02,
        3.0,
        p,
        p,
        p * 4,
        p * 4,
        p * 4,
        0.66,
        status,
        p < 0.01,
    )


@pytest.fixture(scope="session")
def survival_result() -> sur.SurvivalResult:
    """A result with all of its optional parts."""
    rows = (
        _screen_row(FEATURES[0], 1.8, 1e-5),
        _screen_row(FEATURES[1], 0.6, 0.004),
        _screen_row(FEATURES[2], 1.1, 0.4),
        _screen_row(FEATURES[3], math.nan, math.nan, status="separated"),
    )
    return sur.SurvivalResult(
        time="time_months",
        event="event",
        covariates=("age",),
        strata=None,
        headline=f"2 of 4 features found, {EVIL} not.",
        cohort=sur.CohortSummary(
            42,
            40,
            20,
            (sur.Lost("no time", 2, (EVIL, "p2")),),
            "months",
            sur.WithInterval(48.0, 40.0, 55.0),
            sur.WithInterval(35.0, 30.0, math.nan),
            60.0,
        ),
        validation=sur.Validation(
            _hr(0.7),
            _hr(0.6),
            sur.WithInterval(0.1, -0.02, 0.2),
            5,
            3,
            200,
            15,
            12,
            tuple((f, 0.5) for f in FEATURES),
            40,
            20,
            300,
        ),
        validation_reason="",
        preflight=sur.Preflight(
            6,
            4,
            (sur.Dropped(EVIL, "constant", EVIL),),
            (sur.FeaturePair(FEATURES[0], EVIL, 0.99),),
            1,
            5.0,
        ),
        screen=sur.Screen(rows, 4, 1, 2, 0.05, "efron", ("age",)),
        negative_control=sur.NegativeControl(100, (0,) * 95 + (1,) * 5, 0.05, 2, 0.2, 1000),
        final=sur.FinalModel(
            (
                sur.CoxTerm(FEATURES[0], True, "1 SD", _hr(1.7), _p(0.001), _p(0.4), 0),
                sur.CoxTerm(EVIL, False, "year", _hr(1.02), _p(0.2), _p(0.7), 1),
            ),
            40,
            20,
            10.0,
            0.72,
            -50.0,
            104.0,
            _p(0.0001),
            "efron",
        ),
        final_reason="",
        kaplan_meier=(
            sur.KaplanMeier(
                "All patients", (0.0, 30.0, 60.0), (_group("all", 0.02),), None, "All."
            ),
            sur.KaplanMeier(
                f"By {EVIL}",
                (0.0, 30.0, 60.0),
                (_group("low", 0.03), _group(EVIL, 0.01)),
                sur.PValue(0.01, "log-rank", 40, 20, 2),
                "Split at the median.",
            ),
        ),
        forest=(
            *(sur.ForestRow("screen", row.feature, row.hr_per_sd, _p(row.p)) for row in rows[:3]),
            sur.ForestRow("final", FEATURES[0], _hr(1.7), _p(0.001)),
        ),
        notes=(
            sur.Note("warning", "few-events", f"Few events, {EVIL}."),
            sur.Note("info", "i", EVIL),
        ),
        methods=f"Cox models were fitted, {EVIL}.",
        options={"seed": 0, "alpha": 0.05, "strata": None},
    )
