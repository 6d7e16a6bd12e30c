"""pathexplain: from prompts to masks, morphometry, diagnosis and survival."""

__version__ = "0.1.0"
