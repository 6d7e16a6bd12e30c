"""The objects behind a feature: which ones to show, and how they look in their slide.

Not for judging a feature: it only fetches low, middle and high examples by a stated rule, each
from another patient, so that a reader sees what a number means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import find_contours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FIELD_RULE", "LEVELS", "RULE", "Crop", "Exemplar", "outline_path", "pick_exemplars"]

LEVELS: Mapping[str, float] = {"low": 0.05, "middle": 0.50, "high": 0.95}
RULE = (
    "Rule: of all measured objects of the prompt that the image edge does not cut, those whose "
    "value is nearest to the 5th, 50th and 95th percentile of the pooled values; at most one "
    "object a patient in a row, ties by slide and object number. Nobody chose them by eye."
)
FIELD_RULE = (
    "For a feature of the slide as a whole (a density, a share): the slides nearest to the 5th, "
    "50th and 95th percentile over slides, at most one a patient in a row."
)


@dataclass(frozen=True)
class Exemplar:
    """One chosen object: where it is and its value of the feature."""

    level: str
    patient: str
    slide: str
    instance_id: int
    y_um: float
    x_um: float
    value: float


@dataclass(frozen=True)
class Crop:
    """A picked object's picture: (H, W, 3) uint8 pixels and SVG paths in pixel coordinates."""

    exemplar: Exemplar
    pixels: NDArray[np.uint8]
    outline: str
    other_outlines: str
    width_um: float


def pick_exemplars(objects: pd.DataFrame, *, n_each: int = 4) -> tuple[Exemplar, ...]:
    """Pick objects at the low, middle and high end of a feature, from different patients.

    Parameters
    ----------
    objects : DataFrame
        One row an object with `patient`, `slide`, `instance_id`, `y_um`, `x_um` and `value`
        (the feature); rows with an undefined value are left out.
    n_each : int
        How many a level, fewer where there are fewer patients; at least 1.

    Returns
    -------
    tuple of Exemplar
        Levels in the order of `LEVELS`; the same input gives the same choice. Empty when no
        object has a value.

    Examples
    --------
    >>> import pandas as pd
    >>> import pandas as pd
    >>> frame = pd.DataFrame({
    ...     "patient": ["a", "a", "b", "b"], "slide": ["a", "a", "b", "b"],
    ...     "instance_id": [1, 2, 1, 2], "y_um": 0.0, "x_um": 0.0, "value": [1.0, 9.0, 2.0, 8.0],
    ... })
    >>> [(e.level, e.patient, e.value) for e in pick_exemplars(frame, n_each=1)]
    [('low', 'a', 1.0), ('middle', 'b', 2.0), ('high', 'a', 9.0)]
    """
    measured = objects[np.isfinite(objects["value"].to_numpy(float))]
    if measured.empty:
        return ()
    picked: list[Exemplar] = []
    for level, share in LEVELS.items():
        target = float(measured["value"].quantile(share))
        ordered = measured.assign(gap=(measured["value"] - target).abs()).sort_values(
            ["gap", "slide", "instance_id"], kind="stable"
        )
        rows = ordered.drop_duplicates("patient").head(n_each).sort_values("value", kind="stable")
        picked.extend(
            Exemplar(
                level=level,
                patient=str(row.patient),
                slide=str(row.slide),
                instance_id=int(row.instance_id),
                y_um=float(row.y_um),
                x_um=float(row.x_um),
                value=float(row.value),
            )
            for row in rows.itertuples(index=False)
        )
    return tuple(picked)


def outline_path(labels: NDArray[Any], numbers: Sequence[int]) -> str:
    """Trace the outlines of some objects of a label image as one SVG path.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.
    numbers : sequence of int
        The objects to trace; one that is absent adds nothing.

    Returns
    -------
    str
        Path data in pixels, y down, pixel (0, 0) covering 0..1.

    Examples
    --------
    >>> labels = np.zeros((4, 4), int)
    >>> labels[1, 1] = 7
    >>> outline_path(labels, [7])
    'M1.5 2L1 1.5L1.5 1L2 1.5L1.5 2Z'
    """
    padded = np.pad(labels, 1)
    pieces = [
        "M" + "L".join(f"{x - 0.5:g} {y - 0.5:g}" for y, x in contour) + "Z"
        for number in numbers
        for contour in find_contours((padded == number).astype(float), 0.5)
    ]
    return "".join(pieces)
