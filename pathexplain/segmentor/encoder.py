"""The image side of the compact network, and the decoder that fuses any pyramid.

Encoder: EfficientNet-Lite0 (Tan 2019, EfficientNet, arXiv 1905.11946; the Lite variant drops
squeeze-excitation and uses ReLU6). Fusion: top-down, as in Lin 2017, Feature Pyramid Networks,
doi:10.1109/CVPR.2017.106. Other encoders: see `backbones`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ENCODER_CHANNELS", "EfficientNetLite", "PixelDecoder", "load_imagenet"]

# kernel, stride, expansion, output channels, repeats (Tan 2019, table 1, width and depth 1.0)
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_TAPS = (0, 1, 2, 4, 6)
ENCODER_CHANNELS = (16, 24, 40, 112, 320)
_EPS, _MOMENTUM = 1e-3, 0.02


def _norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with the encoder's published epsilon."""
    return nn.BatchNorm2d(channels, eps=_EPS, momentum=_MOMENTUM)


class _FloatGradient(torch.autograd.Function):
    """A depthwise convolution in bfloat16 whose gradient is taken in float32.

    On processors, oneDNN's bfloat16 gradient of strided or 5 × 5 depthwise convolutions is a
    reference loop, up to ten times slower than the float32 one; forward is fast in both.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int) -> Tensor:
        """(B, C, H, W) and (C, 1, k, k) to (B, C, H / stride, W / stride)."""
        ctx.save_for_backward(features, weight)
        ctx.stride = stride
        size = weight.shape[-1]
        return functional.conv2d(
            features, weight, stride=stride, padding=size // 2, groups=len(weight)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of features and weight."""
        features, weight = ctx.saved_tensors
        size, stride = weight.shape[-1], ctx.stride
        layout = torch.channels_last
        to_features, to_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float().contiguous(memory_format=layout),
            features.float().contiguous(memory_format=layout),
            weight.float(),
            None,
            [stride, stride],
            [size // 2, size // 2],
            [1, 1],
            False,  # noqa: FBT003  an operator without keywords
            [0, 0],
            len(weight),
            [True, True, False],
        )
        return to_features.to(features.dtype), to_weight.to(weight.dtype), None


class DepthwiseConv(nn.Conv2d):
    """One filter a channel; the same numbers as `nn.Conv2d`, trained faster on processors."""

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
        self.step = stride

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H / stride, W / stride)."""
        is_low = torch.is_autocast_enabled("cpu") or features.dtype == torch.bfloat16
        if features.device.type != "cpu" or not (is_low and torch.is_grad_enabled()):
            return super().forward(features)
        low: Tensor = _FloatGradient.apply(features.bfloat16(), self.weight.bfloat16(), self.step)
        return low


class InvertedResidual(nn.Module):
    """Expand, filter by depth, project; with a shortcut where shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = (
            nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), _norm(width), nn.ReLU6())
            if expansion > 1
            else nn.Identity()
        )
        self.depthwise = nn.Sequential(
            DepthwiseConv(width, kernel, stride),
            _norm(width),
            nn.ReLU6(),
        )
        self.project = nn.Sequential(nn.Conv2d(width, outputs, 1, bias=False), _norm(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        result: Tensor = self.project(self.depthwise(self.expand(features)))
        return features + result if self.shortcut else result


class EfficientNetLite(nn.Module):
    """Five feature maps at strides 2, 4, 8, 16, 32, with `ENCODER_CHANNELS` channels."""

    channels = ENCODER_CHANNELS
    stride = 2

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), _norm(32), nn.ReLU6())
        stages, inputs = [], 32
        for kernel, stride, expansion, outputs, repeats in _STAGES:
            blocks = []
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(kernel, step, expansion, inputs, outputs))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] to five maps, finest first."""
        features, taps = self.stem(pixels), []
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if index in _TAPS:
                taps.append(features)
        return taps


def load_imagenet(encoder: EfficientNetLite, state: Mapping[str, Tensor]) -> None:
    """Copy published EfficientNet-Lite0 weights (without classifier) into `encoder`.

    Raises
    ------
    RuntimeError
        When a tensor is missing or has another shape.
    """
    names = {"_depthwise_conv": "depthwise.0", "_bn1": "depthwise.1"}
    names |= {"_project_conv": "project.0", "_bn2": "project.1"}
    names |= {"_expand_conv": "expand.0", "_bn0": "expand.1"}
    places = [
        f"stages.{stage}.{block}"
        for stage, (*_, repeats) in enumerate(_STAGES)
        for block in range(repeats)
    ]
    renamed = {}
    for key, tensor in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            renamed[".".join([places[int(parts[1])], names[parts[2]], parts[3]])] = tensor
        elif parts[0] in {"_conv_stem", "_bn0"}:
            renamed[f"stem.{int(parts[0] == '_bn0')}.{parts[1]}"] = tensor
    encoder.load_state_dict(renamed, strict=True)


def _fuse(inputs: int, outputs: int) -> nn.Sequential:
    """One 3 × 3 convolution with normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), _norm(outputs), nn.ReLU()
    )


class PixelDecoder(nn.Module):
    """Fuse a pyramid from coarse to fine.

    Parameters
    ----------
    inputs, channels : sequence of int
        Widths of the maps that come and of those that go, finest first; each map is half the size
        of the one before.
    n_refinements : int
        Further convolutions of the finest map.
    """

    def __init__(
        self, inputs: Sequence[int], channels: Sequence[int], *, n_refinements: int = 0
    ) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Conv2d(incoming, outgoing, 1)
            for incoming, outgoing in zip(inputs, channels, strict=True)
        )
        self.context = nn.Sequential(
            _fuse(channels[-1], channels[-1]), _fuse(channels[-1], channels[-1])
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(channels)
        )
        self.fuse = nn.ModuleList(_fuse(width, width) for width in channels[:-1])
        self.refine = nn.ModuleList(_fuse(channels[0], channels[0]) for _ in range(n_refinements))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """As many fused maps as there are maps, finest first."""
        features = self.context(self.lateral[-1](maps[-1]))
        fused = [features]
        for level in reversed(range(len(self.fuse))):
            lateral = self.lateral[level](maps[level])
            coarse = functional.interpolate(
                self.reduce[level](features), size=lateral.shape[-2:], mode="nearest"
            )
            features = self.fuse[level](torch.add(lateral, coarse))
            fused.append(features)
        for refine in self.refine:
            fused[-1] = fused[-1] + refine(fused[-1])
        return fused[::-1]
