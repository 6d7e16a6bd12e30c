"""pathexplain: from prompts to masks, morphometry, diagnosis and survival.

Importing this imports nothing heavy: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pathexplain.compilation import keep_compiled

if TYPE_CHECKING:
    from pathexplain.cohort import read_cohort
    from pathexplain.diagnosis import importance
    from pathexplain.diagnosis.attention import attend
    from pathexplain.diagnosis.perturbation import perturb
    from pathexplain.extraction import extract
    from pathexplain.prognosis import survival, validate
    from pathexplain.prompts import Prompt, PromptSet, read_prompts
    from pathexplain.segmentor import load_segmentor

__all__ = [
    "Prompt",
    "PromptSet",
    "__version__",
    "attend",
    "extract",
    "importance",
    "load_segmentor",
    "perturb",
    "read_cohort",
    "read_prompts",
    "survival",
    "validate",
]

__version__ = "0.1.0"

_HOMES = {
    "Prompt": "pathexplain.prompts",
    "PromptSet": "pathexplain.prompts",
    "attend": "pathexplain.diagnosis.attention",
    "extract": "pathexplain.extraction",
    "importance": "pathexplain.diagnosis",
    "load_segmentor": "pathexplain.segmentor",
    "perturb": "pathexplain.diagnosis.perturbation",
    "read_cohort": "pathexplain.cohort",
    "read_prompts": "pathexplain.prompts",
    "survival": "pathexplain.prognosis",
    "validate": "pathexplain.prognosis",
}


keep_compiled()


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in _HOMES:
        message = f"module 'pathexplain' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names of the module, with those not loaded yet."""
    return sorted({*globals(), *__all__})
