"""What the command line writes: results to stdout, everything else to stderr.

Not for files: the functions that the commands call write those.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress, TaskID

    from pathexplain.extraction.manifest import SlideStatus

__all__ = ["Bars", "Flag", "Json", "Several", "columns", "note", "say", "say_json"]

Json = Annotated[bool, Parameter("--json", show_default=False)]
Flag = Annotated[bool, Parameter(show_default=False)]
Several = Annotated[tuple[str, ...], Parameter(show_default=False)]


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


class Bars:
    """Progress bars on stderr; silent where stderr is no terminal.

    Examples
    --------
    >>> with Bars() as bars:
    ...     bars.slide("S1", 1, 2)
    """

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._finished: set[str] = set()
        self._n_failed = 0

    def __enter__(self) -> Self:
        """Show the bars, if anyone can see them."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            layout = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
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

    def slide(self, slide_id: str, done_tiles: int, total_tiles: int) -> None:
        """Show how many tiles of a slide are measured, unless that comes late."""
        if slide_id not in self._finished:
            self._show(slide_id, slide_id, done_tiles, total_tiles)

    def finished(self, status: SlideStatus, n_finished: int, n_slides: int) -> None:
        """Show how many slides are finished; the bar of one that is disappears."""
        if self._bars is None:
            return
        self._finished.add(status.slide_id)
        self._n_failed += status.status == "failed"
        if status.slide_id in self._tasks:
            self._bars.remove_task(self._tasks.pop(status.slide_id))
        failed = f", {self._n_failed} failed" if self._n_failed else ""
        self._show("all slides", f"slides{failed}", n_finished, n_slides)

    def image(self, done: int, total: int) -> None:
        """Show how many images are measured."""
        self._show("images", "images", done, total)

    def stage(self, name: str, done: int, total: int) -> None:
        """Show how many pieces of a named stage are done."""
        self._show(name, name, done, total)

    def step(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Show how far a training is, and its last losses."""
        words = [f"{name} {value:.3f}" for name, value in metrics.items() if name != "seconds"]
        self._show("training", " ".join(["step", *words[:3]]), step, steps)

    def _show(self, key: str, text: str, done: int, total: int) -> None:
        """Set a bar, which is made when it is first used."""
        if self._bars is None:
            return
        from rich.markup import escape

        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(escape(text), total=total)
        self._bars.update(self._tasks[key], description=escape(text), completed=done, total=total)
