from __future__ import annotations

import dataclasses
import json
import os

import anndata
import numpy as np
import pandas as pd
import pytest
import spatialdata
from skimage.measure import label

from pathexplain.errors import CohortError, ConfigError
from pathexplain.extraction import Tiling, extract
from pathexplain.extraction.store import read_attributes
from pathexplain.prompts import Prompt, PromptSet

MPP = 0.5
TILING = Tiling(core_px=200, halo_px=50)


@pytest.fixture
def run(tmp_path, prompts, segmentor):
    """Call `extract` into ``tmp_path/run`` with the tests' defaults."""

    def call(slides, **changes):
        options = {"prompts": prompts, "out": tmp_path / "run", "segmentor": segmentor, "mpp": MPP}
        return extract(slides, **(options | changes))

    return call


@pytest.fixture
def spots():
    """A small field with 12 cells of 5 x 5 px (6.25 um2) and one red square."""
    image = np.full((128, 160, 3), (230, 170, 200), np.uint8)
    for index in range(12):
        y, x = 10 + 20 * (index // 6), 10 + 22 * (index % 6)
        image[y : y + 5, x : x + 5] = (80, 40, 120)
    image[80:100, 40:60] = (190, 40, 60)
    return image


def objects_of(summary, index=0):
    return spatialdata.read_zarr(summary.slides[index].store).tables["objects"]


def test_tiled_and_in_one_piece_give_the_same_objects(save, field, run, tmp_path):
    # Grain, because summaries of what is the same for all objects are summaries of rounding.
    grain = np.random.default_rng(0).integers(-5, 6, field.shape)
    path = save("field", (field + grain).astype(np.uint8))
    whole = run(path, out=tmp_path / "whole")
    tiled = run(path, out=tmp_path / "tiled", tiling=TILING)
    assert read_attributes(tiled.slides[0].store)["n_tiles"] == 12
    for name in ("cell", "area"):
        frames = []
        for summary in (whole, tiled):
            table = objects_of(summary)
            table = table[table.obs["prompt"] == name]
            frame = pd.DataFrame(np.asarray(table.X), columns=table.var_names)
            frame["y"], frame["x"] = table.obsm["spatial"][:, 1], table.obsm["spatial"][:, 0]
            frames.append(frame.sort_values(["y", "x"]).reset_index(drop=True))
        assert len(frames[0]) > 0
        pd.testing.assert_frame_equal(*frames)
    one, other = (anndata.read_h5ad(summary.out / "slides.h5ad") for summary in (whole, tiled))
    np.testing.assert_allclose(one.X, other.X, rtol=1e-6, atol=1e-9)


def test_objects_are_the_planted_ones(save, field, run):
    table = objects_of(run(save("field", field), tiling=TILING))
    truth = label(np.all(field == (80, 40, 120), axis=2), connectivity=2)
    planted = np.bincount(truth.ravel())[1:]
    cells = table[table.obs["prompt"] == "cell"]
    found = np.asarray(cells[:, "shape.area_um2"].X).ravel() / MPP**2
    assert sorted(found.round()) == sorted(planted[planted * MPP**2 >= 2.0])


def test_store_round_trip(save, spots, run):
    summary = run(save("s1", spots))
    store = spatialdata.read_zarr(summary.slides[0].store)
    labels = store.labels["cell_labels"]
    full = np.asarray(labels["scale0"].ds.to_array()).squeeze()
    assert len(labels) >= 2
    assert full.shape == (128, 160)
    assert full.max() == 12
    shapes = store.shapes["cell"]
    assert shapes.area.tolist() == [6.25] * 12
    objects = store.tables["objects"]
    assert set(objects.obs["region"]) == {"cell", "area"}
    cells = objects[objects.obs["region"] == "cell"]
    assert cells.obs["instance_id"].tolist() == shapes.index.tolist()
    centers = np.stack([shapes.centroid.x, shapes.centroid.y], axis=1)
    np.testing.assert_allclose(cells.obsm["spatial"], centers)
    assert cells.obs["centroid_y_um"].iloc[0] == 6.25
    assert objects.var.loc["shape.area_um2", "unit"] == "um^2"
    assert objects.X.dtype == np.float64
    about = store.attrs["pathexplain"]
    assert about["prompts"]["cell"]["state"] == "present"
    assert about["prompts"]["nothing"] == about["prompts"]["nothing"] | {
        "state": "absent", "n_objects": 0, "presence": 0.0, "trained": "untrained",
    }  # fmt: skip
    assert about["segmentor"]["name"] == "color"
    assert about["inputs"]["slide"].startswith("sha256:")
    assert about["source"]["mpp_source"] == "given"


def test_store_transforms_put_everything_on_one_grid_in_um(save, spots, run):
    store = spatialdata.read_zarr(run(save("s1", spots)).slides[0].store)
    for name in ("cell_labels", "cell"):
        extent = spatialdata.get_extent(store[name], coordinate_system="global")
        high = {axis: float(span[1]) for axis, span in extent.items()}
        expected = {"y": 64.0, "x": 80.0} if name == "cell_labels" else {"y": 17.5, "x": 62.5}
        assert high == pytest.approx(expected)
    thumbnail = spatialdata.get_extent(store["thumbnail"], coordinate_system="global")
    assert thumbnail["x"][1] == pytest.approx(80.0, rel=0.02)


def test_table_reads_as_squidpy_and_napari_want_it(save, spots, run):
    store = spatialdata.read_zarr(run(save("s1", spots)).slides[0].store)
    element, table = spatialdata.join_spatialelement_table(
        sdata=store, spatial_element_names="cell", table_name="objects", how="inner"
    )
    assert len(element["cell"]) == table.n_obs == 12


def test_a_slide_with_nothing_on_it_is_complete(save, run):
    pink = np.full((64, 64, 3), (230, 170, 200), np.uint8)
    summary = run(save("empty", pink))
    assert summary.exit_code == 0
    store = spatialdata.read_zarr(summary.slides[0].store)
    assert not store.shapes
    assert store.tables["objects"].n_obs == 0
    row = anndata.read_h5ad(summary.out / "slides.h5ad").to_df().iloc[0]
    assert row["cell.aggregate.n.total"] == 0
    assert np.isnan(row["cell.shape.area_um2.mean"])


def test_glass_is_done_but_not_assessed_and_leaves_the_cohort(save, spots, run, segmentor):
    glass = np.full((600, 600, 3), 245, np.uint8)
    summary = run([save("glass", glass), save("s1", spots)])
    assert [slide.status for slide in summary.slides] == ["done", "done"]
    assert "no tissue" in summary.slides[0].reason
    about = read_attributes(summary.slides[0].store)
    assert {item["state"] for item in about["prompts"].values()} == {"not assessed"}
    slides = anndata.read_h5ad(summary.out / "slides.h5ad")
    assert np.isnan(slides["glass"].X).all()
    cohort = anndata.read_h5ad(summary.cohort)
    assert list(cohort.obs_names) == ["s1"]
    assert list(cohort.uns["pathexplain"]["flow"]["slides_without_tissue"]) == ["glass"]
    assert segmentor.n_calls == 1


def test_second_run_skips_and_a_lost_store_is_made_again(save, spots, run, segmentor):
    paths = [save("a", spots), save("b", spots[::-1].copy())]
    first = run(paths)
    before = anndata.read_h5ad(first.cohort).to_df()
    second = run(paths)
    assert [slide.status for slide in second.slides] == ["skipped", "skipped"]
    assert segmentor.n_calls == 2
    first.slides[1].store.rename(first.out / "gone")
    third = run(paths)
    assert [slide.status for slide in third.slides] == ["skipped", "done"]
    pd.testing.assert_frame_equal(anndata.read_h5ad(third.cohort).to_df(), before)


def test_a_run_killed_before_its_manifest_was_written_loses_nothing(save, spots, run, segmentor):
    first = run(save("a", spots))
    (first.out / "manifest.json").unlink()
    (first.out / "cohort.h5ad").unlink()
    again = run(save("a", spots))
    assert again.slides[0].status == "skipped"
    assert again.cohort.exists()
    assert segmentor.n_calls == 1


def test_slides_of_an_earlier_call_stay_in_the_tables(save, spots, run):
    run(save("a", spots))
    summary = run(save("b", spots[::-1].copy()))
    assert list(anndata.read_h5ad(summary.cohort).obs_names) == ["a", "b"]


def test_changed_prompts_are_noticed_and_redone_only_when_told(save, spots, run, prompts):
    path = save("a", spots)
    run(path)
    changed = PromptSet(**(vars(prompts) | {"mpp": 1.0}))
    with pytest.raises(ConfigError, match=r"the prompts, their mpp.*--overwrite"):
        run(path, prompts=changed)
    again = run(path, prompts=changed, overwrite=True)
    assert again.slides[0].status == "done"
    assert read_attributes(again.slides[0].store)["mpp"] == 1.0
    assert [item.name for item in (again.out / "stores").iterdir()] == ["a.zarr"]


def test_a_changed_slide_file_is_noticed_and_a_touched_one_is_not(save, spots, run):
    path = save("a", spots)
    run(path)
    os.utime(path, (1, 1))
    assert run(path).slides[0].status == "skipped"
    save("a", spots[::-1].copy())
    with pytest.raises(ConfigError, match="the slide file"):
        run(path)


def test_a_broken_slide_is_named_and_the_others_go_on(save, spots, run, tmp_path):
    broken = tmp_path / "slides" / "broken.png"
    good = save("good", spots)
    broken.write_bytes(good.read_bytes()[:300])
    summary = run([broken, good])
    assert summary.exit_code == 3
    assert [slide.status for slide in summary.slides] == ["failed", "done"]
    assert "broken" in summary.slides[0].reason
    manifest = json.loads((summary.out / "manifest.json").read_text())
    assert {item["slide_id"]: item["status"] for item in manifest["slides"]} == {
        "broken": "failed",
        "good": "done",
    }
    flow = anndata.read_h5ad(summary.cohort).uns["pathexplain"]["flow"]
    assert flow["slides_failed"][0].startswith("broken: ")
    broken.write_bytes(good.read_bytes())
    assert [item.status for item in run([broken, good]).slides] == ["done", "skipped"]


def test_when_every_slide_fails_the_run_failed(save, spots, run):
    summary = run(save("a", spots), mpp=None)
    assert summary.exit_code == 1
    assert "--mpp" in summary.slides[0].reason
    assert summary.cohort is None


def test_no_temporary_files_stay_behind(save, spots, run):
    summary = run(save("a", spots))
    names = {item.name for item in summary.out.iterdir()}
    assert names == {
        ".lock",
        "manifest.json",
        "stores",
        "slides.h5ad",
        "cohort.h5ad",
        "quality.csv",
    }
    assert [item.name for item in (summary.out / "stores").iterdir()] == ["a.zarr"]


def test_progress_counts_tiles_with_tissue(save, field, run):
    calls = []
    run(
        save("a", field),
        tiling=TILING,
        progress=lambda slide_id, done, total: calls.append((slide_id, done, total)),
    )
    assert calls == [("a", index, 12) for index in range(1, 13)]


def test_two_files_of_one_name_are_refused(save, spots, run, tmp_path):
    path = save("a", spots)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "a.png"
    other.write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="stands for two files"):
        run([path, other])


def test_missing_slides_are_refused_before_any_work(run, tmp_path, segmentor):
    with pytest.raises(ConfigError, match="do not exist"):
        run(tmp_path / "nowhere.png")
    assert segmentor.n_calls == 0


def test_files_that_no_reader_knows_are_refused_before_any_work(
    save, spots, run, tmp_path, segmentor
):
    notes = tmp_path / "notes.txt"
    notes.write_text("no slide")
    with pytest.raises(ConfigError, match=r"notes\.txt; suffixes that are read: \.svs"):
        run(notes)
    assert segmentor.n_calls == 0
    summary = run([notes, save("a", spots)])
    assert summary.exit_code == 3
    assert [slide.status for slide in summary.slides] == ["failed", "done"]


def test_folder_prompts_file_and_working_folder_name_slides(
    save, spots, run, prompts, tmp_path, monkeypatch
):
    folder = save("a", spots).parent
    save("b", spots)
    (folder / "notes.txt").write_text("no slide")
    assert len(run(folder).slides) == 2
    named = PromptSet(**(vars(prompts) | {"slides": (str(folder / "b*"),)}))
    assert [slide.slide_id for slide in run(None, prompts=named).slides] == ["b"]
    monkeypatch.chdir(folder)
    assert len(run(None, out=tmp_path / "third").slides) == 2


def test_no_run_folder_is_refused(save, spots, run):
    with pytest.raises(ConfigError, match="--out"):
        run(save("a", spots), out=None)


def test_patients_are_joined_weighted_and_missing_ones_named(save, spots, run, tmp_path):
    half = spots[:64].copy()
    csv = tmp_path / "patients.csv"
    csv.write_text("slide_id,patient_id,stage,event\na,007,II,1\nb,007,II,\nz,9,I,0\n")
    slides = [save("a", spots), save("b", half), save("c", spots)]
    summary = run(slides, patients=csv)
    cohort = anndata.read_h5ad(summary.cohort)
    assert list(cohort.obs_names) == ["007"]
    assert cohort.obs.loc["007", ["stage", "event", "n_slides"]].tolist() == ["II", 1.0, 2]
    assert cohort.to_df().loc["007", "cell.aggregate.n.total"] == 24
    assert list(cohort.uns["pathexplain"]["flow"]["slides_without_patient"]) == ["c"]
    assert any("c" in warning for warning in summary.warnings)
    slides = anndata.read_h5ad(summary.out / "slides.h5ad")
    area = slides.obs["tissue_area_mm2"].loc[["a", "b"]].to_numpy()
    values = slides[["a", "b"], "cell.stain.hematoxylin_mean.mean"].X.ravel()
    found = float(cohort[:, "cell.stain.hematoxylin_mean.mean"].X.ravel()[0])
    assert found == pytest.approx(np.average(values, weights=area))


def test_without_patients_file_each_slide_is_a_patient_and_it_is_said(save, spots, run):
    summary = run(save("a", spots))
    cohort = anndata.read_h5ad(summary.cohort)
    assert list(cohort.obs_names) == ["a"]
    assert bool(cohort.uns["pathexplain"]["flow"]["is_slide_as_patient"])
    assert any("each slide counts as one patient" in warning for warning in summary.warnings)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("slide_id,stage\na,I\n", "no column 'patient_id'"),
        ("slide_id,patient_id\na,P\na,Q\n", "twice: a"),
        ("slide_id,patient_id\na,\n", "csv:2: patient_id is empty"),
        ("slide_id,patient_id\nx,P\ny,Q\n", "ids of the run: a; of the file: x, y"),
        ("slide_id,patient_id,stage\na,P,I\nb,P,II\n", "P: stage is I and II"),
        ("", "cannot be read"),
    ],
)
def test_a_patients_file_that_does_not_fit_stops_before_any_work(
    save, spots, run, tmp_path, segmentor, text, match
):
    csv = tmp_path / "patients.csv"
    csv.write_text(text)
    with pytest.raises(CohortError, match=match):
        run(save("a", spots), patients=csv)
    assert segmentor.n_calls == 0


def test_a_manifest_of_something_else_is_refused(save, spots, run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a manifest"):
        run(save("a", spots))


def test_a_file_for_a_run_folder_is_refused(save, spots, run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        run(save("a", spots), out=tmp_path / "file")


def test_region_prompt_has_no_instance_only_features(save, spots, run):
    cohort = anndata.read_h5ad(run(save("a", spots)).cohort)
    assert cohort.var.loc["area.aggregate.area_share.total", "kind"] in {"any", "region"}
    assert set(cohort.var.columns) >= {"prompt", "family", "feature", "statistic", "unit"}
    assert (cohort.var["unit"] != "").all()


def test_the_stain_segmentor_by_name(save, spots, tmp_path):
    prompts = PromptSet(version=1, mpp=MPP, prompts=(Prompt.from_text("nucleus"),))
    summary = extract(
        save("a", spots), prompts=prompts, out=tmp_path / "r", segmentor="stain", mpp=MPP
    )
    assert summary.exit_code == 0
    assert read_attributes(summary.slides[0].store)["prompts"]["nucleus"]["trained"] == "untrained"


def test_words_that_a_trained_segmentor_never_saw_are_said(save, spots, run, segmentor):
    segmentor.weights_sha256 = "0" * 64
    segmentor.describe = lambda prompt: (
        ("untrained", "disk", 0.25) if prompt.name == "cell" else ("trained", prompt.name, 1.0)
    )
    summary = run(save("a", spots))
    (said,) = [warning for warning in summary.warnings if "untrained" in warning]
    assert "prompt 'cell' ('cells') is untrained in segmentor 'color'" in said
    assert "nearest class is 'disk' (similarity 0.25)" in said


def test_objects_over_glass_never_cover_more_than_the_tissue(save, run, segmentor):
    image = np.full((512, 512, 3), 245, np.uint8)
    rng = np.random.default_rng(0)
    pink = np.array((215, 140, 185))
    image[:, :200] = np.clip(rng.normal(pink, 12, (512, 200, 3)), 0, 255)
    inner = segmentor.segment

    def cover_all(pixels, prompts, *, mpp):
        result = inner(pixels, prompts, mpp=mpp)
        everywhere = np.ones_like(result.probabilities)
        return dataclasses.replace(
            result, probabilities=everywhere, presence=np.ones(len(everywhere), np.float32)
        )

    segmentor.segment = cover_all
    summary = run(save("half", image))
    slides = anndata.read_h5ad(summary.out / "slides.h5ad")
    objects = objects_of(summary)
    covered = objects[objects.obs["prompt"] == "area", "shape.area_um2"].X.sum() * 1e-6
    assert covered > 1.5 * float(slides.obs["tissue_area_mm2"].iloc[0])
    assert float(slides[:, "area.aggregate.area_share.total"].X[0, 0]) == 1.0


@pytest.mark.parametrize(
    ("place", "changed", "said"),
    [
        ("pathexplain.features.summaries.TOTALS", (), "definitions of the features"),
        ("pathexplain.features.summaries.STATISTICS", (), "definitions of the features"),
        ("pathexplain.segmentor.instances.SPLITTING", {}, "how masks are split"),
    ],
)
def test_changed_definitions_are_noticed(save, spots, run, monkeypatch, place, changed, said):
    slide = save("a", spots)
    run(slide)
    monkeypatch.setattr(place, changed)
    with pytest.raises(ConfigError, match=said):
        run(slide)
