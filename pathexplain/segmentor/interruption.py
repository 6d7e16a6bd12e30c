"""Ctrl-C as a wish to stop between two steps, so that what was done is not lost."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["interruptible"]


@contextmanager
def interruptible(*, n_processes: int) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end the training after the step at hand; a second one at once.

    Several processes could be interrupted between different steps, so they stop at once, and
    resume from their last saved state.
    """
    asked = threading.Event()
    if n_processes > 1 or threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        """Note the wish, and let the next one through."""
        del number, frame
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
