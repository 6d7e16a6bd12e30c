"""What the networks of a fold say of slides: logits and object-aware activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pathexplain.diagnosis.networks.attention import activation
from pathexplain.diagnosis.networks.training import padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.networks.bags import Bag
    from pathexplain.diagnosis.networks.fold_training import TrainedFold
    from pathexplain.diagnosis.networks.study import Bags

__all__ = ["HeldOut", "activations", "held_out"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out predictions of one kind of network, in the order of the slides.

    Attributes
    ----------
    logits : (n, K) float64
    activations : (n, J, K) float64
        Object-aware class activations; NaN where a slide does not hold the object.
    """

    logits: NDArray[np.float64]
    activations: NDArray[np.float64]


@torch.inference_mode()
def held_out(
    bags: Bags, slides: Sequence[str], folds: Sequence[TrainedFold], n_classes: int
) -> HeldOut:
    """Predict every slide by the networks that did not see it; logits and activations averaged."""
    n_objects = len(folds[0].columns)
    logits = np.full((len(slides), n_classes), np.nan)
    found = np.full((len(slides), n_objects, n_classes), np.nan)
    for fold in folds:
        for row in fold.test.tolist():
            outputs, objects, _ = activations(bags[slides[row]], fold)
            logits[row], found[row] = outputs, objects
    return HeldOut(logits, found)


@torch.inference_mode()
def activations(
    bag: Bag, fold: TrainedFold
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over a fold's networks for one slide.

    Returns
    -------
    logits : (K,) float64
    objects : (J, K) float64
        NaN where the slide does not hold the object.
    instances : (J, T, K) float64
        Their parts by tile; NaN where the tile does not hold the object.
    """
    features, known = padded([bag], fold.columns)
    outputs, objects, instances = [], [], []
    for network in fold.networks:
        seen = network(features, known)
        by_object, by_instance = activation(seen, network.head)
        outputs.append(seen.logits[0])
        objects.append(by_object[0])
        instances.append(by_instance[0])
    logits, whole, parts = (
        torch.stack(made).mean(dim=0).double().numpy() for made in (outputs, objects, instances)
    )
    is_known = known[0].numpy()
    is_there = np.asarray(is_known.any(axis=1))
    return (
        logits,
        np.where(is_there[:, None], whole, np.nan),
        np.where(is_known[..., None], parts, np.nan),
    )
