"""What a training leaves on disk: checkpoint, card, metrics, and the state to resume from.

Resuming is exact: everything that the next step depends on is the weights, the optimiser and the
number of the step.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pathexplain import __version__
from pathexplain.errors import ConfigError
from pathexplain.provenance import collect, sha256_file, sha256_json
from pathexplain.segmentor.checkpoint import CONFIG, WEIGHTS, write_checkpoint
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.starting import UNKNOWN_LICENCE
from pathexplain.segmentor.training_config import IMAGENET
from pathexplain.serialization import replacing, to_jsonable, write_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pathexplain.segmentor.network import PathExplainModel
    from pathexplain.segmentor.training_config import TrainingConfig
    from pathexplain.segmentor.training_data import TrainingData

__all__ = [
    "OPEN_LICENCE",
    "RESEARCH_LICENCE",
    "STATE",
    "Reached",
    "append_metrics",
    "fingerprint",
    "is_complete",
    "resume",
    "save_checkpoint",
    "save_state",
]

STATE, METRICS = "state.pt", "metrics.jsonl"
OPEN_LICENCE = "Apache-2.0"
RESEARCH_LICENCE = "CC BY-NC-SA 4.0 (non-commercial: some training sources are)"
# Options that say where and how often, not what is learned.
_NOT_LEARNING = {
    "data", "out", "start", "blend_with", "calibration_from", "workers", "checkpoint_every",
    "overlays_every",
}  # fmt: skip


@dataclass(frozen=True)
class Reached:
    """How far a training is: its step, and the best mean validation Dice with its step."""

    step: int = 0
    best: float = float("-inf")
    best_step: int = 0


def fingerprint(settings: TrainingConfig, data_sha256: str, *, processes: int) -> str:
    """Hash of all that the weights depend on: options, data, starting weights."""
    start = IMAGENET if settings.start == IMAGENET else sha256_file(Path(settings.start) / WEIGHTS)
    options = json.loads(settings.model_dump_json(exclude=_NOT_LEARNING))
    parts = [options, data_sha256, start, processes]
    if settings.blend_with is not None:
        parts.append(sha256_file(Path(settings.blend_with) / WEIGHTS))
    return sha256_json(parts)


def is_complete(out: Path, wanted: str) -> bool:
    """Whether `out` holds the finished result of this very training.

    Raises
    ------
    ConfigError
        When it holds the finished result of another one, which would be overwritten.
    """
    if (out / STATE).is_file() or not (out / CONFIG).is_file():
        return False
    card = json.loads((out / CONFIG).read_text(encoding="utf-8")).get("card", {})
    if card.get("fingerprint") == wanted:
        return True
    message = f"{out} holds a finished checkpoint of another training; choose another folder"
    raise ConfigError(message, path=str(out))


def save_checkpoint(
    settings: TrainingConfig,
    data: TrainingData,
    model: PathExplainModel,
    tokenizer: Tokenizer,
    *,
    step: int,
    identity: str,
) -> None:
    """Write the checkpoint with its card."""
    history = model.config.card.get("history", [])
    blended = _cards_of(settings.blend_with)
    earlier = {k: v for card in [*history, *blended] for k, v in card.get("sources", {}).items()}
    sources = {name for row in model.config.classes.values() for name in row["sources"]}
    sources |= {name for card in blended for name in card.get("sources", {})}
    licences = {name: _licence(name, data.licences, earlier) for name in sorted(sources)}
    options = json.loads(settings.model_dump_json(exclude={"data", "out", "start"}))
    for name in ("text_from", "blend_with", "calibration_from"):
        if options[name] is not None:
            options[name] = Path(options[name]).name  # a card holds no folder of a machine
    made = collect(
        options=options,
        seed=settings.seed,
        inputs={"data": data.sha256},
    )
    model.config.card = {
        "licence": _licence_of_weights(licences, [*history[-1:], *blended]),
        "steps": step,
        "seed": settings.seed,
        "mpp": settings.mpp,
        "code_version": __version__,
        "command": _without_folders(made.command),
        "data": settings.data.name,
        "data_sha256": data.sha256,
        "images": {
            split: {name: len(members) for name, members in fields.items()}
            for split, fields in (("train", data.train), ("validation", data.validation))
        },
        "sources": licences,
        "settings": {**made.options, "start": Path(settings.start).name},
        "versions": made.versions,
        "fingerprint": identity,
        "history": history,
    }
    write_checkpoint(settings.out, model, tokenizer)


def _without_folders(command: str) -> str:
    """Return a command line whose absolute paths are bare names."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in shlex.split(command)]
    return shlex.join(words)


def _licence(source: str, own: Any, earlier: dict[str, str]) -> str:
    """Terms of a source: as the data say, as an earlier stage said, as published."""
    if source in own:
        return str(own[source])
    if source in earlier:
        return earlier[source]
    return SOURCES[source].licence if source in SOURCES else UNKNOWN_LICENCE


def _cards_of(folder: str | None) -> list[dict[str, Any]]:
    """Card of the weights that are averaged in, where there are any."""
    if folder is None:
        return []
    shape = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    return [{"licence": UNKNOWN_LICENCE, **shape.get("card", {})}]


def _licence_of_weights(licences: dict[str, str], taken: list[dict[str, Any]]) -> str:
    """Terms of the weights: the strictest that the data and the weights taken in ask for."""
    terms = [str(card["licence"]) for card in taken]
    known = [name for name in licences if name in SOURCES]
    if RESEARCH_LICENCE in terms or not all(SOURCES[name].is_open for name in known):
        return RESEARCH_LICENCE
    others = [f"{name}: {asked}" for name, asked in sorted(licences.items()) if name not in SOURCES]
    others += [f"starting weights: {asked}" for asked in terms if asked != OPEN_LICENCE]
    return f"as the owners allow ({'; '.join(others)})" if others else OPEN_LICENCE


def save_state(
    settings: TrainingConfig,
    model: PathExplainModel,
    optimizer: torch.optim.Optimizer,
    reached: Reached,
    *,
    identity: str,
) -> None:
    """Write what is needed to go on from this step, whole or not at all."""
    state = {
        **asdict(reached),
        "fingerprint": identity,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with replacing(settings.out / STATE) as temporary:
        torch.save(state, temporary)


def resume(
    settings: TrainingConfig,
    model: PathExplainModel,
    optimizer: torch.optim.Optimizer,
    *,
    identity: str,
) -> Reached | None:
    """Continue an interrupted run of the same folder; None where there is none.

    Raises
    ------
    ConfigError
        When the run there had other settings, data or starting weights.
    """
    path = settings.out / STATE
    if not path.is_file():
        return None
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["fingerprint"] != identity:
        message = (
            f"{settings.out} holds a training that was stopped at step {state['step']}, with other "
            f"settings, data, starting weights or number of processes; choose another folder, or "
            f"delete {path.name} in it to begin anew"
        )
        raise ConfigError(message, path=str(settings.out))
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    reached = Reached(int(state["step"]), float(state["best"]), int(state["best_step"]))
    _forget_after(settings.out / METRICS, reached.step)
    return reached


def _forget_after(path: Path, step: int) -> None:
    """Leave out of the metrics what will be done again."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [
            line for line in lines if json.loads(line).get("step", -1) < (step + 1 if step else 0)
        ]
        write_text(path, "".join(f"{line}\n" for line in kept))


def append_metrics(folder: Path, row: dict[str, Any]) -> None:
    """Add one line of JSON to ``metrics.jsonl``; what is undefined is null."""
    folder.mkdir(parents=True, exist_ok=True)
    rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(to_jsonable(rounded), allow_nan=False) + "\n")
