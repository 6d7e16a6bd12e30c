"""Frozen encoders of tiles: the segmentor's own, or any vision model of transformers.

They give maps rather than vectors, so that objects can be pooled out of them. Nothing is trained
or fetched here.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from pathexplain.diagnosis.networks.classifiers import IMAGENET_MEAN, IMAGENET_STD, prepare
from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.provenance import sha256_file, sha256_json
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.devices import choose_device, precision
from pathexplain.segmentor.folding import fold_normalization
from pathexplain.segmentor.pretrained import image_settings, image_side

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

__all__ = ["PatchEncoder", "PyramidEncoder", "TransformersEncoder", "load_encoder"]

IMAGENET = "imagenet"
STRIDE = 32
MAP_AXES = 4


class PatchEncoder(Protocol):
    """Tiles to feature maps.

    Attributes
    ----------
    name, fingerprint : str
    sources : tuple of str
        Data sets that it was trained on, as far as it says.
    """

    name: str
    fingerprint: str
    sources: tuple[str, ...]

    def maps(self, tiles: NDArray[np.uint8]) -> Tensor:
        """(n, d, h, w) float32 of (n, H, W, 3) uint8 RGB tiles."""
        ...


class PyramidEncoder:
    """The image encoder of a segmentor: its two coarsest maps, at stride 16.

    Parameters
    ----------
    encoder : nn.Module
        (n, 3, H, W) in [-1, 1] to maps, finest first, the last two at strides 16 and 32.
    name, fingerprint : str
    sources : tuple of str
    device : str
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        name: str,
        fingerprint: str,
        sources: tuple[str, ...] = (),
        device: str = "auto",
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.sources = sources
        self._device = choose_device(device)
        self._encoder = encoder.to(self._device)

    @classmethod
    def of_checkpoint(cls, folder: Path, *, device: str = "auto") -> PyramidEncoder:
        """Take the image encoder of one of our checkpoints."""
        model, _ = read_checkpoint(folder)
        fold_normalization(model)
        return cls(
            model.encoder,
            name=folder.name,
            fingerprint=str(model.config.weights_sha256),
            sources=tuple(model.config.card.get("sources", ())),
            device=device,
        )

    @classmethod
    def of_imagenet(cls, *, device: str = "auto") -> PyramidEncoder:
        """Take the encoder as it was before any tissue was shown to it."""
        from pathexplain.segmentor.starting import imagenet_encoder

        encoder, path = imagenet_encoder()
        return cls(encoder, name=IMAGENET, fingerprint=sha256_file(path), device=device)

    @torch.inference_mode()
    def maps(self, tiles: NDArray[np.uint8]) -> Tensor:
        """Encode tiles; sides are mirrored up to a multiple of 32 px and cut again."""
        height, width = tiles.shape[1:3]
        pad = ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE), (0, 0))
        padded = np.pad(tiles, pad, mode="symmetric")
        pixels = torch.from_numpy(np.moveaxis(padded, -1, 1).astype(np.float32) / 127.5 - 1)
        pixels = pixels.to(self._device).contiguous(memory_format=torch.channels_last)
        with precision(self._device):
            fine, wide = self._encoder(pixels)[-2:]
        wide = functional.interpolate(wide.float(), size=fine.shape[-2:], mode="bilinear")
        joined = torch.cat([fine.float(), wide], dim=1).cpu()
        rows, columns = (-(-side * 2 // STRIDE) for side in (height, width))
        return joined[..., :rows, :columns]


class TransformersEncoder:
    """A vision model of transformers: its last map, or the grid of its last patch tokens.

    Parameters
    ----------
    folder : Path
        With safetensors.
    device : str

    Raises
    ------
    SegmentationError
        When weights are missing or damaged.
    """

    def __init__(self, folder: Path, *, device: str = "auto") -> None:
        from safetensors import SafetensorError
        from transformers import AutoModel

        try:
            model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            message = f"{folder}: cannot be read as a vision model: {error}"
            raise SegmentationError(message, path=str(folder)) from error
        self.name = folder.resolve().name
        self.sources: tuple[str, ...] = ()
        self.fingerprint = sha256_json(
            [sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]
        )
        self._device = choose_device(device)
        self._model: Any = getattr(model, "vision_model", model).eval().to(self._device)
        settings = image_settings(folder)
        config = getattr(model.config, "vision_config", model.config)
        self._side = image_side(settings.get("size"), getattr(config, "image_size", 224))
        self._patch = getattr(config, "patch_size", None)
        self._mean, self._std = (
            np.asarray(settings.get(key, default), np.float32)
            for key, default in (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD))
        )

    @torch.inference_mode()
    def maps(self, tiles: NDArray[np.uint8]) -> Tensor:
        """Encode tiles, resized to the model's own side."""
        pixels = prepare(tiles, side_px=self._side, mean=self._mean, std=self._std)
        output = self._model(torch.from_numpy(pixels).to(self._device)).last_hidden_state
        if output.ndim == MAP_AXES:
            grid: Tensor = output.float().cpu()
            return grid
        n_rows = self._side // self._patch if isinstance(self._patch, int) else 0
        if n_rows == 0 or output.shape[1] < n_rows**2:
            n_rows = int(output.shape[1] ** 0.5)
        patches = output[:, -(n_rows**2) :].float().cpu()  # class and register tokens come first
        square: Tensor = patches.transpose(1, 2).unflatten(2, (n_rows, n_rows))
        return square


def load_encoder(name: str | Path = "compact", *, device: str = "auto") -> PatchEncoder:
    """Load a frozen encoder.

    Parameters
    ----------
    name : str or Path
        "compact" (ships with the package), "imagenet" (the same encoder before it was shown any
        tissue; needs the extra ``train``), a checkpoint of ours, or a directory of transformers.
    device : str

    Raises
    ------
    ConfigError
        When there is no such directory.
    SegmentationError
        When its weights are missing or damaged.
    """
    if str(name) == IMAGENET:
        return PyramidEncoder.of_imagenet(device=device)
    shipped = Path(str(files("pathexplain.segmentor") / "weights" / str(name)))
    folder = Path(name) if Path(name).is_dir() else shipped
    config = folder / "config.json"
    if not config.is_file():
        message = f"no encoder {str(name)!r}: not a shipped checkpoint, and no directory of a model"
        raise ConfigError(message, path=str(name))
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    if kind == "pathexplain":
        return PyramidEncoder.of_checkpoint(folder, device=device)
    return TransformersEncoder(folder, device=device)
