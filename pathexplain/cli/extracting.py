"""The command `extract`: its options, one call, and what it prints.

Heavy imports stay inside the function, so that `--help` needs none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.cli.output import Bars, Flag, Json, Several, note, say, say_json

if TYPE_CHECKING:
    from pathexplain.extraction.manifest import RunSummary
    from pathexplain.prompts import PromptSet

__all__ = ["extract"]

DEFAULT_RUN = Path("pathexplain-run")


def extract(  # noqa: PLR0913 - one parameter an option
    *slides: Path,
    prompts: Path,
    out: Path | None = None,
    segmentor: str | None = None,
    mpp: float | None = None,
    device: str = "auto",
    patients: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    export: Several = (),
    roi: Path | None = None,
    reader: str | None = None,
    overwrite: Flag = False,
    as_json: Json = False,
) -> int:
    """Segment slides by prompts, measure every object, write stores and tables.

    A slide that is done already is skipped, so the same command resumes an interrupted run.

    Parameters
    ----------
    slides
        Slides or folders. Default: the prompts file's, else all images of the working folder.
    prompts
        Prompts file (YAML).
    out
        Run folder. Default: the prompts file's, else ./pathexplain-run.
    segmentor
        "compact", "compact-open", "stain", "masks:FOLDER", "clipseg", "sam3", a checkpoint folder,
        a hub id or a plug-in's name. Default: the prompts file's, else compact.
    mpp
        Resolution of the slides, um per pixel, for files that do not say it.
    device
        "auto", "cpu", "cuda" or "mps"; auto takes a GPU where there is one.
    patients
        CSV with slide_id, patient_id and clinical columns. Default: each slide is a patient.
    workers
        Slides worked on at once, each in a process of its own; they share the cores.
    scheduler
        Address of a Dask scheduler, tcp://HOST:PORT, whose workers work on the slides instead.
    export
        Also write "geojson" (QuPath), "ome-tiff" (label pyramid) or "geoparquet" for each slide;
        the option again for several.
    roi
        Where to look: annotations of QuPath as GeoJSON, a file or a folder of SLIDE.geojson.
    reader
        "openslide", "tiff", "image" or "zarr" for all slides, where the suffix misleads.
    overwrite
        Extract again what was made from other inputs or options.
    as_json
        Print the summary of the run as JSON.
    """
    from pathexplain.extraction import extract as run
    from pathexplain.prompts import read_prompts

    prompt_set = read_prompts(prompts)
    for warning in prompt_set.warnings:
        note(f"warning: {warning}")
    if not slides and not prompt_set.slides:
        note(f"no slides named: taking every readable image of {Path.cwd()}")
    with Bars() as bars:
        summary = run(
            slides or None,
            prompts=prompt_set,
            out=_run_folder(out, prompt_set),
            segmentor=segmentor,
            mpp=mpp,
            device=device,
            patients=patients,
            overwrite=overwrite,
            workers=workers,
            scheduler=scheduler,
            exports=export,
            roi=roi,
            reader=reader,
            progress=bars.slide,
            finished=bars.finished,
        )
    _show_run(summary, as_json=as_json)
    return summary.exit_code


def _run_folder(out: Path | None, prompts: PromptSet) -> Path:
    """Run folder from the option, the prompts file, or the default, which is said."""
    if out is not None:
        return out
    if prompts.out is not None:
        return prompts.out
    note(f"no run folder named: writing to ./{DEFAULT_RUN}")
    return DEFAULT_RUN


def _show_run(summary: RunSummary, *, as_json: bool) -> None:
    """Print the run folder, or all of the summary, and what failed."""
    for warning in summary.warnings:
        note(f"warning: {warning}")
    for slide in summary.failed:
        note(f"failed: {slide.slide_id}: {slide.reason}")
    note(summary.describe())
    if as_json:
        say_json(summary)
    else:
        say(summary.out)
