"""Open a slide file with the reader that its suffix names; never by trying readers in turn.

Not for resampling: readers hand levels to `pyramid`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pathexplain.errors import SlideError
from pathexplain.slides.image_reader import read_image
from pathexplain.slides.openslide_reader import read_openslide
from pathexplain.slides.tiff_reader import read_tiff
from pathexplain.slides.zarr_reader import read_zarr

if TYPE_CHECKING:
    from pathexplain.slides.pyramid import PyramidSlide

__all__ = ["READERS", "SLIDE_SUFFIXES", "is_slide", "open_slide", "slide_name"]


class Reader(Protocol):
    """A function from a path to a slide; `mpp` overrides what the file says."""

    def __call__(self, path: Path, *, slide_id: str, mpp: float | None) -> PyramidSlide:
        """Open the file."""
        ...


READERS: dict[str, Reader] = {
    "openslide": read_openslide,
    "tiff": read_tiff,
    "image": read_image,
    "zarr": read_zarr,
}
READER_OF_SUFFIX = {
    ".svs": "openslide",
    ".ndpi": "openslide",
    ".mrxs": "openslide",
    ".scn": "openslide",
    ".svslide": "openslide",
    ".bif": "openslide",
    ".vms": "openslide",
    ".vmu": "openslide",
    ".dcm": "openslide",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".btf": "tiff",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".zarr": "zarr",
}
SLIDE_SUFFIXES: tuple[str, ...] = tuple(READER_OF_SUFFIX)


def is_slide(path: str | Path) -> bool:
    """Whether the suffix of `path` is one that `open_slide` knows.

    Examples
    --------
    >>> is_slide("a/S1.SVS"), is_slide("a/S1.txt")
    (True, False)
    """
    return Path(path).suffix.lower() in READER_OF_SUFFIX


def slide_name(path: str | Path) -> str:
    """Name of the slide that a file holds: the file's name without its format.

    Examples
    --------
    >>> slide_name("scans/TCGA-01.2.svs"), slide_name("S1.ome.tiff")
    ('TCGA-01.2', 'S1')
    """
    stem = Path(path).stem
    return stem[:-4] if stem.lower().endswith(".ome") and len(stem) > len(".ome") else stem


def open_slide(
    path: str | Path,
    *,
    mpp: float | None = None,
    slide_id: str | None = None,
    reader: str | None = None,
) -> PyramidSlide:
    """Open a slide, a TIFF or a plain image.

    Parameters
    ----------
    path : path
        The file, or the folder of an OME-Zarr image; its suffix chooses the reader
        (`SLIDE_SUFFIXES`).
    mpp : float, optional
        um a pixel at full resolution; overrides what the file says, and is needed where the file
        says nothing (PNG, JPEG, some TIFF).
    slide_id : str, optional
        Name in every table; the file's name without its format by default.
    reader : {"openslide", "tiff", "image", "zarr"}, optional
        Use this reader whatever the suffix, for example OpenSlide for a Ventana ``.tif``.

    Returns
    -------
    PyramidSlide
        A `Slide`, and a context manager that closes the file.

    Raises
    ------
    SlideError
        If the file is missing, broken, of an unknown or unsupported kind (16-bit, CMYK, pixels that
        are not square), or has no resolution and none is given.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "field.png"
    >>> Image.fromarray(np.zeros((20, 30, 3), dtype=np.uint8)).save(path)
    >>> with open_slide(path, mpp=0.5) as slide:
    ...     slide.slide_id, slide.shape, slide.source["mpp_source"]
    ('field', (20, 30), 'given')
    >>> folder.cleanup()
    """
    path = Path(path)
    name = slide_name(path) if slide_id is None else slide_id
    chosen = READER_OF_SUFFIX.get(path.suffix.lower()) if reader is None else reader
    if chosen not in READERS:
        known = f"readers: {', '.join(READERS)}; suffixes: {' '.join(SLIDE_SUFFIXES)}"
        what = f"no reader {reader!r}" if reader else f"no reader for suffix {path.suffix!r}"
        message = f"slide {name}: {what} ({path}); {known}"
        raise SlideError(message, slide_id=name, path=str(path))
    if not (path.is_dir() if chosen == "zarr" else path.is_file()):
        message = f"slide {name}: no such file: {path}"
        raise SlideError(message, slide_id=name, path=str(path))
    return READERS[chosen](path, slide_id=name, mpp=mpp)
