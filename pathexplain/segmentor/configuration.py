"""The shape of the network, as a transformers configuration: two sizes of one architecture.

`compact` (the defaults) fuses a mobile convolutional pyramid with a small text encoder; `base` is
the paper's (Chen 2025, arXiv 2506.20988). They differ in numbers here, not in code.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from pathexplain.errors import ConfigError

__all__ = ["EFFICIENTNET", "PathExplainConfig"]

EFFICIENTNET = "efficientnet-lite0"
_CHOICES, _SENTENCES = ("soft", "argmax"), ("mean", "last")
_FOCALNET_LARGE = {
    "model_type": "focalnet",
    "embed_dim": 192,
    "depths": [2, 2, 18, 2],
    "hidden_sizes": [384, 768, 1536, 1536],
    "focal_levels": [4, 4, 4, 4],
    "focal_windows": [3, 3, 3, 3],
    "use_conv_embed": True,
    "use_post_layernorm": True,
    "use_layerscale": True,
    "drop_path_rate": 0.3,
}
_PUBMEDBERT = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}


class PathExplainConfig(PreTrainedConfig):
    """Sizes of the text-prompted segmentor.

    Parameters
    ----------
    hidden_size : int
        Width d of queries, image tokens and text tokens in the prompt decoder.
    mask_size : int
        Width of pixel and mask embeddings; their dot product is the mask logit.
    n_queries, n_layers, n_heads : int
        Learnable queries, and layers and heads of the prompt decoder.
    pyramid_channels : tuple of int
        Widths of the pixel decoder, finest first: at strides 2, 4, 8, 16, 32 for
        "efficientnet-lite0", at 4, 8, 16, 32 for other image encoders.
    n_refinements : int
        Further convolutions at the finest stride.
    has_region_path : bool
        Whether prompts also look at the encoder's own two coarsest maps: what tissue a place is,
        beside where exactly it ends.
    standardizes_text : bool
        Whether sentence embeddings are centred and scaled: those of prompts differ little.
    presence_calibration : dict, optional
        Weights `score` and `mask`, and `offset`; see `presence.PresenceCalibration`.
    nucleus_offset : float
        Added to the mask logits of "nucleus" behind the network; see `mask_fitting`.
    text_hidden_size, text_layers, text_heads, text_vocabulary : int
        The small BERT text encoder; not looked at where `text_backbone` is given.
    text_length : int
        The longest prompt in word pieces.
    mpp : float
        µm per pixel at which the network looks at tissue.
    nuclei_mpp : float, optional
        µm per pixel at which it looks for nuclei and cells; None is `mpp`.
    classes : dict
        Canonical prompt of each trained category to its record (structure, object, sources).
    card : dict
        Provenance for the model card: data, licences, seed, command, metrics.
    image_backbone : "efficientnet-lite0" or dict
        Or the configuration of a transformers backbone with maps at strides 4, 8, 16, 32, with its
        `model_type`: focalnet, swin, convnext, resnet and more.
    text_backbone : dict, optional
        The configuration of a BERT-like encoder of transformers, with its `model_type`.
    choice : {"soft", "argmax"}
        How queries are chosen by their similarity to the text: mixed by a softmax, or the nearest
        alone (the paper, equation 7).
    choice_temperature : float
        Of that softmax, > 0.
    sentence : {"mean", "last"}
        The embedding of a whole prompt: the mean over its word pieces, or the last one (the paper).

    Raises
    ------
    ConfigError
        When choice, sentence, choice_temperature or the number of pyramid levels is none of these.

    Examples
    --------
    >>> PathExplainConfig().mpp
    0.5
    """

    model_type = "pathexplain"

    def __init__(  # noqa: PLR0913, PLR0917  transformers configurations are flat by contract
        self,
        hidden_size: int = 192,
        mask_size: int = 64,
        n_queries: int = 8,
        n_layers: int = 2,
        n_heads: int = 6,
        pyramid_channels: tuple[int, ...] = (48, 64, 96, 128, 160),
        n_refinements: int = 1,
        text_hidden_size: int = 384,
        text_layers: int = 2,
        text_heads: int = 12,
        text_vocabulary: int = 5120,
        text_length: int = 24,
        mpp: float = 0.5,
        classes: dict[str, Any] | None = None,
        card: dict[str, Any] | None = None,
        image_backbone: str | dict[str, Any] = EFFICIENTNET,
        text_backbone: dict[str, Any] | None = None,
        choice: str = "soft",
        choice_temperature: float = 0.1,
        sentence: str = "mean",
        *,
        has_region_path: bool = True,
        standardizes_text: bool = True,
        presence_calibration: dict[str, float] | None = None,
        nucleus_offset: float = 0.0,
        nuclei_mpp: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.mask_size = mask_size
        self.n_queries = n_queries
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.pyramid_channels = list(pyramid_channels)
        self.n_refinements = n_refinements
        self.has_region_path = has_region_path
        self.standardizes_text = standardizes_text
        self.presence_calibration = presence_calibration
        self.nucleus_offset = nucleus_offset
        self.text_hidden_size = text_hidden_size
        self.text_layers = text_layers
        self.text_heads = text_heads
        self.text_vocabulary = text_vocabulary
        self.text_length = text_length
        self.mpp = mpp
        self.nuclei_mpp = nuclei_mpp
        self.classes = classes or {}
        self.card = card or {}
        self.image_backbone = image_backbone
        self.text_backbone = text_backbone
        self.choice = choice
        self.choice_temperature = choice_temperature
        self.sentence = sentence
        self._check()
        super().__init__(**kwargs)

    @classmethod
    def base(
        cls,
        *,
        image_backbone: dict[str, Any] | None = None,
        text_backbone: dict[str, Any] | None = None,
        mpp: float = 0.25,
        classes: dict[str, Any] | None = None,
    ) -> PathExplainConfig:
        """Return the size of the paper, or of its family where the paper does not say.

        Parameters
        ----------
        image_backbone : dict, optional
            Default: FocalNet-L with four focal levels (Yang 2022, arXiv 2203.11926).
        text_backbone : dict, optional
            Default: the shape of PubMedBERT (Gu 2021, doi:10.1145/3458754).
        mpp : float
            µm per pixel; 0.25 is the paper's 40 ×.
        classes : dict, optional

        Examples
        --------
        >>> config = PathExplainConfig.base()
        >>> config.choice, config.sentence, config.n_queries
        ('argmax', 'last', 101)
        """
        return cls(
            hidden_size=512,
            mask_size=512,
            n_queries=101,
            n_layers=9,
            n_heads=8,
            pyramid_channels=(512, 512, 512, 512),
            n_refinements=0,
            has_region_path=False,
            standardizes_text=False,
            text_length=77,
            mpp=mpp,
            classes=classes,
            image_backbone=dict(image_backbone or _FOCALNET_LARGE),
            text_backbone=dict(text_backbone or _PUBMEDBERT),
            choice="argmax",
            sentence="last",
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values; not the hash of the weights, which others may replace."""
        fields: dict[str, Any] = super().to_dict()
        fields.pop("weights_sha256", None)
        return fields

    def _check(self) -> None:
        """Refuse what the network could not be built from."""
        faults = [
            f"{name} is {value!r}, not one of {', '.join(allowed)}"
            for name, value, allowed in (
                ("choice", self.choice, _CHOICES),
                ("sentence", self.sentence, _SENTENCES),
            )
            if value not in allowed
        ]
        if not self.choice_temperature > 0:
            faults.append(f"choice_temperature is {self.choice_temperature!r}, not above 0")
        if isinstance(self.image_backbone, str) and self.image_backbone != EFFICIENTNET:
            faults.append(
                f"image_backbone is {self.image_backbone!r}, neither {EFFICIENTNET!r} nor the "
                "configuration of a transformers backbone"
            )
        n_levels = 5 if isinstance(self.image_backbone, str) else 4
        if len(self.pyramid_channels) != n_levels:
            faults.append(
                f"pyramid_channels has {len(self.pyramid_channels)} levels where the image encoder "
                f"has {n_levels}"
            )
        if faults:
            message = "network configuration: " + "; ".join(faults)
            raise ConfigError(message)
