"""The encoders of the network, by configuration: image pyramids and BERT-like text encoders.

Built here from numbers alone; weights to start from are the matter of `sizes`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoBackbone, AutoConfig, BertConfig

from pathexplain.errors import ConfigError
from pathexplain.segmentor.encoder import EfficientNetLite

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from pathexplain.segmentor.configuration import PathExplainConfig

__all__ = ["BackbonePyramid", "image_encoder", "text_encoder", "transformers_config"]

N_LEVELS = 4
# Mean and standard deviation of ImageNet's channels in [0, 1]: what published backbones expect.
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Parts of published backbones that no map depends on: without a gradient, they stay as they are.
_IDLE = {"focalnet": "focalnet.layernorm", "swin": "swin.layernorm"}


class BackbonePyramid(nn.Module):
    """Four maps, at strides 4, 8, 16, 32, of any transformers backbone, each normalised by pixel.

    Parameters
    ----------
    config : PreTrainedConfig
        Of a backbone that halves its maps from stage to stage.

    Raises
    ------
    ConfigError
        When the configuration is not that of a backbone.

    Notes
    -----
    FocalNet's maps are taken before they are halved, as its family does (Zou 2023, SEEM,
    arXiv 2304.06718); the transformers backbone hands out the halved ones.
    """

    stride = 4

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        stages: list[str] = getattr(config, "stage_names", [])
        if len(stages) < N_LEVELS:
            message = f"image backbone {config.model_type!r}: not a pyramid of four stages"
            raise ConfigError(message)
        config.out_features = stages[-N_LEVELS:]
        self.backbone = AutoBackbone.from_config(config)
        self.is_focal = config.model_type == "focalnet"
        self.channels: tuple[int, ...] = tuple(self.backbone.channels)
        if self.is_focal:
            self.channels = tuple(config.embed_dim * 2**level for level in range(N_LEVELS))
        if config.model_type in _IDLE:
            self.backbone.get_submodule(_IDLE[config.model_type]).requires_grad_(
                requires_grad=False
            )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.channels)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] to four maps, finest first.

        Raises
        ------
        ConfigError
            When the maps do not have the strides.
        """
        shift, scale = (
            pixels.new_tensor(values)[:, None, None]
            for values in ([2 * m - 1 for m in _MEAN], [2 * s for s in _SPREAD])
        )
        maps = self._maps((pixels - shift) / scale)
        for level, features in enumerate(maps):
            stride = self.stride * 2**level
            if features.shape[-2] * stride != pixels.shape[-2]:
                message = (
                    f"image backbone: level {level} of {tuple(pixels.shape[-2:])} px has the shape "
                    f"{tuple(features.shape[-2:])}, which is not at stride {stride}"
                )
                raise ConfigError(message)
        return [
            norm(features.movedim(1, -1)).movedim(-1, 1)
            for norm, features in zip(self.norms, maps, strict=True)
        ]

    def _maps(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the four stages."""
        if not self.is_focal:
            maps: tuple[Tensor, ...] = self.backbone(pixels).feature_maps
            return maps
        tokens, size = self.backbone.focalnet.embeddings(pixels)
        full = []
        for stage in self.backbone.focalnet.encoder.stages:
            tokens, before, sizes = stage(tokens, size)
            full.append(before.transpose(1, 2).unflatten(2, size))
            size = sizes[-2:]
        return tuple(full)


def transformers_config(fields: dict[str, Any]) -> PreTrainedConfig:
    """Make the configuration object of transformers from its fields.

    Raises
    ------
    ConfigError
        When `model_type` is missing or unknown.

    Examples
    --------
    >>> transformers_config({"model_type": "resnet"}).hidden_sizes
    [256, 512, 1024, 2048]
    """
    rest = dict(fields)
    name = rest.pop("model_type", None)
    try:
        config: PreTrainedConfig = AutoConfig.for_model(str(name), **rest)
    except ValueError as error:
        message = f"encoder: transformers knows no model_type {name!r}"
        raise ConfigError(message) from error
    return config


def image_encoder(config: PathExplainConfig) -> EfficientNetLite | BackbonePyramid:
    """Image encoder with random weights; it has `channels` and the `stride` of its finest map."""
    if isinstance(config.image_backbone, str):
        return EfficientNetLite()
    return BackbonePyramid(transformers_config(config.image_backbone))


def text_encoder(config: PathExplainConfig) -> PreTrainedModel:
    """BERT-like text encoder with random weights and without pooling.

    Raises
    ------
    ConfigError
        When the longest prompt is longer than it has positions.
    """
    if config.text_backbone is None:
        settings: PreTrainedConfig = BertConfig(
            vocab_size=config.text_vocabulary,
            hidden_size=config.text_hidden_size,
            num_hidden_layers=config.text_layers,
            num_attention_heads=config.text_heads,
            intermediate_size=4 * config.text_hidden_size,
            max_position_embeddings=config.text_length,
        )
    else:
        settings = transformers_config(config.text_backbone)
    n_positions = getattr(settings, "max_position_embeddings", 0)
    if config.text_length > n_positions:
        message = (
            f"text_length is {config.text_length}, but the text encoder {settings.model_type!r} "
            f"has {n_positions} positions"
        )
        raise ConfigError(message)
    model_class: Any = MODEL_MAPPING[type(settings)]
    has_pooling = "add_pooling_layer" in inspect.signature(model_class).parameters
    options = {"add_pooling_layer": False} if has_pooling else {}
    model: PreTrainedModel = model_class(settings, **options)
    return model
