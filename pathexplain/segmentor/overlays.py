"""Pictures of a training: held-out images with the outline of the truth and of what was found.

For looking at while it runs; the figures stand in ``metrics.jsonl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from pathexplain.segmentor.datasets.reading import IGNORE
from pathexplain.segmentor.metrics import dice
from pathexplain.segmentor.validation import MAX_SIDE, THRESHOLD, predict
from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from pathexplain.segmentor.datasets.reading import Field
    from pathexplain.segmentor.network import PathExplainModel

__all__ = ["FOUND", "TRUTH", "outlined", "write_overlays"]

# Okabe & Ito (2008), "Color universal design": told apart with the common colour deficiencies.
TRUTH, FOUND = (0, 158, 115), (240, 228, 66)
MOST_IMAGES, MOST_CATEGORIES, SIDE_PX, CAPTION_PX = 6, 3, 512, 16


def write_overlays(
    folder: Path,
    model: PathExplainModel,
    tokenizer: Tokenizer,
    fields: Mapping[str, Sequence[Field]],
    *,
    step: int,
) -> list[Path]:
    """Write one PNG an image and category, truth green and found yellow; return their paths.

    At most `MOST_IMAGES` images, from all sources in turn, and of each the `MOST_CATEGORIES`
    largest categories. What was found is drawn as the network gives it, whatever its presence
    score says.
    """
    model.eval()
    paths = []
    for index, field in enumerate(_in_turn(fields)):
        names = sorted(field.targets, key=lambda name: -int((field.targets[name] == 1).sum()))
        names = names[:MOST_CATEGORIES]
        probability, _ = predict(model, tokenizer, field, names)
        image = field.image[:MAX_SIDE, :MAX_SIDE]
        for name, plane in zip(names, probability, strict=True):
            target = field.targets[name][:MAX_SIDE, :MAX_SIDE]
            known = target != IGNORE
            found = (plane >= THRESHOLD) & known
            score = dice(found, target == 1) if (target == 1).any() else float("nan")
            words = f"{name}, step {step}, Dice {score:.3f}; green: truth, yellow: found"
            file = f"step-{step:06d}-{index}-{'_'.join(name.split())}.png"
            with replacing(folder / file) as temporary:
                _captioned(outlined(image, target == 1, found), words).save(temporary, "PNG")
            paths.append(folder / file)
    return paths


def _in_turn(fields: Mapping[str, Sequence[Field]]) -> list[Field]:
    """First image of each source, then the second of each, and so on."""
    rounds = range(MOST_IMAGES)
    chosen = [members[i] for i in rounds for members in fields.values() if i < len(members)]
    return chosen[:MOST_IMAGES]


def outlined(
    image: NDArray[np.uint8], truth: NDArray[np.bool_], found: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Draw the edge of the truth and, over it, of what was found on a copy of an image.

    Examples
    --------
    >>> image = np.zeros((5, 5, 3), np.uint8)
    >>> square = np.zeros((5, 5), bool)
    >>> square[1:4, 1:4] = True
    >>> drawn = outlined(image, square, square & False)
    >>> int((drawn == TRUTH).all(axis=-1).sum()), drawn[2, 2].tolist()
    (8, [0, 0, 0])
    """
    drawn = image.copy()
    for mask, colour in ((truth, TRUTH), (found, FOUND)):
        drawn[mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), border_value=1)] = colour
    return drawn


def _captioned(image: NDArray[np.uint8], words: str) -> Image.Image:
    """Picture of at most `SIDE_PX` a side, with a line of words below."""
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (max(picture.width, 360), picture.height + CAPTION_PX), "white")
    canvas.paste(picture, (0, 0))
    ImageDraw.Draw(canvas).text((2, picture.height + 2), words, fill="black")
    return canvas
