"""Opening what sources are stored in: pictures, label images, MATLAB files, tables.

Each failure names the file. Channel orders and transparency are settled here.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.errors import ConfigError, SlideError
from pathexplain.slides.image_reader import on_white

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "binary",
    "by_stem",
    "check_shape",
    "find_folder",
    "find_table",
    "lookup",
    "read_labels",
    "read_mat",
    "read_rgb",
    "read_table",
    "tcga_patient",
]

PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".svs")
_RGB, _RGBA = 3, 4
_GZIP = b"\x1f\x8b"
_TCGA = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}", re.IGNORECASE)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) uint8; transparency on white.

    Raises
    ------
    SlideError
        When it is damaged, or no 8-bit gray or RGB picture.
    """
    try:
        if path.suffix.lower() == ".svs":
            return _read_slide(path)
        if path.suffix.lower() in {".tif", ".tiff"}:
            return _as_rgb(_read_tiff(path), path)
        with Image.open(path) as image:
            return np.asarray(on_white(image) if "A" in image.mode else image.convert("RGB"))
    except SlideError:
        raise
    except Exception as error:
        message = f"{path}: the picture cannot be read ({error})"
        raise SlideError(message, path=str(path)) from error


def _read_slide(path: Path) -> NDArray[np.uint8]:
    """All of a small slide at its full resolution."""
    from openslide import OpenSlide

    with OpenSlide(str(path)) as slide:
        return np.asarray(on_white(slide.read_region((0, 0), 0, slide.dimensions)))


def _read_tiff(path: Path) -> NDArray[np.generic]:
    """First series of a TIFF, without axes of length 1."""
    import tifffile

    return np.squeeze(tifffile.imread(path))


def _as_rgb(pixels: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    """Pixels of a TIFF as (H, W, 3): channels last, gray repeated, transparency dropped."""
    if pixels.ndim == _RGB and pixels.shape[0] in {_RGB, _RGBA} and pixels.shape[-1] > _RGBA:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 2:  # noqa: PLR2004 - gray
        pixels = np.repeat(pixels[..., None], _RGB, axis=-1)
    is_color = pixels.ndim == _RGB and pixels.shape[-1] in {_RGB, _RGBA}
    if pixels.dtype != np.uint8 or not is_color:
        message = f"{path}: {pixels.dtype} of shape {pixels.shape} is no 8-bit RGB picture"
        raise SlideError(message, path=str(path))
    return np.ascontiguousarray(pixels[..., :_RGB], np.uint8)


def read_labels(path: Path) -> NDArray[np.int32]:
    """Read a label image as (H, W) int32; equal color channels count as one.

    Raises
    ------
    SlideError
        When it is damaged, or its channels differ.
    """
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            values = _read_tiff(path)
        else:
            with Image.open(path) as image:
                values = np.asarray(image)
    except Exception as error:
        message = f"{path}: the mask cannot be read ({error})"
        raise SlideError(message, path=str(path)) from error
    if values.ndim == _RGB:
        colors = values[..., :_RGB]
        if (colors != colors[..., :1]).any():
            message = f"{path}: a colored picture, not a mask of one value a pixel"
            raise SlideError(message, path=str(path))
        values = colors[..., 0]
    if values.ndim != 2:  # noqa: PLR2004 - rows and columns
        message = f"{path}: a mask of shape {values.shape}; it needs rows and columns alone"
        raise SlideError(message, path=str(path))
    return values.astype(np.int32)


def binary(values: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Foreground of a mask of two values, also after lossy compression.

    Examples
    --------
    >>> binary(np.array([0, 3, 250, 255])).tolist(), binary(np.array([0, 1])).tolist()
    ([False, False, True, True], [False, True])
    """
    middle = 127
    return np.asarray(values > (middle if values.max(initial=0) > 1 else 0))


def read_mat(path: Path, *keys: str) -> tuple[NDArray[np.int32], ...]:
    """Read arrays of a MATLAB file as int32.

    Raises
    ------
    ConfigError
        When the file is damaged, lacks a key, or is of MATLAB 7.3 (HDF5).
    """
    import scipy.io

    try:
        content = scipy.io.loadmat(path)
    except NotImplementedError as error:
        message = f"{path}: MATLAB 7.3 (HDF5) is not read; save it again with -v7"
        raise ConfigError(message, path=str(path)) from error
    except Exception as error:
        message = f"{path}: no MATLAB file, or a damaged one ({error})"
        raise ConfigError(message, path=str(path)) from error
    missing = [key for key in keys if key not in content]
    if missing:
        found = ", ".join(key for key in content if not key.startswith("__"))
        message = f"{path}: lacks {', '.join(missing)}; it holds {found}"
        raise ConfigError(message, path=str(path))
    return tuple(np.asarray(content[key]).astype(np.int32) for key in keys)


def read_table(path: Path, *, required: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV, also a gzipped one, cells and names without blanks around them.

    Raises
    ------
    ConfigError
        When the file or a column is missing, or it is no text.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == _GZIP else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        message = f"{path}: the table cannot be read ({error})"
        raise ConfigError(message, path=str(path)) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    names = [name.strip() for name in next(reader, [])]
    rows = [
        {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
        for cells in reader
        if any(map(str.strip, cells))
    ]
    missing = [name for name in required if name not in names]
    if missing:
        message = f"{path}: lacks the columns {', '.join(missing)}; it has {', '.join(names)}"
        raise ConfigError(message, path=str(path))
    return rows


def find_folder(folder: Path, *names: str) -> Path:
    """Folder of one of these names, however spelled, the one nearest to `folder`.

    Raises
    ------
    ConfigError
        When there is none.
    """
    wanted = {name.lower() for name in names}
    if folder.name.lower() in wanted:
        return folder
    below = [path for path in folder.rglob("*") if path.name.lower() in wanted and path.is_dir()]
    if not below:
        message = f"{folder}: no folder {' or '.join(names)} in it; give the unpacked dataset"
        raise ConfigError(message, path=str(folder))
    return min(below, key=lambda path: (len(path.parts), str(path)))


def find_table(folder: Path, name: str) -> Path:
    """Path of a table anywhere below `folder`.

    Raises
    ------
    ConfigError
        When there is none.
    """
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), str(path)))
    if not found:
        message = f"{folder}: no {name} in it; give the unpacked dataset"
        raise ConfigError(message, path=str(folder))
    return found[0]


def by_stem(paths: Iterable[Path], *, drop: str = "") -> dict[str, Path]:
    """Pictures by the name they share with their masks, in order; `drop` ends a name.

    Examples
    --------
    >>> from pathlib import Path
    >>> by_stem([Path("b_mask.png"), Path("a_mask.png"), Path("c.txt")], drop="_mask")
    {'a': PosixPath('a_mask.png'), 'b': PosixPath('b_mask.png')}
    """
    found = {}
    for path in sorted(paths):
        is_picture = path.suffix.lower() in PICTURES and not path.name.startswith(".")
        if is_picture and path.stem.endswith(drop):
            found[path.stem.removesuffix(drop)] = path
    return found


def check_shape(image: NDArray[np.uint8], labels: NDArray[np.generic], path: Path) -> None:
    """Refuse a mask that does not fit its picture.

    Raises
    ------
    SlideError
        When the sizes differ.
    """
    if image.shape[:2] != labels.shape[:2]:
        message = f"{path}: the mask is {labels.shape[:2]} px, its picture {image.shape[:2]}"
        raise SlideError(message, path=str(path))


def tcga_patient(name: str) -> str:
    """Patient of a TCGA barcode; empty where the name holds none.

    Examples
    --------
    >>> tcga_patient("TCGA-A7-A13E-01Z-00-DX1_2.tif")
    'TCGA-A7-A13E'
    """
    match = _TCGA.search(name)
    return match[0].upper() if match else ""


def lookup(table: Mapping[str, str], key: str, path: Path, what: str) -> str:
    """Value of `key`, or an error that names the file and what is known.

    Raises
    ------
    ConfigError
        When `key` is not in `table`.
    """
    if key not in table:
        message = f"{path}: unknown {what} {key!r}; known are {', '.join(table)}"
        raise ConfigError(message, path=str(path))
    return table[key]
