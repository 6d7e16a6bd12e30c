"""What a classifier must offer to be explained, and any Python callable as such a classifier.

Imports no network; for directories of transformers and entries by name, see `networks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Classifier", "FunctionClassifier", "PerPatient", "Unit", "as_classifier", "checked"]

Unit = Literal["tile", "slide"]
N_AXES = 2


@runtime_checkable
class Classifier(Protocol):
    """Tiles to encodings, encodings to logits: in two steps, so that unchanged tiles cost nothing.

    Attributes
    ----------
    name : str
    unit : {"tile", "slide"}
        Whether each tile has logits of its own, or a slide's bag of tiles has them together.
    classes : tuple of str or None
        Names of the logits; None where the classifier does not say.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above
    @property
    def unit(self) -> Unit: ...  # noqa: D102 - described above
    @property
    def classes(self) -> tuple[str, ...] | None: ...  # noqa: D102 - described above

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[Any]:
        """Encode (n, H, W, 3) uint8 RGB tiles as an array of n rows."""
        ...

    def logits(self, encodings: NDArray[Any]) -> NDArray[np.float64]:
        """(n, K) logits of n encoded tiles, or (1, K) of their bag."""
        ...


@runtime_checkable
class PerPatient(Protocol):
    """What a classifier offers beyond `Classifier` where some patients were used to train it."""

    def for_patient(self, patient: str) -> Classifier:
        """Return the classifier that has not seen this patient."""
        ...


class FunctionClassifier:
    """A Python callable as a classifier.

    Parameters
    ----------
    function : callable
        (n, H, W, 3) uint8 RGB tiles to logits, an array or tensor: (n, K) where `unit` is "tile",
        (K,) or (1, K) where it is "slide" and the n tiles are one bag.
    unit : {"tile", "slide"}
    classes : sequence of str, optional
    name : str, optional
    fingerprint : str, optional
        Changes when the classifier does. Without it, outcomes on disk are not taken up again.

    Examples
    --------
    >>> dark = FunctionClassifier(lambda tiles: [[t.mean() - 128, 0.0] for t in tiles], unit="tile")
    >>> tiles = np.zeros((3, 16, 16, 3), np.uint8)
    >>> dark.logits(dark.encode(tiles)).shape
    (3, 2)
    """

    def __init__(
        self,
        function: Callable[[NDArray[np.uint8]], Any],
        *,
        unit: Unit = "tile",
        classes: Sequence[str] | None = None,
        name: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        if unit not in {"tile", "slide"}:
            message = f"a classifier's unit is 'tile' or 'slide', not {unit!r}"
            raise ConfigError(message)
        self._function = function
        self.fingerprint = fingerprint
        self.unit: Unit = unit
        self.classes = None if classes is None else tuple(classes)
        self.name = name or str(getattr(function, "__name__", type(function).__name__))

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[Any]:
        """Logits of the tiles; the tiles themselves where only the whole bag has logits."""
        return as_array(self._function(tiles)) if self.unit == "tile" else np.asarray(tiles)

    def logits(self, encodings: NDArray[Any]) -> NDArray[np.float64]:
        """Logits of the tiles or of the bag."""
        if self.unit == "tile":
            return np.asarray(encodings, np.float64)
        return np.atleast_2d(as_array(self._function(encodings)))


def as_classifier(
    classifier: Classifier | Callable[[NDArray[np.uint8]], Any],
    *,
    unit: Unit = "tile",
    classes: Sequence[str] | None = None,
) -> Classifier:
    """Take a classifier as it is, and any other callable as a function of tiles.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    if isinstance(classifier, Classifier):
        return classifier
    given: object = classifier
    if not callable(given):
        message = f"{classifier!r} is no classifier: give a callable of (n, H, W, 3) uint8 tiles"
        raise ConfigError(message)
    return FunctionClassifier(classifier, unit=unit, classes=classes)


def as_array(output: Any) -> NDArray[np.float64]:
    """Turn a tensor, or a model's output object with `logits`, into an array."""
    values = getattr(output, "logits", output)
    for step in ("detach", "cpu", "float", "numpy"):
        values = getattr(values, step)() if hasattr(values, step) else values
    return np.asarray(values, np.float64)


def checked(logits: NDArray[np.float64], *, n_rows: int, slide_id: str) -> NDArray[np.float64]:
    """Refuse logits that are no finite (n_rows, K) array with at least two columns.

    Raises
    ------
    ConfigError
        Naming the slide and the shape or value.
    """
    is_table = logits.ndim == N_AXES and len(logits) == n_rows and logits.shape[1] > 1
    if not is_table:
        message = (
            f"slide {slide_id}: the classifier gave logits of shape {logits.shape}, must be "
            f"({n_rows}, K) with K of at least 2; a model with one output z has the logits (0, z)"
        )
        raise ConfigError(message, slide_id=slide_id)
    if not np.isfinite(logits).all():
        message = f"slide {slide_id}: the classifier gave logits that are NaN or infinite"
        raise ConfigError(message, slide_id=slide_id)
    return logits
