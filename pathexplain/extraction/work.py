"""One slide from its file to its store and exports: what a process, here or elsewhere, is given.

Everything here travels between processes, so it is plain and can be pickled. Not for deciding which
slides are due (see `run`) or where they are worked on (see `processes`, `cluster`).
"""

from __future__ import annotations

import dataclasses
import errno
import logging
import platform
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pathexplain.errors import ConfigError, PathExplainError
from pathexplain.extraction.exports import export_slide, remove_exports
from pathexplain.extraction.inputs import changes, config_inputs, slide_inputs
from pathexplain.extraction.roi import roi_file
from pathexplain.extraction.run_folder import scratch_folder
from pathexplain.extraction.slide import Progress, Tiling, extract_slide
from pathexplain.extraction.store import read_attributes, write_store
from pathexplain.provenance import collect
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathexplain.prompts import PromptSet
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["Outcome", "RunSettings", "SlideTask", "make_settings", "work_on"]

logger = logging.getLogger(__name__)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, eq=False)
class RunSettings:
    """Everything that is the same for all slides of a run.

    Parameters
    ----------
    out : Path
        The run folder, absolute: every process writes to it.
    prompts : PromptSet
    segmentor : str or Segmentor
        A name is loaded once in every process.
    device : str
    mpp : float or None
        Resolution of the slides in place of what their files say.
    tiling : Tiling
    options : dict
        The options that results depend on.
    inputs : dict of str to str
        What `config_inputs` says where the run was started.
    about : dict
        What the stores say about the run.
    exports : tuple of str
        Formats to write beside the store.
    roi : Path or None
        Regions of interest: a GeoJSON file, or a folder of one a slide.
    reader : str or None
        Reader of the slides in place of that of their suffix.
    """

    out: Path
    prompts: PromptSet
    segmentor: str | Segmentor
    device: str
    mpp: float | None
    tiling: Tiling
    options: dict[str, Any]
    inputs: dict[str, str]
    about: dict[str, Any]
    exports: tuple[str, ...] = ()
    roi: Path | None = None
    reader: str | None = None

    def store(self, slide_id: str) -> Path:
        """Where a slide's store is."""
        return self.out / "stores" / f"{slide_id}.zarr"


@dataclass(frozen=True)
class SlideTask:
    """One slide to work on; where its store is complete, only exports are missing."""

    slide_id: str
    path: Path
    has_store: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a task; `described` is what the store says of the prompts."""

    task: SlideTask
    status: Literal["done", "failed"]
    reason: str = ""
    seconds: float = 0.0
    tissue_area_mm2: float = 0.0
    inputs: dict[str, str] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    is_disk_full: bool = False


def make_settings(  # noqa: PLR0913 - what a run is made of, all but three by keyword
    out: Path,
    prompts: PromptSet,
    segmentor: tuple[str | Segmentor, Segmentor],
    *,
    device: str,
    mpp: float | None,
    tiling: Tiling,
    exports: tuple[str, ...],
    roi: Path | None = None,
    reader: str | None = None,
) -> RunSettings:
    """Put together what every process of a run needs to know.

    Parameters
    ----------
    out, prompts, device, mpp, tiling, exports, roi, reader
        As in `RunSettings`.
    segmentor : (str or Segmentor, Segmentor)
        As it was named, and loaded.
    """
    named, model = segmentor
    options: dict[str, Any] = {"mpp": mpp, "core_px": tiling.core_px, "halo_px": tiling.halo_px}
    if reader is not None:
        options["reader"] = reader
    inputs = config_inputs(prompts, model, options=options)
    about = {
        **collect(options={**options, "device": device}).to_dict(),
        "inputs": inputs,
        "segmentor": {
            "name": model.name,
            "licence": model.licence,
            "weights_sha256": model.weights_sha256,
        },
        "prompts_file": None if prompts.path is None else prompts.path.name,
        "mpp": prompts.mpp,
        "features": list(prompts.features),
        "stain": dataclasses.asdict(prompts.stain),
    }
    return RunSettings(
        out,
        prompts,
        named,
        device,
        mpp,
        tiling,
        options,
        inputs,
        about,
        exports=exports,
        roi=roi,
        reader=reader,
    )


def work_on(
    settings: RunSettings,
    task: SlideTask,
    *,
    model: Segmentor | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Extract and export one slide; a failure becomes its outcome instead of being passed on.

    Parameters
    ----------
    settings : RunSettings
    task : SlideTask
    model : Segmentor, optional
        The segmentor, where it is loaded already.
    progress : callable, optional
        ``progress(slide_id, done_tiles, total_tiles)``.
    """
    start = time.perf_counter()
    found = {**settings.inputs, "slide": "unreadable"}
    try:
        loaded = model or _loaded(settings)
        if not task.has_store:
            found |= slide_inputs(task.path, task.slide_id, loaded, roi=settings.roi)
            _extract(settings, task, loaded, found, progress)
        export_slide(settings.store(task.slide_id), settings.out, settings.exports)
    except Exception as error:
        # A fault in one slide must not lose all the others, so it is recorded like any failure.
        logger.debug("slide %s failed", task.slide_id, exc_info=True)
        return Outcome(
            task,
            "failed",
            _reason(error),
            time.perf_counter() - start,
            inputs=found,
            is_disk_full=isinstance(error, OSError) and error.errno in DISK_FULL,
        )
    about = read_attributes(settings.store(task.slide_id))
    return Outcome(
        task,
        "done",
        str(about.get("reason") or ""),
        time.perf_counter() - start,
        float(about["tissue_area_mm2"]),
        about["inputs"],
        about["prompts"],
    )


def _extract(
    settings: RunSettings,
    task: SlideTask,
    model: Segmentor,
    inputs: Mapping[str, str],
    progress: Progress | None,
) -> None:
    """Write the store of one slide."""
    with (
        open_slide(
            task.path, mpp=settings.mpp, slide_id=task.slide_id, reader=settings.reader
        ) as slide,
        scratch_folder(settings.out) as scratch,
    ):
        planes, parts = scratch / "planes", scratch / "store"
        planes.mkdir()
        parts.mkdir()
        result = extract_slide(
            slide,
            prompts=settings.prompts,
            segmentor=model,
            tiling=settings.tiling,
            folder=planes,
            progress=progress,
            roi=None if settings.roi is None else roi_file(settings.roi, task.slide_id),
        )
        about = {**settings.about, "inputs": dict(inputs), "file": task.path.name}
        # Exports are made from the store, so none may outlive the one it was made from.
        remove_exports(settings.out, task.slide_id)
        write_store(settings.store(task.slide_id), result, attributes=about, scratch=parts)


def _reason(error: Exception) -> str:
    """Say why a slide failed; of a fault that is not one of ours, also where."""
    text = str(error) or type(error).__name__
    if isinstance(error, PathExplainError):
        return text
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return f"the disk is full: {text}"
    if isinstance(error, OSError | MemoryError | ValueError):
        return f"{type(error).__name__}: {text}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"unexpected {type(error).__name__}: {text} ({where})"


_models: dict[tuple[str, str], Segmentor] = {}
_loading = threading.Lock()


def _loaded(settings: RunSettings) -> Segmentor:
    """Load the segmentor once in this process, and refuse one that gives other results.

    Raises
    ------
    ConfigError
        When this process would segment or measure otherwise than the one that started the run.
    """
    named = settings.segmentor
    with _loading:
        if not isinstance(named, str):
            model = named
        elif (key := (named, settings.device)) in _models:
            model = _models[key]
        else:
            model = _models[key] = load_segmentor(named, device=settings.device)
    here = config_inputs(settings.prompts, model, options=settings.options)
    if changed := changes(settings.inputs, here):
        message = (
            f"{platform.node()}: this worker would give other results than where the run was "
            f"started; different: {changed}. Install the same pathexplain and weights on both"
        )
        raise ConfigError(message)
    return model
