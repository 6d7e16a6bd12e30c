"""Which slides to show for a prompt, by a stated rule: nobody chose them by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation.conditions import ORIGINAL, Condition
from pathexplain.diagnosis.perturbation.result import Exemplar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathexplain.diagnosis.perturbation.statistics import Study

__all__ = ["LEVELS", "RULE", "pick_slides"]

LEVELS = {"most": 1.0, "middle": 0.5, "least": 0.0}
RULE = (
    "Rule: of the slides that hold the prompt, those whose change of the loss is the largest, the "
    "median and the smallest, each from another patient where there are as many; of each slide, "
    "the tile that holds most of the prompt. Nobody chose them by eye."
)


def pick_slides(study: Study, slides: Sequence[str], *, fill: str) -> tuple[Exemplar, ...]:
    """Pick up to three slides a prompt, from different patients."""
    base = study.values(ORIGINAL)
    picked = []
    for index, prompt in enumerate(study.prompts):
        change = study.values(Condition(fill, (index,))) - base
        known = np.flatnonzero(np.isfinite(change))
        seen: set[str] = set()
        for level, share in LEVELS.items():
            if not len(known):
                break
            target = np.quantile(change[known], share)
            order = known[np.argsort(np.abs(change[known] - target), kind="stable")]
            free = [i for i in order if study.patients[i] not in seen]
            if not free:
                continue
            row = int(free[0])
            seen.add(study.patients[row])
            picked.append(
                Exemplar(
                    prompt=prompt.name,
                    level=level,
                    slide=slides[row],
                    patient=study.patients[row],
                    label=study.classes[int(study.codes[row])],
                    loss_change=float(change[row]),
                    picture=f"pictures/{slides[row]}/{prompt.name}",
                )
            )
    return tuple(picked)
