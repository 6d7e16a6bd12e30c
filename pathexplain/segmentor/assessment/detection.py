"""Found objects against annotated centres, for sources that mark nuclei by a point each."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.reading import Record

__all__ = ["Detection", "centroids_um", "detect", "read_centres"]

MATCH_UM = 6.0


@dataclass(frozen=True)
class Detection:
    """Objects matched one to one, with precision, recall and their harmonic mean in [0, 1]."""

    n_matched: int
    precision: float
    recall: float
    f1: float


def detect(
    found_um: NDArray[np.float64], true_um: NDArray[np.float64], *, radius_um: float = MATCH_UM
) -> Detection:
    """Match found with true centres, one to one and at most `radius_um` apart.

    Most matches first, then the least total distance (assignment problem). Sirinukunwattana 2016,
    doi:10.1109/TMI.2016.2525803, matches within 6 px of 0.55 µm: give 3.3 to compare with that.

    Parameters
    ----------
    found_um : (F, 2) float
    true_um : (T, 2) float
    radius_um : float

    Returns
    -------
    Detection
        Precision is NaN when nothing was found, recall when there is nothing to find, and F1 when
        both are empty.

    Examples
    --------
    >>> detect(np.array([[0.0, 0.0], [50.0, 0.0]]), np.array([[0.0, 5.0]]))
    Detection(n_matched=1, precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    n_found, n_true = len(found_um), len(true_um)
    n_matched = 0
    if n_found and n_true:
        distance = cdist(found_um, true_um)
        is_near = distance <= radius_um
        too_far = (radius_um + 1) * (min(n_found, n_true) + 1)
        rows, columns = linear_sum_assignment(np.where(is_near, distance, too_far))
        n_matched = int(is_near[rows, columns].sum())
    return Detection(
        n_matched,
        n_matched / n_found if n_found else float("nan"),
        n_matched / n_true if n_true else float("nan"),
        2 * n_matched / (n_found + n_true) if n_found + n_true else float("nan"),
    )


def centroids_um(labels: NDArray[np.int32], *, mpp: float) -> NDArray[np.float64]:
    """(N, 2) centroids (y, x) in µm of the objects of a label image.

    Examples
    --------
    >>> centroids_um(np.array([[0, 1, 1]], np.int32), mpp=0.5)
    array([[0.25, 1.  ]])
    """
    n_objects = int(labels.max())
    if n_objects == 0:
        return np.empty((0, 2))
    pixels = ndimage.center_of_mass(labels > 0, labels, range(1, n_objects + 1))
    return (np.asarray(pixels, float) + 0.5) * mpp


def read_centres(record: Record, *, mpp: float) -> dict[str, NDArray[np.float64]]:
    """Annotated centres of one image, by object: "nucleus" is all of them.

    Parameters
    ----------
    record : Record
        Of kind "points"; ``points.csv`` lies beside the folder of its image.
    mpp : float
        µm per pixel of the image.

    Returns
    -------
    dict of str to (N, 2) float
        (y, x) in µm. Types of the table that the vocabulary lacks count as nucleus alone.

    Raises
    ------
    ConfigError
        When there is no such table.
    """
    table = record.image.parent.parent / "points.csv"
    if not table.is_file():
        message = f"{table}: no such table of centres, which {record.image} needs"
        raise ConfigError(message, path=str(table))
    rows = _read_table(table).get(record.image.name, ())
    types = {kind for members in _read_table(table).values() for kind, _, _ in members}
    centres = {
        name: np.array([(y, x) for kind, y, x in rows if kind == name], float).reshape(-1, 2) * mpp
        for name in sorted(types & set(OBJECTS))
    }
    centres["nucleus"] = np.array([(y, x) for _, y, x in rows], float).reshape(-1, 2) * mpp
    return centres


@lru_cache(maxsize=4)
def _read_table(path: Path) -> dict[str, tuple[tuple[str, float, float], ...]]:
    """Type, y and x in pixels of every centre, by image name."""
    images: dict[str, list[tuple[str, float, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            place = (row["type"], float(row["y_px"]), float(row["x_px"]))
            images.setdefault(Path(row["image"]).name, []).append(place)
    return {name: tuple(rows) for name, rows in images.items()}
