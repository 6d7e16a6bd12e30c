"""Training batches: where to crop, what to ask, how to distort.

Every batch is a function of (seed, step) alone, so that an interrupted run resumes exactly.
Stain jitter is done in optical density space (Tellez 2018, Whole-slide mitosis detection,
doi:10.1109/TMI.2018.2820199). Pure numpy but for one bilinear warp.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from pathexplain.segmentor.datasets.centres import without_rings
from pathexplain.segmentor.datasets.reading import IGNORE, Field
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.phrasing import NONSENSE, foreign, free_wording, paraphrases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["MIN_POSITIVE_PX", "Batch", "draw_batch"]

# Haematoxylin, eosin and residual in optical density (Ruifrok 2001)
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_UNMIX = np.linalg.inv(_STAINS).astype(np.float32)
MIN_POSITIVE_PX = 12
_MAX_UNKNOWN = 0.05
_PALE, _PALE_SIGMA_UM, _DARKEST = 0.3, 1.0, 98
_WIDE_SCALE = {"camelyon": (0.6, 1.5)}
_SCALE = (0.75, 1.35)
_STAIN_RATIO, _TISSUE_DENSITY, _LEAST_DENSITY = (0.5, 2.0), 0.12, 0.02


@dataclass(frozen=True, eq=False)
class Batch:
    """One training step.

    Attributes
    ----------
    pixels : (B, 3, S, S) float32 in [-1, 1]
    phrases : list of B lists of K str
    targets : (B, K, S, S) uint8, 255 unknown
    presence : (B, K) float32, NaN unknown
    interior : (B, 2, S, S) uint8, 255 unknown; planes for nuclei and tissue
    """

    pixels: Tensor
    phrases: list[list[str]]
    targets: Tensor
    presence: Tensor
    interior: Tensor


def draw_batch(  # noqa: PLR0913  one argument a choice
    fields: Mapping[str, Sequence[Field]],
    words: Sequence[str],
    *,
    seed: int,
    step: int,
    batch_size: int,
    crop_px: int,
    n_prompts: int,
    is_wide: bool = False,
    wide_mpp: float | None = None,
    close_share: float = 0.0,
    pale_share: float = 0.0,
    stain_share: float = 0.0,
    free_share: float = 0.0,
    weights: Mapping[str, tuple[float, float]] | None = None,
) -> Batch:
    """Draw the batch of one step: sources by weight, then images, places and prompts.

    Parameters
    ----------
    fields : mapping of source to its fields
    words : sequence of str
        Everyday words, asked for as things that are not there.
    is_wide : bool
        Draw sources by their `wide_weight`: those whose objects need a wide view.
    wide_mpp : float, optional
        µm per pixel of wide crops, before they are scaled at random; None is that of each field.
    close_share : float
        Share of wide crops that keep the µm per pixel of their field all the same.
    pale_share : float
        Share of crops where nuclei are asked for even if nobody annotated them, and known to be
        absent from what took up no stain.
    stain_share : float
        Share of crops that are stained as another image is.
    free_share : float
        Share of prompts in words of no fixed form, and of absent things that belong elsewhere.
    weights : mapping of source to (narrow, wide), optional
        In place of the weights in `datasets.sources`.
    """
    rng = np.random.default_rng([seed, step])
    names = list(fields)
    chosen = [(weights or {}).get(name) or _weights(name) for name in names]
    shares = np.array([pair[is_wide] for pair in chosen])
    crops = []
    for name in rng.choice(names, size=batch_size, p=shares / shares.sum()):
        field = fields[name][int(rng.integers(len(fields[name])))]
        is_close = close_share > 0 and _chance(rng, close_share)
        zoom = field.mpp / wide_mpp if is_wide and wide_mpp and not is_close else 1.0
        density_ratio = None
        if stain_share > 0 and _chance(rng, stain_share):
            density_ratio = _other_stain(field, fields, rng)
        crop = _crop(
            field,
            words,
            rng,
            crop_px,
            n_prompts,
            zoom=zoom,
            pale_share=pale_share,
            free_share=free_share,
            density_ratio=density_ratio,
        )
        crops.append(crop)
    pixels, phrases, targets, presence, interior = zip(*crops, strict=True)
    return Batch(
        torch.from_numpy(np.stack(pixels)),
        list(phrases),
        torch.from_numpy(np.stack(targets)),
        torch.from_numpy(np.stack(presence)),
        torch.from_numpy(np.stack(interior)),
    )


def _weights(source: str) -> tuple[float, float]:
    """Shares of narrow and of wide crops of a source; 1 for a user's own."""
    known = SOURCES.get(source)
    return (1.0, 1.0) if known is None else (known.weight, known.wide_weight)


def _crop(  # noqa: PLR0913  one argument a choice
    field: Field,
    words: Sequence[str],
    rng: np.random.Generator,
    size: int,
    n_prompts: int,
    *,
    zoom: float,
    pale_share: float,
    free_share: float,
    density_ratio: NDArray[np.float32] | None,
) -> tuple[
    NDArray[np.float32], list[str], NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]
]:
    """One distorted crop with its prompts and targets."""
    names = list(field.targets)
    planes = [field.targets[name] for name in names]
    looked = [] if field.seen is None else [field.seen.astype(np.uint8)]
    image, warped = _warp(field, [*planes, *looked, *field.depths], names, rng, size, zoom=zoom)
    interior = np.full((2, size, size), IGNORE, np.uint8)
    if field.structure == "both":
        interior[:] = warped[-2:]
    elif field.structure is not None and field.depths:
        interior[0 if field.structure == "nuclei" else 1] = warped[-1]
    asked = _ask(field, dict(zip(names, warped, strict=False)), rng, n_prompts)
    is_asked = pale_share > 0 and _chance(rng, pale_share)
    is_pale = _pale(image, mpp=field.mpp / zoom) if is_asked else None
    if is_pale is not None and "nucleus" not in field.targets:
        asked[-1] = ("nucleus", np.full((size, size), IGNORE, np.uint8))
    phrases, targets, presence = [], [], []
    for name, target in asked:
        phrases.append(_phrase(name, field, words, rng, free_share=free_share))
        plane = np.zeros((size, size), np.uint8) if target is None else target
        if target is not None and field.seen is not None and name in field.targets:
            nucleus, seen = warped[names.index("nucleus")], warped[len(names)] > 0
            presence.append(_presence(without_rings(plane, nucleus, seen), most_unknown=0.0))
        else:
            presence.append(_presence(plane))
        if is_pale is not None and name == "nucleus":
            plane = np.where(is_pale & (plane == IGNORE), 0, plane)
        targets.append(plane)
    if density_ratio is not None:
        image = 256 * np.exp(np.log((image + 1) / 256) * density_ratio[:, None, None]) - 1
    pixels = _distort(image, rng) / np.float32(127.5) - 1
    return pixels, phrases, np.stack(targets), np.array(presence, np.float32), interior


def _pale(image: NDArray[np.float32], *, mpp: float) -> NDArray[np.bool_]:
    """Where red light passes, so that no nucleus can be."""
    density = -np.log((image[0] + 1) / 256)
    smooth = ndimage.gaussian_filter(density, _PALE_SIGMA_UM / mpp)
    return np.asarray(smooth < _PALE * np.percentile(smooth, _DARKEST))


def _other_stain(
    field: Field, fields: Mapping[str, Sequence[Field]], rng: np.random.Generator
) -> NDArray[np.float32]:
    """By how much the optical density of red, green and blue is multiplied: (3,) float32.

    Some of the way to the mean densities of an image of any source. White stays white.
    """
    members = fields[list(fields)[int(rng.integers(len(fields)))]]
    other = members[int(rng.integers(len(members)))]
    ratio = np.clip(_mean_density(other) / _mean_density(field), *_STAIN_RATIO)
    return np.asarray(ratio ** rng.uniform(), np.float32)


def _mean_density(field: Field) -> NDArray[np.float32]:
    """Mean optical density of red, green and blue where there is tissue, (3,)."""
    density = -np.log((field.image[::8, ::8].reshape(-1, 3).astype(np.float32) + 1) / 256)
    tissue = density[density.mean(axis=1) > _TISSUE_DENSITY]
    mean = (tissue if len(tissue) else density).mean(axis=0)
    return np.asarray(np.maximum(mean, _LEAST_DENSITY), np.float32)


def _presence(target: NDArray[np.uint8], *, most_unknown: float = _MAX_UNKNOWN) -> float:
    """1 if seen, 0 if surely not there, NaN if nobody knows."""
    if (target == 1).sum() >= MIN_POSITIVE_PX:
        return 1.0
    is_known = (target == IGNORE).mean() <= most_unknown and not (target == 1).any()
    return 0.0 if is_known else float("nan")


def _ask(
    field: Field,
    planes: Mapping[str, NDArray[np.uint8]],
    rng: np.random.Generator,
    n_prompts: int,
) -> list[tuple[str | None, NDArray[np.uint8] | None]]:
    """Choose prompts: one that is there, then other annotated classes, then what is not there."""
    names = [str(name) for name in rng.permutation(list(planes))]
    seen = [name for name in names if (planes[name] == 1).any()]
    ordered = [*seen[:1], *(name for name in names if name not in seen[:1])]
    asked: list[tuple[str | None, NDArray[np.uint8] | None]] = [
        (name, planes[name]) for name in ordered[: n_prompts - 1]
    ]
    elsewhere = [name for name in field.absent if name not in planes]
    while len(asked) < n_prompts:
        if elsewhere and _chance(rng, 0.5):
            asked.append((str(rng.choice(elsewhere)), None))
        else:
            asked.append((None, None))
    return asked


def _phrase(
    name: str | None,
    field: Field,
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    free_share: float,
) -> str:
    """Word one prompt; None asks for something that is in no slide."""
    if free_share > 0 and _chance(rng, free_share):
        return foreign(rng) if name is None else free_wording(field.term(name), rng)
    if name is None:
        if _chance(rng, 0.4):
            return str(rng.choice(NONSENSE))
        return " ".join(rng.choice(words, size=int(rng.integers(1, 3))))
    region = field.record.region if _chance(rng, 0.6) else "multiple"
    wordings = paraphrases(field.term(name), region)
    return wordings[0] if _chance(rng, 0.35) else str(rng.choice(wordings))


def _warp(
    field: Field,
    planes: list[NDArray[np.uint8]],
    names: list[str],
    rng: np.random.Generator,
    size: int,
    *,
    zoom: float,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Turn, flip and scale one place of the field: (3, S, S) float32 and (C, S, S) uint8."""
    low, high = _WIDE_SCALE.get(field.record.source, _SCALE)
    scale = zoom * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    angle = float(rng.uniform(0, 2 * np.pi)) if _chance(rng, 0.5) else np.pi / 2 * rng.integers(4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if _chance(rng, 0.5):
        turn[:, 0] *= -1
    half = int(np.ceil(size / scale * np.abs(turn).sum(axis=1).max() / 2)) + 2
    row, column = _place(field, names, rng, margin=half // 2)
    image = _window(field.image, row, column, half)
    stack = np.stack([_window(plane, row, column, half) for plane in planes])
    matrix = torch.tensor(turn * (size / scale) / (2 * half), dtype=torch.float32)
    grid = _grid(matrix, size)
    colours = torch.from_numpy(np.moveaxis(image, -1, 0).astype(np.float32))[None]
    codes = torch.from_numpy(stack.astype(np.float32))[None]
    warped = functional.grid_sample(colours, grid, padding_mode="border", align_corners=False)
    nearest = functional.grid_sample(
        codes, grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return warped[0].numpy(), nearest[0].numpy().astype(np.uint8)


def _grid(matrix: Tensor, size: int) -> Tensor:
    """As `affine_grid` of a (2, 2) matrix, (1, S, S, 2), in a quarter of its time."""
    line = torch.linspace(-1, 1, size) * ((size - 1) / size)
    across, down = line[:, None] * matrix[:, 0], line[:, None] * matrix[:, 1]
    return (across[None, :] + down[:, None])[None]


def _place(
    field: Field, names: list[str], rng: np.random.Generator, *, margin: int
) -> tuple[int, int]:
    """Centre of the crop: half of the time on a pixel of a random annotated class."""
    height, width = field.image.shape[:2]
    if names and _chance(rng, 0.5):
        rows, columns = np.nonzero(field.targets[str(rng.choice(names))][::4, ::4] == 1)
        if len(rows):
            pick = int(rng.integers(len(rows)))
            return int(rows[pick]) * 4, int(columns[pick]) * 4
    return (
        int(rng.integers(min(margin, height // 2), max(height - margin, height // 2 + 1))),
        int(rng.integers(min(margin, width // 2), max(width - margin, width // 2 + 1))),
    )


def _window(array: NDArray[np.uint8], row: int, column: int, half: int) -> NDArray[np.uint8]:
    """Square window around a pixel, mirrored beyond the border."""
    top, left, side = row - half, column - half, 2 * half
    if min(top, left) >= 0 and top + side <= array.shape[0] and left + side <= array.shape[1]:
        return array[top : top + side, left : left + side]
    rows = _mirror(np.arange(row - half, row + half), array.shape[0])
    columns = _mirror(np.arange(column - half, column + half), array.shape[1])
    return array.take(rows, axis=0).take(columns, axis=1)


def _mirror(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Reflect indices into 0..length-1."""
    wrapped = np.mod(index, 2 * length)
    return np.where(wrapped < length, wrapped, 2 * length - 1 - wrapped)


def _chance(rng: np.random.Generator, probability: float) -> bool:
    """Draw a yes with this probability."""
    return bool(rng.random() < probability)


def _distort(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Stain, brightness, blur, compression and noise, each with its own chance; channels first."""
    result: NDArray[Any] = image
    if _chance(rng, 0.85):
        density = -np.log((result + 1) / 256)
        scale, shift = rng.uniform(0.65, 1.4, 3), rng.uniform(-0.05, 0.05, 3)
        # Unmix, scale and mix again: one matrix; mixing what is added: one more value a channel
        turn = (_UNMIX * scale) @ _STAINS
        light = 256 * np.exp(-(shift @ _STAINS))
        absorbed = turn.T.astype(np.float32) @ density.reshape(3, -1)
        passed = np.exp(-absorbed).reshape(result.shape)
        result = passed * light.astype(np.float32)[:, None, None] - 1
    if _chance(rng, 0.5):
        level = 255 * np.clip(result / 255, 0, 1) ** rng.uniform(0.75, 1.35)
        result = level * rng.uniform(0.9, 1.1, 3).astype(np.float32)[:, None, None]
    if _chance(rng, 0.2):
        sigma = float(rng.uniform(0.3, 1.2))
        result = ndimage.gaussian_filter(result, (0, sigma, sigma))
    if _chance(rng, 0.15):
        buffer = io.BytesIO()
        squeezed = np.moveaxis(np.clip(result, 0, 255).astype(np.uint8), 0, -1)
        Image.fromarray(squeezed).save(buffer, "JPEG", quality=int(rng.integers(35, 85)))
        result = np.moveaxis(np.asarray(Image.open(buffer)), -1, 0).astype(np.float32)
    if _chance(rng, 0.2):
        noise = rng.normal(0, rng.uniform(1, 8), (*result.shape[1:], 3))
        result = result + np.moveaxis(noise, -1, 0).astype(np.float32)
    return np.asarray(np.clip(result, 0, 255), np.float32)
