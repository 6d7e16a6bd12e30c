"""What can be wrong with a dataset's table, said as ``file:line``, all at once.

The table itself, and what its columns mean, stand in `table`.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, cast

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import STRUCTURES, parse_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pathexplain.segmentor.datasets.table import Row
    from pathexplain.vocabulary import Kind, ParsedText, Structure

__all__ = ["faults_across", "parse_ignore", "parse_mpp", "parse_prompt", "read_cells", "refusal"]

_KINDS = ("instances", "region")
_MOST_SHOWN = 50
_LARGEST_VALUE = 65535
_SAME_FOR_IMAGE = ("mpp", "split", "patient", "source")


def read_cells(path: Path, *, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Lines of the CSV as cells by column name, with their numbers; blank lines left out."""
    if not path.is_file():
        message = (
            f"{path}: no such table; give a CSV with the columns {', '.join(required)}, "
            "or the folder that `pathexplain dataset` wrote"
        )
        raise ConfigError(message, path=str(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: not a CSV in UTF-8 ({error}); save it as one"
        raise ConfigError(message, path=str(path)) from error
    if len(lines) < 2:  # noqa: PLR2004 - a header and a row
        message = f"{path}: the table has no rows"
        raise ConfigError(message, path=str(path))
    (head_line, head), *rest = lines
    names = [name.strip() for name in head]
    faults = _header_faults(names, head_line, required)
    width = len(names)
    faults += [
        (line, f"has {len(cells)} cells, and the header {width}")
        for line, cells in rest
        if len(cells) != width
    ]
    if faults:
        raise refusal(path, faults)
    return [(line, dict(zip(names, map(str.strip, cells), strict=True))) for line, cells in rest]


def _header_faults(names: list[str], line: int, required: Sequence[str]) -> list[tuple[int, str]]:
    """Say what is wrong with the header."""
    faults = []
    missing = [name for name in required if name not in names]
    if missing:
        hint = "; separate the cells by commas" if len(names) == 1 else ""
        faults.append((line, f"the column{_s(missing)} {', '.join(missing)} missing{hint}"))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        faults.append((line, f"the column{_s(repeated)} {', '.join(repeated)} repeated"))
    return faults


def _s(names: list[str]) -> str:
    """Verb and plural for a list of columns."""
    return " is" if len(names) == 1 else "s are"


def parse_prompt(
    cells: Mapping[str, str], faults: list[str]
) -> tuple[str, Structure, str, Kind] | None:
    """Category, structure, region and kind, from their columns, else from the prompt."""
    parsed = parse_text(cells["prompt"])
    category = cells.get("category", "") or (parsed.term.name if parsed.term else parsed.object)
    if not category:
        faults.append('prompt: empty; give one such as "nuclei-level nucleus in breast pathology"')
        return None
    structure = cells.get("structure", "") or parsed.structure
    if structure is None:
        faults.append(
            f"prompt: {cells['prompt']!r} names no object of `pathexplain vocabulary`; "
            f'say of which structure it is, as in "tissue-level {category} in colon pathology"'
        )
        return None
    if structure not in STRUCTURES:
        faults.append(f"structure: {structure!r} is not one of {', '.join(STRUCTURES)}")
        return None
    region = cells.get("region", "") or parsed.region or "multiple"
    kind = cells.get("kind", "") or _default_kind(parsed, structure)
    if kind not in _KINDS:
        faults.append(f"kind: {kind!r} is not one of {', '.join(_KINDS)}")
        return None
    return category, structure, region, cast("Kind", kind)


def _default_kind(parsed: ParsedText, structure: Structure) -> Kind:
    """Kind where no column says it: the vocabulary's, else by structure."""
    if parsed.term is not None:
        return parsed.term.kind
    return "region" if structure == "tissue" else "instances"


def parse_ignore(cell: str, faults: list[str]) -> int | None:
    """Mask value without annotation; None where the cell is empty."""
    if not cell:
        return None
    if not cell.isdecimal() or not 1 <= int(cell) <= _LARGEST_VALUE:
        faults.append(f"ignore: {cell!r} is not a mask value from 1 to {_LARGEST_VALUE}")
        return None
    return int(cell)


def parse_mpp(cell: str, faults: list[str]) -> float:
    """µm per pixel; NaN, with a fault, where the cell holds none."""
    try:
        mpp = float(cell)
    except ValueError:
        mpp = math.nan
    if not (math.isfinite(mpp) and mpp > 0):
        faults.append(f"mpp: {cell!r} is not a number of µm per pixel above 0")
        return math.nan
    return mpp


def faults_across(rows: list[Row]) -> list[tuple[int, str]]:
    """Faults that show only between rows: repetitions, and what should agree but does not."""
    faults = []
    first: dict[tuple[Path, str, str], int] = {}
    of_image: dict[Path, Row] = {}
    of_patient: dict[tuple[str, str], Row] = {}
    for row in rows:
        earlier = first.setdefault((row.image, row.structure, row.category), row.line)
        if earlier != row.line:
            text = (
                f"{row.structure}-level {row.category} of {row.image} stands in line {earlier} too"
            )
            faults.append((row.line, text))
        known = of_image.setdefault(row.image, row)
        faults += [
            (
                row.line,
                f"{name}: {getattr(row, name)!r}, but {getattr(known, name)!r} for the same image "
                f"in line {known.line}",
            )
            for name in _SAME_FOR_IMAGE
            if getattr(row, name) != getattr(known, name)
        ]
        other = of_patient.setdefault((row.source, row.patient), row)
        if row.split != other.split and known is row:
            text = (
                f"patient: {row.patient!r} is in split {row.split!r} here and in "
                f"{other.split!r} in line {other.line}; a patient belongs to one split"
            )
            faults.append((row.line, text))
    return faults


def refusal(path: Path, faults: list[tuple[int, str]]) -> ConfigError:
    """One error that lists every fault."""
    lines = [f"{path}:{line}: {text}" for line, text in faults[:_MOST_SHOWN]]
    if len(faults) > _MOST_SHOWN:
        lines.append(f"… and {len(faults) - _MOST_SHOWN} more faults")
    return ConfigError("\n".join(lines), path=str(path), line=faults[0][0])
