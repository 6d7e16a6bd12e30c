"""The text-prompted network: encode an image once, decode any number of prompts.

The prompt decoder follows the paper (Chen 2025, arXiv 2506.20988, after Zou 2023, SEEM): learnable
queries cross-attend to image tokens, then attend to themselves and the text tokens together; the
queries whose class embedding is nearest to the text embedding give the mask embedding, and its dot
product with the pixel embedding is the mask. Added here: a presence score, and class-agnostic
interior maps that separate touching objects. Not for tiling, devices or files: see
`network_segmentor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedModel

from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.encoder import EfficientNetLite, PixelDecoder

__all__ = ["INTERIOR_OF", "EncodedImage", "EncodedText", "PathExplainModel", "PromptOutput"]

INTERIOR_OF = {"nuclei": 0, "cell": 0, "tissue": 1}
_TEMPERATURE = 0.1
_PRIOR = 0.1


@dataclass(frozen=True)
class EncodedImage:
    """What all prompts share: `pixels` (B, M, H/2, W/2), `tokens` (B, T, d), `interiors` logits."""

    pixels: Tensor
    tokens: Tensor
    interiors: Tensor


@dataclass(frozen=True)
class EncodedText:
    """Word-piece states (N, L, t), their mask (N, L) bool, and unit sentence embedding (N, t)."""

    states: Tensor
    mask: Tensor
    sentence: Tensor


@dataclass(frozen=True)
class PromptOutput:
    """Logits: `masks` (B, K, H/2, W/2) and `presence` (B, K)."""

    masks: Tensor
    presence: Tensor


class PromptLayer(nn.Module):
    """Queries look at the image, then queries and text look at each other, then think."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.cross_query = nn.Linear(width, width)
        self.cross_key_value = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.joint_in = nn.Linear(width, 3 * width)
        self.joint_out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def _split(self, states: Tensor) -> Tensor:
        """(N, L, d) to (N, heads, L, d / heads)."""
        split: Tensor = states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split

    def forward(self, queries: Tensor, text: Tensor, text_mask: Tensor, tokens: Tensor) -> Tensor:
        """Update (B, K, n + L, d) joint states, given (B, K, L) text mask and (B, T, d) tokens."""
        n_images, n_prompts, n_queries, width = queries.shape
        asked = self._split(self.cross_query(self.norms[0](queries)).flatten(1, 2))
        key, value = map(self._split, self.cross_key_value(tokens).chunk(2, dim=-1))
        seen = functional.scaled_dot_product_attention(asked, key, value)
        seen = seen.transpose(1, 2).reshape(n_images, n_prompts, n_queries, width)
        queries = queries + self.cross_out(seen)
        joint = torch.cat([queries, text], dim=2).flatten(0, 1)
        allowed = functional.pad(text_mask.flatten(0, 1), (n_queries, 0), value=True)[:, None, None]
        first, second, third = map(self._split, self.joint_in(self.norms[1](joint)).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(first, second, third, attn_mask=allowed)
        joint = joint + self.joint_out(mixed.transpose(1, 2).flatten(2))
        joint = joint + self.think(self.norms[2](joint))
        updated: Tensor = joint.unflatten(0, (n_images, n_prompts))
        return updated


class PathExplainModel(PreTrainedModel):
    """Image encoder, text encoder and prompt decoder.

    Parameters
    ----------
    config : PathExplainConfig
    """

    config_class = PathExplainConfig
    base_model_prefix = "pathexplain"
    main_input_name = "pixels"

    def __init__(self, config: PathExplainConfig) -> None:
        super().__init__(config)
        width, channels = config.hidden_size, config.pyramid_channels
        self.encoder = EfficientNetLite()
        self.pixel_decoder = PixelDecoder(channels, config.n_refinements)
        self.pixel_head = nn.Conv2d(channels[0], config.mask_size, 1)
        self.interior_head = nn.Conv2d(channels[0], 2, 1)
        self.token_heads = nn.ModuleList(nn.Linear(channels[level], width) for level in (3, 4))
        self.text_encoder = BertModel(
            BertConfig(
                vocab_size=config.text_vocabulary,
                hidden_size=config.text_hidden_size,
                num_hidden_layers=config.text_layers,
                num_attention_heads=config.text_heads,
                intermediate_size=4 * config.text_hidden_size,
                max_position_embeddings=config.text_length,
            ),
            add_pooling_layer=False,
        )
        self.text_head = nn.Linear(config.text_hidden_size, width)
        self.sentence_head = nn.Linear(config.text_hidden_size, width)
        self.queries = nn.Parameter(torch.randn(config.n_queries, width) * 0.02)
        self.layers = nn.ModuleList(
            PromptLayer(width, config.n_heads) for _ in range(config.n_layers)
        )
        self.class_head = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.mask_head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )
        self.mask_out = nn.Linear(width, config.mask_size + 1)
        self.presence_head = nn.Sequential(
            nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1)
        )
        self.post_init()
        with torch.no_grad():
            self.mask_out.bias[-1] = math.log(_PRIOR / (1 - _PRIOR))
            nn.init.constant_(
                cast("Tensor", self.interior_head.bias), math.log(_PRIOR / (1 - _PRIOR))
            )

    def encode_image(self, pixels: Tensor) -> EncodedImage:
        """Encode (B, 3, H, W) pixels in [-1, 1]; H and W are multiples of 32."""
        maps = self.pixel_decoder(self.encoder(pixels))
        tokens = [
            head(maps[level].flatten(2).transpose(1, 2))
            for head, level in zip(self.token_heads, (3, 4), strict=True)
        ]
        return EncodedImage(
            self.pixel_head(maps[0]), torch.cat(tokens, dim=1), self.interior_head(maps[0])
        )

    def encode_text(self, token_ids: Tensor, mask: Tensor) -> EncodedText:
        """Encode (N, L) word pieces with their (N, L) bool mask."""
        states = self.text_encoder(token_ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        sentence = functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)
        return EncodedText(states, mask, sentence)

    def decode(self, image: EncodedImage, text: EncodedText) -> PromptOutput:
        """Decode K prompts for each of B images.

        Parameters
        ----------
        image : EncodedImage
        text : EncodedText
            States (B, K, L, t), mask (B, K, L) and sentence (B, K, t): each image has its own
            prompts.
        """
        words, sentence = self.text_head(text.states), self.sentence_head(text.sentence)
        n_images, n_prompts = sentence.shape[:2]
        queries = self.queries.expand(n_images, n_prompts, -1, -1) + sentence[:, :, None]
        for layer in self.layers:
            joint = layer(queries, words, text.mask, image.tokens)
            queries, words = joint.split([len(self.queries), words.shape[2]], dim=2)
        similarity = functional.cosine_similarity(
            self.class_head(queries), sentence[:, :, None], dim=-1
        )
        choice = (similarity / _TEMPERATURE).softmax(dim=-1)
        chosen = self.norm((choice[..., None] * queries).sum(dim=2))
        embedding = self.mask_out(self.mask_head(chosen))
        masks = torch.einsum("bkm,bmhw->bkhw", embedding[..., :-1], image.pixels)
        masks = masks / math.sqrt(self.config.mask_size) + embedding[..., -1, None, None]
        presence = self.presence_head(torch.cat([chosen, sentence], dim=-1))[..., 0]
        return PromptOutput(masks, presence)

    def forward(self, pixels: Tensor, text: EncodedText) -> tuple[EncodedImage, PromptOutput]:
        """Encode and decode in one call, for training."""
        image = self.encode_image(pixels)
        return image, self.decode(image, text)
