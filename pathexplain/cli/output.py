"""What the command line writes: results to stdout, everything else to stderr.

Not for files: the functions that the commands call write those.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress, TaskID

__all__ = ["SlideProgress", "columns", "note", "say", "say_json"]


def say(text: object = "") -> None:
    """Write a line of result to stdout."""
    sys.stdout.write(f"{text}\n")


def note(text: object) -> None:
    """Write a line for whoever watches to stderr."""
    sys.stderr.write(f"{text}\n")


def say_json(value: Any) -> None:
    """Write a result to stdout as JSON."""
    from pathexplain.serialization import to_jsonable

    say(json.dumps(to_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False))


def columns(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as text, aligned in columns two spaces apart.

    Examples
    --------
    >>> print(columns([("name", "kind"), ("lymphocyte", "instances")]))
    name        kind
    lymphocyte  instances
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in texts
    )
    return "\n".join(line.rstrip() for line in lines)


class SlideProgress:
    """A bar a slide on stderr; silent where stderr is no terminal.

    Examples
    --------
    >>> with SlideProgress() as progress:
    ...     progress("slide", 1, 2)
    """

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars, if anyone can see them."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            layout = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} tiles"),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*layout, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, slide_id: str, done: int, total: int) -> None:
        """Show that `done` of `total` tiles of a slide are measured."""
        if self._bars is None:
            return
        if slide_id not in self._tasks:
            self._tasks[slide_id] = self._bars.add_task(slide_id, total=total)
        self._bars.update(self._tasks[slide_id], completed=done, total=total)
