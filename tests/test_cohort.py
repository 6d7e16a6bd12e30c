from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from pathexplain.cohort import VAR_COLUMNS, read_cohort
from pathexplain.errors import CohortError

WPBC = Path(__file__).parents[1] / "../shared/data/tables/wpbc.csv"
FEATURE = "nucleus.shape.area_um2.mean"


@pytest.fixture
def csv(tmp_path):
    """Write a CSV file and return its path."""

    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with a patient table of A, B and C."""
    table = anndata.AnnData(
        np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 6.0]]),
        obs=pd.DataFrame({"n_slides": [1, 2, 1]}, index=["A", "B", "C"]),
        var=pd.DataFrame({"unit": ["um^2", "1"]}, index=[FEATURE, "nucleus.aggregate.n.total"]),
        layers={"n": np.array([[10.0, 0.0], [5, 5], [6, 6]])},
    )
    table.uns["pathexplain"] = {"flow": {"slides_failed": np.array(["x: broken"], dtype=object)}}
    (tmp_path / "run").mkdir()
    table.write_h5ad(tmp_path / "run" / "cohort.h5ad")
    return tmp_path / "run"


def test_run_folder_and_its_file_are_the_same(run_folder):
    for path in (run_folder, run_folder / "cohort.h5ad"):
        cohort = read_cohort(path)
        assert cohort.X.dtype == np.float64
        assert list(cohort.obs_names) == ["A", "B", "C"]
        assert cohort.var.loc[FEATURE, ["prompt", "family", "statistic", "unit"]].tolist() == [
            "nucleus", "shape", "mean", "um^2",
        ]  # fmt: skip
        assert cohort.layers["n"][0, 0] == 10
        assert cohort.uns["pathexplain"]["flow"] == {
            "slides_failed": ["x: broken"],
            "n_patients": 3,
        }


def test_clinical_join_names_who_is_lost_on_both_sides(run_folder, csv):
    path = csv("patient_id,event,stage\nB,1,II\nC,0,\nZ,1,I\n")
    cohort = read_cohort(run_folder, clinical=path)
    assert list(cohort.obs_names) == ["B", "C"]
    assert cohort.obs["event"].tolist() == [1, 0]
    assert cohort.X[0, 0] == 2.0
    flow = cohort.uns["pathexplain"]["flow"]
    assert flow["patients_without_clinical"] == ["A"]
    assert flow["clinical_without_features"] == ["Z"]
    assert flow["n_patients"] == 2
    assert flow["slides_failed"] == ["x: broken"]


def test_clinical_table_may_be_a_frame_in_any_order(run_folder):
    frame = pd.DataFrame({"id": ["C", "A", "B"], "age": [3, 1, 2]})
    cohort = read_cohort(run_folder, clinical=frame, patient="id")
    assert cohort.obs["age"].tolist() == [1, 2, 3]


def test_ids_that_look_like_numbers_stay_text(csv):
    cohort = read_cohort(csv("patient_id,x\n007,1\n08,2\n"))
    assert list(cohort.obs_names) == ["007", "08"]


def test_plain_csv_knows_clinical_columns_by_their_words(csv):
    head = f"patient_id,OS.time,vital_status,age_years,sex,{FEATURE},nuclear_size_px"
    text = f"{head}\nA,1,0,50,f,3,\n"
    cohort = read_cohort(csv(text))
    assert list(cohort.var_names) == [FEATURE, "nuclear_size_px"]
    assert list(cohort.obs.columns) == ["OS.time", "vital_status", "age_years", "sex"]
    assert cohort.uns["pathexplain"]["clinical_columns"] == list(cohort.obs.columns)
    assert cohort.var["unit"].tolist() == ["um^2", "px"]
    assert list(cohort.var.columns) == list(VAR_COLUMNS)
    assert np.isnan(cohort.X[0, 1])
    assert np.isnan(cohort.layers["n"]).all()


def test_named_clinical_columns_replace_the_guess(csv):
    path = csv("patient_id,age,foo,bar\nA,1,2,3\n")
    cohort = read_cohort(path, clinical_columns=["foo"])
    assert list(cohort.var_names) == ["age", "bar"]
    with pytest.raises(CohortError, match="no columns baz"):
        read_cohort(path, clinical_columns=["baz"])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("patient_id,x\nA,1\nA,2\n", "1 patients stand in several rows: A"),
        ("id,x\nA,1\n", "no column 'patient_id'"),
        ("patient_id,x\nA,1\n,2\n", r"csv:3: the patient id is empty"),
        ("patient_id,age\nA,1\n", "no numeric column that is not clinical"),
        ("patient_id,x\nA,inf\n", "1 features are infinite: x"),
        ("patient_id,x\n", "no numeric column"),
        ("", "cannot be read"),
    ],
)
def test_broken_csv_files_are_refused_with_the_place(csv, text, match):
    with pytest.raises(CohortError, match=match):
        read_cohort(csv(text))


def test_text_features_are_named_when_the_clinical_columns_are_given(csv):
    path = csv("patient_id,x,y\nA,1,low\n")
    with pytest.raises(CohortError, match="1 features are not numeric: y"):
        read_cohort(path, clinical_columns=[])


def test_no_common_patient_shows_ids_of_both_sides(run_folder, csv):
    with pytest.raises(CohortError, match=r"ids here: A, B, C; ids there: TCGA-1"):
        read_cohort(run_folder, clinical=csv("patient_id,event\nTCGA-1,1\n"))


def test_clinical_column_with_the_name_of_a_feature_is_refused(run_folder, csv):
    with pytest.raises(CohortError, match="name of a feature"):
        read_cohort(run_folder, clinical=csv(f"patient_id,{FEATURE}\nA,1\n"))


def test_missing_and_foreign_files_are_refused(tmp_path, csv):
    with pytest.raises(CohortError, match="no patient table"):
        read_cohort(tmp_path)
    with pytest.raises(CohortError, match="not an AnnData file"):
        read_cohort(csv("no table", name="x.h5ad"))


def test_h5ad_of_other_tools_is_completed(tmp_path):
    table = anndata.AnnData(
        np.array([[1, 2]], np.int64),
        obs=pd.DataFrame(index=["A"]),
        var=pd.DataFrame(index=["a", "b_um"]),
    )
    table.write_h5ad(tmp_path / "t.h5ad")
    cohort = read_cohort(tmp_path / "t.h5ad")
    assert cohort.var["unit"].tolist() == ["unknown", "um"]
    assert cohort.X.dtype == np.float64
    assert cohort.layers["n"].shape == (1, 2)


def test_text_for_values_is_refused(tmp_path):
    table = anndata.AnnData(obs=pd.DataFrame(index=["A"]), var=pd.DataFrame(index=["a"]))
    table.write_h5ad(tmp_path / "t.h5ad")
    with pytest.raises(CohortError, match="no values"):
        read_cohort(tmp_path / "t.h5ad")


@pytest.mark.skipif(not WPBC.is_file(), reason="the shared data tables are not here")
def test_wisconsin_prognostic_table():
    cohort = read_cohort(WPBC, patient="patient")
    assert cohort.shape == (198, 30)
    assert int(cohort.obs["event"].sum()) == 47
    assert set(cohort.obs.columns) == {"event", "time_months", "tumor_size_cm", "positive_nodes"}


def test_several_rows_a_patient_are_named_by_their_own_column(tmp_path: Path) -> None:
    """Images of a patient: joined with clinical data by the patient, who stays a text."""
    images = tmp_path / "images.csv"
    images.write_text("image,patient,area_um2\na,07,1\nb,07,2\nc,9,3\n", encoding="utf-8")
    clinical = tmp_path / "clinical.csv"
    clinical.write_text("patient,dx\n07,benign\n", encoding="utf-8")
    cohort = read_cohort(images, patient="patient", sample="image")
    assert list(cohort.obs_names) == ["a", "b", "c"]
    assert cohort.obs["patient"].tolist() == ["07", "07", "9"]
    assert list(cohort.var_names) == ["area_um2"]
    joined = read_cohort(images, patient="patient", sample="image", clinical=clinical)
    assert joined.obs["dx"].tolist() == ["benign", "benign"]
    assert joined.uns["pathexplain"]["flow"]["patients_without_clinical"] == ["9"]
