"""Depthwise filters against `nn.Conv2d`: the same numbers and gradients, by a faster way."""

import pytest
import torch
from torch import nn

from pathexplain.segmentor import encoder
from pathexplain.segmentor.encoder import DepthwiseConv, EfficientNetLite, PixelDecoder


def pair(kernel, stride):
    torch.manual_seed(0)
    ours = DepthwiseConv(16, kernel, stride)
    theirs = nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=16, bias=False)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def gradients(layer, features, outside):
    features = features.clone().requires_grad_()
    result = layer(features)
    (result.float() * outside).sum().backward()
    return result.detach(), features.grad, layer.weight.grad


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_in_bfloat16_are_those_of_float32(kernel, stride, monkeypatch):
    ours, theirs = pair(kernel, stride)
    features = torch.randn(2, 16, 24, 32)
    outside = torch.randn(2, 16, 24 // stride, 32 // stride)
    used = []
    backward = encoder._FloatGradient.backward
    monkeypatch.setattr(
        encoder._FloatGradient,
        "backward",
        staticmethod(lambda ctx, *g: used.append(1) or backward(ctx, *g)),
    )
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(ours, features, outside)
    assert used
    wanted = gradients(theirs, features, outside)
    for ours_part, theirs_part in zip(found, wanted, strict=True):
        error = (ours_part.float() - theirs_part).abs().max() / theirs_part.abs().max()
        assert float(error) < 2**-7  # bfloat16 keeps 8 bits
    assert found[0].dtype == torch.bfloat16
    assert found[1].dtype == found[2].dtype == torch.float32


@pytest.mark.parametrize("is_training", [True, False])
def test_float32_and_inference_go_the_plain_way(is_training, monkeypatch):
    ours, theirs = pair(5, 2)
    features = torch.randn(1, 16, 16, 16)

    def refuse(*_):
        pytest.fail("not the plain way")

    monkeypatch.setattr(encoder._FloatGradient, "forward", staticmethod(refuse))
    if is_training:
        assert torch.equal(ours(features), theirs(features))
    else:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(ours(features), theirs(features))


def test_the_encoder_halves_its_maps_five_times():
    with torch.inference_mode():
        maps = EfficientNetLite().eval()(torch.randn(1, 3, 64, 96))
    assert [m.shape[1] for m in maps] == list(EfficientNetLite.channels)
    assert [64 // m.shape[2] for m in maps] == [2, 4, 8, 16, 32]
    assert 64 // maps[0].shape[2] == EfficientNetLite.stride


@pytest.mark.parametrize("n_levels", [2, 4, 5])
def test_coarse_context_reaches_the_finest_map(n_levels):
    torch.manual_seed(0)
    widths = [4 + level for level in range(n_levels)]
    decoder = PixelDecoder(widths, [6] * n_levels, n_refinements=1).eval()
    maps = [torch.randn(1, w, 64 >> i, 64 >> i, requires_grad=True) for i, w in enumerate(widths)]
    fused = decoder(maps)
    assert [m.shape for m in fused] == [(1, 6, 64 >> i, 64 >> i) for i in range(n_levels)]
    fused[0][0, :, 32, 32].sum().backward()
    assert all((m.grad != 0).any() for m in maps)
