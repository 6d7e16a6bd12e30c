"""A slide as a pyramid of levels, and one way to read any window of it at any resolution.

Not for file formats: each reader builds a `PyramidSlide` and knows nothing about resampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from PIL import Image

from pathexplain.errors import ConfigError, SlideError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = [
    "ArraySlide",
    "Level",
    "PyramidSlide",
    "Slide",
    "array_level",
    "checked_mpp",
    "level_downsample",
    "working_shape",
]

WHITE = 255
# Source pixels held at once while one window is resampled: 48 MB of RGB.
MAX_SOURCE_PX = 2**24
# A level this much coarser than asked still counts as fine enough (levels of 1.9995 against 2).
LEVEL_TOLERANCE = 1e-2
# Windows that fall on the pixel grid this closely, in pixels, are copied, not resampled.
COPY_TOLERANCE_PX = 1e-2


@runtime_checkable
class Slide(Protocol):
    """Pixels with a physical scale. Coordinates are `(y, x)` in um from the top left corner.

    Attributes
    ----------
    slide_id : str
        Name of the slide in every table.
    mpp : float
        Micrometers a pixel at full resolution, > 0.
    shape : (int, int)
        Height and width at full resolution, pixels.
    source : dict of str to str
        Where the pixels and their scale come from: `reader`, `vendor`, `mpp_source`.
    """

    @property
    def slide_id(self) -> str: ...  # noqa: D102 - described above
    @property
    def mpp(self) -> float: ...  # noqa: D102 - described above
    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102 - described above
    @property
    def source(self) -> dict[str, str]: ...  # noqa: D102 - described above

    def read(
        self, y_um: float, x_um: float, height_px: int, width_px: int, mpp: float
    ) -> NDArray[np.uint8]:
        """Return `(height_px, width_px, 3)` uint8 RGB at `mpp`; white outside the slide."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Level(NamedTuple):
    """One resolution of a slide.

    `downsample` is level-0 pixels a pixel of this level, `(y, x)`; ``crop(y0, x0, height, width)``
    returns `(height, width, 3)` uint8 RGB for a box inside the level.
    """

    shape: tuple[int, int]
    downsample: tuple[float, float]
    crop: Callable[[int, int, int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class PyramidSlide:
    """A `Slide` over levels, finest first; what every reader returns.

    `faults` are the exceptions that a broken file raises while pixels are read: they become a
    `SlideError` that names the slide.
    """

    slide_id: str
    mpp: float
    levels: tuple[Level, ...]
    source: dict[str, str]
    path: str | None = None
    faults: tuple[type[Exception], ...] = (OSError,)
    release: Callable[[], None] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width at full resolution, pixels."""
        return self.levels[0].shape

    def read(
        self, y_um: float, x_um: float, height_px: int, width_px: int, mpp: float
    ) -> NDArray[np.uint8]:
        """Read a window at any resolution, from the nearest finer level, antialiased.

        Parameters
        ----------
        y_um, x_um : float
            Top left corner of the window, um from the top left corner of the slide; may lie
            outside the slide.
        height_px, width_px : int
            Size of the result, pixels, > 0.
        mpp : float
            Resolution of the result, um a pixel, > 0.

        Returns
        -------
        (height_px, width_px, 3) uint8
            RGB. Pixels whose centers lie outside the slide are white.

        Raises
        ------
        ConfigError
            If the size or `mpp` is out of range.
        SlideError
            If the pixels cannot be decoded.

        Examples
        --------
        >>> gray = np.full((64, 64, 3), 100, dtype=np.uint8)
        >>> with ArraySlide(gray, mpp=0.25) as slide:
        ...     window = slide.read(8.0, 0.0, 32, 16, 0.5)
        >>> window.shape, int(window[0, 0, 0]), int(window[16, 0, 0])
        ((32, 16, 3), 100, 255)
        """
        if min(height_px, width_px) < 1:
            message = f"slide {self.slide_id}: window of {height_px} x {width_px} px is empty"
            raise ConfigError(message, slide_id=self.slide_id)
        scale = checked_mpp(mpp, self.slide_id) / self.mpp
        level = _nearest_finer(self.levels, scale)
        fine_y, fine_x = level.downsample
        rows = _Axis(y_um / self.mpp / fine_y, scale / fine_y, slice(0, height_px))
        columns = _Axis(x_um / self.mpp / fine_x, scale / fine_x, slice(0, width_px))
        out = np.full((height_px, width_px, 3), WHITE, dtype=np.uint8)
        try:
            for block_rows, block_columns in _blocks(rows, columns, level.shape):
                out[block_rows.out, block_columns.out] = _resample(level, block_rows, block_columns)
        except self.faults as fault:
            message = (
                f"slide {self.slide_id}: cannot read pixels at y {y_um:g} um, x {x_um:g} um "
                f"of {self.path}: {fault}; the file may be truncated or corrupt"
            )
            raise SlideError(message, slide_id=self.slide_id, path=self.path) from fault
        return out

    def close(self) -> None:
        """Let go of the file; reading afterwards is an error."""
        if self.release is not None:
            self.release()

    def __enter__(self) -> Self:
        """Return the slide."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the slide."""
        self.close()


class ArraySlide(PyramidSlide):
    """Pixels in memory as a slide.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        RGB.
    mpp : float
        um a pixel, > 0.
    slide_id : str
        Its name in every table.

    Raises
    ------
    SlideError
        If the array is not `(H, W, 3)` uint8, or `mpp` is out of range.

    Examples
    --------
    >>> slide = ArraySlide(np.zeros((30, 40, 3), dtype=np.uint8), mpp=0.5, slide_id="S1")
    >>> slide.shape, slide.mpp, slide.source["reader"]
    ((30, 40), 0.5, 'array')
    """

    def __init__(self, pixels: NDArray[np.uint8], *, mpp: float, slide_id: str = "array") -> None:
        pixels = np.asarray(pixels)
        if pixels.shape[2:] != (3,) or pixels.dtype != np.uint8 or not pixels.size:
            message = (
                f"slide {slide_id}: pixels are {pixels.shape} {pixels.dtype}; "
                "give RGB as (height, width, 3) uint8"
            )
            raise SlideError(message, slide_id=slide_id)
        super().__init__(
            slide_id=slide_id,
            mpp=checked_mpp(mpp, slide_id),
            levels=(array_level(pixels),),
            source={"reader": "array", "vendor": "none", "mpp_source": "given"},
        )


def array_level(pixels: NDArray[np.uint8]) -> Level:
    """Make the only level of an image that is already in memory."""

    def crop(y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
        return pixels[y0 : y0 + height, x0 : x0 + width]

    return Level((pixels.shape[0], pixels.shape[1]), (1.0, 1.0), crop)


def level_downsample(full_px: int, level_px: int) -> float:
    """Level-0 pixels a level pixel: a whole factor where rounding of the level's size explains it.

    Scanners cut or round the last pixel: 4443 px become 2221, and the factor is 2, not 2.0005.

    Examples
    --------
    >>> level_downsample(4443, 2221), level_downsample(1000, 15), level_downsample(1000, 700)
    (2.0, 64.0, 1.4285714285714286)
    """
    ratio = full_px / level_px
    for factor in (2 ** round(math.log2(ratio)), round(ratio)):
        if abs(factor * level_px - full_px) < factor:
            return float(factor)
    return ratio


def working_shape(slide: Slide, mpp: float) -> tuple[int, int]:
    """Height and width of the whole slide at `mpp`, pixels, rounded, at least 1.

    Examples
    --------
    >>> slide = ArraySlide(np.zeros((300, 401, 3), dtype=np.uint8), mpp=0.25)
    >>> working_shape(slide, 0.5)
    (150, 200)
    """
    scale = slide.mpp / checked_mpp(mpp, slide.slide_id)
    height, width = (max(1, round(side * scale)) for side in slide.shape)
    return height, width


def checked_mpp(mpp: float, slide_id: str) -> float:
    """Return `mpp` as a float, or raise `ConfigError` where it is no resolution."""
    if not (math.isfinite(mpp) and mpp > 0):
        message = f"slide {slide_id}: mpp is {mpp!r}; give um a pixel, a number above 0"
        raise ConfigError(message, slide_id=slide_id)
    return float(mpp)


class _Axis(NamedTuple):
    """One axis of a window: output pixels `out`, starting at `start` in level pixels."""

    start: float
    scale: float
    out: slice

    @property
    def n(self) -> int:
        return int(self.out.stop - self.out.start)

    @property
    def exact(self) -> bool:
        """Whether the window lies on the pixel grid of the level."""
        drift = abs(self.start - round(self.start)) + abs(self.scale - 1.0) * self.n
        return drift < COPY_TOLERANCE_PX

    def part(self, first: int, stop: int) -> _Axis:
        """Output pixels `first` to `stop` of the window."""
        return _Axis(self.start + first * self.scale, self.scale, slice(first, stop))


def _nearest_finer(levels: tuple[Level, ...], scale: float) -> Level:
    """Return the coarsest level that is still at least as fine as `scale`."""
    fine = [lv for lv in levels if max(lv.downsample) <= scale * (1 + LEVEL_TOLERANCE)]
    return max(fine, key=lambda lv: lv.downsample[0]) if fine else levels[0]


def _blocks(rows: _Axis, columns: _Axis, shape: tuple[int, int]) -> list[tuple[_Axis, _Axis]]:
    """Split a window into parts inside the slide whose source pixels fit in `MAX_SOURCE_PX`."""
    row_parts = _split(rows, shape[0])
    column_parts = _split(columns, shape[1])
    return [(r, c) for r in row_parts for c in column_parts]


def _split(axis: _Axis, size: int) -> list[_Axis]:
    """Cut the part of an axis whose pixel centers lie in `[0, size)` into bounded pieces."""
    first = max(0, math.ceil(-axis.start / axis.scale - 0.5))
    stop = min(axis.n, math.ceil((size - axis.start) / axis.scale - 0.5))
    step = max(1, int(math.isqrt(MAX_SOURCE_PX) / axis.scale))
    return [axis.part(at, min(at + step, stop)) for at in range(first, stop, step)]


def _resample(level: Level, rows: _Axis, columns: _Axis) -> NDArray[np.uint8]:
    """Read one block of a level and bring it to the output's scale and position."""
    if rows.exact and columns.exact:
        return _padded(level, round(rows.start), round(columns.start), rows.n, columns.n)
    # Hamming is antialiased without overshoot; below its own scale it would be blocky.
    shrinks = max(rows.scale, columns.scale) > 1
    kernel = Image.Resampling.HAMMING if shrinks else Image.Resampling.BICUBIC
    y0, height = _reach(rows)
    x0, width = _reach(columns)
    image = Image.fromarray(_padded(level, y0, x0, height, width))
    top, left = rows.start - y0, columns.start - x0
    box = (left, top, left + columns.n * columns.scale, top + rows.n * rows.scale)
    return np.asarray(image.resize((columns.n, rows.n), kernel, box=box))


def _reach(axis: _Axis) -> tuple[int, int]:
    """First level pixel that the kernel touches, and how many."""
    margin = math.ceil(2 * max(axis.scale, 1.0)) + 1
    first = math.floor(axis.start) - margin
    return first, math.ceil(axis.start + axis.n * axis.scale) + margin - first


def _padded(level: Level, y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
    """Crop a box that may cross the border; pixels outside repeat the nearest one inside."""
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + height, level.shape[0]), min(x0 + width, level.shape[1])
    pixels = level.crop(top, left, bottom - top, right - left)
    if (bottom - top, right - left) == (height, width):
        return pixels
    margins = ((top - y0, y0 + height - bottom), (left - x0, x0 + width - right), (0, 0))
    return np.pad(pixels, margins, mode="edge")
