"""Which slides of a run folder are complete and can stay, and which must be worked on again.

What a store says about itself counts, not the manifest: a run that was killed between the two loses
nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError, TableError
from pathexplain.extraction.inputs import changes, file_facts, slide_inputs
from pathexplain.extraction.slide_rows import read_slide_row
from pathexplain.extraction.store import read_attributes

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.extraction.manifest import Manifest, SlideRecord
    from pathexplain.extraction.work import RunSettings
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["settle"]

logger = logging.getLogger(__name__)


def settle(
    settings: RunSettings,
    manifest: Manifest,
    found: dict[str, Path],
    model: Segmentor,
    *,
    overwrite: bool,
) -> set[str]:
    """Find the slides whose stores can stay; give up the others, or refuse to.

    Parameters
    ----------
    settings : RunSettings
    manifest : Manifest
        Slides of earlier calls lose their entry where they can stay in no table.
    found : dict of str to Path
        The slides of this run.
    model : Segmentor
    overwrite : bool
        Give up complete stores that were made from other inputs.

    Returns
    -------
    set of str
        Slides of `found` that are complete.

    Raises
    ------
    ConfigError
        When there are such stores and `overwrite` is false.
    """
    complete: set[str] = set()
    outdated: dict[str, str] = {}
    for slide_id in {**found, **manifest.slides}:
        store = settings.store(slide_id)
        if not store.exists():
            continue
        before = read_attributes(store).get("inputs")
        if before is None or not _is_readable(store):
            _give_up(slide_id, store, manifest, is_due=slide_id in found)
            continue
        now = {
            **settings.inputs,
            **_content(manifest, found, slide_id, model, before, settings.roi),
        }
        if changed := changes(before, now):
            outdated[slide_id] = changed
        elif slide_id in found:
            complete.add(slide_id)
    _refuse(outdated, settings, overwrite=overwrite)
    for slide_id, changed in outdated.items():
        logger.warning("slide %s: changed since its last extraction: %s", slide_id, changed)
        if slide_id not in found:
            del manifest.slides[slide_id]
    return complete


def _content(
    manifest: Manifest,
    found: dict[str, Path],
    slide_id: str,
    model: Segmentor,
    before: dict[str, str],
    roi: Path | None,
) -> dict[str, str]:
    """Hashes of a slide's own files now; a file that cannot be read has not changed."""
    kept = {key: value for key, value in before.items() if key in {"slide", "masks", "roi"}}
    path = found.get(slide_id)
    if path is None:
        return kept
    record = manifest.slides.get(slide_id)
    try:
        facts = file_facts(path)
        is_same = record is not None and any(facts) and facts == _recorded(record)
        is_same = is_same and record is not None and record.inputs.get("slide") == before["slide"]
        known = before["slide"] if is_same else ""
        return slide_inputs(path, slide_id, model, roi=roi, known=known)
    except OSError as error:
        logger.warning("slide %s: its file cannot be read, its results stay: %s", slide_id, error)
        return kept


def _recorded(record: SlideRecord) -> tuple[int, int]:
    """Size and time of the file when the manifest was written."""
    return record.size_bytes, record.modified_ns


def _is_readable(store: Path) -> bool:
    """Whether the tables of the run can be made from a store."""
    try:
        read_slide_row(store)
    except TableError:
        return False
    return True


def _give_up(slide_id: str, store: Path, manifest: Manifest, *, is_due: bool) -> None:
    """Say that a store is damaged; it is made again, or its slide leaves the tables."""
    what = "it is extracted again" if is_due else "it is left out until it is extracted again"
    logger.warning("slide %s: its store %s cannot be read; %s", slide_id, store, what)
    if not is_due:
        manifest.slides.pop(slide_id, None)


def _refuse(outdated: dict[str, str], settings: RunSettings, *, overwrite: bool) -> None:
    """Stop before results from different inputs are mixed."""
    if not outdated or overwrite:
        return
    slide_id, changed = next(iter(outdated.items()))
    message = (
        f"{settings.out} holds results of {len(outdated)} slides from other inputs; changed since: "
        f"{changed} (slide {slide_id}). Pass --overwrite to replace them, or another --out"
    )
    raise ConfigError(message, slide_id=slide_id, path=str(settings.out))
