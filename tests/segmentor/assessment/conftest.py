"""A segmentor that answers what a test plants, and a field to plant it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor.datasets.reading import Field, Record
from pathexplain.segmentor.segmentation import Segmentation

Plan = Callable[[Prompt, NDArray[np.uint8], float], tuple[NDArray[np.floating], float]]


class Planted:
    """`plan` gives the probabilities and the presence of a prompt in an image at an mpp."""

    name = "planted"
    licence = "none"

    def __init__(self, plan: Plan, *, sha: str | None = None, taught: tuple[str, ...] = ()) -> None:
        self.plan = plan
        self.weights_sha256 = sha
        self.taught = taught
        self.n_passes = 0

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        return ("trained" if prompt.object in self.taught else "untrained"), "", 0.0

    def segment(self, image, prompts, *, mpp):
        self.n_passes += 1
        parsed = as_prompts(prompts)
        planes = [self.plan(prompt, image, mpp) for prompt in parsed]
        return Segmentation(
            prompts=parsed,
            probabilities=np.stack([plane for plane, _ in planes]).astype(np.float32),
            presence=np.array([presence for _, presence in planes], np.float32),
            mpp=mpp,
            interiors=(None,) * len(parsed),
            trained=("trained",) * len(parsed),
        )


@pytest.fixture
def planted() -> type[Planted]:
    return Planted


@pytest.fixture
def make_field() -> Callable[..., Field]:
    def make(targets: dict[str, NDArray[np.integer]], **details: str) -> Field:
        words = {"source": "ebhi", "patient": "", "kind": "semantic", "name": "a.png"} | details
        record = Record(
            words["source"], Path(words["name"]), None, words["kind"], 0.5, "colon",
            words["patient"], "test", words.get("label", ""),
        )  # fmt: skip
        shape = next(iter(targets.values())).shape if targets else (40, 40)
        image = np.full((*shape, 3), 180, np.uint8)
        planes = {name: plane.astype(np.uint8) for name, plane in targets.items()}
        return Field(record, image, planes, None, None, (), 0.5)

    return make
