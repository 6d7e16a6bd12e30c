"""Checkpoints of other projects for transformers: found on this machine, never fetched.

Images are prepared here with Pillow and numpy, so that no further image library is needed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.provenance import sha256_file, sha256_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Pretrained", "find_checkpoint", "image_settings", "image_side", "read_pretrained"]

UNSTATED_LICENCE = "as stated by whoever published the weights"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A network of transformers in evaluation mode, with what goes around it.

    `side_px`, `mean` and `std` (per channel, of pixels in [0, 1]) are how it wants its images.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    licence: str
    weights_sha256: str
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pixels(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """(1, 3, side, side) float32 of an (H, W, 3) uint8 image, stretched to a square."""
        square = Image.fromarray(image).resize((self.side_px,) * 2, Image.Resampling.BILINEAR)
        scaled = (np.asarray(square, np.float32) / 255 - self.mean) / self.std
        return torch.from_numpy(np.moveaxis(scaled, -1, 0)[None].astype(np.float32))

    def words(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`, (N, L), cut and padded to the longest allowed."""
        longest = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def find_checkpoint(name: str, *, default: str) -> Path:
    """Find the folder that ``kind:WHERE`` names.

    Parameters
    ----------
    name : str
        ``kind:FOLDER``, ``kind:ORGANISATION/NAME`` for a checkpoint in the hub's cache on this
        machine, or ``kind`` alone for `default`.
    default : str
        Name on the hub.

    Raises
    ------
    ConfigError
        When it is not on this machine; says how to fetch it.
    """
    from transformers.utils.hub import cached_file

    kind, _, where = name.partition(":")
    where = where or default
    if Path(where).is_dir():
        return Path(where)
    try:
        config = cached_file(where, "config.json", local_files_only=True)
    except (OSError, ValueError):
        config = None
    if config is None:
        message = (
            f"{kind}: no weights of {where!r} on this machine, and none are fetched from here; "
            f"fetch them with `hf download {where}`, accepting their terms (without a network, on "
            f"a machine that has one, and copy the folder), or name a folder that holds them as "
            f"{kind}:FOLDER"
        )
        raise ConfigError(message, path=where)
    return Path(config).parent


def read_pretrained(
    folder: Path,
    network: Any,
    *,
    model_types: tuple[str, ...],
    side_px: int | None,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Pretrained:
    """Read a checkpoint in safetensors, with its tokenizer.

    Parameters
    ----------
    folder : Path
    network : type of PreTrainedModel
    model_types : tuple of str
        What the checkpoint's configuration may call itself.
    side_px : int or None
        Side of its images where the checkpoint has no ``preprocessor_config.json``; None where the
        network takes no other size than that of its configuration.
    mean, std : tuple of float
        Of pixels in [0, 1], where the checkpoint does not say.

    Raises
    ------
    SegmentationError
        When the weights are missing, damaged, pickled, or of another network.
    """
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    _check_type(folder, model_types)
    files = sorted(folder.glob("*.safetensors"))
    options: dict[str, Any] = {"local_files_only": True}
    try:
        model, report = network.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        message = f"{folder}: cannot be read as {network.__name__}: {error}"
        raise SegmentationError(message, path=str(folder)) from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        message = f"{folder}: is not a {network.__name__}, or lacks a part of it: {missing}"
        raise SegmentationError(message, path=str(folder))
    hashes = [sha256_file(path) for path in files]
    image = image_settings(folder)
    return Pretrained(
        model=model.eval(),
        tokenizer=tokenizer,
        licence=_licence(folder),
        weights_sha256=hashes[0] if len(hashes) == 1 else sha256_json(hashes),
        side_px=image_side(image.get("size"), side_px) if side_px else model.config.image_size,
        mean=tuple(image.get("image_mean", mean)),
        std=tuple(image.get("image_std", std)),
    )


def _check_type(folder: Path, model_types: tuple[str, ...]) -> None:
    """Refuse a folder of another network before one of ours is built for it."""
    config = folder / "config.json"
    found = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if found.get("model_type") not in model_types:
        message = (
            f"{folder}: config.json has the model_type {found.get('model_type')!r}, "
            f"must be {' or '.join(map(repr, model_types))}"
        )
        raise SegmentationError(message, path=str(folder))


def image_settings(folder: Path) -> dict[str, Any]:
    """Read what the checkpoint says about its images; empty where it says nothing."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if path.is_file():
            settings = json.loads(path.read_text(encoding="utf-8"))
            return dict(settings.get("image_processor", settings))
    return {}


def image_side(size: object, default: int) -> int:
    """Side in pixels, of a number or a mapping with height or shortest edge."""
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return size if isinstance(size, int) else default


def _licence(folder: Path) -> str:
    """Licence that the header of the model card names."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    found = re.search(r"^license(?:_name)?:\s*(\S+)\s*$", text.partition("\n---")[0], re.MULTILINE)
    return found[1] if found else UNSTATED_LICENCE
