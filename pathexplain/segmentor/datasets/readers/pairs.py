"""Pictures with a mask of the same name beside them: how most sources are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.measure import label as components

from pathexplain.segmentor.datasets.annotation import Annotated, annotated
from pathexplain.segmentor.datasets.readers.files import (
    binary,
    by_stem,
    check_shape,
    read_labels,
    read_rgb,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pairs", "read_instances", "read_semantic"]


def pairs(images: Path, masks: Path, *, drop: str = "") -> Iterator[tuple[str, Path, Path]]:
    """Name, picture and mask of two folders; a mask that is missing fails when it is read.

    Parameters
    ----------
    drop : str
        What the name of a mask has at its end, and its picture has not.
    """
    known = by_stem(masks.iterdir(), drop=drop)
    for name, image in by_stem(images.iterdir()).items():
        yield name, image, known.get(name, masks / f"{name}{drop}{image.suffix}")


def read_instances(source: str, image: Path, mask: Path, label: str) -> Annotated:
    """Read a picture whose mask holds a value an object, all of one label."""
    pixels, labels = read_rgb(image), read_labels(mask)
    check_shape(pixels, labels, mask)
    codes = (labels > 0).astype(np.uint8)
    return annotated(source, pixels, codes, {1: label}, instances=labels)


def read_semantic(
    source: str, image: Path, mask: Path, label: str, *, connected: bool = False
) -> Annotated:
    """Read a picture whose mask holds two values; with `connected`, each patch is an object."""
    pixels, labels = read_rgb(image), read_labels(mask)
    check_shape(pixels, labels, mask)
    codes = binary(labels).astype(np.uint8)
    objects = components(codes, connectivity=1) if connected else None
    return annotated(source, pixels, codes, {1: label}, instances=objects)
