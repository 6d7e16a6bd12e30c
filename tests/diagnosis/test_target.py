"""Parsing the target and the cohort: classes, counts, who was lost, and every refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from pathexplain.diagnosis.inputs import Columns, read_inputs
from pathexplain.diagnosis.target import Target, check_class_sizes, parse_target
from pathexplain.errors import CohortError


def cohort(n: int = 24, **columns: object) -> AnnData:
    rng = np.random.default_rng(0)
    table = {"dx": ["benign", "malignant"] * (n // 2), **columns}
    obs = pd.DataFrame(table, index=[f"P{i:02}" for i in range(n)])
    var = pd.DataFrame({"unit": ["um2", ""]}, index=["area", "shape"])
    return AnnData(rng.normal(size=(n, 2)), obs=obs, var=var)


def read(table: AnnData, **options: object):
    return read_inputs(table, Columns(**{"target": "dx", **options}), n_splits=3)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1, 1], ("0", "1")),
        ([1.0, np.nan, 0.0], ("0", "1")),
        ([True, False, True], ("False", "True")),
        (["b", "a", "c"], ("a", "b", "c")),
        ([10, 9, 2], ("2", "9", "10")),
        (pd.Categorical(["low", "high"], categories=["low", "mid", "high"]), ("low", "high")),
    ],
)
def test_classes_are_in_a_stated_order(values, classes):
    assert parse_target(pd.Series(values), column="dx").classes == classes


def test_one_class_is_refused_with_its_count():
    with pytest.raises(CohortError, match="all 3 patients are 'benign'"):
        parse_target(pd.Series(["benign", None, "benign", "benign"]), column="dx")


def test_continuous_target_is_refused():
    with pytest.raises(CohortError, match="40 distinct values in 40 patients"):
        parse_target(pd.Series(np.linspace(0, 1, 40)), column="dx")


def test_empty_target_is_refused():
    with pytest.raises(CohortError, match="no patient has a value"):
        parse_target(pd.Series([None, None]), column="dx")


def test_small_class_is_refused_with_counts_and_advice():
    target = Target("dx", ("no", "yes"), np.array([0, 1]))
    with pytest.raises(CohortError, match=r"30 'no', 4 'yes'\); use n_splits=4 or fewer"):
        check_class_sizes([30, 4], target, n_splits=5)
    with pytest.raises(CohortError, match="no number of splits works"):
        check_class_sizes([30, 2], target, n_splits=5)
    with pytest.raises(CohortError, match="n_splits is 1"):
        check_class_sizes([30, 30], target, n_splits=1)


def test_lost_patients_are_counted_with_the_first_reason():
    table = cohort(26, site=["a", "b"] * 13)
    table.obs.loc["P03", "dx"] = None
    table.obs.loc["P05", "site"] = None
    table.X[7] = np.nan
    inputs = read(table, site="site")
    found = {item.reason: item.patients for item in inputs.target.lost}
    assert found == {
        "no value in 'dx'": ("P03",),
        "no feature is defined": ("P07",),
        "no value in 'site'": ("P05",),
    }
    assert inputs.target.counts == (13, 10)
    assert inputs.units == ("um2", "")


def test_missing_column_suggests_a_close_name():
    with pytest.raises(CohortError, match=r"'diagnosis' is not .* did you mean 'diagnoses'\?"):
        read(cohort(diagnoses=["a"] * 24), target="diagnosis")


def test_repeated_patient_is_refused():
    table = cohort(patient_id=["X"] + [f"Q{i}" for i in range(22)] + ["X"])
    with pytest.raises(CohortError, match="patient 'X' has 2 rows") as caught:
        read(table)
    assert caught.value.patient == "X"


def test_target_as_covariate_is_refused():
    with pytest.raises(CohortError, match="is the target and cannot also be"):
        read(cohort(), covariates=("dx",))


def test_constant_and_infinite_features_are_refused():
    table = cohort()
    table.X[:] = 1.0
    with pytest.raises(CohortError, match="none of the 2 features varies"):
        read(table)
    table.X[0, 1] = np.inf
    with pytest.raises(CohortError, match="feature 'shape' is infinite"):
        read(table)


def test_covariates_become_numbers_and_keep_gaps():
    table = cohort(age=np.arange(24.0), grade=["1", "2", "3"] * 8)
    table.obs.loc["P01", "grade"] = None
    inputs = read(table, covariates=("age", "grade"))
    assert inputs.clinical_names == ("age", "grade=2", "grade=3")
    np.testing.assert_array_equal(inputs.clinical[2], [2.0, 0.0, 1.0])
    np.testing.assert_array_equal(inputs.clinical[1], [1.0, np.nan, np.nan])


def test_identifier_as_covariate_is_refused():
    table = cohort(code=[f"c{i}" for i in range(24)])
    with pytest.raises(CohortError, match="24 categories"):
        read(table, covariates=("code",))
