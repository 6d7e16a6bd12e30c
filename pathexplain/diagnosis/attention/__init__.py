"""Attention over objects: which prompted objects a slide's label can be learned from, and where.

`diagnosis.networks` holds the networks and trains them.
"""

from __future__ import annotations

from pathexplain.diagnosis.attention.analysis import AttentionOptions, attend
from pathexplain.diagnosis.attention.result import AttentionResult

__all__ = ["AttentionOptions", "AttentionResult", "attend"]
