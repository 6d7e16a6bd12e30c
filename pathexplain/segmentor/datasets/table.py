"""The table of a dataset: one row an image and a category, in ``dataset.csv``.

What `pathexplain dataset` writes and what a user writes by hand are the same table; by hand, the
columns image, mask, prompt and mpp are enough. Reading checks everything and reports all faults at
once. Pixels are not opened here.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.table_checks import (
    faults_across,
    parse_ignore,
    parse_mpp,
    parse_prompt,
    read_cells,
    refusal,
)
from pathexplain.serialization import write_text
from pathexplain.vocabulary import canonical_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pathexplain.vocabulary import Kind, Structure

__all__ = ["COLUMNS", "IGNORE_VALUE", "REQUIRED_COLUMNS", "TABLE_NAME", "Row", "Split"]
__all__ += ["read_rows", "write_rows"]

Split = Literal["train", "validation", "test", ""]

TABLE_NAME = "dataset.csv"
IGNORE_VALUE = 65535
"""Mask value that our own masks give to pixels that nobody annotated."""
REQUIRED_COLUMNS = ("image", "mask", "prompt", "mpp")
COLUMNS = (
    "image",
    "mask",
    "prompt",
    "category",
    "structure",
    "region",
    "kind",
    "ignore",
    "mpp",
    "split",
    "patient",
    "source",
    "licence",
)
_SPLITS = ("train", "validation", "test", "")
_OWN_SOURCE = "own"
_OWN_LICENCE = "as stated by the owner"


@dataclass(frozen=True)
class Row:
    """What is known about one category in one image.

    Attributes
    ----------
    image : Path
        8-bit RGB picture.
    mask : Path or None
        Label image or GeoJSON; None where the category is known to be absent from the image.
    prompt : str
        For example "nuclei-level lymphocyte in breast pathology".
    category, structure, region : str
        The parts of the prompt; `region` is "multiple" where none is known.
    kind : {"instances", "region"}
        Whether each value of the mask is an object of its own.
    ignore : int or None
        Mask value that means "nobody annotated this pixel".
    mpp : float
        µm per pixel of the image, above 0.
    split : {"train", "validation", "test", ""}
        Empty where the dataset leaves the choice to the training.
    patient : str
        What must not be split; the image's own name where no patient is known.
    source, licence : str
        Where the image comes from, and its terms.
    line : int
        Line of the CSV that it was read from, 1-based; 0 where it comes from none.

    Examples
    --------
    >>> row = Row(Path("a.png"), None, "tissue-level gland in colon pathology", "gland", "tissue",
    ...           "colon", "instances", None, 0.5, "train", "p1", "own", "CC0")
    >>> row.category, row.mask is None
    ('gland', True)
    """

    image: Path
    mask: Path | None
    prompt: str
    category: str
    structure: Structure
    region: str
    kind: Kind
    ignore: int | None
    mpp: float
    split: Split
    patient: str
    source: str
    licence: str
    line: int = 0


def read_rows(path: str | Path) -> tuple[Row, ...]:
    r"""Read a dataset's table, checked as a whole.

    Parameters
    ----------
    path : str or Path
        The CSV (UTF-8, commas), or the folder that holds a ``dataset.csv``. Paths in it are
        relative to it.

    Returns
    -------
    tuple of Row
        In the order of the file. Parts of the prompt that have no column come from the prompt;
        "kind" is the vocabulary's, and for objects outside it "region" for tissue, else
        "instances".

    Raises
    ------
    ConfigError
        With every fault at once as ``file:line``: missing columns, missing files, unknown
        structures, kinds and splits, a category twice for one image, one image with two
        resolutions, a patient in two splits, mpp that is no number above 0.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"")
    >>> _ = (folder / "mine.csv").write_text("image,mask,prompt,mpp\na.png,,colon glands,0.5\n")
    >>> (row,) = read_rows(folder / "mine.csv")
    >>> row.prompt, row.kind, row.patient
    ('tissue-level gland in colon pathology', 'instances', 'a.png')
    """
    path = Path(path)
    path = path / TABLE_NAME if path.is_dir() else path
    table = read_cells(path, required=REQUIRED_COLUMNS)
    faults: list[tuple[int, str]] = []
    exists = _existence()
    rows: list[Row] = []
    for line, cells in table:
        found: list[str] = []
        row = _row(path, line, cells, found, exists)
        faults += [(line, text) for text in found]
        if row is not None:
            rows.append(row)
    faults += faults_across(rows)
    if faults:
        raise refusal(path, sorted(faults))
    return tuple(rows)


def write_rows(path: str | Path, rows: Iterable[Row]) -> Path:
    """Write a dataset's table, all columns, whole or not at all; paths relative to it.

    Raises
    ------
    ConfigError
        When an image or mask does not lie under the folder of the table.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> row = Row(folder / "a.png", None, "tissue-level gland in colon pathology", "gland",
    ...           "tissue", "colon", "instances", None, 0.5, "train", "p1", "own", "CC0")
    >>> print(write_rows(folder / "dataset.csv", [row]).read_text().splitlines()[1])
    a.png,,tissue-level gland in colon pathology,gland,tissue,colon,instances,,0.5,train,p1,own,CC0
    """
    path = Path(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        mask = "" if row.mask is None else _relative(row.mask, path)
        cells = {"image": _relative(row.image, path), "mask": mask, "mpp": repr(float(row.mpp))}
        cells["ignore"] = "" if row.ignore is None else str(row.ignore)
        writer.writerow([cells.get(name, getattr(row, name)) for name in COLUMNS])
    return write_text(path, text.getvalue())


def _relative(file: Path, table: Path) -> str:
    """Path as it stands in the table, with forward slashes."""
    try:
        return file.relative_to(table.parent).as_posix()
    except ValueError:
        message = f"{table}: {file} lies outside the folder of the table; write it below that"
        raise ConfigError(message, path=str(table)) from None


def _existence() -> Callable[[Path], bool]:
    """Remember which files exist: an image comes in many rows."""
    known: dict[Path, bool] = {}

    def exists(file: Path) -> bool:
        if file not in known:
            known[file] = file.is_file()
        return known[file]

    return exists


def _row(
    path: Path,
    line: int,
    cells: Mapping[str, str],
    faults: list[str],
    exists: Callable[[Path], bool],
) -> Row | None:
    """One row; None, with the reasons added to `faults`, where it says nothing valid."""
    image, mask = path.parent / cells["image"], path.parent / cells["mask"]
    if not cells["image"]:
        faults.append("image: empty; give the path of a picture")
    elif not exists(image):
        faults.append(f"image: no such file {image}")
    if cells["mask"] and not exists(mask):
        faults.append(f"mask: no such file {mask}; empty means that the category is absent")
    parts = parse_prompt(cells, faults)
    split, ignore = cells.get("split", ""), parse_ignore(cells.get("ignore", ""), faults)
    if split not in _SPLITS:
        faults.append(f"split: {split!r} is not train, validation or test; empty leaves it open")
    mpp = parse_mpp(cells["mpp"], faults)
    if faults or parts is None:
        return None
    category, structure, region, kind = parts
    return Row(
        image=image,
        mask=mask if cells["mask"] else None,
        prompt=canonical_text(structure, category, region),
        category=category,
        structure=structure,
        region=region,
        kind=kind,
        ignore=ignore,
        mpp=mpp,
        split=cast("Split", split),
        patient=cells.get("patient", "") or cells["image"],
        source=cells.get("source", "") or _OWN_SOURCE,
        licence=cells.get("licence", "") or _OWN_LICENCE,
        line=line,
    )
