"""PNG and JPEG fields through Pillow: one level, no resolution of their own.

The resolution stored in such files (72, 96, 300 dpi) is a print size and is ignored.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.errors import SlideError
from pathexplain.slides.pyramid import PyramidSlide, array_level
from pathexplain.slides.scale import resolve_mpp

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NOT_APPLIED", "on_white", "read_image"]

# What the decoders raise on files that are cut short or damaged.
FAULTS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
NOT_APPLIED = "embedded, not applied"
"""What `source["icc"]` says of a color profile in the file: pixels are taken as they are stored."""

DIRECT_MODES = ("1", "L", "RGB")
ALPHA_MODES = ("P", "PA", "LA", "La", "RGBA", "RGBa")
REFUSED = {"CMYK": "CMYK", "I": "32-bit", "F": "floating-point"}


def read_image(path: Path, *, slide_id: str, mpp: float | None) -> PyramidSlide:
    """Read a whole picture into memory; gray becomes RGB, transparency becomes white.

    Raises
    ------
    SlideError
        If the file is broken, 16-bit or CMYK, or `mpp` is None.
    """
    resolution, mpp_source = resolve_mpp(mpp, None, slide_id=slide_id, path=str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pixels = _rgb(image, slide_id, path)
                file_format = str(image.format).lower()
                has_profile = bool(image.info.get("icc_profile"))
    except SlideError:
        raise
    except FAULTS as fault:
        message = (
            f"slide {slide_id}: cannot read {path}: {fault}; the file may be truncated or corrupt, "
            "or too large for this format (then save it as a tiled TIFF)"
        )
        raise SlideError(message, slide_id=slide_id, path=str(path)) from fault
    source = {"reader": "image", "vendor": file_format, "mpp_source": mpp_source}
    if has_profile:
        source["icc"] = NOT_APPLIED
    return PyramidSlide(
        slide_id=slide_id,
        mpp=resolution,
        levels=(array_level(pixels),),
        source=source,
        path=str(path),
    )


def on_white(image: Image.Image) -> Image.Image:
    """Compose a picture with transparency on white.

    Examples
    --------
    >>> on_white(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _rgb(image: Image.Image, slide_id: str, path: Path) -> np.ndarray:
    """Decode to (H, W, 3) uint8, or refuse the mode by name."""
    if image.mode in DIRECT_MODES and "transparency" not in image.info:
        return np.array(image.convert("RGB"))
    if image.mode in (*ALPHA_MODES, *DIRECT_MODES):
        return np.array(on_white(image))
    kind = "16-bit" if image.mode.startswith("I;16") else REFUSED.get(image.mode, image.mode)
    message = f"slide {slide_id}: {kind} pixels are not supported; save {path} as 8-bit RGB"
    raise SlideError(message, slide_id=slide_id, path=str(path))
