"""The error tree: every failure that pathexplain names, with the fields a caller acts on.

Not for warnings: those belong to a result and are stored in it.
Each class also inherits the builtin exception that a caller would catch anyway.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CohortError",
    "ConfigError",
    "FeatureError",
    "FitError",
    "PathExplainError",
    "SegmentationError",
    "SlideError",
    "StainError",
    "StorageError",
    "TableError",
    "unreadable",
]


class PathExplainError(Exception):
    """Root of all errors raised on purpose by pathexplain.

    Parameters
    ----------
    message : str
        What was wrong, the value, where, and what to do about it.
    slide_id, prompt, patient, path : str, optional
        Where it happened, so that callers never parse the text.
    line : int, optional
        Line in `path`, 1-based.

    Examples
    --------
    >>> error = SlideError("slide S1: no mpp in the file; pass --mpp", slide_id="S1")
    >>> error.slide_id, isinstance(error, OSError), error.exit_code
    ('S1', True, 2)
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        slide_id: str | None = None,
        prompt: str | None = None,
        patient: str | None = None,
        path: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.slide_id = slide_id
        self.prompt = prompt
        self.patient = patient
        self.path = path
        self.line = line

    def __str__(self) -> str:
        """Return the message alone, also where a builtin base would add an errno."""
        return self.message


class ConfigError(PathExplainError, ValueError):
    """A prompts file, a training configuration or an argument is wrong."""

    exit_code = 2


class SlideError(PathExplainError, OSError):
    """A slide cannot be read, or lacks what reading it needs."""

    exit_code = 2


class StainError(PathExplainError, ValueError):
    """The stains of a slide cannot be told apart, so nothing may be measured with them.

    Parameters
    ----------
    message : str
        What was wrong, where, and what to do.
    reason : str
        The cause alone, short enough for a column of a table.
    slide_id : str, optional
    """

    def __init__(self, message: str, *, reason: str, slide_id: str | None = None) -> None:
        super().__init__(message, slide_id=slide_id)
        self.reason = reason


class StorageError(PathExplainError, OSError):
    """Results cannot be written, or the machines that write them have gone; nothing is lost."""


class SegmentationError(PathExplainError, RuntimeError):
    """A segmentor cannot be loaded, or failed on a tile."""


class FeatureError(PathExplainError, ValueError):
    """A feature cannot be computed from what was given."""


class TableError(PathExplainError, ValueError):
    """A table of objects or of slides breaks its own rules."""


class CohortError(PathExplainError, ValueError):
    """A cohort table or its clinical columns cannot be analysed as asked."""

    exit_code = 2


class FitError(PathExplainError, ArithmeticError):
    """A statistical model could not be fitted, and says why."""


def unreadable(error: Exception) -> str:
    """Say why a file could not be read, without the number of the operating system's error.

    Examples
    --------
    >>> unreadable(FileNotFoundError(2, "No such file or directory", "cohort.csv"))
    'No such file or directory'
    >>> unreadable(ValueError("Expected 2 fields in line 3, saw 4"))
    'Expected 2 fields in line 3, saw 4'
    """
    return str(getattr(error, "strerror", None) or error).strip()
