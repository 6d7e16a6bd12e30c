"""From a public source to the common dataset format: pictures, masks and ``dataset.csv``.

The work of `pathexplain dataset`. What is finished is noted in ``finished.jsonl``, so the same call
goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import math
import re
import struct
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pathexplain.errors import ConfigError, PathExplainError
from pathexplain.segmentor.datasets.catalog import CATALOG, REFUSED
from pathexplain.segmentor.datasets.finished import Finished, fingerprint
from pathexplain.segmentor.datasets.table import TABLE_NAME, write_rows
from pathexplain.segmentor.datasets.writing import Options, Origin, write_picture
from pathexplain.serialization import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pathexplain.segmentor.datasets.annotation import Annotated, Item
    from pathexplain.segmentor.datasets.table import Row

__all__ = ["Conversion", "PictureStatus", "convert"]

FAILURES: tuple[type[Exception], ...] = (
    PathExplainError,
    OSError,
    ValueError,
    LookupError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What a broken picture raises; the others are still converted."""


@dataclass(frozen=True)
class PictureStatus:
    """What became of one picture: "skipped" is one that was finished before."""

    name: str
    status: Literal["done", "skipped", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class Conversion:
    """What `convert` did.

    Attributes
    ----------
    table : Path
        The ``dataset.csv``.
    pictures : tuple of PictureStatus
    n_rows : int
        Rows of the table: pictures, after cutting, times categories.
    warnings : tuple of str
    """

    source: str
    table: Path
    pictures: tuple[PictureStatus, ...]
    n_rows: int
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 3 where some pictures failed."""
        return 3 if any(picture.status == "failed" for picture in self.pictures) else 0


def convert(
    source: str,
    folder: str | Path,
    *,
    out: str | Path,
    mpp: float | None = None,
    source_mpp: float | None = None,
    prompt: str | None = None,
    cut: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Turn a public source into a dataset that `pathexplain train` reads.

    Parameters
    ----------
    source : str
        Name of the source, as `pathexplain dataset --list` shows.
    folder : path
        The unpacked source.
    out : path
        Folder for ``images/``, ``masks/``, ``dataset.csv`` and ``dataset.json``.
    mpp : float, optional
        Resolution to rescale to, µm per pixel; pictures antialiased, masks by majority. Default: as
        it is.
    source_mpp : float, optional
        Resolution of the source, where nobody published one, or in place of that.
    prompt : str, optional
        For source "folder": what its masks show.
    cut : bool
        Cut pictures with a side above 1500 px into overlapping windows of 1024 px.
    progress : callable, optional
        Called with pictures finished and their total.

    Returns
    -------
    Conversion
        With the pictures that failed and why; `exit_code` is then 3.

    Raises
    ------
    ConfigError
        When the source is unknown, its folder is not in the published layout, a resolution is
        missing or not above 0, or `out` holds a dataset made otherwise.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> root = Path(tempfile.mkdtemp())
    >>> for part in ("Slide_01", "GT_01"):
    ...     (root / part).mkdir()
    ...     Image.fromarray(np.full((64, 64), 255, np.uint8)).save(root / part / "01_1.png")
    >>> made = convert("tnbc", root, out=root / "out", mpp=0.5)
    >>> made.n_rows, made.table.name
    (1, 'dataset.csv')
    """
    folder, out = Path(folder), Path(out)
    for name, value in (("mpp", mpp), ("source_mpp", source_mpp)):
        if value is not None and not (math.isfinite(value) and value > 0):
            message = f"{name} is {value}; give µm per pixel above 0"
            raise ConfigError(message)
    items, warnings = _without_split_patients(source, _list(source, folder, prompt))
    _check_resolution(source, folder, items, source_mpp)
    options = Options(source, mpp, source_mpp, prompt, cut)
    finished = Finished(out, options)
    pictures: list[PictureStatus] = []
    rows: list[Row] = []
    for index, item in enumerate(items):
        status, new = _one(item, finished, options)
        pictures.append(status)
        rows += new
        if progress is not None:
            progress(index + 1, len(items))
    table = write_rows(out / TABLE_NAME, rows)
    made = Conversion(source, table, tuple(pictures), len(rows), warnings)
    _write_summary(out, made, options)
    return made


def _list(source: str, folder: Path, prompt: str | None) -> list[Item]:
    """Pictures of a source, with names that can be file names."""
    _check_source(source, folder, prompt)
    from pathexplain.segmentor.datasets.readers import READERS
    from pathexplain.segmentor.datasets.readers.folders import folder_of_masks

    items = folder_of_masks(folder, prompt=prompt) if prompt else READERS[source](folder)
    if not items:
        message = f"{folder}: no pictures of {source} in it; see docs/datasets.md for its layout"
        raise ConfigError(message, path=str(folder))
    items = [_named(item) for item in items]
    repeated = [name for name, n in Counter(item.name for item in items).items() if n > 1]
    if repeated:
        message = f"{folder}: pictures of one name: {', '.join(repeated[:5])}; unpack it once only"
        raise ConfigError(message, path=str(folder))
    return items


def _check_source(source: str, folder: Path, prompt: str | None) -> None:
    """Refuse a source that is unknown or not convertible, and a prompt where none belongs."""
    if source in REFUSED:
        message = f"source {source!r} is not converted: {REFUSED[source]}"
        raise ConfigError(message)
    if source not in CATALOG:
        message = f"unknown source {source!r}; known are {', '.join(CATALOG)}"
        raise ConfigError(message)
    if not folder.exists():
        message = f"{folder}: no such folder; give the unpacked {source} ({CATALOG[source].link})"
        raise ConfigError(message, path=str(folder))
    if source == "folder" and not prompt:
        message = "source 'folder' needs a prompt, such as \"tissue-level tumor in breast\""
        raise ConfigError(message)
    if source != "folder" and prompt:
        message = f"source {source!r} names its own categories; a prompt is for 'folder' alone"
        raise ConfigError(message)


def _check_resolution(
    source: str, folder: Path, items: list[Item], source_mpp: float | None
) -> None:
    """Refuse a source whose resolution nobody knows, before any picture is opened."""
    info = CATALOG[source]
    if source_mpp or info.mpp or info.tells_mpp:
        return
    lacking = [item.name for item in items if not item.mpp]
    if lacking:
        message = (
            f"{folder}: µm per pixel of {source} is not known for {len(lacking)} of {len(items)} "
            f"pictures, such as {lacking[0]}; give --source-mpp"
        )
        raise ConfigError(message, path=str(folder))


def _named(item: Item) -> Item:
    """Name a picture as files can be named on every system."""
    return dataclasses.replace(item, name=re.sub(r"[^A-Za-z0-9._-]+", "_", item.name))


def _without_split_patients(source: str, items: list[Item]) -> tuple[list[Item], tuple[str, ...]]:
    """Keep an official split that cuts through patients, as patients of a split each."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.patient:
            splits[item.patient].add(item.split)
    shared = {patient for patient, found in splits.items() if len(found) > 1}
    if not shared:
        return items, ()
    renamed = [
        dataclasses.replace(item, patient=f"{item.patient} {item.split}")
        if item.patient in shared
        else item
        for item in items
    ]
    warning = (
        f"the official split of {source} shares {len(shared)} patients between its parts: "
        "right for comparing masks with published figures, wrong for a diagnosis"
    )
    return renamed, (warning,)


def _one(item: Item, finished: Finished, options: Options) -> tuple[PictureStatus, tuple[Row, ...]]:
    """Convert one picture, unless it is finished; a broken one is reported."""
    inputs = fingerprint(item)
    known = finished.rows_of(item.name, inputs)
    if known is not None:
        return PictureStatus(item.name, "skipped"), known
    try:
        picture = item.read()
        mpp = _resolution(item, picture, options)
        info = CATALOG[options.source]
        origin = Origin(
            item.name,
            mpp,
            info.region if item.region == "multiple" else item.region,
            item.split,
            item.patient or item.name,
            item.source or options.source,
            item.licence or info.licence,
        )
        rows = write_picture(picture, origin, out=finished.out, options=options)
    except FAILURES as error:
        reason = str(error) or type(error).__name__
        if not any(str(path) in reason for path in item.files):
            reason = f"{item.files[0]}: {reason}"
        return PictureStatus(item.name, "failed", reason), ()
    finished.add(item.name, inputs, rows)
    return PictureStatus(item.name, "done"), rows


def _resolution(item: Item, picture: Annotated, options: Options) -> float:
    """µm per pixel: what was given, what the picture says, or what was published."""
    mpp = options.source_mpp or picture.mpp or item.mpp or CATALOG[options.source].mpp
    if not mpp:
        message = f"{item.files[0]}: the picture tells no µm per pixel; give --source-mpp"
        raise ConfigError(message, path=str(item.files[0]))
    return float(mpp)


def _write_summary(out: Path, made: Conversion, options: Options) -> None:
    """Say beside the table what it was made from, and under which terms."""
    info = CATALOG[made.source]
    write_json(
        out / "dataset.json",
        {
            "source": info,
            "options": options,
            "pictures": Counter(picture.status for picture in made.pictures),
            "failed": {p.name: p.reason for p in made.pictures if p.status == "failed"},
            "rows": made.n_rows,
            "warnings": made.warnings,
        },
    )
