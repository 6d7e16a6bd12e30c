"""`extract`: all slides of a cohort, one store each, resumable; then slide and patient tables.

Not for what happens inside a slide (see `slide`), nor for where it is worked on (see `work`,
`processes`, `cluster`).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pathexplain.errors import ConfigError, StorageError
from pathexplain.extraction.cluster import work_on_cluster
from pathexplain.extraction.exports import check_formats, export_path, is_exported
from pathexplain.extraction.inputs import file_facts, find_slides
from pathexplain.extraction.manifest import Manifest, RunSummary, SlideRecord, SlideStatus
from pathexplain.extraction.outputs import write_tables
from pathexplain.extraction.patients import PatientTable, read_patients
from pathexplain.extraction.processes import work_here, work_in_processes
from pathexplain.extraction.resuming import settle
from pathexplain.extraction.run_folder import make_run_folder, remove_abandoned, sole_run
from pathexplain.extraction.slide import Progress, Tiling
from pathexplain.extraction.store import read_attributes
from pathexplain.extraction.work import DISK_FULL, Outcome, RunSettings, SlideTask, make_settings
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.segmentor.backends import load_segmentor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pathexplain.segmentor.backends import Segmentor

__all__ = ["Finished", "extract"]

logger = logging.getLogger(__name__)

DEFAULT_SEGMENTOR = "compact"


class Finished(Protocol):
    """Called after every slide, so that a caller can show how far a run is."""

    def __call__(self, status: SlideStatus, n_finished: int, n_slides: int) -> None:
        """Say what became of a slide, and that `n_finished` of `n_slides` are finished."""
        ...


@dataclass(frozen=True, eq=False)
class _Where:
    """Where slides are worked on, and who is told of it."""

    workers: int
    scheduler: str | None
    progress: Progress | None
    finished: Finished


def extract(  # noqa: PLR0913 - the options of the command, all but one by keyword
    slides: str | Path | Iterable[str | Path] | None = None,
    *,
    prompts: PromptSet | str | Path,
    out: str | Path | None = None,
    segmentor: str | Path | Segmentor | None = None,
    mpp: float | None = None,
    device: str = "auto",
    patients: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    tiling: Tiling | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    exports: Sequence[str] = (),
    finished: Finished | None = None,
    roi: str | Path | None = None,
    reader: str | None = None,
) -> RunSummary:
    """Turn slides and prompts into masks, objects, features and tables.

    A slide whose store is complete and whose inputs (file, prompts, segmentor, options, feature
    definitions) have not changed is skipped, so an interrupted run is finished by the same call.
    A slide that fails is recorded with its reason, and the others go on. Only one run at a time
    writes to a run folder.

    Parameters
    ----------
    slides : path or paths, optional
        Slide files, or folders whose readable images are taken. Default: what the prompts file
        names under `slides`, else the readable images of the working folder.
    prompts : PromptSet or path
        Prompts file, or what `read_prompts` returned.
    out : path, optional
        Run folder. Default: what the prompts file names under `out`.
    segmentor : str, path or Segmentor, optional
        Name, checkpoint directory or loaded segmentor. Default: what the prompts file names, else
        "compact".
    mpp : float, optional
        Resolution of the slides, µm per pixel, in place of what their files say; needed for images
        that do not say it. Not the working resolution, which the prompts file sets.
    device : str
        "auto", "cpu", "cuda" or "mps"; not used when a loaded segmentor is given.
    patients : path, optional
        CSV file with `slide_id`, `patient_id` and clinical columns. Default: a patient a slide.
    overwrite : bool
        Extract again what has changed inputs; otherwise that is an error.
    progress : callable, optional
        ``progress(slide_id, done_tiles, total_tiles)``, called after every tile.
    tiling : Tiling, optional
        Size of tiles; for tests and for machines with little memory.
    workers : int
        Slides worked on at once, each in a process of its own; they share the cores. A script that
        asks for more than one needs the usual ``if __name__ == "__main__":`` around its call.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``, whose workers work on the slides instead;
        they see slides and run folder under the same paths.
    exports : sequence of str
        Formats to write beside the stores: "geojson" (QuPath), "ome-tiff" (label pyramid),
        "geoparquet". Those of slides that are complete are made from their stores.
    finished : callable, optional
        ``finished(status, n_finished, n_slides)``, called after every slide.
    roi : path, optional
        Where to look: annotations of QuPath as GeoJSON, one file or a folder of SLIDE.geojson.
        Default: all tissue.
    reader : {"openslide", "tiff", "image", "zarr"}, optional
        Read all slides with this reader, whatever their suffix.

    Returns
    -------
    RunSummary
        Status of every slide, the patient table, and the exit code of a command.

    Raises
    ------
    ConfigError
        Before any work: a missing slide, two slides of one name, no run folder, one that another
        run is writing to, or inputs that differ from those of complete stores in the folder.
    CohortError
        Before any work: a patients file that does not fit.
    StorageError
        When the disk is full or the scheduler has gone. What is complete is kept.
    """
    start = time.perf_counter()
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    _check_workers(workers, scheduler)
    formats = check_formats(exports)
    found = find_slides(slides, prompts=prompt_set)
    named_folder = _named_folder(out, prompt_set)
    folder = make_run_folder(named_folder)
    with sole_run(folder):
        _clean(folder)
        manifest = Manifest(folder)
        others = [slide_id for slide_id in manifest.slides if slide_id not in found]
        known_patients = read_patients(patients, slide_ids=[*found, *others])
        chosen = segmentor or prompt_set.segmentor or DEFAULT_SEGMENTOR
        named = str(chosen) if isinstance(chosen, str | Path) else chosen
        model = load_segmentor(named, device=device) if isinstance(named, str) else named
        settings = make_settings(
            folder,
            prompt_set,
            (named, model),
            device=device,
            mpp=mpp,
            tiling=tiling or Tiling(),
            exports=formats,
            roi=_existing(roi),
            reader=reader,
        )
        where = _Where(workers, scheduler, progress, finished or _tell_nobody)
        try:
            statuses = _work(settings, manifest, found, model, where, overwrite=overwrite)
            summary = _summary(settings, manifest, statuses, known_patients, model, start)
            return replace(summary, out=named_folder)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise StorageError(_full(folder, str(error)), path=str(folder)) from error
        finally:
            # Processes that were ended on the way could not clean up themselves.
            _clean(folder)


def _existing(roi: str | Path | None) -> Path | None:
    """Path of the regions of interest, made absolute for other processes."""
    if roi is None:
        return None
    path = Path(roi).resolve()
    if not path.exists():
        message = f"no regions of interest at {path}: name a GeoJSON file, or a folder of them"
        raise ConfigError(message, path=str(path))
    return path


def _tell_nobody(status: SlideStatus, n_finished: int, n_slides: int) -> None:
    """Stand in where nobody wants to know how far a run is."""
    del status, n_finished, n_slides


def _check_workers(workers: int, scheduler: str | None) -> None:
    """Refuse what cannot be meant."""
    if workers < 1:
        message = f"workers must be 1 or more, got {workers}"
        raise ConfigError(message)
    if scheduler is not None and workers > 1:
        message = (
            f"a scheduler ({scheduler}) brings its own workers; leave out workers ({workers}) or "
            "the scheduler"
        )
        raise ConfigError(message)


def _named_folder(out: str | Path | None, prompts: PromptSet) -> Path:
    """Run folder that is given, or named in the prompts file."""
    folder = Path(out) if out is not None else prompts.out
    if folder is None:
        message = "no run folder: pass --out, or name it in the prompts file under `out`"
        raise ConfigError(message)
    return folder


def _clean(folder: Path) -> None:
    """Remove what processes that have ended left half done."""
    remove_abandoned(folder)
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def _work(
    settings: RunSettings,
    manifest: Manifest,
    found: dict[str, Path],
    model: Segmentor,
    where: _Where,
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
            raise StorageError(_full(settings.out, outcome.reason), path=str(settings.out))
    return tuple(statuses[slide_id] for slide_id in found)


def _outcomes(
    settings: RunSettings, tasks: Sequence[SlideTask], model: Segmentor, where: _Where
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


def _summary(
    settings: RunSettings,
    manifest: Manifest,
    statuses: tuple[SlideStatus, ...],
    patients: PatientTable,
    model: Segmentor,
    start: float,
) -> RunSummary:
    """Write the tables and sum up the run."""
    cohort, warnings = write_tables(
        settings.out,
        manifest,
        patients,
        about=manifest.run,
        warnings=_unknown_words(settings.prompts, model),
    )
    for warning in warnings:
        logger.warning("%s", warning)
    written = tuple(
        export_path(settings.out, status.slide_id, name)
        for status in statuses
        for name in settings.exports
        if status.status != "failed"
    )
    seconds = time.perf_counter() - start
    return RunSummary(settings.out, statuses, cohort, warnings, seconds, written)


def _full(folder: Path, what: str) -> str:
    """Say that the disk is full, and what is left to do."""
    return (
        f"{folder}: the run stopped because the disk is full ({what}); slides that are done are "
        "kept: free space and run the same command again"
    )


def _unknown_words(prompts: PromptSet, model: Segmentor) -> tuple[str, ...]:
    """Warn of prompts that a trained segmentor never saw; one without weights saw none."""
    if model.weights_sha256 is None:
        return ()
    described = [(prompt, *model.describe(prompt)) for prompt in prompts.prompts]
    return tuple(
        f"prompt {prompt.name!r} ({prompt.text!r}) is {state} in segmentor {model.name!r}; its "
        f"nearest class is {nearest!r} (similarity {similarity:.2f}); look at its masks"
        for prompt, state, nearest, similarity in described
        if state != "trained"
    )
