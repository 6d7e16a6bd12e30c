from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathexplain.serialization import replacing, to_jsonable, write_json, write_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_what_json_can_say_comes_back_unchanged(value: object) -> None:
    assert json.loads(json.dumps(to_jsonable(value), allow_nan=False)) == value


def test_undefined_is_null_at_every_depth() -> None:
    nested = {"a": [np.nan, float("inf")], "b": np.array([[1.0, -np.inf]], np.float32)}
    assert to_jsonable(nested) == {"a": [None, None], "b": [[1.0, None]]}


def test_numpy_scalars_become_python_ones() -> None:
    made = to_jsonable([np.int32(3), np.bool_(True), np.float32(0.5), np.str_("x")])
    assert made == [3, True, 0.5, "x"]
    assert [type(item) for item in made] == [int, bool, float, str]


@dataclass(frozen=True)
class Result:
    path: Path
    names: frozenset[str]
    table: object = field(default=None, repr=False)


def test_dataclasses_leave_out_what_they_do_not_show() -> None:
    assert to_jsonable(Result(Path("a/b"), frozenset({"n"}), object())) == {
        "path": str(Path("a/b")),
        "names": ["n"],
    }


@pytest.mark.parametrize("stranger", [object(), Result, 1j])
def test_strangers_are_refused_by_name(stranger: object) -> None:
    with pytest.raises(TypeError, match=type(stranger).__name__):
        to_jsonable(stranger)


def _write_half(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError):
        _write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_readable_and_keeps_letters(tmp_path: Path) -> None:
    path = write_json(tmp_path / "new" / "a.json", {"unit": "µm²", "value": float("nan")})
    assert path.read_text(encoding="utf-8") == '{\n  "unit": "µm²",\n  "value": null\n}\n'
