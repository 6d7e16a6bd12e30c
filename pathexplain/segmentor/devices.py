"""Where a network runs and how precisely it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["choose_device", "precision"]


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


def precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where the processor computes in it, float32 elsewhere."""
    is_fast = device.type == "cuda" or (
        device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001  no public name
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=is_fast)
