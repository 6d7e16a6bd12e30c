"""The slides of a run that are due: worked on wherever, and entered in the manifest one by one.

Not for what a run is asked for and what it leaves behind (see `run`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pathexplain.errors import StorageError
from pathexplain.extraction.cluster import work_on_cluster
from pathexplain.extraction.exports import is_exported
from pathexplain.extraction.inputs import file_facts
from pathexplain.extraction.manifest import Manifest, SlideRecord, SlideStatus
from pathexplain.extraction.processes import work_here, work_in_processes
from pathexplain.extraction.resuming import settle
from pathexplain.extraction.store import read_attributes
from pathexplain.extraction.work import Outcome, RunSettings, SlideTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pathexplain.extraction.slide import Progress
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["Finished", "Where", "full_disk", "work_through"]

logger = logging.getLogger(__name__)


class Finished(Protocol):
    """Called after every slide, so that a caller can show how far a run is."""

    def __call__(self, status: SlideStatus, n_finished: int, n_slides: int) -> None:
        """Say what became of a slide, and that `n_finished` of `n_slides` are finished."""
        ...


@dataclass(frozen=True, eq=False)
class Where:
    """Where slides are worked on, and who is told of it."""

    workers: int
    scheduler: str | None
    progress: Progress | None
    finished: Finished


def work_through(
    settings: RunSettings,
    manifest: Manifest,
    found: dict[str, Path],
    model: Segmentor,
    where: Where,
    *,
    overwrite: bool,
) -> tuple[SlideStatus, ...]:
    """Keep what is complete, work on the rest, and enter every slide in the manifest."""
    complete = settle(settings, manifest, found, model, overwrite=overwrite)
    manifest.run = dict(settings.about)
    statuses: dict[str, SlideStatus] = {}
    due = []
    for slide_id, path in found.items():
        if slide_id not in complete:
            due.append(SlideTask(slide_id, path.absolute()))
        elif is_exported(settings.out, slide_id, settings.exports):
            statuses[slide_id] = _skipped(settings, manifest, path, slide_id)
        else:
            due.append(SlideTask(slide_id, path.absolute(), has_store=True))
    for index, status in enumerate(statuses.values(), start=1):
        where.finished(status, index, len(found))
    for outcome in _outcomes(settings, due, model, where):
        status = _enter(settings, manifest, outcome, found[outcome.task.slide_id])
        statuses[status.slide_id] = status
        where.finished(status, len(statuses), len(found))
        if outcome.is_disk_full:
            raise full_disk(settings.out, f"slide {outcome.task.slide_id}: {outcome.reason}")
    return tuple(statuses[slide_id] for slide_id in found)


def _outcomes(
    settings: RunSettings, tasks: Sequence[SlideTask], model: Segmentor, where: Where
) -> Iterator[Outcome]:
    """Work on slides on a cluster, in processes or here."""
    if not tasks:
        return iter(())
    if where.scheduler is not None:
        return work_on_cluster(settings, tasks, address=where.scheduler, progress=where.progress)
    if where.workers > 1:
        return work_in_processes(settings, tasks, n_workers=where.workers, progress=where.progress)
    return work_here(settings, tasks, model=model, progress=where.progress)


def _skipped(settings: RunSettings, manifest: Manifest, path: Path, slide_id: str) -> SlideStatus:
    """Keep a complete store; enter it in the manifest if a killed run could not."""
    store = settings.store(slide_id)
    known = manifest.slides.get(slide_id)
    if known is None or known.status != "done":
        about = read_attributes(store)
        task = SlideTask(slide_id, path)
        outcome = Outcome(task, "done", inputs=about["inputs"], described=about["prompts"])
        _enter(settings, manifest, outcome, path)
    return SlideStatus(slide_id, path, "skipped", "complete and unchanged", 0.0, store)


def _enter(settings: RunSettings, manifest: Manifest, outcome: Outcome, path: Path) -> SlideStatus:
    """Enter what became of a slide in the manifest."""
    slide_id, status, reason = outcome.task.slide_id, outcome.status, outcome.reason
    store = settings.store(slide_id) if status == "done" else None
    if status == "failed":
        logger.warning("slide %s failed: %s", slide_id, reason)
    try:
        size_bytes, modified_ns = file_facts(path)
    except OSError:
        size_bytes = modified_ns = 0
    record = SlideRecord(
        slide_id,
        str(path),
        status,
        reason,
        outcome.seconds,
        None if store is None else str(store.relative_to(settings.out)),
        outcome.inputs,
        outcome.described,
        size_bytes,
        modified_ns,
    )
    manifest.put(record)
    if outcome.task.has_store and status == "done":
        reason = "complete and unchanged; exports were made"
        return SlideStatus(slide_id, path, "skipped", reason, outcome.seconds, store)
    return SlideStatus(
        slide_id, path, status, reason, outcome.seconds, store, outcome.tissue_area_mm2
    )


def full_disk(folder: Path, what: str) -> StorageError:
    """Error that says that the disk is full, for which slide, and what is left to do."""
    message = (
        f"{folder}: the run stopped because the disk is full ({what}); slides that are done are "
        "kept: free space and run the same command again"
    )
    return StorageError(message, path=str(folder))
