"""A segmentor with no weights whose answer does not depend on where the tile lies, and slides."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pathexplain.prompts import Prompt, PromptSet
from pathexplain.segmentor.segmentation import Segmentation

MPP = 0.5
PINK = (230, 170, 200)
DARK = (80, 40, 120)
RED = (190, 40, 60)


class ColorSegmentor:
    """Finds dark pixels for "cell", red ones for "area", nothing for the rest."""

    name = "color"
    licence = "none"
    weights_sha256 = None

    def __init__(self):
        self.n_calls = 0

    def describe(self, prompt):
        return ("trained" if prompt.name in {"cell", "area"} else "untrained", prompt.name, 1.0)

    def segment(self, image, prompts, *, mpp):
        self.n_calls += 1
        colors = {"cell": DARK, "area": RED}
        planes = [
            np.abs(image.astype(int) - colors.get(item.name, (0, 255, 0))).max(axis=2) < 20
            for item in prompts
        ]
        return Segmentation(
            prompts=tuple(prompts),
            probabilities=np.stack(planes).astype(np.float32),
            presence=np.array([plane.any() for plane in planes], np.float32),
            mpp=mpp,
            interiors=(None,) * len(planes),
            trained=("trained",) * len(planes),
        )


@pytest.fixture
def segmentor():
    return ColorSegmentor()


@pytest.fixture(scope="session")
def make_segmentor():
    return ColorSegmentor


@pytest.fixture
def prompts():
    return prompt_set()


@pytest.fixture(scope="session")
def make_prompts():
    return prompt_set


def prompt_set(**changes):
    fields = {
        "version": 1,
        "mpp": MPP,
        "prompts": (
            Prompt(name="cell", text="cells", kind="instances", min_area_um2=2.0),
            Prompt(name="area", text="red areas", kind="region"),
            Prompt(name="nothing", text="bicycles", kind="instances"),
        ),
    }
    return PromptSet(**(fields | changes))


@pytest.fixture
def field():
    """600 x 700 px: 300 disks anywhere (some touching each other or the edge), a long red band."""
    rng = np.random.default_rng(7)
    image = np.full((600, 700, 3), PINK, np.uint8)
    image[280:300, 30:660] = RED
    image[100:500, 400:410] = RED
    y, x = np.mgrid[:600, :700]
    for _ in range(300):
        center_y, center_x, radius = rng.uniform(0, 600), rng.uniform(0, 700), rng.uniform(3, 9)
        image[(y - center_y) ** 2 + (x - center_x) ** 2 < radius**2] = DARK
    return image


@pytest.fixture
def save(tmp_path):
    """Write an image as ``slides/<name>.png`` and return its path."""

    def write(name, pixels):
        folder = tmp_path / "slides"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.png"
        Image.fromarray(pixels).save(path)
        return path

    return write
