"""A matplotlib figure as inline SVG, a picture as a data URI: what makes one file of a report.

Not for drawing; `plots` does that. No global matplotlib state is left changed.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "INK",
    "NamedFigure",
    "figure_markup",
    "new_figure",
    "photo_uri",
    "png_uri",
    "write_figures",
]

# Drawn in this color, shown in the text color of the page (light or dark).
INK = "#1b1f25"

_STYLE: Any = {  # matplotlib types the keys as literals, which no plain dict has
    "svg.fonttype": "none",
    "svg.hashsalt": "pathexplain",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.parse_math": False,
}


@dataclass(frozen=True)
class NamedFigure:
    """A matplotlib figure with a name unique in its report, a caption and a text alternative."""

    name: str
    caption: str
    alt: str
    figure: Figure

    @property
    def axes(self) -> tuple[Axes, ...]:
        """The figure's axes, the plot's own first."""
        return tuple(self.figure.axes)

    def markup(self, prefix: str) -> Markup:
        """Write it as inline SVG; `prefix` keeps ids unique on a page."""
        return figure_markup(self.figure, alt=self.alt, name=f"{prefix}-{self.name}")


def write_figures(figures: Iterable[NamedFigure], folder: Path) -> tuple[Path, ...]:
    """Write each figure as ``NAME.svg`` and ``NAME.png`` (200 dpi), the text alternative inside.

    The files are on white and in dark ink, ready for a manuscript; the same figure gives the same
    bytes.

    Returns
    -------
    Paths written, in the order of the figures.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> roc = NamedFigure("roc", "Curve", "A curve", new_figure(width_in=1, height_in=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_figures([roc], Path(folder))]
    ['roc.svg', 'roc.png']
    """
    paths = []
    for one in figures:
        for suffix in ("svg", "png"):
            path = folder / f"{one.name}.{suffix}"
            title, text = {"Title": one.caption}, {"Description": one.alt}
            extra = {"Date": None} if suffix == "svg" else {"Software": None}
            with replacing(path) as temporary, mpl.rc_context(_STYLE):
                one.figure.savefig(
                    temporary,
                    format=suffix,
                    dpi=200,
                    facecolor="white",
                    metadata={**title, **text, **extra},
                )
            paths.append(path)
    return tuple(paths)


def new_figure(*, width_in: float, height_in: float) -> Figure:
    """Make a figure outside pyplot, laid out so that labels are never cut.

    Examples
    --------
    >>> new_figure(width_in=4, height_in=3).get_layout_engine() is not None
    True
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
    return figure


def house_style() -> Any:
    """Give the context in which figures are drawn: fonts, ink, transparent background."""
    return mpl.rc_context(_STYLE)


def figure_markup(figure: Figure, *, alt: str, name: str) -> Markup:
    """Write a figure as inline SVG with a text alternative; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib Figure
    alt : str
        What a reader who cannot see the picture should know. Escaped here.
    name : str
        Unique on the page; prefixes every id inside the SVG.

    Returns
    -------
    Markup
        ``<svg role="img" ...>`` without XML prologue.

    Examples
    --------
    >>> svg = figure_markup(new_figure(width_in=1, height_in=1), alt="a < b", name="f1")
    >>> svg.startswith("<svg"), "a &lt; b" in svg, "http://" in svg.split(">", 1)[1]
    (True, True, False)
    """
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", dpi=160, metadata=_NO_METADATA, transparent=True)
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'((?:xlink:)?href=")#', rf"\g<1>#{name}-", body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = body.replace(INK, "currentColor")
    opening, rest = body.split(">", 1)
    opening = re.sub(r'\s(?:width|height)="[^"]*pt"', "", opening)
    width_px = figure.get_size_inches()[0] * 96
    title = escape(alt)
    return Markup(
        f'{opening} role="img" aria-label="{title}" style="max-width:{width_px:.0f}px">{rest}'
    )


_NO_METADATA: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode (H, W, 3) uint8 RGB, or (H, W, 4) with transparency, as a PNG data URI.

    Examples
    --------
    >>> import numpy as np
    >>> png_uri(np.zeros((2, 2, 3), np.uint8)).split(",")[0]
    'data:image/png;base64'
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def photo_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode (H, W, 3) uint8 RGB as a JPEG data URI, a fifth of the size of a PNG of tissue.

    For looking only: quality 85, all colors kept at full resolution. Outlines stay sharp when they
    are laid over it.

    Examples
    --------
    >>> import numpy as np
    >>> photo_uri(np.zeros((2, 2, 3), np.uint8)).split(",")[0]
    'data:image/jpeg;base64'
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=85, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
