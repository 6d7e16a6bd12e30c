"""Processes and a real Dask cluster give what one process gives, also when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import anndata
import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from pathexplain.errors import ConfigError
from pathexplain.extraction import extract
from pathexplain.extraction.processes import available_cores
from pathexplain.prompts import Prompt, PromptSet

N_SLIDES = 3
MPP = 0.5


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Slides and the options of all runs here, with masks for objects so that files matter too."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "slides").mkdir()
    (folder / "masks" / "nucleus").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for index in range(N_SLIDES):
        image = np.full((128, 128, 3), (230, 170, 200), np.uint8)
        labels = np.zeros((128, 128), np.uint8)
        for number, (y, x) in enumerate(rng.integers(4, 116, (10, 2)), start=1):
            image[y : y + 8, x : x + 8] = (80, 40, 120)
            labels[y : y + 8, x : x + 8] = number
        Image.fromarray(image).save(folder / "slides" / f"s{index}.png")
        Image.fromarray(labels).save(folder / "masks" / "nucleus" / f"s{index}.png")
    prompts = PromptSet(
        version=1, mpp=MPP, prompts=(Prompt.from_text("nucleus"),), features=("shape", "stain")
    )
    slides = sorted((folder / "slides").iterdir())
    segmentor = f"masks:{folder / 'masks'}"
    return {"slides": slides, "prompts": prompts, "segmentor": segmentor, "mpp": MPP}


@pytest.fixture(scope="module")
def serial(options, tmp_path_factory):
    return extract(**options, out=tmp_path_factory.mktemp("serial"))


def assert_same_cohort(one, other):
    for name in ("cohort.h5ad", "slides.h5ad"):
        first, second = (anndata.read_h5ad(summary.out / name) for summary in (one, other))
        pd.testing.assert_frame_equal(first.to_df(), second.to_df())
        pd.testing.assert_frame_equal(first.obs, second.obs)
        np.testing.assert_array_equal(first.layers["n"], second.layers["n"])


class KillOnce:
    """Kills a process with SIGKILL when the first slide makes progress; stands in for progress."""

    def __init__(self, victims):
        self.victims = victims
        self.killed = []

    def __call__(self, slide_id, done_tiles, total_tiles):
        if not self.killed:
            self.killed.append(slide_id)
            os.kill(self.victims(slide_id), signal.SIGKILL)


@pytest.mark.slow
def test_processes_give_the_serial_cohort_though_one_is_killed(
    options, serial, tmp_path, monkeypatch
):
    from pathexplain.extraction import processes

    started = []
    start = processes._start

    def remember(settings, number, threads):
        started.append(start(settings, number, threads))
        return started[-1]

    monkeypatch.setattr(processes, "_start", remember)
    kill = KillOnce(
        lambda slide_id: next(
            worker.process.pid
            for worker in started
            if worker._task is not None and worker.task.slide_id == slide_id
        )
    )
    finished = []
    summary = extract(
        **options,
        out=tmp_path / "run",
        workers=2,
        progress=kill,
        finished=lambda status, done, total: finished.append((status.slide_id, done, total)),
    )
    assert len(kill.killed) == 1
    assert len(started) == 3
    assert [slide.status for slide in summary.slides] == ["done"] * N_SLIDES
    assert [(done, total) for _, done, total in finished] == [(1, 3), (2, 3), (3, 3)]
    assert_same_cohort(summary, serial)
    assert not (summary.out / ".scratch").exists()
    assert not any(worker.process.is_alive() for worker in started)


@pytest.mark.slow
def test_a_cluster_gives_the_serial_cohort_though_a_worker_is_killed(options, serial, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address

        def busy_worker(slide_id):
            for state in cluster.scheduler.workers.values():
                if any(slide_id in str(task.key) for task in state.processing):
                    return cluster.workers[state.name].pid
            raise AssertionError(slide_id)

        kill = KillOnce(busy_worker)
        summary = extract(**options, out=tmp_path / "run", scheduler=address, progress=kill)
        assert len(kill.killed) == 1
        assert [slide.status for slide in summary.slides] == ["done"] * N_SLIDES
        assert_same_cohort(summary, serial)
        assert not (summary.out / ".scratch").exists()
        with pytest.raises(ConfigError, match=r"none of the \d workers at .* offers a GPU"):
            extract(
                **options, out=tmp_path / "gpu", scheduler=address, device="cuda", overwrite=True
            )


def test_no_scheduler_is_said(options, tmp_path, monkeypatch):
    monkeypatch.setattr("pathexplain.extraction.cluster.CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        extract(**options, out=tmp_path / "run", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"workers": 0}, "1 or more, got 0"),
        ({"workers": 2, "scheduler": "tcp://a:1"}, "leave out workers"),
    ],
)
def test_workers_that_cannot_be_meant_are_refused(options, tmp_path, changes, match):
    with pytest.raises(ConfigError, match=match):
        extract(**options, out=tmp_path / "run", **changes)


def test_a_segmentor_that_cannot_travel_is_refused(options, serial, tmp_path, make_segmentor):
    segmentor = make_segmentor()
    segmentor.describe = lambda prompt: ("trained", prompt.name, 1.0)
    with pytest.raises(ConfigError, match="cannot be sent to other processes"):
        extract(**(options | {"segmentor": segmentor}), out=tmp_path / "run", workers=2)


def test_a_run_folder_takes_one_run_at_a_time_and_is_free_after_a_kill(options, tmp_path):
    holder = (
        "import sys, time; from pathlib import Path;"
        "from pathexplain.extraction.run_folder import sole_run, scratch_folder\n"
        "with sole_run(Path(sys.argv[1])), scratch_folder(Path(sys.argv[1])) as scratch:\n"
        "    (scratch / 'half').write_text('x')\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    out = tmp_path / "run"
    out.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(out)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="another run is writing to this folder"):
            extract(**options, out=out)
        other.kill()
    assert any((out / ".scratch").iterdir())
    summary = extract(**options, out=out)
    assert summary.exit_code == 0
    assert not (out / ".scratch").exists()


def test_workers_end_with_the_process_that_started_them(tmp_path):
    program = (
        "from pathexplain.extraction import processes\n"
        "if __name__ == '__main__':\n"
        "    worker = processes._start(None, 0, 1)\n"
        "    print(worker.process.pid, flush=True)\n"
        "    worker.process.join()\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while _is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_threads_are_shared():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
