"""Bags of object features: masked average pooling of an encoder's maps, on disk slide by slide.

One instance a tile and object, if the tile holds any of it; beside the prompts stand "other", the
tissue outside of all of them, and the whole tile for the plain network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import functional

from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from pathexplain.diagnosis.networks.encoders import PatchEncoder
    from pathexplain.diagnosis.tiles import SlideTiles

__all__ = ["OTHER", "Bag", "load_bag", "make_bag", "save_bag", "tile_features"]

OTHER = "other"
BATCH = 16
MIN_SHARE = 1e-3
"""Share of a tile below which it counts as holding nothing of an object."""


@dataclass(frozen=True, eq=False)
class Bag:
    """One slide as instances.

    Attributes
    ----------
    features : (T, J + 1, d) float16
        Of the J objects, "other" last among them, and then of the whole tile.
    shares : (T, J) float32
        Share of each tile's area that the object covers.
    origins : (T, 2) int64
        Top left corners of tiles, pixels.
    trained : tuple of str
        What the segmentor says of each prompt.
    """

    features: Tensor
    shares: Tensor
    origins: Tensor
    trained: tuple[str, ...]

    @property
    def known(self) -> Tensor:
        """(T, J + 1) bool: which tile holds which object; every tile is whole."""
        whole = torch.ones(len(self.shares), 1, dtype=torch.bool)
        return torch.cat([self.shares >= MIN_SHARE, whole], dim=1)


def make_bag(
    tiles: SlideTiles,
    encoder: PatchEncoder,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Bag:
    """Encode the tiles of a slide and pool each object out of the maps."""
    features, shares = [], []
    for start in range(0, len(tiles), BATCH):
        part = slice(start, start + BATCH)
        masks = _with_other(tiles.masks[part], tiles.tissue[part])
        pooled, share = tile_features(encoder, np.asarray(tiles.pixels[part]), masks)
        features.append(pooled.half())
        shares.append(share)
        if progress is not None:
            progress(min(start + BATCH, len(tiles)), len(tiles))
    return Bag(
        torch.cat(features), torch.cat(shares), torch.from_numpy(tiles.origins), tiles.trained
    )


def tile_features(
    encoder: PatchEncoder, pixels: NDArray[np.uint8], masks: NDArray[np.bool_]
) -> tuple[Tensor, Tensor]:
    """Pool maps under masks.

    Parameters
    ----------
    encoder : PatchEncoder
    pixels : (n, H, W, 3) uint8
    masks : (n, J, H, W) bool

    Returns
    -------
    features : (n, J + 1, d) float32
        Mean of the map under each mask, brought to the map's size by area; 0 where a mask is
        empty. The whole tile comes last.
    shares : (n, J) float32
        Share of the tile under each mask.
    """
    maps = encoder.maps(pixels)
    weights = functional.adaptive_avg_pool2d(
        torch.from_numpy(masks.astype(np.float32)), (maps.shape[2], maps.shape[3])
    )
    shares = weights.mean(dim=(2, 3))
    weights = torch.cat([weights, torch.ones_like(weights[:, :1])], dim=1)
    total = weights.sum(dim=(2, 3))[..., None].clamp_min(1e-12)
    pooled = torch.einsum("njhw,ndhw->njd", weights, maps) / total
    return pooled, shares


def _with_other(masks: NDArray[np.bool_], tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the tissue outside of all prompts."""
    other = np.asarray(tissue) & ~np.asarray(masks).any(axis=1)
    return np.concatenate([masks, other[:, None]], axis=1)


def save_bag(path: Path, bag: Bag, *, inputs: str) -> None:
    """Write a bag, whole or not at all."""
    tensors = {
        "features": bag.features.contiguous(),
        "shares": bag.shares.contiguous(),
        "origins": bag.origins.contiguous(),
    }
    about = {"inputs": inputs, "trained": json.dumps(bag.trained)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=about)


def load_bag(path: Path, *, inputs: str | None = None) -> Bag | None:
    """Read a bag; None when there is none, or it was made from other inputs."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata() or {}
            if inputs is not None and about.get("inputs") != inputs:
                return None
            parts = {name: stored.get_tensor(name) for name in ("features", "shares", "origins")}
    except SafetensorError:
        return None
    return Bag(**parts, trained=tuple(json.loads(about["trained"])))
