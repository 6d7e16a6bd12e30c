"""Compiled kernels are kept: a second process compiles nothing, also of a read-only package."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import pathexplain
from pathexplain.compilation import PACKAGE, keep_compiled

COUNT = """
import numpy as np
from numba.core import event
recorder = event.RecordingListener()
event.register("numba:compile", recorder)
from pathexplain.features.objects import view_objects
assert view_objects(np.ones((4, 4), np.int32), mpp=0.5).area_px.tolist() == [16]
import pathexplain
print(pathexplain.__file__, sum(e.is_start for _, e in recorder.buffer))
"""


def test_a_second_process_compiles_nothing_where_the_package_is_read_only(tmp_path):
    copy, cache = tmp_path / "site" / "pathexplain", tmp_path / "cache"
    left_out = shutil.ignore_patterns("__pycache__", "weights", "training", "demo*")
    shutil.copytree(Path(pathexplain.__file__).parent, copy, ignore=left_out)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("no folder: numba cannot write here", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(copy.parent), "XDG_CACHE_HOME": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-B", "-c", COUNT],
            env=environment, capture_output=True, text=True, check=True, cwd=tmp_path,
        )  # fmt: skip
        path, count = done.stdout.split()
        assert Path(path).is_relative_to(copy)
        counts.append(int(count))
    assert counts[0] >= 2
    assert counts[1] == 0
    assert list(cache.rglob("*.nbi"))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A package and a home that cannot be written (files stand where folders would)."""
    for name in ("package", "home"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setitem(sys.modules, "numba", type("numba", (), {"config": type("config", (), {})}))
    return tmp_path / "package"


def test_where_nothing_can_be_written_a_private_folder_serves_for_the_run(nowhere, caplog):
    keep_compiled(nowhere)
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert str(folder) == sys.modules["numba"].config.CACHE_DIR
    assert "set NUMBA_CACHE_DIR" in caplog.text


def test_a_folder_that_is_given_or_can_be_written_is_left_alone(nowhere, monkeypatch, tmp_path):
    keep_compiled(PACKAGE if os.access(PACKAGE, os.W_OK) else tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == ""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "yet"))
    keep_compiled(nowhere)
    assert os.environ["NUMBA_CACHE_DIR"] == ""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "given")
    keep_compiled(nowhere)
    assert os.environ["NUMBA_CACHE_DIR"] == "given"
