"""The shape of the network, as a transformers configuration: two sizes of one architecture.

`compact` fuses a mobile convolutional pyramid with a small text encoder; larger sizes change
numbers here, not code.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

__all__ = ["PathExplainConfig"]


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
        Widths of the pixel decoder at strides 2, 4, 8, 16, 32.
    n_refinements : int
        Further convolutions at stride 2.
    text_hidden_size, text_layers, text_heads, text_vocabulary, text_length : int
        The BERT-like text encoder, and the longest prompt in word pieces.
    mpp : float
        µm per pixel at which the network looks at tissue.
    classes : dict
        Canonical prompt of each trained category to its record (structure, object, sources).
    card : dict
        Provenance for the model card: data, licences, seed, command, metrics.

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
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.mask_size = mask_size
        self.n_queries = n_queries
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.pyramid_channels = list(pyramid_channels)
        self.n_refinements = n_refinements
        self.text_hidden_size = text_hidden_size
        self.text_layers = text_layers
        self.text_heads = text_heads
        self.text_vocabulary = text_vocabulary
        self.text_length = text_length
        self.mpp = mpp
        self.classes = classes or {}
        self.card = card or {}
        super().__init__(**kwargs)
