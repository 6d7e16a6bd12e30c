"""`extract`: all slides of a cohort, one store each, resumable; then slide and patient tables.

Not for what happens inside a slide: see `slide`.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError, PathExplainError
from pathexplain.extraction.inputs import changes, config_inputs, find_slides, slide_inputs
from pathexplain.extraction.manifest import Manifest, RunSummary, SlideRecord, SlideStatus
from pathexplain.extraction.outputs import write_tables
from pathexplain.extraction.patients import read_patients
from pathexplain.extraction.slide import Progress, Tiling, extract_slide
from pathexplain.extraction.store import read_attributes, write_store
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.provenance import Provenance, collect
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathexplain.segmentor.backends import Segmentor

__all__ = ["extract"]

logger = logging.getLogger(__name__)

DEFAULT_SEGMENTOR = "compact"
# What a broken slide raises below our own errors: files, memory, values that do not fit.
SLIDE_FAILURES = (PathExplainError, OSError, MemoryError, ValueError)


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything that is the same for all slides of a run."""

    out: Path
    prompts: PromptSet
    segmentor: Segmentor
    mpp: float | None
    tiling: Tiling
    inputs: dict[str, str]
    provenance: Provenance
    progress: Progress | None

    def store(self, slide_id: str) -> Path:
        """Where a slide's store is."""
        return self.out / "stores" / f"{slide_id}.zarr"


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
) -> RunSummary:
    """Turn slides and prompts into masks, objects, features and tables.

    A slide whose store is complete and whose inputs (file, prompts, segmentor, options, feature
    definitions) have not changed is skipped, so an interrupted run is finished by the same call.
    A slide that fails is recorded with its reason, and the others go on.

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

    Returns
    -------
    RunSummary
        Status of every slide, the patient table, and the exit code of a command.

    Raises
    ------
    ConfigError
        Before any work: a missing slide, two slides of one name, no run folder, or inputs that
        differ from those of complete stores in the folder.
    CohortError
        Before any work: a patients file that does not fit.
    """
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    found = find_slides(slides, prompts=prompt_set)
    folder = _run_folder(out, prompt_set)
    manifest = Manifest(folder)
    others = [
        record.slide_id for record in manifest.slides.values() if record.slide_id not in found
    ]
    known_patients = read_patients(patients, slide_ids=[*found, *others])
    model = _load(segmentor, prompt_set, device)
    used = tiling or Tiling()
    options = {"mpp": mpp, "core_px": used.core_px, "halo_px": used.halo_px}
    run = _Run(
        out=folder,
        prompts=prompt_set,
        segmentor=model,
        mpp=mpp,
        tiling=used,
        inputs=config_inputs(prompt_set, model, options=options),
        provenance=collect(options={**options, "device": device}),
        progress=progress,
    )
    fingerprints = {
        slide_id: slide_inputs(path, slide_id, model) for slide_id, path in found.items()
    }
    complete = _settle(run, manifest, fingerprints, overwrite=overwrite)
    manifest.run = _about_run(run)
    statuses = tuple(
        _skipped(run, manifest, path, slide_id)
        if slide_id in complete
        else _attempt(run, manifest, path, slide_id, fingerprints[slide_id])
        for slide_id, path in found.items()
    )
    cohort, warnings = write_tables(
        folder,
        manifest,
        known_patients,
        about=manifest.run,
        warnings=_unknown_words(prompt_set, model),
    )
    for warning in warnings:
        logger.warning("%s", warning)
    return RunSummary(folder, statuses, cohort, warnings)


def _run_folder(out: str | Path | None, prompts: PromptSet) -> Path:
    """Make the run folder, given or named in the prompts file."""
    folder = Path(out) if out is not None else prompts.out
    if folder is None:
        message = "no run folder: pass --out, or name it in the prompts file under `out`"
        raise ConfigError(message)
    if folder.exists() and not folder.is_dir():
        message = f"{folder} is a file; the results need a folder"
        raise ConfigError(message, path=str(folder))
    (folder / "stores").mkdir(parents=True, exist_ok=True)
    return folder


def _load(segmentor: str | Path | Segmentor | None, prompts: PromptSet, device: str) -> Segmentor:
    """Take the given segmentor, or load it by name."""
    chosen = segmentor or prompts.segmentor or DEFAULT_SEGMENTOR
    return load_segmentor(chosen, device=device) if isinstance(chosen, str | Path) else chosen


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


def _about_run(run: _Run) -> dict[str, object]:
    """Return what the manifest, the stores and the tables say about the run."""
    return {
        **run.provenance.to_dict(),
        "inputs": run.inputs,
        "segmentor": {
            "name": run.segmentor.name,
            "licence": run.segmentor.licence,
            "weights_sha256": run.segmentor.weights_sha256,
        },
        "prompts_file": None if run.prompts.path is None else run.prompts.path.name,
        "mpp": run.prompts.mpp,
        "features": list(run.prompts.features),
    }


def _settle(
    run: _Run, manifest: Manifest, fingerprints: dict[str, dict[str, str]], *, overwrite: bool
) -> set[str]:
    """Find the slides whose stores can stay; drop the others, or refuse to.

    What a store says about itself counts, not the manifest: a run that was killed between the two
    loses nothing.
    """
    complete, outdated = set(), {}
    for slide_id in {**fingerprints, **manifest.slides}:
        before = read_attributes(run.store(slide_id)).get("inputs")
        if before is None:
            continue
        kept = {key: before[key] for key in ("slide", "masks") if key in before}
        now = {**run.inputs, **(fingerprints.get(slide_id) or kept)}
        if changed := changes(before, now):
            outdated[slide_id] = changed
        elif slide_id in fingerprints:
            complete.add(slide_id)
    if outdated and not overwrite:
        slide_id, changed = next(iter(outdated.items()))
        message = (
            f"{run.out} holds results of {len(outdated)} slides from other inputs; changed since: "
            f"{changed} (slide {slide_id}). Pass --overwrite to replace them, or another --out"
        )
        raise ConfigError(message, slide_id=slide_id, path=str(run.out))
    for slide_id, changed in outdated.items():
        logger.warning("slide %s: changed since its last extraction: %s", slide_id, changed)
        if slide_id not in fingerprints:
            del manifest.slides[slide_id]
    return complete


def _skipped(run: _Run, manifest: Manifest, path: Path, slide_id: str) -> SlideStatus:
    """Keep a complete store; enter it in the manifest if a killed run could not."""
    store = run.store(slide_id)
    known = manifest.slides.get(slide_id)
    if known is None or known.status != "done":
        found = read_attributes(store)
        manifest.put(_record(run, path, slide_id, found["inputs"], found["prompts"]))
    return SlideStatus(slide_id, path, "skipped", "complete and unchanged", 0.0, store)


def _attempt(
    run: _Run, manifest: Manifest, path: Path, slide_id: str, content: dict[str, str]
) -> SlideStatus:
    """Extract one slide; record its failure instead of passing it on."""
    start = time.perf_counter()
    store = run.store(slide_id)
    inputs = {**run.inputs, "slide": "unreadable", **content}
    try:
        reason = _extract_one(run, path, slide_id, inputs)
    except SLIDE_FAILURES as error:
        seconds = time.perf_counter() - start
        text = str(error) or type(error).__name__
        reason = text if isinstance(error, PathExplainError) else f"{type(error).__name__}: {text}"
        logger.warning("slide %s failed: %s", slide_id, reason)
        manifest.put(SlideRecord(slide_id, str(path), "failed", reason, seconds, inputs=inputs))
        return SlideStatus(slide_id, path, "failed", reason, seconds)
    seconds = time.perf_counter() - start
    prompts = read_attributes(store)["prompts"]
    manifest.put(_record(run, path, slide_id, inputs, prompts, reason=reason, seconds=seconds))
    return SlideStatus(slide_id, path, "done", reason, seconds, store)


def _extract_one(run: _Run, path: Path, slide_id: str, inputs: dict[str, str]) -> str:
    """Write the store of one slide; return what there is to know about it."""
    with (
        open_slide(path, mpp=run.mpp, slide_id=slide_id) as slide,
        tempfile.TemporaryDirectory(prefix=".planes-", dir=run.out) as folder,
    ):
        result = extract_slide(
            slide,
            prompts=run.prompts,
            segmentor=run.segmentor,
            tiling=run.tiling,
            folder=Path(folder),
            progress=run.progress,
        )
        about = {**_about_run(run), "inputs": inputs, "file": path.name}
        write_store(run.store(slide_id), result, attributes=about)
    return result.reason


def _record(
    run: _Run,
    path: Path,
    slide_id: str,
    inputs: dict[str, str],
    prompts: dict[str, object],
    *,
    reason: str = "",
    seconds: float = 0.0,
) -> SlideRecord:
    """Entry of a slide that is done."""
    store = str(run.store(slide_id).relative_to(run.out))
    return SlideRecord(slide_id, str(path), "done", reason, seconds, store, inputs, prompts)
