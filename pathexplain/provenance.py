"""What made a file: versions, platform, command, resolved options, seed, time, hashes of inputs.

Not for writing it anywhere: a stage stores the record beside its own result. Nothing is imported
to learn its version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pathexplain import __version__

__all__ = ["PACKAGES", "Provenance", "collect", "sha256_file", "sha256_json"]

PACKAGES: tuple[str, ...] = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "scikit-learn",
    "torch",
    "transformers",
    "numba",
    "anndata",
    "spatialdata",
    "zarr",
    "lifelines",
    "shap",
    "openslide-python",
    "openslide-bin",
    "tifffile",
)
"""Distributions whose version can move a number."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Provenance:
    """What made a result, as plain values that go into JSON unchanged.

    Parameters
    ----------
    command : str
        Command line, or the call, that a reader can repeat.
    options : dict
        Options after defaults were filled in.
    seed : int or None
        Seed of all randomness; None where there is none.
    versions : dict of str to str
        Python, pathexplain and each installed package of `PACKAGES`.
    platform : str
        Operating system and processor.
    created : str
        UTC, ISO 8601, to the second.
    inputs : dict of str to str
        SHA-256 of each input, under the name that the caller gave it.

    Examples
    --------
    >>> record = collect("pathexplain demo", options={"seed": 3}, seed=3)
    >>> record.seed, record.created.endswith("+00:00"), "python" in record.versions
    (3, True, True)
    """

    command: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    created: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a plain dictionary, for JSON and for zarr attributes."""
        return {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}


def collect(
    command: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    inputs: Mapping[str, str | Path] | Iterable[str | Path] = (),
) -> Provenance:
    """Record what is running now.

    Parameters
    ----------
    command : str, optional
        Default: this process's own command line, without the folder of the program.
    options : mapping, optional
        Resolved options.
    seed : int, optional
        Seed in use.
    inputs : mapping of str to (path or hash), or paths
        Files are hashed with `sha256_file`, under the mapping's key or the file's name; a value
        that is already a SHA-256 (64 hex digits) is taken as it is.

    Returns
    -------
    Provenance

    Raises
    ------
    OSError
        When an input cannot be read.
    """
    named = inputs if isinstance(inputs, Mapping) else {Path(item).name: item for item in inputs}
    return Provenance(
        command=_command_line() if command is None else command,
        options=_plain(options or {}),
        seed=seed,
        versions=_versions(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        inputs={name: _hash_of(item) for name, item in named.items()},
    )


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, read in pieces.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8.

    Dataclasses count as dictionaries, tuples as lists, sets as sorted lists, paths as text.

    Raises
    ------
    TypeError
        When a value has no JSON form.
    ValueError
        When a number is NaN or infinite.

    Examples
    --------
    >>> sha256_json({"b": 1, "a": (2,)}) == sha256_json({"a": [2], "b": 1})
    True
    """
    text = json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Dictionaries, lists and text in place of dataclasses, tuples, sets and paths."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _hash_of(item: str | Path) -> str:
    """`item` itself where it is a SHA-256, else the hash of the file it names."""
    text = str(item)
    is_hash = len(text) == hashlib.sha256().digest_size * 2 and set(text) <= set("0123456789abcdef")
    return text if is_hash else sha256_file(text)


def _command_line() -> str:
    """Return this process's command line with the program's bare name."""
    program = Path(sys.argv[0] if sys.argv else "").name
    name = "python -m pathexplain" if program == "__main__.py" else shlex.quote(program or "python")
    return " ".join([name, *(shlex.quote(argument) for argument in sys.argv[1:])])


def _versions() -> dict[str, str]:
    """Versions of Python, pathexplain and every installed package of `PACKAGES`."""
    versions = {"python": platform.python_version(), "pathexplain": __version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
