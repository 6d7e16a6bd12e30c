"""The record of a run: the status of every slide, written again after each of them.

Not for results, which live in the stores and tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pathexplain.errors import ConfigError
from pathexplain.serialization import to_jsonable, write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Manifest", "RunSummary", "SlideRecord", "SlideStatus"]

MANIFEST_VERSION = 1
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
    """

    slide_id: str
    path: Path
    status: Status
    reason: str = ""
    seconds: float = 0.0
    store: Path | None = None


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
    """

    out: Path
    slides: tuple[SlideStatus, ...]
    cohort: Path | None = None
    warnings: tuple[str, ...] = ()

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
        """Enter a slide and write the file."""
        self.slides[record.slide_id] = record
        self.write()

    def write(self) -> None:
        """Write the file, atomically."""
        slides = [to_jsonable(record) for _, record in sorted(self.slides.items())]
        write_json(self.path, {"version": MANIFEST_VERSION, "run": self.run, "slides": slides})
