"""Where compiled kernels are kept between runs, so that only the first run pays for compiling.

numba keeps them beside the package or, where that is read-only, in the user's cache folder. This
is for machines where neither can be written, on which importing a kernel would fail.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

__all__ = ["keep_compiled"]

PACKAGE = Path(__file__).parent
VARIABLE = "NUMBA_CACHE_DIR"


def keep_compiled(package: Path = PACKAGE) -> None:
    """Set NUMBA_CACHE_DIR to a private temporary folder where numba could write nowhere else.

    The folder goes when the process ends; its child processes share it. It is never one that
    another user could have made, since numba unpickles what it finds there.

    Parameters
    ----------
    package : path
        Where the kernels lie.
    """
    places = (package / "features" / "__pycache__", user_cache())
    if os.environ.get(VARIABLE) or any(_is_writable(place) for place in places):
        return
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="pathexplain-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = folder
    if "numba" in sys.modules:  # it has read its environment
        sys.modules["numba"].config.CACHE_DIR = folder
    logging.getLogger(__name__).warning(
        "neither %s nor %s can be written: kernels are compiled anew in every run (half a minute); "
        "set %s to a folder of your own",
        *places,
        VARIABLE,
    )


def user_cache() -> Path:
    """Folder that numba uses where the package is read-only."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "numba"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/numba").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "numba"


def _is_writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that there is, can be written."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
