"""Slides worked on here, one after another, or by several processes of this machine.

A process that dies takes nothing with it but its own attempt at one slide, and none outlives the
process that started it. Other machines: see `cluster`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from pathexplain.errors import ConfigError
from pathexplain.extraction.work import Outcome, RunSettings, SlideTask, work_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from pathexplain.extraction.slide import Progress
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["available_cores", "work_here", "work_in_processes"]

ATTEMPTS = 2
"""How often a slide is tried whose process dies."""

SECONDS_BETWEEN_REPORTS = 0.2
PATIENCE_S = 5.0
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TIFFFILE_NUM_THREADS",
    "DASK_NUM_WORKERS",
    "ZARR_THREADING__MAX_WORKERS",
)


def available_cores() -> int:
    """Cores that this process may use, which a batch system can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def work_here(
    settings: RunSettings,
    tasks: Sequence[SlideTask],
    *,
    model: Segmentor,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Work on slides one after another, in this process."""
    for task in tasks:
        yield work_on(settings, task, model=model, progress=progress)


def work_in_processes(
    settings: RunSettings,
    tasks: Sequence[SlideTask],
    *,
    n_workers: int,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Work on slides in several processes, which share the cores of this machine.

    Parameters
    ----------
    settings : RunSettings
    tasks : sequence of SlideTask
    n_workers : int
        Processes; no more are started than there are slides.
    progress : callable, optional

    Yields
    ------
    Outcome
        As slides are finished, in any order. A slide whose process died is tried once more.

    Raises
    ------
    ConfigError
        When the segmentor is an object that cannot be sent to another process.
    """
    due = deque((task, 1) for task in tasks)
    pool = _Pool(settings, min(n_workers, len(due)))
    try:
        while due or pool.busy:
            pool.hand_out(due)
            for worker, answer in pool.answers():
                if isinstance(answer, Outcome):
                    yield answer
                elif answer is None and worker.attempt < ATTEMPTS:
                    due.append((worker.task, worker.attempt + 1))
                elif answer is None:
                    yield worker.death()
                elif progress is not None:
                    progress(*answer)
    finally:
        pool.stop()


class _Pool:
    """Processes that are idle and processes that are busy."""

    def __init__(self, settings: RunSettings, n_workers: int) -> None:
        self._settings = settings
        self._threads = max(1, available_cores() // max(1, n_workers))
        self.busy: list[_Worker] = []
        self.idle: list[_Worker] = []
        for number in range(n_workers):
            self.idle.append(_start(settings, number, self._threads))

    def hand_out(self, due: deque[tuple[SlideTask, int]]) -> None:
        """Give every idle process a slide, as long as there are any."""
        while due and self.idle:
            worker = self.idle.pop()
            worker.take(*due.popleft())
            self.busy.append(worker)

    def answers(self) -> Iterator[tuple[_Worker, Outcome | tuple[str, int, int] | None]]:
        """Wait for answers; None for a process that has died, in whose place another starts."""
        for connection in wait([worker.connection for worker in self.busy]):
            worker = next(item for item in self.busy if item.connection is connection)
            answer = worker.receive()
            if not isinstance(answer, tuple):
                self.busy.remove(worker)
                is_alive = answer is not None
                self.idle.append(
                    worker if is_alive else _start(self._settings, worker.number, self._threads)
                )
            yield worker, answer

    def stop(self) -> None:
        """End all processes."""
        for worker in [*self.idle, *self.busy]:
            worker.stop()


@dataclass
class _Worker:
    """A process, the pipe to it, and what it is working on."""

    process: SpawnProcess
    connection: Connection
    number: int
    started: float = 0.0
    attempt: int = 0
    _task: SlideTask | None = None

    @property
    def task(self) -> SlideTask:
        """The slide that it was given last."""
        if self._task is None:
            message = "the process was given no slide yet"
            raise RuntimeError(message)
        return self._task

    def take(self, task: SlideTask, attempt: int) -> None:
        """Give it a slide; one that is dead already is noticed when its answer is awaited."""
        self._task, self.attempt, self.started = task, attempt, time.perf_counter()
        try:
            self.connection.send(task)
        except OSError:
            self.process.kill()

    def receive(self) -> Outcome | tuple[str, int, int] | None:
        """Take its answer: an outcome, how many tiles are done, or None when it has died."""
        try:
            answer: Outcome | tuple[str, int, int] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def death(self) -> Outcome:
        """Say how the process ended, as the failure of its slide."""
        self.process.join(PATIENCE_S)
        seconds = time.perf_counter() - self.started
        return Outcome(self.task, "failed", _cause(self.process.exitcode, self.attempt), seconds)

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self.process.terminate()
        self.process.join(PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _cause(exit_code: int | None, attempts: int) -> str:
    """Say in words how a process died.

    Examples
    --------
    >>> _cause(-9, 2)
    'its process died 2 times, by SIGKILL (out of memory?); try fewer --workers'
    """
    known = {
        "SIGKILL": " (out of memory?); try fewer --workers",
        "SIGBUS": " (disk full?); free space and run the same command again",
    }
    if exit_code is None or exit_code >= 0:
        return f"its process ended {attempts} times without an answer (exit code {exit_code})"
    name = signal.Signals(-exit_code).name
    return f"its process died {attempts} times, by {name}{known.get(name, '')}"


def _start(settings: RunSettings, number: int, threads: int) -> _Worker:
    """Start a process with its share of the threads, and of the GPUs where there are several."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    with _environment(_worker_environment(number, threads, os.environ)):
        try:
            process.start()
        except (AttributeError, TypeError) as error:
            message = (
                f"the segmentor cannot be sent to other processes ({error}); give its name or "
                "folder, or do without workers"
            )
            raise ConfigError(message) from error
        finally:
            theirs.close()
    return _Worker(process, ours, number)


def _worker_environment(
    number: int, threads: int, environment: Mapping[str, str]
) -> dict[str, str]:
    """Variables of one process: thread counts, none above what was set already; its GPU.

    Examples
    --------
    >>> shared = _worker_environment(1, 4, {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "0,3"})
    >>> shared["OMP_NUM_THREADS"], shared["NUMBA_NUM_THREADS"], shared["CUDA_VISIBLE_DEVICES"]
    ('2', '4', '3')
    """
    chosen = {}
    for name in THREAD_VARIABLES:
        before = environment.get(name, "")
        chosen[name] = str(min(threads, int(before)) if before.isdecimal() else threads)
    gpus = [item for item in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if item]
    if len(gpus) > 1:
        chosen["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return chosen


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for what is started meanwhile: libraries read them when they are imported."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, settings: RunSettings) -> None:
    """Work on slides as they come, in a process of its own, until the pipe is closed."""
    # Ctrl-C reaches every process of a terminal; the one that started us ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    report = _Reports(connection)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        outcome = work_on(settings, task, progress=report)
        report.send(outcome)


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Reports:
    """Sends how far a slide is, a few times a second, and outcomes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._last = 0.0

    def __call__(self, slide_id: str, done_tiles: int, total_tiles: int) -> None:
        """Report tiles, unless it was done a moment ago."""
        now = time.perf_counter()
        if done_tiles == total_tiles or now - self._last > SECONDS_BETWEEN_REPORTS:
            self._last = now
            self.send((slide_id, done_tiles, total_tiles))

    def send(self, message: Any) -> None:
        """Send one message at a time, whichever thread it comes from."""
        with self._lock:
            self._connection.send(message)
