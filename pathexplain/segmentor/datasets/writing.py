"""One picture of a source, written: rescaled, cut, one 16-bit mask a category, and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.errors import SlideError
from pathexplain.segmentor.datasets.annotation import UNKNOWN
from pathexplain.segmentor.datasets.cutting import windows
from pathexplain.segmentor.datasets.scaling import rescale_image, rescale_labels, scaled_shape
from pathexplain.segmentor.datasets.table import IGNORE_VALUE, Row
from pathexplain.serialization import replacing
from pathexplain.vocabulary import canonical_text

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.annotation import Annotated, Annotation
    from pathexplain.segmentor.datasets.table import Split

__all__ = ["Options", "Origin", "mask_pixels", "write_picture"]


@dataclass(frozen=True)
class Options:
    """How a source is converted; each as in `convert`."""

    source: str
    mpp: float | None = None
    source_mpp: float | None = None
    prompt: str | None = None
    cut: bool = True


@dataclass(frozen=True)
class Origin:
    """Where a picture comes from; `mpp` is of the source's own pixels."""

    name: str
    mpp: float
    region: str
    split: Split
    patient: str
    source: str
    licence: str


def write_picture(
    picture: Annotated, origin: Origin, *, out: Path, options: Options
) -> tuple[Row, ...]:
    """Write a picture and its masks below `out`.

    Returns
    -------
    tuple of Row
        Masks that hold nothing have no file; categories unknown throughout have no row.

    Raises
    ------
    SlideError
        When a mask holds more than 65,534 objects.
    """
    mpp = options.mpp or origin.mpp
    shape = scaled_shape(picture.image.shape[:2], mpp=origin.mpp, target_mpp=mpp)
    image = rescale_image(picture.image, shape)
    labels = [
        None if a.labels is None else rescale_labels(a.labels, shape) for a in picture.annotations
    ]
    found = windows(shape) if options.cut else windows((1, 1))
    rows: list[Row] = []
    for window in found:
        is_whole = len(found) == 1
        name = origin.name if is_whole else f"{origin.name}__{window.row}-{window.column}"
        box = (slice(None), slice(None)) if is_whole else (window.y_px, window.x_px)
        path = out / "images" / f"{name}.png"
        _write_png(path, image[box])
        for annotation, plane in zip(picture.annotations, labels, strict=True):
            part = None if plane is None else plane[box]
            if part is not None and (part == UNKNOWN).all():
                continue
            mask = _write_mask(annotation, part, out / "masks", name)
            rows.append(_row(annotation, origin, path, mask, mpp, part))
    return tuple(rows)


def _row(
    annotation: Annotation,
    origin: Origin,
    image: Path,
    mask: Path | None,
    mpp: float,
    labels: NDArray[np.int32] | None,
) -> Row:
    """Describe one category in one picture."""
    has_unknown = mask is not None and labels is not None and bool((labels == UNKNOWN).any())
    return Row(
        image=image,
        mask=mask,
        prompt=canonical_text(annotation.structure, annotation.name, origin.region),
        category=annotation.name,
        structure=annotation.structure,
        region=origin.region,
        kind=annotation.kind,
        ignore=IGNORE_VALUE if has_unknown else None,
        mpp=float(mpp),
        split=origin.split,
        patient=origin.patient,
        source=origin.source,
        licence=origin.licence,
    )


def _write_mask(
    annotation: Annotation, labels: NDArray[np.int32] | None, folder: Path, name: str
) -> Path | None:
    """Write a mask; None, and no file, where the category is known to be absent."""
    if labels is None or not labels.any():
        return None
    what = f"{annotation.structure}-{annotation.name}".replace(" ", "-").replace("/", "-")
    path = folder / f"{name}__{what}.png"
    try:
        _write_png(path, mask_pixels(labels))
    except ValueError as error:
        message = f"{path}: {error}"
        raise SlideError(message, path=str(path)) from error
    return path


def mask_pixels(labels: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Labels as 16 bits: values kept where they fit, else numbered anew; -1 becomes 65535.

    Raises
    ------
    ValueError
        When there are more than 65,534 objects.

    Examples
    --------
    >>> mask_pixels(np.array([[0, -1, 7, 70000]], np.int32)).tolist()
    [[0, 65535, 1, 2]]
    """
    known = np.where(labels == UNKNOWN, 0, labels)
    if known.max(initial=0) >= IGNORE_VALUE:
        values, known = np.unique(known, return_inverse=True)
        known = known.reshape(labels.shape) + (values[0] != 0)
        if known.max() >= IGNORE_VALUE:
            message = f"{len(values)} objects, more than a 16-bit mask holds; cut the picture"
            raise ValueError(message)
    return np.where(labels == UNKNOWN, IGNORE_VALUE, known).astype(np.uint16)


def _write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
