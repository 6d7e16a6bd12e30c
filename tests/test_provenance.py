"""Provenance: hashes against hashlib and published digests; versions without imports."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pathexplain
from pathexplain import provenance
from pathexplain.provenance import Provenance, collect, sha256_file, sha256_json

# FIPS 180-4 examples: the empty message and "abc".
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(("content", "expected"), [(b"", EMPTY), (b"abc", ABC)])
def test_a_file_hash_is_the_published_one(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_file(path) == expected


def test_a_file_longer_than_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_CHUNK", 7)
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)))
    assert sha256_file(path) == hashlib.sha256(bytes(range(256))).hexdigest()


def test_json_hash_is_the_hash_of_canonical_text() -> None:
    assert sha256_json({"b": 1, "a": "µ"}) == hashlib.sha256('{"a":"µ","b":1}'.encode()).hexdigest()


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_json_hash_does_not_depend_on_order(value: dict[str, object]) -> None:
    reverse = dict(reversed(value.items()))
    assert sha256_json(value) == sha256_json(reverse) == sha256_json(json.loads(json.dumps(value)))


def test_json_hash_of_dataclasses_sets_and_paths() -> None:
    @dataclass(frozen=True)
    class Point:
        x: int
        where: Path

    assert sha256_json(Point(1, Path("a"))) == sha256_json({"x": 1, "where": "a"})
    assert sha256_json({3, 1, 2}) == sha256_json([1, 2, 3])


def test_json_hash_refuses_nan_and_strangers() -> None:
    with pytest.raises(ValueError, match="JSON"):
        sha256_json(float("nan"))
    with pytest.raises(TypeError, match="complex"):
        sha256_json(1j)


def test_collect_records_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "slide.png"
    path.write_bytes(b"abc")
    before = datetime.now(UTC).replace(microsecond=0)
    record = collect(options={"out": path, "pairs": (("a", "b"),)}, seed=7, inputs=[path])
    assert before <= datetime.fromisoformat(record.created) <= datetime.now(UTC)
    assert record.inputs == {"slide.png": ABC}
    assert record.options == {"out": str(path), "pairs": [["a", "b"]]}
    assert record.versions["pathexplain"] == pathexplain.__version__
    assert record.versions["numpy"] == importlib.metadata.version("numpy")
    assert json.loads(json.dumps(record.to_dict()))["seed"] == 7


def test_collect_takes_hashes_as_they_are() -> None:
    assert collect("x", inputs={"weights": ABC}).inputs == {"weights": ABC}


def test_collect_says_which_input_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        collect("x", inputs=[tmp_path / "nothing.png"])


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/somewhere/bin/pathexplain", "check", "a b.yaml"], "pathexplain check 'a b.yaml'"),
        (["/somewhere/pathexplain/__main__.py", "demo"], "python -m pathexplain demo"),
        (["/somewhere/it's.py", "demo"], "'it'\"'\"'s.py' demo"),
        ([""], "python"),
    ],
)
def test_the_command_line_can_be_repeated(
    argv: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert collect().command == expected


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package-here"))
    assert set(collect("x").versions) == {"python", "pathexplain", "numpy"}


def test_a_record_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Provenance("x").seed = 1  # type: ignore[misc]  # the point of the test


def test_versions_are_read_without_importing() -> None:
    code = (
        "import sys; from pathexplain.provenance import collect; collect('x');"
        "print([m for m in ('torch', 'pandas', 'numpy', 'shap') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
