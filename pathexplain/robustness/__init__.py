"""How far features survive what changes between laboratories: ICC(2,1) under perturbations."""

from __future__ import annotations

from pathexplain.robustness.icc import Agreement, icc_2_1
from pathexplain.robustness.reading import read_conditions, read_robustness, robust_features
from pathexplain.robustness.study import RobustnessSummary, robustness

__all__ = [
    "Agreement",
    "RobustnessSummary",
    "icc_2_1",
    "read_conditions",
    "read_robustness",
    "robust_features",
    "robustness",
]
