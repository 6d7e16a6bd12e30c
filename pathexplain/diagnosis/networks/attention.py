"""Attention-based multiple-instance learning, one for each object.

Ilse 2018, Attention-based deep multiple instance learning, arXiv 1802.04712, with gates; one such
network an object and their mean into one linear head, as the paper's way 2 (Chen 2025,
arXiv 2506.20988). With one kind of instance it is the plain network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["ObjectAttention", "Seen", "activation"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network makes of B bags.

    Attributes
    ----------
    logits : (B, K)
    pooled : (B, J, h)
        The paper's S_j; 0 where a bag holds no instance of object j.
    attention : (B, J, T)
        Sums to 1 over the instances of each object that is there.
    present : (B, J) bool
    instances : (B, J, T, h)
        What is pooled.
    """

    logits: Tensor
    pooled: Tensor
    attention: Tensor
    present: Tensor
    instances: Tensor


class ObjectAttention(nn.Module):
    """J gated attention networks and one linear head.

    Parameters
    ----------
    n_objects, n_features, n_classes : int
        J, d and K.
    hidden, gates : int
        Width of instances after their projection, and of the attention.
    dropout : float
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self,
        n_objects: int,
        n_features: int,
        n_classes: int,
        *,
        hidden: int = 64,
        gates: int = 32,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        self.project = _weights(n_objects, n_features, hidden)
        self.project_bias = nn.Parameter(torch.zeros(n_objects, 1, hidden))
        self.value, self.gate = (_weights(n_objects, hidden, gates) for _ in range(2))
        self.value_bias, self.gate_bias = (
            nn.Parameter(torch.zeros(n_objects, 1, gates)) for _ in range(2)
        )
        self.score = _weights(n_objects, gates, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def forward(self, features: Tensor, known: Tensor) -> Seen:
        """Read bags.

        Parameters
        ----------
        features : (B, J, T, d)
        known : (B, J, T) bool
            Where there is an instance.
        """
        scaled = (features - self.center) / self.scale
        instances = torch.relu(scaled @ self.project + self.project_bias)
        instances = self.dropout(instances) * known[..., None]
        gated = torch.tanh(instances @ self.value + self.value_bias) * torch.sigmoid(
            instances @ self.gate + self.gate_bias
        )
        scores = (gated @ self.score)[..., 0].masked_fill(~known, -math.inf)
        present = known.any(dim=-1)
        scores = torch.where(present[..., None], scores, torch.zeros_like(scores))
        attention = scores.softmax(dim=-1) * known
        pooled = torch.einsum("bjt,bjth->bjh", attention, instances)
        n_present = present.sum(dim=1, keepdim=True).clamp_min(1)
        logits = self.head(pooled.sum(dim=1) / n_present)
        return Seen(logits, pooled, attention, present, instances)


def _weights(n_objects: int, inputs: int, outputs: int) -> nn.Parameter:
    """(J, inputs, outputs), initialised as `nn.Linear` would."""
    bound = 1 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(n_objects, inputs, outputs).uniform_(-bound, bound))


def activation(seen: Seen, head: nn.Linear) -> tuple[Tensor, Tensor]:
    """Contribution of each object, and of each of its instances, to each class.

    The paper's w_c · S_j, divided by the number of objects that are there, as their mean is; and
    relative to the mean of the other classes' weights, since only differences of logits count.
    For two classes the sum over objects and the bias is the log-odds.

    Returns
    -------
    objects : (B, J, K)
        Sums over j, with `bias` of the same contrast added, to the logit's contrast.
    instances : (B, J, T, K)
        Sums over t to `objects`.

    Examples
    --------
    >>> network = ObjectAttention(2, 3, 2).eval()
    >>> seen = network(torch.randn(4, 2, 5, 3), torch.ones(4, 2, 5, dtype=torch.bool))
    >>> objects, instances = activation(seen, network.head)
    >>> odds = seen.logits[:, 1] - seen.logits[:, 0]
    >>> bias = network.head.bias[1] - network.head.bias[0]
    >>> bool(torch.allclose(objects[..., 1].sum(1) + bias, odds, atol=1e-5))
    True
    """
    weight = contrast(head.weight)
    n_present = seen.present.sum(dim=1).clamp_min(1)[:, None, None]
    objects = torch.einsum("bjh,kh->bjk", seen.pooled, weight) / n_present
    parts = torch.einsum("bjt,bjth,kh->bjtk", seen.attention, seen.instances, weight)
    return objects, parts / n_present[..., None]


def contrast(values: Tensor) -> Tensor:
    """Each class's row less the mean of the other classes' rows."""
    n_classes = len(values)
    return (values - values.mean(dim=0)) * (n_classes / (n_classes - 1))
