"""Long work in pieces: over several processes, with progress, and kept so that it can be resumed.

Not for what a piece computes. A piece is a function of its own arguments (its seed among them), so
the result is the same for any number of processes and after any interruption.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Execution", "spawn_seed"]


@dataclass(frozen=True)
class Execution:
    """How long work is run.

    Parameters
    ----------
    jobs : int
        Processes; 1 works in this one.
    folder : Path, optional
        Where finished pieces are kept; nothing is kept without it.
    key : str
        What the pieces belong to (a hash of data and options); pieces of another key are ignored.
    progress : callable, optional
        Called with the step's name, pieces done and pieces in all.

    Examples
    --------
    >>> Execution().run("squares", pow, [(2, 2), (3, 2)])
    [4, 9]
    """

    jobs: int = 1
    folder: Path | None = None
    key: str = ""
    progress: Callable[[str, int, int], None] | None = None

    def __post_init__(self) -> None:
        """Refuse a number of processes below 1."""
        if self.jobs < 1:
            message = f"jobs is {self.jobs}; give the number of processes, at least 1"
            raise CohortError(message)

    def run(
        self, name: str, function: Callable[..., Any], pieces: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """Call `function` with each tuple of arguments; return what it returned, in that order.

        What a piece returns must be plain values (numbers, text, lists, dicts).
        """
        done = self._kept(name, len(pieces))
        self._tell(name, len(done), len(pieces))
        open_pieces = [index for index in range(len(pieces)) if index not in done]
        for index, value in self._computed(function, pieces, open_pieces):
            done[index] = value
            self._keep(name, index, value)
            self._tell(name, len(done), len(pieces))
        return [done[index] for index in range(len(pieces))]

    def _computed(
        self,
        function: Callable[..., Any],
        pieces: Sequence[tuple[Any, ...]],
        indices: Sequence[int],
    ) -> Iterator[tuple[int, Any]]:
        """Yield each piece as it is finished."""
        if self.jobs == 1 or len(indices) < 2:  # noqa: PLR2004 - one piece needs no pool
            for index in indices:
                yield index, function(*pieces[index])
            return
        from joblib import Parallel, delayed

        pool = Parallel(n_jobs=self.jobs, return_as="generator_unordered")
        yield from pool(delayed(_numbered)(index, function, pieces[index]) for index in indices)

    def _file(self, name: str) -> Path | None:
        """Return the file that keeps a step's pieces."""
        return None if self.folder is None else self.folder / f"{name}-{self.key[:16]}.jsonl"

    def _kept(self, name: str, n_pieces: int) -> dict[int, Any]:
        """Read the pieces of an interrupted run; a line that was cut short is left out."""
        path = self._file(name)
        if path is None or not path.is_file():
            return {}
        kept = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                index, value = json.loads(line)
            except ValueError:
                continue
            if index < n_pieces:
                kept[index] = value
        return kept

    def _keep(self, name: str, index: int, value: Any) -> None:
        """Append a piece; it is whole or its line is broken."""
        path = self._file(name)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" * (stream.tell() > 0) + json.dumps([index, value]))

    def _tell(self, name: str, done: int, total: int) -> None:
        """Report progress to whoever listens."""
        if self.progress is not None:
            self.progress(name, done, total)


def spawn_seed(seed: int, *path: int) -> int:
    """Return a seed for one piece, independent of those of other pieces.

    Examples
    --------
    >>> spawn_seed(0, 1) == spawn_seed(0, 1), spawn_seed(0, 1) == spawn_seed(0, 2)
    (True, False)
    """
    import numpy as np

    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])


def _numbered(
    index: int, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[int, Any]:
    """Compute a piece in another process, with its number."""
    return index, function(*arguments)
