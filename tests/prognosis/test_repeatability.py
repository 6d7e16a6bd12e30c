"""A folder of `pathexplain robustness` as survival reads it."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.robustness import not_robust, read_repeatability
from pathexplain.robustness import read_conditions

HEADER = "feature,perturbation,icc,icc_low,icc_high,n_patients,n_conditions,reason\n"


def folder(path, *rows):
    (path / "icc.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("turn", [1, -1])
def test_the_worst_perturbation_counts_and_undefined_is_worst_of_all(tmp_path, turn):
    rows = [
        "a,boundary,0.9,0.8,0.95,20,3,", "a,mpp,0.6,0.5,0.7,20,3,", "a,stain,0.7,0.6,0.8,20,3,",
        "b,boundary,,,,2,3,needs 3 patients", "b,mpp,0.9,0.8,0.95,20,3,",
    ]  # fmt: skip
    worst = read_repeatability(folder(tmp_path, *rows[::turn]))
    assert worst["a"].perturbation == "mpp"
    assert worst["a"].icc.value == 0.6
    assert math.isnan(worst["b"].icc.value)
    found = {one.feature: one.detail for one in not_robust(("a", "b", "c"), worst, min_icc=0.5)}
    assert found == {"b": "ICC undefined under boundary: needs 3 patients", "c": "not in icc.csv"}


def test_a_folder_that_is_not_of_robustness_is_refused(tmp_path):
    (tmp_path / "icc.csv").write_text("feature,icc\na,1\n", encoding="utf-8")
    with pytest.raises(CohortError, match="no columns perturbation"):
        read_repeatability(tmp_path)


def test_tables_of_conditions_have_each_patient_once(tmp_path):
    table = pd.DataFrame({"patient_id": ["007", "8"], "f": [1.0, 2.0]})
    table.to_csv(tmp_path / "patients_eroded.csv", index=False)
    found = read_conditions(tmp_path)
    assert found["eroded"].loc["007", "f"] == 1.0
    table["patient_id"] = "8"
    table.to_csv(tmp_path / "patients_eroded.csv", index=False)
    with pytest.raises(CohortError, match="'8' more than once"):
        read_conditions(tmp_path)
    table[["f"]].to_csv(tmp_path / "patients_eroded.csv", index=False)
    with pytest.raises(CohortError, match="no column 'patient_id'"):
        read_conditions(tmp_path)
