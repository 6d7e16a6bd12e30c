"""Where a network runs and how precisely it computes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["choose_device", "computes_in_bfloat16", "lanes", "precision"]

MOST_LANES = 2
"""Windows in the network at once: each holds about half a gigabyte."""


def choose_device(name: str) -> torch.device:
    """Device by name; "auto" is a GPU where there is one.

    Parameters
    ----------
    name : str
        "auto", "cpu", "cuda", "cuda:1" and so on, or "mps".

    Raises
    ------
    ConfigError
        When the device is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    if not available.get(name.split(":", maxsplit=1)[0], False):
        message = f"device {name!r} is not available here; use auto, cpu, cuda or mps"
        raise ConfigError(message)
    return torch.device(name)


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether `device` has arithmetic for bfloat16; elsewhere it is emulated, several times slower.

    Examples
    --------
    >>> computes_in_bfloat16(torch.device("mps"))
    False
    """
    if device.type == "cuda":
        return True
    is_fast: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001  no public name
    return device.type == "cpu" and is_fast


def precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where the processor computes in it, float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bfloat16(device))


@contextmanager
def lanes(device: torch.device) -> Iterator[int]:
    """Share torch's threads among windows that are segmented at once; yield how many those are.

    Threads of one window wait for one another after every layer, which costs most where other
    work keeps a core busy: on two cores, one window on two threads took 2.4 times the processor
    time of one on a single thread. On a GPU there is one lane.

    Examples
    --------
    >>> before = torch.get_num_threads()
    >>> with lanes(torch.device("cpu")) as n:
    ...     fewer = torch.get_num_threads()
    >>> fewer * n <= before, torch.get_num_threads() == before
    (True, True)
    """
    before = torch.get_num_threads()
    n = min(MOST_LANES, before) if device.type == "cpu" else 1
    torch.set_num_threads(before // n)
    try:
        yield n
    finally:
        torch.set_num_threads(before)
