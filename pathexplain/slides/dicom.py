"""Which files of a folder are the same DICOM slide: its levels lie in files of their own.

Not for reading pixels: OpenSlide opens all levels from any one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["one_file_a_slide"]

SUFFIX = ".dcm"


def one_file_a_slide(paths: Iterable[Path]) -> list[Path]:
    """Leave out DICOM files that belong to the slide of one before them.

    Parameters
    ----------
    paths : iterable of Path
        Files of any format; others than ``.dcm`` are kept as they are.

    Returns
    -------
    list of Path
        In the order given. DICOM files that OpenSlide cannot open are kept: whoever opens them
        gets the reason.

    Examples
    --------
    >>> from pathlib import Path
    >>> one_file_a_slide([Path("a.svs"), Path("b.svs")])
    [PosixPath('a.svs'), PosixPath('b.svs')]
    """
    seen: set[str] = set()
    kept = []
    for path in paths:
        series = _series(path) if path.suffix.lower() == SUFFIX else None
        if series is None or series not in seen:
            kept.append(path)
        if series is not None:
            seen.add(series)
    return kept


def _series(path: Path) -> str | None:
    """Return what OpenSlide tells slides apart by; None for a file that it cannot open."""
    import openslide

    try:
        with openslide.OpenSlide(path) as slide:
            found: str | None = slide.properties.get(openslide.PROPERTY_NAME_QUICKHASH1)
    except openslide.OpenSlideError:
        return None
    return found
