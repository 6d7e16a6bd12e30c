"""Results to JSON and files to disk: one way to write, so that no half file ever looks whole.

Not for reading slides or slide stores: those live in `slides` and `extraction`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["replacing", "to_jsonable", "write_json", "write_text"]


def to_jsonable(value: Any) -> Any:
    """Turn dataclasses, arrays, numpy scalars and paths into what `json` writes.

    NaN and infinities become ``null``: JSON has no other word for "undefined".

    Examples
    --------
    >>> to_jsonable({"hr": np.float64(1.5), "p": float("nan"), "n": np.arange(2)})
    {'hr': 1.5, 'p': None, 'n': [0, 1]}
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return _container_to_jsonable(value)


def _container_to_jsonable(value: Any) -> Any:
    """Turn a dataclass, mapping, sequence or set into dicts and lists; refuse anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in dataclasses.fields(value) if field.repr]
        return {name: to_jsonable(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence | AbstractSet):
        return [to_jsonable(item) for item in value]
    message = f"cannot write {type(value).__name__} as JSON: {value!r}"
    raise TypeError(message)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` only if the block succeeds.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8, atomically; return the path."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Write `value` through `to_jsonable`, indented and atomically; return the path."""
    text = json.dumps(to_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")
