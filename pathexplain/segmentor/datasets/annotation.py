"""What a reader hands over: pictures with their categories, in the source's own pixels.

Readers list what there is (`Item`) without opening pixels, and open one picture at a time
(`Annotated`). Labels become categories by the taxonomy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.segmentor.datasets.taxonomy import TAXONOMY, UNANNOTATED, Category

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.table import Split
    from pathexplain.vocabulary import Kind, Structure

__all__ = ["UNKNOWN", "Annotated", "Annotation", "Item", "annotate", "annotated"]

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Annotation:
    """One category in one picture.

    Attributes
    ----------
    labels : (H, W) int32 or None
        0 not the category; above 0 the category, where `kind` is "instances" each value an object;
        -1 unknown. None where the category is known to be absent.
    """

    structure: Structure
    name: str
    kind: Kind
    labels: NDArray[np.int32] | None


@dataclass(frozen=True, eq=False)
class Annotated:
    """A picture and its categories.

    Attributes
    ----------
    image : (H, W, 3) uint8
    mpp : float or None
        µm per pixel, where the picture itself says it.
    """

    image: NDArray[np.uint8]
    annotations: tuple[Annotation, ...]
    mpp: float | None = None


@dataclass(frozen=True)
class Item:
    """One picture of a source, not opened yet.

    Attributes
    ----------
    name : str
        Unique within the source.
    patient : str
        What must not be split; empty where the source does not tell.
    split : {"train", "validation", "test", ""}
        Official; empty where there is none.
    region : str
        Part of the body.
    mpp : float or None
        µm per pixel; None where only the picture can tell, or nobody.
    files : tuple of Path
        What it is read from; a change of their sizes makes the picture new.
    read : callable
        Opens the picture.
    source, licence : str
        Only where they are not those of the reader.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], Annotated]
    patient: str = ""
    split: Split = ""
    region: str = "multiple"
    mpp: float | None = None
    source: str = ""
    licence: str = ""


def annotated(
    source: str,
    image: NDArray[np.uint8],
    codes: NDArray[np.integer],
    names: Mapping[int, str],
    *,
    instances: NDArray[np.integer] | None = None,
    mpp: float | None = None,
) -> Annotated:
    """Name the categories of a picture whose pixels carry one label each.

    Parameters
    ----------
    source : str
        Key of `TAXONOMY`.
    codes : (H, W) integer array
        0 no label, else a key of `names`.
    names : mapping of int to str
        The source's labels; `UNANNOTATED` for what is unknown.
    instances : (H, W) integer array, optional
        Separate objects; needed where the source's categories are instances.
    """
    objects = codes if instances is None else instances
    annotations = tuple(annotate(c, codes, names, objects) for c in TAXONOMY[source])
    return Annotated(image, annotations, mpp)


def annotate(
    category: Category,
    codes: NDArray[np.integer],
    names: Mapping[int, str],
    objects: NDArray[np.integer],
) -> Annotation:
    """One category from a picture's labels.

    Examples
    --------
    >>> codes = np.array([[0, 1, 2, 2, 9]])
    >>> names = {1: "benign", 2: "malignant", 9: UNANNOTATED}
    >>> made = annotate(TAXONOMY["glas"][0], codes, names, np.array([[0, 5, 6, 7, 0]]))
    >>> made.name, made.labels.tolist()
    ('gland', [[0, 5, 6, 7, -1]])
    """
    unsure = {UNANNOTATED, *category.unsure}
    hit = np.isin(codes, [code for code, name in names.items() if name in category.labels])
    unknown = np.isin(codes, [code for code, name in names.items() if name in unsure])
    if category.elsewhere_unknown:
        unknown |= ~hit & (codes == 0)
    labels: NDArray[np.int32] | None = None
    if hit.any() or unknown.any():
        values = objects if category.kind == "instances" else 1
        labels = np.where(hit, values, 0).astype(np.int32)
        labels[unknown & ~hit] = UNKNOWN
    return Annotation(category.structure, category.name, category.kind, labels)
