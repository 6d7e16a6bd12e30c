"""Batch normalisation folded into the convolution before it: the same function, a third cheaper.

For inference only: a folded network has no statistics left to train.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_normalization"]


def fold_normalization(model: nn.Module) -> None:
    """Fold each batch normalisation that follows a convolution in an `nn.Sequential`, in place.

    A ReLU or ReLU6 that follows the two then writes where it reads.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; everything else in it is left as it is.

    Examples
    --------
    >>> import torch
    >>> block = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
    >>> block = block.eval()
    >>> image = torch.rand(1, 3, 9, 9)
    >>> before = block(image)
    >>> fold_normalization(block)
    >>> type(block[1]).__name__, torch.allclose(block(image), before, atol=1e-6)
    ('Identity', True)
    """
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)


def _fold_pairs(block: nn.Sequential) -> None:
    """Fold the pairs within one sequence."""
    for index, (first, second) in enumerate(pairwise(list(block))):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            block[index] = fuse_conv_bn_eval(first, second)
            block[index + 1] = nn.Identity()
        elif isinstance(first, nn.BatchNorm2d) and isinstance(second, nn.ReLU | nn.ReLU6):
            second.inplace = isinstance(block[index], nn.Identity)
