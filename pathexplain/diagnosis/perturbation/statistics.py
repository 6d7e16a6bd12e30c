"""From the losses of slides to statements about patients: importances, controls, shares.

Pure functions over the outcomes of slides; nothing is read or run here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation.conditions import (
    MAX_SHAPLEY,
    ORIGINAL,
    Condition,
    sets_of,
)
from pathexplain.diagnosis.perturbation.result import (
    ClassEffect,
    Effect,
    Overlap,
    Performance,
    PromptPresence,
    SetEffect,
    ShapleyShare,
)
from pathexplain.diagnosis.perturbation.shapley import shapley_values
from pathexplain.diagnosis.resampling import (
    auroc_resamples,
    interval_of,
    mean_interval,
    patient_weights,
    ratio_of_means,
    sign_flip_p,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.outcomes import SlideOutcome
    from pathexplain.diagnosis.result import Interval
    from pathexplain.prompts import Prompt

__all__ = ["Study", "effects", "holm", "overlap", "performance", "presence", "sets", "shares"]

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Study:
    """Slides that were run, in one order.

    Attributes
    ----------
    outcomes : tuple of SlideOutcome, length n
    patients : tuple of str, length n
    codes : (n,) int64
        True class of each slide.
    classes : tuple of str
    prompts : tuple of Prompt
    weights : (B, n) float64
        How often each slide is drawn.
    """

    outcomes: tuple[SlideOutcome, ...]
    patients: tuple[str, ...]
    codes: NDArray[np.int64]
    classes: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    weights: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        outcomes: Sequence[SlideOutcome],
        patients: Sequence[str],
        codes: Sequence[int],
        classes: Sequence[str],
        prompts: Sequence[Prompt],
        *,
        n_bootstrap: int,
        seed: int,
    ) -> Study:
        """Draw the patients and put everything together."""
        return cls(
            tuple(outcomes),
            tuple(patients),
            np.asarray(codes, np.int64),
            tuple(classes),
            tuple(prompts),
            patient_weights(patients, n_bootstrap=n_bootstrap, seed=seed),
        )

    @property
    def once(self) -> NDArray[np.float64]:
        """(1, n) weights of the slides as they are."""
        return np.ones((1, len(self.patients)))

    def values(self, condition: Condition, what: str = "loss") -> NDArray[np.float64]:
        """(n,) loss or log-odds under a condition; NaN where it is impossible."""
        return np.array([getattr(one.outcomes[condition.key], what) for one in self.outcomes])

    def control(self, fill: str, prompt: int, what: str = "loss") -> NDArray[np.float64]:
        """(n,) mean over the controls of a prompt; NaN where there are none."""
        start = Condition(fill, (prompt,)).key + ":control"
        keys = [key for key in self.outcomes[0].outcomes if key.startswith(start)]
        rows = [[getattr(one.outcomes[key], what) for one in self.outcomes] for key in keys]
        return np.mean(rows, axis=0) if rows else np.full(len(self.outcomes), np.nan)

    def ratio(self, above: NDArray[np.float64], below: NDArray[np.float64]) -> Interval:
        """Ratio of means over slides with its interval over patients."""
        return interval_of(
            float(ratio_of_means(above, below, self.once)[0]),
            ratio_of_means(above, below, self.weights),
        )

    def n_patients(self, values: NDArray[np.float64]) -> int:
        """Patients with a slide that has a value."""
        return len({p for p, v in zip(self.patients, values, strict=True) if np.isfinite(v)})


def performance(study: Study) -> Performance:
    """Judge the classifier on the slides as they are."""
    original = [one.outcomes[ORIGINAL.key] for one in study.outcomes]
    probabilities = np.array([one.probabilities for one in original])
    losses = study.values(ORIGINAL)
    right = (probabilities.argmax(axis=1) == study.codes).astype(float)
    counts = np.bincount(study.codes, minlength=len(study.classes))
    shares = counts[counts > 0] / counts.sum()
    chance_loss = float(-(shares * np.log(shares)).sum())
    area = interval_of(
        float(auroc_resamples(probabilities, study.codes, study.once)[0]),
        auroc_resamples(probabilities, study.codes, study.weights),
    )
    loss = mean_interval(losses, study.weights)
    is_better = area.above(0.5)
    verdict = (
        "better than guessing: the whole interval of the AUROC is above 0.5"
        if is_better
        else "not shown to be better than guessing on these slides, so what it rests on is not read"
    )
    return Performance(
        loss, chance_loss, mean_interval(right, study.weights), area, is_better, verdict
    )


def presence(study: Study) -> tuple[PromptPresence, ...]:
    """Say how much of each prompt there is."""
    rows = []
    for index, prompt in enumerate(study.prompts):
        shares = np.array(
            [
                one.areas_px[index] / one.tissue_px if one.areas_px[index] else np.nan
                for one in study.outcomes
            ]
        )
        rows.append(
            PromptPresence(
                name=prompt.name,
                text=prompt.text,
                trained=study.outcomes[0].trained[index],
                n_slides=int(np.isfinite(shares).sum()),
                n_patients=study.n_patients(shares),
                area_share=mean_interval(shares, study.weights),
            )
        )
    return tuple(rows)


def effects(
    study: Study, *, fills: Sequence[str], n_flips: int, seed: int, is_judged: bool
) -> tuple[Effect, ...]:
    """Give every prompt under every fill; tests are adjusted over all of them together.

    Without a classifier better than chance (`is_judged` False) there are numbers and no verdicts.
    """
    found = [
        _effect(study, fill, index, n_flips=n_flips, seed=seed)
        for fill in fills
        for index in range(len(study.prompts))
    ]
    adjusted = holm([one.p_value for one in found])
    n_tests = sum(np.isfinite(one.p_value) for one in found)
    rows = [
        replace(one, p_adjusted=p, n_tests=int(n_tests))
        for one, p in zip(found, adjusted, strict=True)
    ]
    return tuple(replace(one, verdict=_verdict(one, is_judged=is_judged)) for one in rows)


def _effect(study: Study, fill: str, index: int, *, n_flips: int, seed: int) -> Effect:
    """One prompt under one fill, not adjusted and not judged yet."""
    base, odds = study.values(ORIGINAL), study.values(ORIGINAL, "log_odds")
    condition = Condition(fill, (index,))
    loss, control = study.values(condition), study.control(fill, index)
    excess = loss - control
    p_value, _ = sign_flip_p(excess, study.patients, n_flips=n_flips, seed=seed)
    known = np.isfinite(loss) & (base > 0)
    ratios = loss[known] / base[known]
    return Effect(
        prompt=study.prompts[index].name,
        fill=fill,
        imp=study.ratio(loss, base),
        imp_median=float(np.median(ratios)) if len(ratios) else float("nan"),
        loss_change=mean_interval(loss - base, study.weights),
        log_odds_change=mean_interval(study.values(condition, "log_odds") - odds, study.weights),
        control_imp=study.ratio(control, base),
        control_loss_change=mean_interval(control - base, study.weights),
        excess=mean_interval(excess, study.weights),
        p_value=p_value,
        p_adjusted=float("nan"),
        n_tests=0,
        n_slides=int(np.isfinite(loss).sum()),
        n_patients=study.n_patients(loss),
        n_slides_control=int(np.isfinite(excess).sum()),
        by_class=_by_class(study, loss - base),
        n_undefined=_reasons(study, condition),
        verdict="",
    )


def _by_class(study: Study, change: NDArray[np.float64]) -> tuple[ClassEffect, ...]:
    """Loss change on the slides of each true class."""
    rows = []
    for code, name in enumerate(study.classes):
        mine = np.where(study.codes == code, change, np.nan)
        if np.isfinite(mine).any():
            rows.append(
                ClassEffect(
                    name,
                    mean_interval(mine, study.weights),
                    int(np.isfinite(mine).sum()),
                    study.n_patients(mine),
                )
            )
    return tuple(rows)


def _reasons(study: Study, condition: Condition) -> dict[str, int]:
    """Count why slides have no value, or no control."""
    counts: Counter[str] = Counter()
    control = replace(condition, control=0).key
    for one in study.outcomes:
        reason = one.outcomes[condition.key].reason
        if reason:
            counts[reason] += 1
        elif control in one.outcomes and one.outcomes[control].reason:
            counts[f"control: {one.outcomes[control].reason}"] += 1
    return dict(counts)


def _verdict(effect: Effect, *, is_judged: bool) -> str:
    """Put the effect into one sentence."""
    if not is_judged:
        return "not judged: the classifier is not shown to be better than guessing"
    if effect.n_slides == 0:
        return "not judged: no slide has a value"
    if effect.n_slides_control == 0:
        return "not judged: no slide has a control"
    if effect.excess.low > 0 and effect.p_adjusted <= ALPHA:
        return "the classifier rests on it, more than on random regions as large"
    if effect.excess.high < 0:
        return "matters less than random regions as large"
    return "not told apart from random regions as large"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for all of them together (Holm 1979); NaN stays and is not counted.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan")])
    [0.02, 0.04, nan]
    """
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(np.isfinite(p))
    adjusted = np.full(len(p), np.nan)
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def overlap(study: Study) -> Overlap:
    """Share of each prompt's area that lies in each other prompt, all slides together."""
    total = np.sum([one.overlaps_px for one in study.outcomes], axis=0).astype(float)
    areas = np.diag(total)[:, None]
    share = np.divide(total, areas, out=np.full(total.shape, np.nan), where=areas > 0)
    return Overlap(
        tuple(prompt.name for prompt in study.prompts), tuple(map(tuple, share.tolist()))
    )


def sets(study: Study, *, fill: str, which: str) -> tuple[SetEffect, ...]:
    """Give prompts that were taken away together.

    A slide that holds some of the prompts takes part with those; one that holds none is left out.
    """
    base = study.values(ORIGINAL)
    rows = []
    for members in sets_of(len(study.prompts), sets=which):
        loss = study.values(Condition(fill, members))
        interaction = None
        if len(members) == 2:  # noqa: PLR2004 - pairs
            alone = sum(_worth(study, fill, (one,)) for one in members)
            joint = np.where(np.isfinite(loss), loss - base - alone, np.nan)
            interaction = mean_interval(joint, study.weights)
        rows.append(
            SetEffect(
                prompts=tuple(study.prompts[one].name for one in members),
                imp=study.ratio(loss, base),
                loss_change=mean_interval(loss - base, study.weights),
                interaction=interaction,
                n_slides=int(np.isfinite(loss).sum()),
            )
        )
    return tuple(rows)


def _worth(study: Study, fill: str, members: tuple[int, ...]) -> NDArray[np.float64]:
    """(n,) loss change of a set; 0 where the slide holds none of it, so that nothing changes."""
    change = study.values(Condition(fill, members)) - study.values(ORIGINAL)
    areas = np.array([sum(one.areas_px[i] for i in members) for one in study.outcomes])
    return np.where(areas == 0, 0.0, change)


def shares(study: Study, *, fill: str, which: str) -> tuple[ShapleyShare, ...]:
    """Shapley values of the prompts, where all sets were run; empty otherwise."""
    n_prompts = len(study.prompts)
    all_sets = sets_of(n_prompts, sets=which)
    is_complete = len(all_sets) == 2**n_prompts - n_prompts - 1
    if n_prompts < 2 or n_prompts > MAX_SHAPLEY or not is_complete:  # noqa: PLR2004 - a game of one
        return ()
    members = [(one,) for one in range(n_prompts)] + list(all_sets)
    worth = {one: _worth(study, fill, one) for one in members}
    by_slide = shapley_values(worth, n_players=n_prompts)
    return tuple(
        ShapleyShare(
            prompt=prompt.name,
            value=mean_interval(by_slide[index], study.weights),
            alone=float(weighted_mean(worth[(index,)], study.once)[0]),
        )
        for index, prompt in enumerate(study.prompts)
    )
