"""Classifiers that `perturb` explains: by directory, by Python entry, or any torch module.

Nothing pickled is ever read. A directory of transformers must hold safetensors; everything else
comes in as Python that the user names: ``module:function`` or ``file.py:function``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from pathexplain.diagnosis.perturbation.classifier import (
    Classifier,
    FunctionClassifier,
    as_array,
)
from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.provenance import sha256_file, sha256_json
from pathexplain.segmentor.devices import choose_device
from pathexplain.segmentor.pretrained import image_settings, image_side

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.classifier import Unit

__all__ = ["TorchClassifier", "load_classifier"]

PICKLED = {".pt", ".pth", ".pt2", ".bin", ".ckpt", ".pkl", ".pickle", ".jit", ".ts"}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEFAULT_SIDE = 224


class TorchClassifier:
    """A torch module of images as a classifier of tiles.

    Parameters
    ----------
    module : nn.Module
        (n, 3, H, W) float32 to logits (n, K), or to an object with `logits`.
    unit : {"tile", "slide"}
        "slide" where the n tiles are one bag and the logits are (K,) or (1, K).
    classes : sequence of str, optional
    side_px : int, optional
        Tiles are resized to this side; as they come where not given.
    mean, std : tuple of float
        Of each channel in [0, 1]; subtracted and divided by.
    device : str
    name, fingerprint : str, optional
        Name in reports, and hash of the weights.

    Examples
    --------
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    >>> model = TorchClassifier(head, device="cpu")
    >>> tiles = np.zeros((5, 16, 16, 3), np.uint8)
    >>> model.logits(model.encode(tiles)).shape
    (5, 2)
    """

    def __init__(  # noqa: PLR0913 - how a network wants its images, all but one by keyword
        self,
        module: nn.Module,
        *,
        unit: Unit = "tile",
        classes: Sequence[str] | None = None,
        side_px: int | None = None,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        device: str = "auto",
        name: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.name = name or type(module).__name__
        self.unit: Unit = unit
        self.classes = None if classes is None else tuple(classes)
        self.fingerprint = fingerprint or _weights_hash(module)
        self._device = choose_device(device)
        self._module = module.eval().to(self._device)
        self._side = side_px
        self._mean, self._std = (np.asarray(v, np.float32) for v in (mean, std))

    def encode(self, tiles: NDArray[np.uint8]) -> NDArray[Any]:
        """Logits of tiles; the prepared pixels where only the bag has logits."""
        pixels = prepare(tiles, side_px=self._side, mean=self._mean, std=self._std)
        return self._run(pixels) if self.unit == "tile" else pixels

    def logits(self, encodings: NDArray[Any]) -> NDArray[np.float64]:
        """Logits of tiles or of the bag."""
        if self.unit == "tile":
            return np.asarray(encodings, np.float64)
        return np.atleast_2d(self._run(encodings))

    @torch.inference_mode()
    def _run(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        """Run the module on prepared pixels."""
        return as_array(self._module(torch.from_numpy(pixels).to(self._device)))


def prepare(
    tiles: NDArray[np.uint8],
    *,
    side_px: int | None,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Bring (n, H, W, 3) uint8 tiles to (n, 3, side, side) float32, scaled by channel."""
    if side_px is not None and tiles.shape[1:3] != (side_px, side_px):
        size = (side_px, side_px)
        tiles = np.stack(
            [
                np.asarray(Image.fromarray(tile).resize(size, Image.Resampling.BILINEAR))
                for tile in tiles
            ]
        )
    scaled = (np.asarray(tiles, np.float32) / 255 - mean) / std
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 1), dtype=np.float32)


def load_classifier(
    name: str | Path,
    *,
    unit: Unit = "tile",
    classes: Sequence[str] | None = None,
    device: str = "auto",
) -> Classifier:
    """Load a classifier that a user names.

    Parameters
    ----------
    name : str or Path
        A directory of transformers with safetensors (any ``AutoModelForImageClassification``), a
        folder that ``pathexplain attend`` wrote, or ``module:function`` or ``file.py:function``:
        a function without arguments that returns a callable of (n, H, W, 3) uint8 RGB tiles, a
        torch module of (n, 3, H, W) float32 in [0, 1], or an object with the `Classifier` methods.
    unit : {"tile", "slide"}
        For entries: whether each tile has logits, or the bag of a slide's tiles.
    classes : sequence of str, optional
        Names of the logits; default: what the classifier says.
    device : str

    Raises
    ------
    ConfigError
        When it is none of these, or is pickled.
    SegmentationError
        When weights are missing or damaged.
    """
    text, path = str(name), Path(name)
    if path.suffix.lower() in PICKLED:
        message = (
            f"{text}: a pickled or scripted file can run anything when it is read, so it is not "
            "read. Save the model as a transformers directory with safetensors, or write a "
            "function that makes it and pass FILE.py:FUNCTION"
        )
        raise ConfigError(message, path=text)
    if path.is_dir():
        if (path / "attention.json").is_file():
            from pathexplain.diagnosis.networks.held_out import HeldOutAttention

            return HeldOutAttention.load(path, device=device)
        return _transformers(path, classes=classes, device=device)
    if ":" not in text:
        message = (
            f"no classifier {text!r}: give a directory of transformers, a folder that `attend` "
            "wrote, or MODULE:FUNCTION or FILE.py:FUNCTION"
        )
        raise ConfigError(message, path=text)
    return _entry(text, unit=unit, classes=classes, device=device)


def _transformers(folder: Path, *, classes: Sequence[str] | None, device: str) -> TorchClassifier:
    """Read a directory of transformers, from this machine, in safetensors only."""
    from safetensors import SafetensorError
    from transformers import AutoModelForImageClassification

    config = folder / "config.json"
    if not config.is_file():
        message = f"{folder}: no config.json, so no directory of transformers"
        raise ConfigError(message, path=str(folder))
    kinds = json.loads(config.read_text(encoding="utf-8")).get("architectures") or []
    if not any(str(kind).endswith("ForImageClassification") for kind in kinds):
        message = f"{folder}: holds {', '.join(map(str, kinds)) or 'nothing named'}, no classifier"
        raise ConfigError(message, path=str(folder))
    try:
        model, report = AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        message = f"{folder}: cannot be read as an image classifier: {error}"
        raise SegmentationError(message, path=str(folder)) from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        message = f"{folder}: weights are missing, the classifier was never trained: {missing}"
        raise SegmentationError(message, path=str(folder))
    names = model.config.id2label
    settings = image_settings(folder)
    return TorchClassifier(
        model,
        classes=classes or [str(names[index]) for index in sorted(names)],
        side_px=image_side(settings.get("size"), getattr(model.config, "image_size", DEFAULT_SIDE)),
        mean=settings.get("image_mean", IMAGENET_MEAN),
        std=settings.get("image_std", IMAGENET_STD),
        device=device,
        name=folder.resolve().name,
        fingerprint=sha256_json([sha256_file(f) for f in sorted(folder.glob("*.safetensors"))]),
    )


def _entry(text: str, *, unit: Unit, classes: Sequence[str] | None, device: str) -> Classifier:
    """Call the user's function and take what it returns."""
    where, _, attribute = text.rpartition(":")
    module = _file_module(Path(where)) if where.endswith(".py") else _named_module(where)
    function = getattr(module, attribute, None)
    if not callable(function):
        message = f"{text}: {where} has no function {attribute!r}"
        raise ConfigError(message, path=where)
    made = function()
    if isinstance(made, Classifier):
        return made
    source = inspect.getsourcefile(module)
    code = Path(source).read_bytes() if source else b""
    fingerprint = hashlib.sha256(code + text.encode()).hexdigest()
    if isinstance(made, nn.Module):
        weights = _weights_hash(made)
        return TorchClassifier(
            made,
            unit=unit,
            classes=classes,
            device=device,
            name=text,
            fingerprint=f"{fingerprint}-{weights}",
        )
    if not callable(made):
        message = f"{text}: returned {type(made).__name__}, must return a callable or torch module"
        raise ConfigError(message, path=where)
    return FunctionClassifier(made, unit=unit, classes=classes, name=text, fingerprint=fingerprint)


def _file_module(path: Path) -> ModuleType:
    """Import one file by its path."""
    name = f"pathexplain_entry_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        message = f"{path}: no such Python file"
        raise ConfigError(message, path=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _named_module(name: str) -> ModuleType:
    """Import a module by name, from the working folder too."""
    here = str(Path.cwd())
    is_new = here not in sys.path
    if is_new:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"no module {name!r}: {error}"
        raise ConfigError(message, path=name) from error
    finally:
        if is_new:
            sys.path.remove(here)


def _weights_hash(module: nn.Module) -> str:
    """Hash all parameters and buffers."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return digest.hexdigest()
