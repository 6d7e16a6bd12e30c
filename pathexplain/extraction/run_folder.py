"""Who may write to a run folder, and the temporary folders in it: locks that end with a process.

The operating system frees these locks when their process ends, however it ends, so nothing that a
killed run leaves behind looks alive. Not for results: see `store` and `outputs`.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from filelock import FileLock, Timeout

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["make_run_folder", "remove_abandoned", "scratch_folder", "sole_run"]

LOCK_FILE = ".lock"
SCRATCH = ".scratch"


def make_run_folder(out: Path) -> Path:
    """Make a run folder and the folder of its stores; return its absolute path.

    Raises
    ------
    ConfigError
        When a file is in its place.
    """
    if out.exists() and not out.is_dir():
        message = f"{out} is a file; the results need a folder"
        raise ConfigError(message, path=str(out))
    (out / "stores").mkdir(parents=True, exist_ok=True)
    return out.absolute()


@contextmanager
def sole_run(out: Path) -> Iterator[None]:
    """Hold the run folder, so that two runs never write to it at once.

    Raises
    ------
    ConfigError
        When another run, of any user on any machine that shares the folder, holds it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, sole_run(Path(folder)):
    ...     (Path(folder) / ".lock").exists()
    True
    """
    lock = FileLock(out / LOCK_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        message = (
            f"{out}: another run is writing to this folder; wait until it ends, stop it, or pass "
            "another --out"
        )
        raise ConfigError(message, path=str(out)) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """Make a temporary folder on the file system of the run folder, and remove it at the end.

    A lock beside it is held meanwhile: `remove_abandoned` removes what has none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as out:
    ...     with scratch_folder(Path(out)) as folder:
    ...         remove_abandoned(Path(out)), folder.is_dir()
    ...     folder.exists()
    (0, True)
    False
    """
    folder = out / SCRATCH / uuid4().hex
    folder.parent.mkdir(exist_ok=True)
    lock_file = folder.with_suffix(".lock")
    lock = FileLock(lock_file)
    # Locked before the folder is there, so no folder is ever without its lock held.
    lock.acquire()
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock_file.unlink(missing_ok=True)
        lock.release()


def remove_abandoned(out: Path) -> int:
    """Remove the temporary folders of processes that have ended; return how many there were."""
    parent = out / SCRATCH
    if not parent.is_dir():
        return 0
    removed = 0
    for name in {path.stem for path in parent.iterdir()}:
        lock_file = parent / f"{name}.lock"
        lock = FileLock(lock_file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        shutil.rmtree(parent / name, ignore_errors=True)
        lock_file.unlink(missing_ok=True)
        lock.release()
        removed += 1
    if not any(parent.iterdir()):
        parent.rmdir()
    return removed
