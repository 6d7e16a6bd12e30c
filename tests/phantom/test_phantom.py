"""Phantom truth is what was planted: sizes, counts, colors, survival; and it is reproducible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test
from scipy import stats
from skimage.color import rgb2hed
from skimage.measure import label

from pathexplain.errors import ConfigError
from pathexplain.phantom import TissueParams, cohort, tissue

FIELD = tissue(seed=3)


def test_same_seed_same_field_and_another_seed_another() -> None:
    again = tissue(seed=3)
    for name in ("image", "nuclei", "glands", "lymphocytes"):
        assert np.array_equal(getattr(FIELD, name), getattr(again, name))
    assert not np.array_equal(FIELD.image, tissue(seed=4).image)


def test_labels_are_numbered_without_gaps_and_agree() -> None:
    for labels in (FIELD.nuclei, FIELD.glands, FIELD.lymphocytes):
        assert labels.dtype == np.int32
        assert labels.shape == FIELD.image.shape[:2]
        assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert len(FIELD.nucleus_kind) == FIELD.nuclei.max()
    assert set(FIELD.nucleus_kind) == {"epithelial", "lymphocyte", "fibroblast"}
    assert FIELD.lymphocytes.max() == FIELD.nucleus_kind.count("lymphocyte")
    assert (FIELD.nuclei[FIELD.lymphocytes > 0] > 0).all()


def test_nearly_every_nucleus_is_one_piece() -> None:
    pieces = label(FIELD.nuclei, connectivity=2).max()
    assert pieces <= 1.03 * FIELD.nuclei.max()


def test_kinds_lie_where_they_belong() -> None:
    kinds = np.array(["", *FIELD.nucleus_kind])[FIELD.nuclei]
    assert (FIELD.glands[kinds == "epithelial"] > 0).mean() > 0.99
    assert (FIELD.glands[kinds == "lymphocyte"] > 0).mean() < 0.1


@pytest.mark.parametrize("area", [30.0, 50.0])
def test_median_nuclear_area_is_the_one_asked_for(area: float) -> None:
    params = TissueParams(nuclear_area_um2=area)
    areas = np.concatenate([tissue(params, seed=s).areas_um2("epithelial") for s in range(2)])
    # Nuclei cut by the border and large ones refused for lack of room pull it down a little.
    assert 0.88 * area < np.median(areas) < 1.03 * area


@pytest.mark.parametrize("density", [300.0, 2000.0])
def test_lymphocyte_density_is_the_one_asked_for(density: float) -> None:
    params = TissueParams(lymphocytes_per_mm2=density)
    counts = [tissue(params, seed=s).lymphocytes.max() for s in range(4)]
    expected = density * 4 * (512 * 0.5 / 1000) ** 2
    assert sum(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_colors_are_those_of_hematoxylin_and_eosin() -> None:
    stroma = (FIELD.glands == 0) & (FIELD.nuclei == 0)
    red, green, blue = (FIELD.image[stroma][:, c].astype(float).mean() for c in range(3))
    assert red > blue > green
    assert 180 < red < 240
    assert 120 < green < 190
    red, green, blue = (FIELD.image[FIELD.nuclei > 0][:, c].astype(float).mean() for c in range(3))
    assert blue > red
    assert blue > green
    assert 50 < red < 140
    hematoxylin = rgb2hed(FIELD.image)[..., 0]
    assert (
        stats.mannwhitneyu(
            hematoxylin[FIELD.nuclei > 0][::50], hematoxylin[stroma][::50], alternative="greater"
        ).pvalue
        < 1e-20
    )


def test_resolution_changes_pixels_not_micrometers() -> None:
    for mpp in (0.25, 1.0):
        areas = tissue(seed=5, mpp=mpp).areas_um2("lymphocyte")
        assert np.median(areas) == pytest.approx(27, rel=0.15)


def test_impossible_fields_and_cohorts_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32 px"):
        tissue(seed=0, shape_px=(16, 64))
    with pytest.raises(ConfigError, match="phantom of"):
        tissue(seed=0, mpp=5.0)
    with pytest.raises(ConfigError, match="too small"):
        cohort(3)


def test_planted_area_ratio_is_in_the_truth_labels() -> None:
    made = cohort(12, seed=2, shape_px=(320, 320))
    median = {
        slide_id: np.median(field.areas_um2("epithelial")) for slide_id, field in made.tissues()
    }
    table = made.clinical.set_index("slide_id").assign(area=pd.Series(median))
    by_diagnosis = table.groupby("diagnosis")["area"].median()
    assert by_diagnosis["malignant"] / by_diagnosis["benign"] == pytest.approx(1.35, abs=0.12)


def test_cohort_is_reproducible_and_well_formed() -> None:
    made, again = cohort(60, seed=9), cohort(60, seed=9)
    pd.testing.assert_frame_equal(made.clinical, again.clinical)
    assert np.array_equal(made.tissue(5).image, again.tissue(5).image)
    assert made.clinical["slide_id"].is_unique
    assert made.clinical["patient_id"].is_unique
    assert (made.clinical["time_months"] > 0).all()
    assert set(made.clinical["event"]) == {0, 1}
    assert 0.4 < made.clinical["event"].mean() < 0.95
    assert (made.clinical["diagnosis"] == "malignant").sum() == 30
    assert made.truth["synthetic"] is True


def fit(n: int, seed: int, effect: float) -> CoxPHFitter:
    made = cohort(n, seed=seed, log_hazard_per_sd=effect)
    table = made.clinical.set_index("slide_id")[["time_months", "event", "age"]]
    table = table.assign(z=made.latent["lymphocytes_z"])
    table["malignant"] = (made.clinical["diagnosis"] == "malignant").astype(float).to_numpy()
    return CoxPHFitter().fit(table, "time_months", "event")


def test_cox_on_the_latent_recovers_the_planted_hazard() -> None:
    fitted = fit(1500, 1, -0.9)
    low, high = fitted.confidence_intervals_.loc["z"]
    assert low < -0.9 < high
    assert high - low < 0.3
    for nothing in ("age", "malignant"):
        assert fitted.summary.loc[nothing, "p"] > 0.01


def test_cox_finds_the_effect_in_a_small_cohort_and_none_where_none_is() -> None:
    assert fit(72, 0, -0.9).summary.loc["z", "p"] < 1e-3
    assert fit(72, 0, -0.9).params_["z"] < 0
    assert fit(1500, 4, 0.0).summary.loc["z", "p"] > 0.01


def test_hazards_are_proportional() -> None:
    made = cohort(1000, seed=3)
    table = made.clinical[["time_months", "event"]].copy()
    table["z"] = made.latent["lymphocytes_z"].to_numpy()
    fitted = CoxPHFitter().fit(table, "time_months", "event")
    assert proportional_hazard_test(fitted, table).summary["p"].min() > 0.01


def test_the_two_effects_are_independent() -> None:
    made = cohort(80, seed=6)
    sick = (made.clinical["diagnosis"] == "malignant").to_numpy()
    z = made.latent["lymphocytes_z"].to_numpy()
    assert abs(z[sick].mean() - z[~sick].mean()) < 1e-9
    assert abs(np.corrcoef(z, made.latent["nuclear_area_um2"])[0, 1]) < 0.3
