"""Masks as label images: PNG or TIFF of any integer type, one channel.

0 is not the category, every other value is; a picture of the mask in colours is refused.
"""

from __future__ import annotations

import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["label_image_shape", "read_label_image"]

_TIFF = (".tif", ".tiff", ".btf")
_LOSSY = (".jpg", ".jpeg")
_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
_FAULTS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    IndexError,
    KeyError,
    SyntaxError,
    EOFError,
    RuntimeError,
    struct.error,
    tifffile.TiffFileError,
    Image.DecompressionBombError,
)


def label_image_shape(path: Path) -> tuple[int, int]:
    """Height and width of a label image, px, without decoding it.

    Raises
    ------
    ConfigError
        When it cannot be read, or is no label image: colours, fractions, lossy compression,
        several planes.
    """
    if path.suffix.lower() in _LOSSY:
        message = f"{path.name} is a JPEG, which blurs values at edges; save masks as PNG or TIFF"
        raise ConfigError(message, path=str(path))
    if path.suffix.lower() in _TIFF:
        return _tiff_shape(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as picture:
                mode, size = picture.mode, picture.size
        except _FAULTS as fault:
            raise _broken(path, fault) from fault
    if mode not in _MODES:
        raise _no_labels(path, f"is a picture in colours ({mode})" if mode != "F" else "is float")
    return size[1], size[0]


def read_label_image(path: Path) -> NDArray[np.int64]:
    """Read a label image, (H, W) int64, values as they are in the file.

    Raises
    ------
    ConfigError
        As for `label_image_shape`, and when a value is negative.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "mask.png"
    >>> Image.fromarray(np.array([[0, 300]], np.uint16)).save(file)
    >>> read_label_image(file).tolist()
    [[0, 300]]
    """
    shape = label_image_shape(path)
    try:
        if path.suffix.lower() in _TIFF:
            with tifffile.TiffFile(path) as file:
                values: NDArray[Any] = file.series[0].asarray()
        else:
            with Image.open(path) as picture:
                values = np.asarray(picture)
    except _FAULTS as fault:
        raise _broken(path, fault) from fault
    labels = np.asarray(values).reshape(shape).astype(np.int64)
    if labels.min(initial=0) < 0:
        raise _no_labels(path, f"holds the negative value {labels.min()}")
    return labels


def _tiff_shape(path: Path) -> tuple[int, int]:
    """Height and width of the first series of a TIFF."""
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            shape = tuple(side for side in series.shape if side > 1) or (1, 1)
            axes, kind = series.axes, np.dtype(series.dtype).kind
            full = (series.shape[-2], series.shape[-1])
    except _FAULTS as fault:
        raise _broken(path, fault) from fault
    if kind not in "uib":
        raise _no_labels(path, "holds fractions, not whole numbers")
    if "S" in axes and len(shape) > 2:  # noqa: PLR2004  rows and columns
        raise _no_labels(path, f"is a picture in colours ({shape[-1]} channels)")
    if len(shape) > 2:  # noqa: PLR2004
        raise _no_labels(path, f"holds {shape[0]} planes")
    return full


def _no_labels(path: Path, what: str) -> ConfigError:
    """Refusal of a file that can be read but says nothing."""
    message = (
        f"{path.name} {what}; a mask is a label image: one channel of whole numbers, 0 outside and "
        "1, 2, 3 … for the objects"
    )
    return ConfigError(message, path=str(path))


def _broken(path: Path, fault: Exception) -> ConfigError:
    """Refusal of a file that cannot be read."""
    message = f"cannot read {path.name} as a label image ({fault}); it may be damaged"
    return ConfigError(message, path=str(path))
