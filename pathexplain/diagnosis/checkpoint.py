"""Numbered pieces of a long computation on disk, so that it goes on where it was stopped.

One ``.npy`` file a piece, in a folder named after everything that decides the numbers: a change of
data, options or version starts anew. Arrays of numbers alone; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pathexplain.diagnosis.parallel import stream
from pathexplain.serialization import replacing, to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Checkpoint", "fingerprint"]

Task = TypeVar("Task")


def fingerprint(*arrays: NDArray[Any] | None, **words: Any) -> str:
    """Return 16 hexadecimal digits that change with any array or word.

    Examples
    --------
    >>> fingerprint(np.arange(3), seed=0) == fingerprint(np.arange(3), seed=0)
    True
    >>> fingerprint(np.arange(3), seed=0) == fingerprint(np.arange(3), seed=1)
    False
    """
    digest = hashlib.sha256(json.dumps(to_jsonable(words), sort_keys=True).encode())
    for array in arrays:
        if array is not None:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class Checkpoint:
    """Where finished pieces are kept; without a folder nothing is.

    Parameters
    ----------
    folder : path or None
        Made when the first piece is kept.
    key : str
        What the pieces belong to, see `fingerprint`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Checkpoint(folder, "a1")
    ...     first = list(kept.stream("square", np.square, [2.0, 3.0], jobs=1))
    ...     again = list(kept.stream("square", None, [2.0, 3.0], jobs=1))
    >>> [float(x) for x in first], [float(x) for x in again]
    ([4.0, 9.0], [4.0, 9.0])
    """

    def __init__(self, folder: str | Path | None, key: str) -> None:
        self._folder = None if folder is None else Path(folder) / f".resume-{key}"

    def stream(
        self,
        stage: str,
        function: Callable[[Task], NDArray[np.float64]] | None,
        tasks: Sequence[Task],
        *,
        jobs: int,
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the answers in the order of the tasks; those on disk are not computed again."""
        n_known = 0
        while n_known < len(tasks) and (known := self.load(stage, n_known)) is not None:
            yield known
            n_known += 1
        if n_known == len(tasks) or function is None:
            return
        for i, answer in enumerate(stream(function, tasks[n_known:], jobs=jobs), start=n_known):
            self.keep(stage, i, answer)
            yield answer

    def load(self, stage: str, i: int) -> NDArray[np.float64] | None:
        """Return a piece that was kept, or None."""
        path = self._path(stage, i)
        if path is None or not path.is_file():
            return None
        return np.asarray(np.load(path, allow_pickle=False))

    def keep(self, stage: str, i: int, answer: NDArray[np.float64]) -> None:
        """Write a piece, whole or not at all."""
        if path := self._path(stage, i):
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.asarray(answer), allow_pickle=False)

    def remove(self) -> None:
        """Remove what was kept, once all is done."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, stage: str, i: int) -> Path | None:
        """Where a piece is kept."""
        return None if self._folder is None else self._folder / f"{stage}-{i:05}.npy"
