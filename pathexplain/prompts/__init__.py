"""Prompts: what to look for, as frozen dataclasses and as a strictly checked YAML file.

Not for running a prompt on an image (`segmentor`), nor for the words themselves (`vocabulary`).
"""

from __future__ import annotations

from pathexplain.prompts.model import (
    FAMILY_NAMES,
    PLANNED_FAMILIES,
    Kind,
    Prompt,
    PromptSet,
    as_prompts,
)

__all__ = [
    "FAMILY_NAMES",
    "PLANNED_FAMILIES",
    "Kind",
    "Prompt",
    "PromptSet",
    "as_prompts",
]
