"""What AUROC the object-aware network reaches when the labels of patients are dealt anew.

The encoder is frozen and never saw a label, so its features are taken as they are and the networks
alone are trained again. Not for tables of features: see `diagnosis.null`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.attention.statistics import area
from pathexplain.diagnosis.draws import permute_labels
from pathexplain.diagnosis.networks.fold_training import TrainedFold
from pathexplain.diagnosis.networks.predictions import held_out
from pathexplain.diagnosis.networks.training import train_network
from pathexplain.diagnosis.null import ENOUGH_EXCEEDED
from pathexplain.diagnosis.result import NullDistribution
from pathexplain.diagnosis.splits import make_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pathexplain.diagnosis.checkpoint import Checkpoint
    from pathexplain.diagnosis.networks.study import Bags
    from pathexplain.diagnosis.networks.training import TrainingOptions

__all__ = ["Deals", "permuted_null"]

LIGHT_EPOCHS = 20


@dataclass(frozen=True, eq=False)
class Deals:
    """What the labels are dealt among, and what is trained on them.

    Attributes
    ----------
    slides : n names, whose bags are in `bags`
    codes : (n,) int64, class of each slide
    patients : (n,) str
    columns : which objects of a bag the networks see
    """

    bags: Bags
    slides: tuple[str, ...]
    codes: NDArray[np.int64]
    patients: NDArray[np.str_]
    columns: tuple[int, ...]
    n_classes: int
    n_splits: int
    options: TrainingOptions
    seed: int


def permuted_null(
    deals: Deals,
    observed: float,
    *,
    n_permutations: int,
    checkpoint: Checkpoint,
    progress: Callable[[int, int], None],
) -> NullDistribution | None:
    """Deal the labels anew among patients, train in every fold, compare the held-out AUROC.

    To keep it cheap it is one network a fold and deal, trained for at most `LIGHT_EPOCHS`, where
    the observed figure is of several averaged. It stops early once it was reached
    `ENOUGH_EXCEEDED` times. p as in `diagnosis.null`.

    Parameters
    ----------
    deals : Deals
    observed : float
        Held-out AUROC with the true labels.
    n_permutations : int
        0 gives None.
    checkpoint : Checkpoint
        Where finished deals are kept.
    progress : callable
        ``progress(done, total)``.
    """
    if n_permutations == 0:
        return None
    areas: list[float] = []
    for one in checkpoint.stream(
        "null", lambda i: _area_of(deals, i), range(n_permutations), jobs=1
    ):
        areas.append(float(one))
        progress(len(areas), n_permutations)
        if np.sum(np.array(areas) >= observed) >= ENOUGH_EXCEEDED:
            break
    n_made, n_reached = len(areas), int(np.sum(np.array(areas) >= observed))
    p_value = (1 + n_reached) / (1 + n_made)
    return NullDistribution(
        n_permutations=n_made,
        observed=observed,
        aurocs=tuple(areas),
        p_value=p_value,
        p_adjusted=p_value,
        description=(
            f"{n_made} permutations of the labels among patients, one network trained anew in each "
            f"fold, {min(deals.options.epochs, LIGHT_EPOCHS)} epochs on the same frozen features"
        ),
    )


def _area_of(deals: Deals, i_deal: int) -> NDArray[np.float64]:
    """Held-out AUROC of one deal, ()."""
    rng = np.random.default_rng([deals.seed, i_deal])
    codes = permute_labels(deals.codes, deals.patients, rng)
    folds = make_folds(codes, groups=deals.patients, n_splits=deals.n_splits, seed=deals.seed)
    trained = [
        TrainedFold(
            index,
            deals.columns,
            fold.test,
            (
                train_network(
                    lambda row: deals.bags[deals.slides[row]],
                    deals.columns,
                    codes,
                    fold.train,
                    n_classes=deals.n_classes,
                    options=replace(
                        deals.options, n_networks=1, epochs=min(deals.options.epochs, LIGHT_EPOCHS)
                    ),
                    seed=deals.seed + 1000 * index,
                ),
            ),
            (),
        )
        for index, fold in enumerate(folds)
    ]
    made = held_out(deals.bags, deals.slides, trained, deals.n_classes)
    return np.array(area(made.logits, codes, np.ones((1, len(codes))))[0])
