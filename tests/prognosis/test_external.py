"""A locked model: every digit counts, and a cohort measured differently is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lifelines import CoxPHFitter

from pathexplain.errors import CohortError
from pathexplain.prognosis import SurvivalResult, survival, validate, write_model
from pathexplain.prognosis.locking import fitted_model, read_model
from pathexplain.prognosis.study import build_study
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata

FAST: dict[str, Any] = {
    "n_bootstrap": 30,
    "n_repeats": 1,
    "n_permutations": 2,
    "n_max_t": 50,
    "n_optimism": 2,
    "n_stability": 2,
}
COLUMNS = {"time": "time_months", "event": "event", "covariates": ("age", "grade")}


@pytest.fixture(scope="module")
def developed(planted_cohort: Callable[..., anndata.AnnData]) -> SurvivalResult:
    return survival(planted_cohort(n=250), **COLUMNS, **FAST)


@pytest.fixture
def locked(developed: SurvivalResult, tmp_path: Path) -> Path:
    assert developed.model is not None
    return write_model(developed.model, tmp_path / "model.json")


def test_the_file_scores_patients_as_the_final_model_does(
    developed: SurvivalResult, locked: Path, planted_cohort: Callable[..., anndata.AnnData]
) -> None:
    model, sha = read_model(locked)
    assert json.loads(locked.read_text())["sha256"] == sha
    assert to_jsonable(model) == to_jsonable(developed.model)
    cohort = planted_cohort(n=250)
    study = build_study(cohort, **COLUMNS)
    risk = fitted_model(model.model, study.names).risk(study)
    assert developed.final is not None
    log_hr = np.log([term.hr.value for term in developed.final.terms])
    by_hand = np.column_stack(
        [
            cohort.obs["age"],
            cohort.obs["grade"] == "G2",
            cohort.obs["grade"] == "G3",
            (cohort.X[:, 0] - cohort.X[:, 0].mean()) / cohort.X[:, 0].std(ddof=1),
        ]
    )
    assert [term.name for term in developed.final.terms][3] == cohort.var_names[0]
    expected = by_hand[:, : len(log_hr)] @ log_hr[:4]
    np.testing.assert_allclose(risk - risk.mean(), expected - expected.mean(), atol=1e-4)
    assert model.model.threshold == pytest.approx(np.median(risk))


def test_figures_in_new_patients_equal_lifelines(
    locked: Path, planted_cohort: Callable[..., anndata.AnnData]
) -> None:
    new = planted_cohort(n=180, seed=7)
    found = validate(locked, new, n_bootstrap=50)
    model, _ = read_model(locked)
    study = build_study(new, **COLUMNS)
    risk = fitted_model(model.model, study.names).risk(study)
    frame = new.obs[["time_months", "event"]].assign(risk=risk)
    cox = CoxPHFitter().fit(frame, "time_months", "event")
    assert found.calibration_slope.value == pytest.approx(cox.params_["risk"], rel=1e-4)
    low, high = cox.confidence_intervals_.loc["risk"]
    assert (found.calibration_slope.low, found.calibration_slope.high) == pytest.approx(
        (low, high), rel=1e-3
    )
    assert found.hr_per_sd.value == pytest.approx(np.exp(cox.params_["risk"] * model.model.sd))
    assert found.c_index.value == pytest.approx(cox.concordance_index_, abs=1e-9)
    assert found.gain is not None
    assert found.gain.low > 0
    assert found.development.n == 250
    change = found.c_index.value - found.development.c_index.value
    assert found.c_index_change.value == pytest.approx(change)
    assert 0.7 < found.observed_to_predicted.value < 1.4  # the same hazard was planted


def test_new_patients_teach_the_model_nothing(
    locked: Path, planted_cohort: Callable[..., anndata.AnnData]
) -> None:
    new = planted_cohort(n=120, seed=3)
    feature = new.var_names[0]
    new.X[:20, 0] = np.nan
    found = validate(locked, new, n_bootstrap=10)
    half = validate(locked, new[:60].copy(), n_bootstrap=10)
    (term,) = [one for one in found.terms if one.name == feature]
    assert term.n_imputed == 20
    model, _ = read_model(locked)
    study = build_study(new, **COLUMNS)
    fitted = fitted_model(model.model, study.names)
    alone = fitted.risk(study.take(np.arange(60)))
    np.testing.assert_allclose(fitted.risk(study)[:60], alone, rtol=1e-12)
    assert half.threshold == found.threshold
    assert "imputed" in {note.code for note in found.notes}


@pytest.mark.parametrize(
    ("where", "value"), [(("model", "threshold"), 9.0), (("development", "n"), 999)]
)
def test_a_changed_digit_is_refused(locked: Path, where: tuple[str, str], value: float) -> None:
    tree = json.loads(locked.read_text())
    tree[where[0]][where[1]] = value
    locked.write_text(json.dumps(tree))
    with pytest.raises(CohortError, match="was changed after it was locked"):
        read_model(locked)


def test_what_is_no_locked_model_is_refused(locked: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="is no locked model"):
        read_model(tmp_path / "none.json")
    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(CohortError, match="survival --lock"):
        read_model(other)
    tree = json.loads(locked.read_text())
    other.write_text(json.dumps({**tree, "version": 99}))
    with pytest.raises(CohortError, match="version 99"):
        read_model(other)


def missing(new: anndata.AnnData) -> anndata.AnnData:
    return new[:, 1:].copy()


def other_unit(new: anndata.AnnData) -> anndata.AnnData:
    new.var["unit"] = "px"
    return new


def other_definition(new: anndata.AnnData) -> anndata.AnnData:
    new.var["definition"] = "something else"
    return new


def other_level(new: anndata.AnnData) -> anndata.AnnData:
    new.obs.loc["P004", "grade"] = "G4"
    return new


def other_time(new: anndata.AnnData) -> anndata.AnnData:
    new.obs = new.obs.rename(columns={"time_months": "time_days"})
    return new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (missing, r"nucleus.shape.f00.mean is missing"),
        (other_unit, r"f00.mean has the unit 'px', the model 'um2'"),
        (other_definition, r"has the definition 'something else'"),
        (other_level, r"covariate grade: level 'G4' of patient P004 is none of G1, G2, G3"),
        (other_time, r"in days here and in months in the model"),
    ],
)
def test_a_cohort_measured_differently_is_refused(
    locked: Path,
    planted_cohort: Callable[..., anndata.AnnData],
    change: Callable[[anndata.AnnData], anndata.AnnData],
    message: str,
) -> None:
    new = change(planted_cohort(n=80, seed=1))
    time = "time_days" if "time_days" in new.obs else None
    with pytest.raises(CohortError, match=message):
        validate(locked, new, time=time)


def test_another_resolution_is_refused(
    planted_cohort: Callable[..., anndata.AnnData], tmp_path: Path
) -> None:
    cohort = planted_cohort(n=150)
    cohort.uns["pathexplain"] = {"provenance": {"options": {"mpp": 0.5}}}
    model = survival(cohort, time="time_months", event="event", **FAST).model
    assert model is not None
    assert model.mpp == 0.5
    path = write_model(model, tmp_path / "m.json")
    new = planted_cohort(n=80, seed=1)
    with pytest.raises(CohortError, match=r"developed at 0.5 µm per pixel and the new .*--mpp"):
        validate(path, new)
    with pytest.raises(CohortError, match=r"measured at 0.25 µm per pixel, the model at 0.5"):
        validate(path, new, mpp=0.25)
    assert validate(path, new, mpp=0.501, n_bootstrap=5).cohort.n == 80


def test_a_model_within_strata_predicts_no_absolute_risk(
    planted_cohort: Callable[..., anndata.AnnData], tmp_path: Path
) -> None:
    made = survival(planted_cohort(n=150), time="time_months", event="event", strata="site", **FAST)
    assert made.model is not None
    found = validate(
        write_model(made.model, tmp_path / "m.json"), planted_cohort(n=80), n_bootstrap=5
    )
    assert "within strata" in found.absolute_reason
    assert np.isnan(found.predicted)
