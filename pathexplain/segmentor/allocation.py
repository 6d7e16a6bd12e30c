"""Freed memory that is used again instead of being given back and asked for anew.

A network on a processor makes and frees maps of tens of megabytes in every layer. By default the C
library gives such blocks back to the system at once, and the system clears every page of the next
one: a fifth to a third of the time of a window. See malloc's manual, mallopt(3).
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

__all__ = ["keep_freed_blocks"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h
_LARGEST_BLOCK_BYTES = 2**30
_MOST_KEPT_BYTES = 2**31 - 1


@cache
def keep_freed_blocks() -> bool:
    """Ask the C library of this process to keep freed blocks; False where it cannot be asked.

    It can be with glibc, that is on most Linux. One arena serves all threads, since only its
    blocks can be large. What the process holds at most grows by about a tenth, and does not fall
    when a network has done its work. Results are the same.

    Examples
    --------
    >>> keep_freed_blocks() == (platform.libc_ver()[0] == "glibc")
    True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    asked = (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES),
        (_TRIM_THRESHOLD, _MOST_KEPT_BYTES),
    )
    return sum(int(mallopt(option, value)) for option, value in asked) == len(asked)
