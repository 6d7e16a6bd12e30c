"""Contact sheets: best, median and worst images of a segmentor, truth and mask outlined.

Arrays and captions in, pictures out; which images, `pathexplain.segmentor.assessment` says.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from pathexplain.report.overlay import outlines
from pathexplain.segmentor import load_segmentor
from pathexplain.segmentor.assessment.examples import choose_examples, show_examples
from pathexplain.segmentor.assessment.field_list import open_fields
from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pathexplain.segmentor.assessment.examples import Example
    from pathexplain.segmentor.evaluation import Evaluation

__all__ = ["FAILURES", "FOUND_COLOR", "TRUTH_COLOR", "cell"]
__all__ += ["contact_sheets", "sheet", "write_sheets"]

FAILURES = "failures.jpg"
TRUTH_COLOR, FOUND_COLOR = (240, 228, 66), (0, 60, 220)
CELL_PX, FAILURE_PX = 380, 230
NUCLEI_UM = 75.0
CAPTION_PX, GAP_PX = 34, 6
N_FAILURES, MOST_BYTES = 24, 400_000
_LEGEND = "yellow: annotated · blue: found"


def contact_sheets(
    folder: str | Path,
    evaluation: Evaluation,
    *,
    segmentor: str,
    data: str | Path,
    device: str = "auto",
) -> tuple[Path, ...]:
    """Segment the best, median and worst images of an evaluation again and write their sheets.

    Parameters
    ----------
    folder : path
    evaluation : Evaluation
        As `evaluate` returned it, with its `images`.
    segmentor, data, device
        What it was made with.

    Returns
    -------
    tuple of Path
        See `write_sheets`.
    """
    fields = open_fields(data, split=evaluation.split, sources=evaluation.sources)
    model = load_segmentor(segmentor, device=device)
    choices = choose_examples(evaluation.images)
    return write_sheets(folder, show_examples(model, fields, choices))


def write_sheets(folder: str | Path, examples: Iterable[Example]) -> tuple[Path, ...]:
    """Write a PNG for each source, and the worst image of every class as one small JPEG.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    examples : iterable of Example
        Looked at once; of each only its cell is kept.

    Returns
    -------
    tuple of Path
        ``sheet-<source>.png`` in order of the sources, then ``failures.jpg``; empty without
        examples.
    """
    rows: dict[str, dict[str, dict[str, NDArray[np.uint8]]]] = defaultdict(dict)
    worst: list[tuple[float, NDArray[np.uint8]]] = []
    for example in examples:
        choice = example.choice
        rank = rows[choice.source].setdefault(choice.object, {})
        rank[choice.rank] = cell(example, side_px=CELL_PX, words=choice.rank)
        if choice.rank == "worst":
            worst.append((choice.dice, cell(example, side_px=FAILURE_PX, words=choice.source)))
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for source, categories in sorted(rows.items()):
        table = [
            [ranks[rank] for rank in ("best", "median", "worst") if rank in ranks]
            for _, ranks in sorted(categories.items())
        ]
        path = place / f"sheet-{source}.png"
        _save(Image.fromarray(sheet(table, title=f"{source} · {_LEGEND}")), path, "PNG")
        paths.append(path)
    if worst:
        ranked = [picture for _, picture in sorted(worst, key=lambda item: item[0])][:N_FAILURES]
        paths.append(_write_failures(place / FAILURES, ranked))
    return tuple(paths)


def cell(example: Example, *, side_px: int, words: str) -> NDArray[np.uint8]:
    """One example with both outlines and a caption, (CAPTION_PX + h, side_px, 3) uint8.

    Nuclei are shown in the window of 75 µm where truth and mask differ most, everything else
    whole.
    """
    choice, is_small = example.choice, example.structure != "tissue"
    rows, columns = (
        _window(example.truth > 0, example.found > 0, side_px=round(NUCLEI_UM / example.mpp))
        if is_small
        else (slice(None), slice(None))
    )
    image = example.image[rows, columns]
    scale = side_px / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    layers = [
        np.asarray(Image.fromarray(labels[rows, columns]).resize(size, Image.Resampling.NEAREST))
        for labels in (example.truth, example.found)
    ]
    drawn = outlines(picture, layers, colors=(TRUTH_COLOR, FOUND_COLOR), width_px=2)
    framed = np.full((size[1] + CAPTION_PX, side_px, 3), 255, np.uint8)
    framed[CAPTION_PX:, : size[0]] = drawn
    return _captioned(framed, f"{choice.object}, {words}: Dice {choice.dice:.3f}", choice.image)


def sheet(table: Sequence[Sequence[NDArray[np.uint8]]], *, title: str) -> NDArray[np.uint8]:
    """Rows of cells of one width under a title, as (H, W, 3) uint8.

    Examples
    --------
    >>> one, low = np.zeros((50, 40, 3), np.uint8), np.zeros((20, 40, 3), np.uint8)
    >>> sheet([[one, low], [low]], title="glas").shape
    (122, 98, 3)
    """
    width = table[0][0].shape[1]
    heights = [max(picture.shape[0] for picture in row) for row in table]
    n_columns = max(map(len, table))
    shape = (
        CAPTION_PX + sum(heights) + GAP_PX * (len(table) + 1),
        n_columns * (width + GAP_PX) + GAP_PX,
    )
    page = np.full((*shape, 3), 255, np.uint8)
    top = CAPTION_PX + GAP_PX
    for row, height in zip(table, heights, strict=True):
        for column, picture in enumerate(row):
            left = GAP_PX + column * (width + GAP_PX)
            page[top : top + picture.shape[0], left : left + width] = picture
        top += height + GAP_PX
    return _captioned(page, title, "")


def _window(
    truth: NDArray[np.bool_], found: NDArray[np.bool_], *, side_px: int
) -> tuple[slice, slice]:
    """Window of at most `side_px` in which most pixels differ; the most truth where none do."""
    height, width = (min(side_px, side) for side in truth.shape)
    differs = truth ^ found
    wanted = (differs if differs.any() else truth).astype(np.float32)
    share = ndimage.uniform_filter(wanted, (height, width), mode="constant")
    row, column = np.unravel_index(int(share.argmax()), share.shape)
    top = min(max(0, int(row) - height // 2), truth.shape[0] - height)
    left = min(max(0, int(column) - width // 2), truth.shape[1] - width)
    return slice(top, top + height), slice(left, left + width)


def _captioned(picture: NDArray[np.uint8], first: str, second: str) -> NDArray[np.uint8]:
    """Write two lines at the top, cut where the picture ends."""
    page = Image.fromarray(picture)
    draw = ImageDraw.Draw(page)
    draw.text((3, 2), first, fill=(0, 0, 0), font=ImageFont.load_default(size=13))
    draw.text((3, 18), second, fill=(90, 90, 90), font=ImageFont.load_default(size=11))
    return np.asarray(page)


def _write_failures(path: Path, cells: Sequence[NDArray[np.uint8]]) -> Path:
    """Write the worst images, worst first, at a quality that keeps the file small."""
    n_columns = min(6, len(cells))
    table = [cells[start : start + n_columns] for start in range(0, len(cells), n_columns)]
    page = Image.fromarray(sheet(table, title=f"Worst image of each class · {_LEGEND}"))
    for quality in (80, 65, 50, 35, 20):
        _save(page, path, "JPEG", quality=quality)
        if path.stat().st_size < MOST_BYTES:
            break
    return path


def _save(page: Image.Image, path: Path, kind: str, *, quality: int = 90) -> None:
    """Write a picture whole or not at all."""
    with replacing(path) as temporary:
        page.save(temporary, kind, quality=quality, optimize=True)
