"""`extract`: all slides of a cohort, one store each, resumable; then slide and patient tables.

Not for what happens inside a slide (see `slide`), nor for where it is worked on (see `work`,
`processes`, `cluster`).
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError
from pathexplain.extraction.due_slides import Where, full_disk, work_through
from pathexplain.extraction.exports import check_formats, export_path
from pathexplain.extraction.inputs import find_slides
from pathexplain.extraction.manifest import Manifest, RunSummary, SlideStatus
from pathexplain.extraction.outputs import write_tables
from pathexplain.extraction.patients import PatientTable, read_patients
from pathexplain.extraction.run_folder import make_run_folder, remove_abandoned, sole_run
from pathexplain.extraction.slide import Progress, Tiling
from pathexplain.extraction.work import DISK_FULL, RunSettings, make_settings
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.segmentor.backends import load_segmentor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pathexplain.extraction.due_slides import Finished
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["extract"]

logger = logging.getLogger(__name__)

DEFAULT_SEGMENTOR = "compact"


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
    found = find_slides(slides, prompts=prompt_set, reader=reader)
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
        where = Where(workers, scheduler, progress, finished or _tell_nobody)
        try:
            statuses = work_through(settings, manifest, found, model, where, overwrite=overwrite)
            summary = _summary(settings, manifest, statuses, known_patients, model, start)
            return replace(summary, out=named_folder)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise full_disk(folder, str(error)) from error
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
