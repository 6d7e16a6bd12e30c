"""Slides worked on by a Dask cluster: every slide is one task, tried again when its worker dies.

All machines see the slides and the run folder under the same paths, and have the same pathexplain.
How to start a cluster, on SLURM too: ``docs/clusters.md``.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pathexplain.errors import ConfigError, StorageError
from pathexplain.extraction.work import Outcome, RunSettings, SlideTask, work_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distributed import Client, Future

    from pathexplain.extraction.slide import Progress

__all__ = ["work_on_cluster"]

CONNECT_S = 30
SECONDS_BETWEEN_REPORTS = 1.0
GPU = "GPU"

# Kernels of one slide use several threads, so a worker with many threads takes slides in turn.
_one_slide = threading.Lock()


def work_on_cluster(
    settings: RunSettings,
    tasks: Sequence[SlideTask],
    *,
    address: str,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Work on slides on the workers of a Dask scheduler.

    Parameters
    ----------
    settings : RunSettings
        With the device "cuda", only workers that offer the resource ``GPU`` are used, one slide
        for each unit of it.
    tasks : sequence of SlideTask
    address : str
        ``tcp://host:port``, or whatever else `distributed.Client` takes.
    progress : callable, optional

    Yields
    ------
    Outcome
        As slides are finished, in any order.

    Raises
    ------
    ConfigError
        When no scheduler answers, or a GPU is asked for and no worker offers one.
    """
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        message = f"no Dask scheduler answers at {address}: {error}"
        raise ConfigError(message) from error
    with client:
        resources = _resources(client, settings, address)
        topic = f"pathexplain-{uuid4().hex}"
        if progress is not None:
            client.subscribe_topic(topic, lambda event: progress(*event[1]))
        futures = {
            client.submit(
                _task,
                settings,
                task,
                topic if progress is not None else None,
                key=f"{topic}-{task.slide_id}",
                resources=resources,
                pure=False,
            ): task
            for task in tasks
        }
        for future in as_completed(futures, loop=client.loop):
            yield _outcome(future, futures[future], address)
            future.release()


def _resources(client: Client, settings: RunSettings, address: str) -> dict[str, float] | None:
    """Ask for a GPU where the run needs one, if the workers that are there offer any."""
    if not settings.device.startswith("cuda"):
        return None
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if workers and not any(GPU in worker.get("resources", {}) for worker in workers):
        message = (
            f"device {settings.device!r}: none of the {len(workers)} workers at {address} offers "
            f'a GPU; start them with `dask worker --resources "{GPU}=1"`, or pass --device cpu'
        )
        raise ConfigError(message)
    return {GPU: 1}


def _outcome(future: Future[Outcome], task: SlideTask, address: str) -> Outcome:
    """Take an answer; a slide whose workers died again and again has failed."""
    from distributed.scheduler import KilledWorker

    if future.status in {"cancelled", "lost"}:
        message = (
            f"the Dask scheduler at {address} has gone; slides that are done are kept, and the "
            "same command goes on with the others"
        )
        raise StorageError(message)
    error = future.exception()
    if error is None:
        answer: Outcome = future.result()
        return answer
    if isinstance(error, KilledWorker):
        reason = f"its workers died again and again, last on {error.last_worker.address}"
        return Outcome(task, "failed", f"{reason}; see the log of the worker (out of memory?)")
    return Outcome(task, "failed", f"{type(error).__name__} on the cluster: {error}")


def _task(settings: RunSettings, task: SlideTask, topic: str | None) -> Outcome:
    """Work on a slide in a worker of the cluster."""
    import dask

    report = None if topic is None else _Report(topic)
    # Arrays that a slide writes through Dask are computed here: as tasks of the cluster they would
    # wait for the very worker that waits for them.
    with _one_slide, dask.config.set(scheduler="threads"):
        return work_on(settings, task, progress=report)


class _Report:
    """Tells the client how far a slide is, at most once a second."""

    def __init__(self, topic: str) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._topic = topic
        self._last = 0.0

    def __call__(self, slide_id: str, done_tiles: int, total_tiles: int) -> None:
        """Report tiles, unless it was done a moment ago."""
        now = time.perf_counter()
        if done_tiles == total_tiles or now - self._last > SECONDS_BETWEEN_REPORTS:
            self._last = now
            message: Any = (slide_id, done_tiles, total_tiles)
            self._worker.log_event(self._topic, message)
