"""Which prompted objects an image classifier rests on: their pixels are taken away.

Imports no network by itself: the classifier is anything that turns tiles into logits.
"""

from __future__ import annotations

from pathexplain.diagnosis.perturbation.analysis import perturb
from pathexplain.diagnosis.perturbation.classifier import Classifier, FunctionClassifier
from pathexplain.diagnosis.perturbation.options import PerturbationOptions
from pathexplain.diagnosis.perturbation.result import PerturbationResult

__all__ = [
    "Classifier",
    "FunctionClassifier",
    "PerturbationOptions",
    "PerturbationResult",
    "perturb",
]
