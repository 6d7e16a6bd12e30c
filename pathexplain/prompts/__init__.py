"""Prompts: what to look for, as frozen dataclasses and as a strictly checked YAML file.

Not for running a prompt on an image (`segmentor`), nor for the words themselves (`vocabulary`).
"""

from __future__ import annotations

from pathexplain.prompts.model import Kind, Prompt, as_prompts
from pathexplain.prompts.positions import Fault
from pathexplain.prompts.promptset import FAMILY_NAMES, PromptSet
from pathexplain.prompts.reading import PromptsCheck, check_prompts, read_prompts
from pathexplain.prompts.schema import json_schema
from pathexplain.prompts.stain_options import StainMethod, StainOptions
from pathexplain.prompts.within import TilScore, Within

__all__ = [
    "FAMILY_NAMES",
    "Fault",
    "Kind",
    "Prompt",
    "PromptSet",
    "PromptsCheck",
    "StainMethod",
    "StainOptions",
    "TilScore",
    "Within",
    "as_prompts",
    "check_prompts",
    "json_schema",
    "read_prompts",
]
