"""The record of a run: the status of every slide, written again as slides are finished.

Not for results, which live in the stores and tables.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pathexplain.errors import ConfigError
from pathexplain.serialization import to_jsonable, write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Manifest", "RunSummary", "SlideRecord", "SlideStatus"]

MANIFEST_VERSION = 1
WRITING_SHARE = 0.05
"""Most of a run's time that may be spent on writing the manifest again and again."""

Status = Literal["done", "failed", "skipped"]


@dataclass(frozen=True)
class SlideStatus:
    """What became of one slide in one run.

    Parameters
    ----------
    slide_id : str
    path : Path
    status : {"done", "failed", "skipped"}
        "skipped": its store was complete and nothing it depends on has changed.
    reason : str
        Why it failed, or what to know about a slide that is done; may be empty.
    seconds : float
        Wall-clock time spent.
    store : Path or None
        Its store; None when it failed.
    tissue_area_mm2 : float
        Tissue on it; 0 when it failed or was skipped.
    """

    slide_id: str
    path: Path
    status: Status
    reason: str = ""
    seconds: float = 0.0
    store: Path | None = None
    tissue_area_mm2: float = 0.0


@dataclass(frozen=True)
class RunSummary:
    """What `extract` did.

    Parameters
    ----------
    out : Path
        The run folder.
    slides : tuple of SlideStatus
    cohort : Path or None
        The patient table; None when no slide was ever extracted.
    warnings : tuple of str
        What the reader of the results must know.
    seconds : float
        Wall-clock time of the run.
    exports : tuple of Path
        Files that were asked for beside the stores, of all slides that are there.
    """

    out: Path
    slides: tuple[SlideStatus, ...]
    cohort: Path | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    exports: tuple[Path, ...] = ()

    def describe(self) -> str:
        """Say in one line how many slides are done, and how fast.

        Examples
        --------
        >>> from pathlib import Path
        >>> done = SlideStatus("a", Path("a.svs"), "done", tissue_area_mm2=30.0)
        >>> RunSummary(Path("run"), (done, done), seconds=120.0).describe()
        '2 done in 2 min 0 s; 60.0 slides an hour, 0.5 mm² of tissue a second'
        """
        counts = Counter(slide.status for slide in self.slides)
        words = [f"{counts[word]} {word}" for word in ("done", "skipped", "failed") if counts[word]]
        minutes, seconds = divmod(round(self.seconds), 60)
        lasted = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        text = f"{', '.join(words)} in {lasted}"
        if not counts["done"] or not self.seconds:
            return text
        per_hour = counts["done"] * 3600 / self.seconds
        speed = sum(slide.tissue_area_mm2 for slide in self.slides) / self.seconds
        return f"{text}; {per_hour:.1f} slides an hour, {speed:.2g} mm² of tissue a second"

    @property
    def failed(self) -> tuple[SlideStatus, ...]:
        """The slides that failed."""
        return tuple(slide for slide in self.slides if slide.status == "failed")

    @property
    def exit_code(self) -> int:
        """0 when every slide is there, 3 when some failed, 1 when all did."""
        if not self.failed:
            return 0
        return 1 if len(self.failed) == len(self.slides) else 3


@dataclass(frozen=True)
class SlideRecord:
    """A slide's entry in the manifest, kept from run to run."""

    slide_id: str
    path: str
    status: Literal["done", "failed"]
    reason: str = ""
    seconds: float = 0.0
    store: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, Any] = field(default_factory=dict)
    size_bytes: int = 0
    modified_ns: int = 0


class Manifest:
    """``manifest.json`` of a run folder.

    Parameters
    ----------
    out : Path
        The run folder; an existing manifest in it is read.

    Raises
    ------
    ConfigError
        When the file is there and is not a manifest that this version can read.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / "manifest.json"
        self.run: dict[str, Any] = {}
        self.slides: dict[str, SlideRecord] = {}
        self._not_before = 0.0
        if self.path.is_file():
            self._read()

    def _read(self) -> None:
        """Take over what the file says."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version = content["version"]
            self.slides = {item["slide_id"]: SlideRecord(**item) for item in content["slides"]}
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.path} is not a manifest of pathexplain ({error}); use another folder"
            raise ConfigError(message, path=str(self.path)) from error
        if version != MANIFEST_VERSION:
            message = f"{self.path} has version {version}, this is {MANIFEST_VERSION}"
            raise ConfigError(message, path=str(self.path))

    def put(self, record: SlideRecord) -> None:
        """Enter a slide, and write the file unless that would take too much of the run's time.

        Stores say what is complete, so a manifest that is some slides behind loses nothing.
        """
        self.slides[record.slide_id] = record
        if time.monotonic() >= self._not_before:
            self.write()

    def write(self) -> None:
        """Write the file, atomically."""
        start = time.monotonic()
        slides = [to_jsonable(record) for _, record in sorted(self.slides.items())]
        write_json(self.path, {"version": MANIFEST_VERSION, "run": self.run, "slides": slides})
        end = time.monotonic()
        self._not_before = end + (end - start) / WRITING_SHARE
