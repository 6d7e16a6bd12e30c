"""`--export`: the objects of a store in formats that other programs open, one file a slide.

Everything is made from the store alone and written whole or not at all. A new format is one
function and one line in `FORMATS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError
from pathexplain.extraction.geojson import write_geojson
from pathexplain.extraction.geoparquet import write_geoparquet
from pathexplain.extraction.ome_tiff import write_ome_tiff
from pathexplain.extraction.run_folder import scratch_folder
from pathexplain.extraction.stored_objects import StoredObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["FORMATS", "check_formats", "export_path", "export_slide", "is_exported"]
__all__ += ["remove_exports"]

FORMATS: dict[str, tuple[str, Callable[[StoredObjects, Path], None]]] = {
    "geojson": (".geojson", write_geojson),
    "ome-tiff": (".labels.ome.tif", write_ome_tiff),
    "geoparquet": (".objects.parquet", write_geoparquet),
}
"""Name of each format: how its file ends, and what writes it."""


def check_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repetition.

    Raises
    ------
    ConfigError
        When one is no format.

    Examples
    --------
    >>> check_formats(["geojson", "geojson"])
    ('geojson',)
    """
    chosen = tuple(dict.fromkeys(names))
    if unknown := [name for name in chosen if name not in FORMATS]:
        message = f"no export format {unknown[0]!r}; there are {', '.join(FORMATS)}"
        raise ConfigError(message)
    return chosen


def export_path(out: Path, slide_id: str, name: str) -> Path:
    """Where a slide's export in one format is."""
    return out / "exports" / f"{slide_id}{FORMATS[name][0]}"


def is_exported(out: Path, slide_id: str, names: Iterable[str]) -> bool:
    """Whether all of these exports are there."""
    return all(export_path(out, slide_id, name).is_file() for name in names)


def remove_exports(out: Path, slide_id: str) -> None:
    """Remove what was made from a store that is about to be replaced."""
    for name in FORMATS:
        export_path(out, slide_id, name).unlink(missing_ok=True)


def export_slide(store: Path, out: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Write a slide in other formats, each of which is left alone where it is there already.

    Parameters
    ----------
    store : Path
        Complete store of the slide.
    out : Path
        The run folder; files go to ``exports/``.
    names : iterable of str
        Keys of `FORMATS`.

    Returns
    -------
    tuple of Path
        One path a format.

    Raises
    ------
    TableError
        When the store cannot be read, or its parts disagree.
    """
    wanted = {name: export_path(out, store.stem, name) for name in names}
    missing = {name: path for name, path in wanted.items() if not path.is_file()}
    if missing:
        objects = StoredObjects(store)
        (out / "exports").mkdir(exist_ok=True)
        with scratch_folder(out) as scratch:
            for name, path in missing.items():
                FORMATS[name][1](objects, scratch / path.name)
                (scratch / path.name).replace(path)
    return tuple(wanted.values())
