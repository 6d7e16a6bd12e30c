"""A new network of the size `base`, from published encoders in local folders.

`compact` starts from packages and a distilled text encoder: see `starting`. Nothing is downloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer

from pathexplain.errors import ConfigError
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.network import PathExplainModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["new_base"]

# What a stored configuration says of its own file, not of the network.
_PROVENANCE = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
_TEXT_EXTRAS = ("pooler.",)


def new_base(
    *,
    text_folder: Path,
    image_folder: Path | None = None,
    mpp: float = 0.25,
    classes: dict[str, Any] | None = None,
) -> tuple[PathExplainModel, Tokenizer]:
    """Build the paper's size around published encoders, with their weights.

    Parameters
    ----------
    text_folder : Path
        A BERT-like encoder as transformers saves it, with its tokenizer, such as PubMedBERT.
    image_folder : Path, optional
        A backbone with four stages as transformers saves it, alone or under a classifier: FocalNet,
        Swin, ConvNext, ResNet. Default: FocalNet-L with random weights.
    mpp : float
        µm per pixel at which the network will look at tissue, > 0.
    classes : dict, optional
        Canonical prompt of each class that will be taught, to its record.

    Returns
    -------
    PathExplainModel
        Float32, in training mode; all but the encoders has random weights.
    Tokenizer
        Without padding and truncation, as training wants it.

    Raises
    ------
    ConfigError
        When a folder does not hold such an encoder.
    """
    text_fields = _fields(text_folder)
    image_fields = None if image_folder is None else _fields(image_folder)
    model = PathExplainModel(
        PathExplainConfig.base(
            image_backbone=image_fields, text_backbone=text_fields, mpp=mpp, classes=classes
        )
    )
    if image_folder is not None:
        backbone = model.encoder.backbone
        options = {"config": backbone.config, "dtype": torch.float32}
        stored = _published(type(backbone).from_pretrained, image_folder, **options)
        backbone.load_state_dict(stored.state_dict())
    text = _published(AutoModel.from_pretrained, text_folder, dtype=torch.float32)
    state = {k: v for k, v in text.state_dict().items() if not k.startswith(_TEXT_EXTRAS)}
    model.text_encoder.load_state_dict(state)
    words = _published(AutoTokenizer.from_pretrained, text_folder)
    tokenizer = Tokenizer.from_str(words.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return model, tokenizer


def _fields(folder: Path) -> dict[str, Any]:
    """Fields of a stored configuration that say what the network is."""
    stored = _published(AutoConfig.from_pretrained, folder).to_diff_dict()
    return {name: value for name, value in stored.items() if name not in _PROVENANCE}


def _published(read: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """Read one part of a published encoder, from this folder and nowhere else."""
    if not folder.is_dir():
        message = f"{folder}: no such folder of a published encoder"
        raise ConfigError(message, path=str(folder))
    try:
        return read(str(folder), local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as error:
        message = f"{folder}: not an encoder that transformers reads: {error}"
        raise ConfigError(message, path=str(folder)) from error
