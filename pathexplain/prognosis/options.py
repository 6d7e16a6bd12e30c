"""The choices of one survival analysis, checked once and handed to every step."""

from __future__ import annotations

from dataclasses import dataclass

from pathexplain.errors import CohortError

__all__ = ["Options"]

MIN_SPLITS = 2


@dataclass(frozen=True)
class Options:
    """Choices of `analysis.survival`, which documents them."""

    alpha: float
    max_final: int
    seed: int
    n_bootstrap: int
    n_splits: int
    n_repeats: int
    n_permutations: int
    n_max_t: int
    n_optimism: int = 100
    n_stability: int = 50
    horizons: tuple[float, ...] = ()
    min_icc: float = 0.75
    cuts: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if not 0 < self.alpha < 1:
            message = f"alpha is {self.alpha}; a false discovery rate lies between 0 and 1"
            raise CohortError(message)
        if self.n_splits < MIN_SPLITS:
            message = f"n_splits is {self.n_splits}; cross-validation needs at least {MIN_SPLITS}"
            raise CohortError(message)
        if not 0 <= self.min_icc <= 1:
            message = f"min_icc is {self.min_icc}; an intraclass correlation lies between 0 and 1"
            raise CohortError(message)
        for name in (
            "max_final",
            "n_repeats",
            "n_bootstrap",
            "n_permutations",
            "n_max_t",
            "n_optimism",
            "n_stability",
        ):
            if getattr(self, name) < 1:
                message = f"{name} is {getattr(self, name)}; give at least 1"
                raise CohortError(message)
