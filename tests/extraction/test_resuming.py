"""What stops a run, what stops a slide alone, and what the next run makes of it."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil

import anndata
import numpy as np
import pytest

from pathexplain.errors import StorageError
from pathexplain.extraction import extract, inputs, outputs, processes, work
from pathexplain.extraction.run_folder import scratch_folder
from pathexplain.extraction.slide_rows import read_slide_row
from pathexplain.prompts import Prompt

MPP = 0.5


@pytest.fixture
def run(tmp_path, segmentor, make_prompts, save):
    """Extract three small slides, the same ones in every call."""
    slides = []
    for index in range(3):
        image = np.full((64, 64, 3), (230, 170, 200), np.uint8)
        image[10 : 20 + index, 10:20] = (80, 40, 120)
        slides.append(save(f"s{index}", image))
    prompts = make_prompts(
        prompts=(Prompt(name="cell", text="cells", kind="instances"),), features=("shape",)
    )

    def call(n_slides=3, **changes):
        options = {"prompts": prompts, "out": tmp_path / "run", "segmentor": segmentor, "mpp": MPP}
        return extract(slides[:n_slides], **(options | changes))

    return call


def statuses(summary):
    return [slide.status for slide in summary.slides]


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(run, segmentor, monkeypatch, tmp_path):
    write, written = work.write_store, []

    def write_until_full(path, *arguments, **options):
        if written:
            (options["scratch"] / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        return write(path, *arguments, **options)

    monkeypatch.setattr(work, "write_store", write_until_full)
    with pytest.raises(StorageError, match=r"disk is full .*run the same command again"):
        run()
    assert [item.name for item in (tmp_path / "run" / "stores").iterdir()] == ["s0.zarr"]
    assert not (tmp_path / "run" / ".scratch").exists()
    assert segmentor.n_calls == 2
    monkeypatch.setattr(work, "write_store", write)
    assert statuses(run()) == ["skipped", "done", "done"]


def test_a_full_disk_at_the_tables_is_said_too(run, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "slides_table", full)
    with pytest.raises(StorageError, match="disk is full"):
        run(1)


def test_a_fault_on_one_slide_is_its_reason_and_says_where(run, segmentor):
    inner = segmentor.segment

    def fail_on_second(image, prompts, *, mpp):
        if segmentor.n_calls == 1:
            segmentor.n_calls += 1
            message = "color"
            raise KeyError(message)
        return inner(image, prompts, mpp=mpp)

    segmentor.segment = fail_on_second
    summary = run()
    assert statuses(summary) == ["done", "failed", "done"]
    assert summary.slides[1].reason.startswith("unexpected KeyError: 'color' (test_resuming.py:")
    assert summary.exit_code == 3
    assert list(anndata.read_h5ad(summary.cohort).obs_names) == ["s0", "s2"]


@pytest.mark.parametrize("damage", ["attributes", "table"])
def test_a_store_that_cannot_be_read_is_made_again(run, segmentor, caplog, damage):
    first = run(1)
    before = anndata.read_h5ad(first.cohort).to_df()
    store = first.slides[0].store
    if damage == "attributes":
        (store / "zarr.json").write_text("{")
    else:
        shutil.rmtree(store / "tables" / "slide" / "layers")
    with caplog.at_level(logging.WARNING):
        again = run(1)
    assert statuses(again) == ["done"]
    assert "cannot be read; it is extracted again" in caplog.text
    assert read_slide_row(store).slide_id == "s0"
    assert anndata.read_h5ad(again.cohort).to_df().equals(before)


def test_a_damaged_store_of_an_earlier_call_leaves_the_tables(run):
    first = run(2)
    shutil.rmtree(first.slides[1].store / "tables")
    assert list(anndata.read_h5ad(run(1).cohort).obs_names) == ["s0"]


def test_what_dead_runs_left_is_removed_and_what_is_alive_is_not(run, tmp_path):
    out = tmp_path / "run"
    (out / ".scratch" / "dead").mkdir(parents=True)
    (out / ".cohort.h5ad.x.part").write_text("half")
    with scratch_folder(out) as alive:
        run(1)
        assert alive.is_dir()
        assert not (out / ".scratch" / "dead").exists()
    assert not (out / ".cohort.h5ad.x.part").exists()


def test_an_unchanged_file_is_not_read_again_and_a_missing_manifest_is_no_loss(run, monkeypatch):
    first = run(1)
    hashed = []
    whole = inputs.fingerprint
    monkeypatch.setattr(inputs, "fingerprint", lambda path: hashed.append(path) or whole(path))
    assert statuses(run(1)) == ["skipped"]
    assert hashed == []
    os.utime(first.slides[0].path, (1, 1))
    assert statuses(run(1)) == ["skipped"]
    assert len(hashed) == 1
    (first.out / "manifest.json").unlink()
    assert statuses(run(1)) == ["skipped"]
    assert len(hashed) == 2


def test_a_slide_in_several_files_is_hashed_with_all_of_them(tmp_path):
    (tmp_path / "a.mrxs").write_text("index")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Data0001.dat").write_bytes(b"x" * 2_000_000)
    before = inputs.fingerprint(tmp_path / "a.mrxs")
    assert before.startswith("sha256-folder:")
    assert inputs.file_facts(tmp_path / "a.mrxs") == (0, 0)
    (tmp_path / "a" / "Data0001.dat").write_bytes(b"x" * 2_000_001)
    assert inputs.fingerprint(tmp_path / "a.mrxs") != before


def test_a_file_that_has_gone_out_of_reach_keeps_its_results(run, monkeypatch):
    run(1)

    def unreachable(_path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathexplain.extraction.resuming.file_facts", unreachable)
    assert statuses(run(1)) == ["skipped"]


def test_a_worker_that_would_give_other_results_refuses(run, tmp_path, make_segmentor, monkeypatch):
    asked = []

    def remember(settings, task, **_options):
        asked.append((settings, task))
        return work.Outcome(task, "failed", "not tried")

    monkeypatch.setattr(processes, "work_on", remember)
    run(1)
    given, task = asked[0]
    other = make_segmentor()
    other.name = "another"
    outcome = work.work_on(
        work.RunSettings(**(vars(given) | {"segmentor": other, "out": tmp_path})), task
    )
    assert outcome.status == "failed"
    assert "would give other results" in outcome.reason
    assert "different: the segmentor or its weights" in outcome.reason


def test_the_summary_says_how_many_and_how_fast(run):
    summary = run(1)
    assert summary.seconds > 0
    assert summary.describe().startswith("1 done in ")
    assert "slides an hour" in summary.describe()
    assert summary.slides[0].tissue_area_mm2 > 0
    again = run(1).describe()
    assert again.startswith("1 skipped in ")
    assert "slides an hour" not in again
    manifest = json.loads((summary.out / "manifest.json").read_text())
    assert manifest["slides"][0]["size_bytes"] > 0
