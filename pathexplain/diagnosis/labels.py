"""Patient and label of each slide, from the table that `extract` takes too.

A label may differ between slides of one patient, as between a benign and a malignant part of one
colon; the patient still is the unit of folds and intervals. Not for cohorts: see `inputs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.diagnosis.target import find_column, parse_target
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SlideLabels", "read_labels"]

EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class SlideLabels:
    """Slides with a known label, in the order they were asked for.

    Attributes
    ----------
    slides, patients : tuple of str, length n
    classes : tuple of str
    codes : (n,) int64
        Position of each slide's label in `classes`.
    notes : tuple of str
        Who was left out, and what was assumed.
    """

    slides: tuple[str, ...]
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    codes: NDArray[np.int64]
    notes: tuple[str, ...]

    def label(self, index: int) -> str:
        """Label of one slide."""
        return self.classes[int(self.codes[index])]


def read_labels(
    table: str | Path | pd.DataFrame,
    *,
    target: str,
    slides: Iterable[str],
    classes: Sequence[str] | None = None,
) -> SlideLabels:
    """Read a table with `slide_id`, `patient_id` and a column of labels.

    Parameters
    ----------
    table : path of a CSV file, or DataFrame
        One row a slide. Without `patient_id`, each slide counts as one patient, and a note says so.
    target : str
        Column with the labels.
    slides : iterable of str
        Slides to find there; those that are missing or without a label are left out and counted.
    classes : sequence of str, optional
        The classes and their order; default: those of the table, sorted.

    Raises
    ------
    CohortError
        When a column or every slide is missing, a slide is named twice, or a label is no class.

    Examples
    --------
    >>> frame = pd.DataFrame({"slide_id": ["a", "b"], "patient_id": ["p", "q"], "dx": ["m", "n"]})
    >>> labels = read_labels(frame, target="dx", slides=["a", "b", "c"])
    >>> labels.patients, labels.codes.tolist(), labels.notes
    (('p', 'q'), [0, 1], ("1 of 3 slides have no 'dx' in the table and are left out: c",))
    """
    frame = _read(table)
    find_column(frame, target, role="target")
    asked = list(slides)
    rows = frame.set_index("slide_id").reindex(asked)
    known = rows[rows[target].notna()]
    if known.empty:
        message = (
            f"none of the {len(asked)} slides has a {target!r} in the table; slides: "
            f"{', '.join(asked[:EXAMPLES])}; table: {', '.join(frame['slide_id'][:EXAMPLES])}"
        )
        raise CohortError(message)
    names, codes = _codes(known[target], target, classes)
    missing = [slide for slide in asked if slide not in known.index]
    notes = []
    if missing:
        shown = ", ".join(missing[:EXAMPLES])
        notes.append(
            f"{len(missing)} of {len(asked)} slides have no {target!r} in the table and are left "
            f"out: {shown}"
        )
    if "patient_id" not in frame:
        notes.append("the table has no patient_id: each slide counts as one patient")
    patients = known["patient_id"] if "patient_id" in frame else pd.Series(known.index)
    if patients.isna().any():
        slide = str(known.index[int(patients.isna().to_numpy().argmax())])
        message = f"slide {slide!r} has no patient_id; the patient is the unit of all that follows"
        raise CohortError(message, slide_id=slide)
    return SlideLabels(
        tuple(map(str, known.index)), tuple(patients.astype(str)), names, codes, tuple(notes)
    )


def _read(table: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Read and check the ids."""
    kinds = {"slide_id": str, "patient_id": str}
    if isinstance(table, pd.DataFrame):
        frame = table.astype({name: kind for name, kind in kinds.items() if name in table})
    else:
        try:
            frame = pd.read_csv(table, dtype=kinds)
        except (OSError, ValueError) as error:
            message = f"{table}: cannot be read: {error}"
            raise CohortError(message, path=str(table)) from error
    if "slide_id" not in frame:
        message = f"the table has no column 'slide_id'; it has {', '.join(map(str, frame))}"
        raise CohortError(message)
    repeated = frame["slide_id"][frame["slide_id"].duplicated()].unique()
    if len(repeated):
        message = (
            f"{len(repeated)} slides stand twice in the table: {', '.join(repeated[:EXAMPLES])}"
        )
        raise CohortError(message, slide_id=str(repeated[0]))
    return frame


def _codes(
    values: pd.Series, target: str, classes: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Classes and the position of each label among them."""
    if classes is None:
        parsed = parse_target(values, column=target)
        return parsed.classes, parsed.codes
    position = {name: code for code, name in enumerate(classes)}
    names = [
        str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values.tolist()
    ]
    unknown = sorted({name for name in names if name not in position})
    if unknown:
        message = (
            f"labels {', '.join(unknown[:EXAMPLES])} of {target!r} are no classes of the "
            f"classifier; its classes are {', '.join(classes)}"
        )
        raise CohortError(message)
    return tuple(classes), np.array([position[name] for name in names], dtype=np.int64)
