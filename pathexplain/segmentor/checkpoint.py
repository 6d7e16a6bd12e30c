"""Checkpoint directories: ``config.json``, ``model.safetensors`` (float16), ``tokenizer.json``.

Only safetensors are read; a sha256 in ``config.json`` must match the weights when it is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from pathexplain.errors import SegmentationError
from pathexplain.provenance import sha256_file, sha256_json
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.network import PathExplainModel
from pathexplain.serialization import replacing, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
from typing import Any, cast

__all__ = ["read_checkpoint", "write_checkpoint"]

# Parts of the configuration that masks do not depend on.
UNUSED = frozenset({"card", "transformers_version"})
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


def write_checkpoint(folder: Path, model: PathExplainModel, tokenizer: Tokenizer) -> Path:
    """Write a checkpoint directory; weights as float16, so half the size, where they fit in it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: _stored(tensor).contiguous() for name, tensor in model.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(state, temporary, metadata={"format": "pt"})
    with replacing(folder / TOKENIZER) as temporary:
        tokenizer.save(str(temporary))
    config = model.config.to_diff_dict() | {"weights_sha256": sha256_file(folder / WEIGHTS)}
    write_json(folder / CONFIG, config)
    return folder


def _stored(tensor: Tensor) -> Tensor:
    """Float16, unless that would make a finite number infinite: a variance may be that large.

    Examples
    --------
    >>> _stored(torch.tensor([1.0])).dtype, _stored(torch.tensor([1.0, 1e5])).dtype
    (torch.float16, torch.float32)
    """
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool((half.isfinite() == tensor.isfinite()).all()) else tensor.float()


def read_checkpoint(folder: Path) -> tuple[PathExplainModel, Tokenizer]:
    """Read a checkpoint directory as float32, in evaluation mode.

    Raises
    ------
    SegmentationError
        When a file is missing, the weights are not those that were written, or do not fit.
    """
    missing = [name for name in (WEIGHTS, CONFIG, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        message = f"{folder}: not a checkpoint, lacks {', '.join(missing)}"
        raise SegmentationError(message, path=str(folder))
    raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    expected, found = raw.pop("weights_sha256", None), sha256_file(folder / WEIGHTS)
    if expected is not None and expected != found:
        message = f"{folder / WEIGHTS}: sha256 {found} is not the {expected} that was written"
        raise SegmentationError(message, path=str(folder))
    model = PathExplainModel(PathExplainConfig.from_dict(raw))
    try:
        state = load_file(folder / WEIGHTS)
        model.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (SafetensorError, RuntimeError) as error:
        message = f"{folder / WEIGHTS}: damaged, or of another network: {error}"
        raise SegmentationError(message, path=str(folder)) from error
    model.config.weights_sha256 = found
    settings = {key: value for key, value in raw.items() if key not in UNUSED}
    cast("Any", model).settings_sha256 = sha256_json([settings, sha256_file(folder / TOKENIZER)])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    cast("Any", model).to(memory_format=torch.channels_last)
    return model.eval(), tokenizer
