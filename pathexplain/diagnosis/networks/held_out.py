"""The plain networks that `attend` trained, as a classifier: each patient gets its held-out one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pathexplain.diagnosis.networks.encoders import load_encoder
from pathexplain.diagnosis.networks.training import load_network
from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.provenance import sha256_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.diagnosis.networks.attention import ObjectAttention
    from pathexplain.diagnosis.networks.encoders import PatchEncoder

__all__ = ["INDEX", "HeldOutAttention"]

INDEX = "attention.json"
BATCH = 16


@dataclass(frozen=True, eq=False)
class _Fold:
    """Networks of one fold as a classifier of bags of whole tiles."""

    name: str
    classes: tuple[str, ...]
    encoder: PatchEncoder
    networks: tuple[ObjectAttention, ...]
    unit: Any = "slide"

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[Any]:
        """(n, d) mean of the encoder's map over each tile, as it was stored for training."""
        parts = [
            self.encoder.maps(tiles[start : start + BATCH]).mean(dim=(2, 3)).half()
            for start in range(0, len(tiles), BATCH)
        ]
        return torch.cat(parts).float().numpy()

    @torch.inference_mode()
    def logits(self, encodings: NDArray[Any]) -> NDArray[np.float64]:
        """(1, K) mean logits of the networks."""
        features = torch.from_numpy(np.asarray(encodings, np.float32))[None, None]
        known = torch.ones(features.shape[:3], dtype=torch.bool)
        made = torch.stack([network(features, known).logits for network in self.networks])
        return made.mean(dim=0).double().numpy()


class HeldOutAttention:
    """What `attend` left in a folder, ready for `perturb`.

    A patient of the study goes through the networks of the fold that held it out; a patient that
    the study does not know goes through those of all folds, averaged.
    """

    unit: Any = "slide"

    def __init__(
        self,
        name: str,
        classes: tuple[str, ...],
        encoder: PatchEncoder,
        folds: tuple[tuple[ObjectAttention, ...], ...],
        fold_of: dict[str, int],
        fingerprint: str,
    ) -> None:
        self.name = name
        self.classes = classes
        self.fingerprint = fingerprint
        self._fold_of = fold_of
        self._folds = tuple(
            _Fold(f"{name}, fold {index + 1}", classes, encoder, networks)
            for index, networks in enumerate(folds)
        )
        everyone = tuple(network for networks in folds for network in networks)
        self._all = _Fold(f"{name}, all folds", classes, encoder, everyone)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> HeldOutAttention:
        """Read a folder that `attend` wrote.

        Raises
        ------
        ConfigError
            When its index cannot be read.
        SegmentationError
            When a network is missing or damaged.
        """
        try:
            about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            folds = about["folds"]
            encoder, classes = about["encoder"], tuple(about["classes"])
        except (OSError, ValueError, KeyError) as error:
            message = f"{folder / INDEX}: cannot be read: {error}"
            raise ConfigError(message, path=str(folder)) from error
        fold_of: dict[str, int] = {}
        networks = []
        for index, fold in enumerate(folds):
            fold_of |= dict.fromkeys(fold["patients"], index)
            members = [load_network(folder / name) for name in fold["plain"]]
            if None in members:
                message = f"{folder}: a network of fold {index + 1} is missing or damaged"
                raise SegmentationError(message, path=str(folder))
            networks.append(tuple(one for one in members if one is not None))
        return cls(
            f"attention:{folder.resolve().name}",
            classes,
            load_encoder(encoder, device=device),
            tuple(networks),
            fold_of,
            sha256_json(about),
        )

    def for_patient(self, patient: str) -> _Fold:
        """Networks that have not seen a patient."""
        index = self._fold_of.get(patient)
        return self._all if index is None else self._folds[index]

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[Any]:
        """As of all folds together."""
        return self._all.encode(tiles)

    def logits(self, encodings: NDArray[Any]) -> NDArray[np.float64]:
        """As of all folds together."""
        return self._all.logits(encodings)
