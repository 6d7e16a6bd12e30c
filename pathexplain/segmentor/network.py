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
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from pathexplain.segmentor.backbones import image_encoder, text_encoder
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.encoder import PixelDecoder

__all__ = ["INTERIOR_OF", "EncodedImage", "EncodedText", "PathExplainModel", "PromptOutput"]

INTERIOR_OF = {"nuclei": 0, "cell": 0, "tissue": 1}
_PRIOR = 0.1


@dataclass(frozen=True)
class EncodedImage:
    """What all prompts share.

    Attributes
    ----------
    pixels : (B, M, H / stride, W / stride)
        Pixel embeddings; `PathExplainModel.mask_stride` is the stride.
    tokens : (B, T, d)
        The two coarsest maps, as the queries see them.
    interiors : (B, 2, H / stride, W / stride)
        Logits: deep inside a nucleus or cell, deep inside a tissue-level object.
    coarse : (B, M, h, w) or None
        Embeddings of places rather than of pixels, where the network has a region path.
    """

    pixels: Tensor
    tokens: Tensor
    interiors: Tensor
    coarse: Tensor | None = None


@dataclass(frozen=True)
class EncodedText:
    """Word-piece states (N, L, t), their mask (N, L) bool, and unit sentence embedding (N, t)."""

    states: Tensor
    mask: Tensor
    sentence: Tensor

    def shared(self, n_images: int) -> EncodedText:
        """Ask the same N prompts of each of `n_images` images: all parts get that leading axis."""
        states, mask, sentence = (
            part.expand(n_images, *part.shape) for part in (self.states, self.mask, self.sentence)
        )
        return EncodedText(states, mask, sentence)


@dataclass(frozen=True)
class PromptOutput:
    """Logits: `masks` (B, K, H / stride, W / stride) and `presence` (B, K)."""

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
    text_mean: Tensor
    text_scale: Tensor

    def __init__(self, config: PathExplainConfig) -> None:
        super().__init__(config)
        width, channels = config.hidden_size, config.pyramid_channels
        self.encoder: Any = image_encoder(config)  # of either class
        self.pixel_decoder = PixelDecoder(
            self.encoder.channels, channels, n_refinements=config.n_refinements
        )
        self.pixel_head = nn.Conv2d(channels[0], config.mask_size, 1)
        self.interior_head = nn.Conv2d(channels[0], 2, 1)
        self.token_heads = nn.ModuleList(nn.Linear(coarse, width) for coarse in channels[-2:])
        if config.has_region_path:
            coarse = self.encoder.channels[-2:]
            self.token_skips = nn.ModuleList(nn.Linear(inputs, width) for inputs in coarse)
            self.coarse_heads = nn.ModuleList(
                nn.Conv2d(inputs, config.mask_size, 1) for inputs in coarse
            )
            self.coarse_out = nn.Linear(width, config.mask_size)
        self.text_encoder: Any = text_encoder(config)  # of any BERT-like class
        text_width = self.text_encoder.config.hidden_size
        self.text_head = nn.Linear(text_width, width)
        self.sentence_head = nn.Linear(text_width, width)
        if config.standardizes_text:
            self.register_buffer("text_mean", torch.zeros(text_width))
            self.register_buffer("text_scale", torch.ones(text_width))
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
            if config.has_region_path:
                for module in (*self.token_skips, self.coarse_out):
                    nn.init.zeros_(cast("Tensor", module.weight))
                    nn.init.zeros_(cast("Tensor", module.bias))
            self.mask_out.bias[-1] = math.log(_PRIOR / (1 - _PRIOR))
            nn.init.constant_(
                cast("Tensor", self.interior_head.bias), math.log(_PRIOR / (1 - _PRIOR))
            )

    @property
    def mask_stride(self) -> int:
        """Pixels of the image a pixel of the masks, along each side."""
        return int(self.encoder.stride)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # there, all options are named
        cls, name: Any, *arguments: Any, **options: Any
    ) -> Self:
        """As of any transformers model, but in float32 unless `dtype` says otherwise.

        Checkpoints are stored in half precision, in which processors compute slowly or not at all.
        """
        options.setdefault("dtype", torch.float32)
        model: Self = super().from_pretrained(name, *arguments, **options)
        return model

    def encode_image(self, pixels: Tensor) -> EncodedImage:
        """Encode (B, 3, H, W) pixels in [-1, 1]; H and W are multiples of 32."""
        raw = self.encoder(pixels)
        maps = self.pixel_decoder(raw)
        tokens = [
            head(maps[level].flatten(2).transpose(1, 2))
            for head, level in zip(self.token_heads, (-2, -1), strict=True)
        ]
        coarse = None
        if self.config.has_region_path:
            tokens = [
                token + skip(raw[level].flatten(2).transpose(1, 2))
                for token, skip, level in zip(tokens, self.token_skips, (-2, -1), strict=True)
            ]
            coarse = self._coarse(raw[-2], raw[-1])
        return EncodedImage(
            self.pixel_head(maps[0]), torch.cat(tokens, dim=1), self.interior_head(maps[0]), coarse
        )

    def _coarse(self, fine: Tensor, wide: Tensor) -> Tensor:
        """Embed places by the two coarsest maps of the encoder, at the stride of the finer one."""
        coarse: Tensor = self.coarse_heads[0](fine)
        wider = functional.interpolate(
            self.coarse_heads[1](wide), size=coarse.shape[-2:], mode="bilinear"
        )
        return coarse + wider

    def encode_text(self, token_ids: Tensor, mask: Tensor) -> EncodedText:
        """Encode (N, L) word pieces with their (N, L) bool mask, padding last."""
        states = self.text_encoder(token_ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        if self.config.sentence == "last":
            following = functional.pad(weight, (0, 0, 0, 1))[:, 1:]
            weight = weight - following
        sentence = functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)
        return EncodedText(states, mask, sentence)

    @torch.no_grad()
    def standardize_text(self, sentences: Tensor) -> None:
        """Centre and scale sentence embeddings by these (N, t), without changing any output."""
        mean, scale = sentences.mean(0), sentences.std(0).clamp_min(1e-3)
        head = self.sentence_head
        head.bias.add_(head.weight @ (mean - self.text_mean))
        head.weight.mul_(scale / self.text_scale)
        self.text_mean.copy_(mean)
        self.text_scale.copy_(scale)

    def decode(self, image: EncodedImage, text: EncodedText) -> PromptOutput:
        """Decode K prompts for each of B images.

        Parameters
        ----------
        image : EncodedImage
        text : EncodedText
            States (B, K, L, t), mask (B, K, L) and sentence (B, K, t): each image has its own
            prompts.
        """
        sentence = text.sentence
        if self.config.standardizes_text:
            sentence = (sentence.float() - self.text_mean) / self.text_scale
        words, sentence = self.text_head(text.states), self.sentence_head(sentence)
        n_images, n_prompts = sentence.shape[:2]
        queries = self.queries.expand(n_images, n_prompts, -1, -1) + sentence[:, :, None]
        for layer in self.layers:
            joint = layer(queries, words, text.mask, image.tokens)
            queries, words = joint.split([len(self.queries), words.shape[2]], dim=2)
        chosen = self.norm((self._choice(queries, sentence)[..., None] * queries).sum(dim=2))
        thought = self.mask_head(chosen)
        embedding = self.mask_out(thought)
        scale = math.sqrt(self.config.mask_size)
        masks = torch.baddbmm(
            embedding[..., -1:], embedding[..., :-1] / scale, image.pixels.flatten(2)
        ).unflatten(-1, image.pixels.shape[-2:])
        if image.coarse is not None:
            coarse = self.coarse_out(thought) / scale @ image.coarse.flatten(2)
            masks += functional.interpolate(
                coarse.unflatten(-1, image.coarse.shape[-2:]),
                size=masks.shape[-2:],
                mode="bilinear",
            )
        presence = self.presence_head(torch.cat([chosen, sentence], dim=-1))[..., 0]
        return PromptOutput(masks, presence)

    def _choice(self, queries: Tensor, sentence: Tensor) -> Tensor:
        """(B, K, n) weights of the queries, which sum to 1.

        Where only the nearest counts, its gradient is that of the soft choice (Bengio 2013,
        arXiv 1308.3432), so that the class head learns.
        """
        similarity = functional.cosine_similarity(
            self.class_head(queries), sentence[:, :, None], dim=-1
        )
        share: Tensor = (similarity / self.config.choice_temperature).softmax(dim=-1)
        if self.config.choice == "soft":
            return share
        nearest = functional.one_hot(similarity.argmax(dim=-1), share.shape[-1]).to(share.dtype)
        return share - share.detach() + nearest

    def forward(self, pixels: Tensor, text: EncodedText) -> tuple[EncodedImage, PromptOutput]:
        """Encode and decode in one call, for training."""
        image = self.encode_image(pixels)
        return image, self.decode(image, text)
