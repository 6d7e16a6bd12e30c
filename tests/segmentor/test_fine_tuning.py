"""Fine-tuning: a table of one's own and a new category to a checkpoint, and its faults."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pathexplain.cli import main
from pathexplain.errors import ConfigError
from pathexplain.segmentor import training
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.training_config import TrainingConfig, fine_tuning
from pathexplain.segmentor.training_data import is_table
from pathexplain.segmentor.training_state import OPEN_LICENCE, RESEARCH_LICENCE

CRESCENT = "tissue-level crescent in kidney pathology"
SMALL = {"batch_size": 2, "crop_px": 64, "prompts_per_image": 2, "wide_every": 0}


@pytest.fixture
def own(manifest: Path) -> Path:
    """The images of the manifest as a user's table: masks as PNG, TIFF and GeoJSON, one absent."""
    folder = manifest.parent
    rows = []
    for index in range(8):
        labels = np.asarray(Image.open(folder / f"{index}_mask.png"))
        mask = f"{index}_mask.png"
        if index == 1:
            mask = "1.tiff"
            tifffile.imwrite(folder / mask, labels.astype(np.uint32) * 7)
        if index == 2:
            mask = "2.geojson"
            corners = [[20.0, 20.0], [60.0, 20.0], [60.0, 60.0], [20.0, 60.0], [20.0, 20.0]]
            drawn = {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [corners]},
                "properties": {"classification": {"name": "Crescent"}},
            }
            (folder / mask).write_text(json.dumps({"features": [drawn]}))
        if index == 3:
            mask = ""
        split = "test" if index == 7 else "validation" if index == 6 else "train"
        rows.append([f"{index}.png", mask, CRESCENT, "0.25", split, "instances"])
    path = folder / "dataset.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mask", "prompt", "mpp", "split", "kind"], *rows])
    return path


def tune(own: Path, begin: Path, out: str, **options: object) -> TrainingConfig:
    values = SMALL | {"steps": 4, "validate_every": 2, "checkpoint_every": 2} | options
    return fine_tuning(own, own.parent / out, **({"start": str(begin)} | values))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder)[0].state_dict()


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_new_category_becomes_a_checkpoint_that_extract_uses(
    own, tiny_checkpoint, capsys, monkeypatch
):
    folder = own.parent
    monkeypatch.chdir(folder)
    out = training.train(tune(own, tiny_checkpoint, "mine"))
    config = json.loads((out / "config.json").read_text())
    assert config["classes"]["tissue-level crescent in multiple pathology"] == {
        "object": "crescent",
        "structure": "tissue",
        "kind": "instances",
        "sources": ["own"],
        "regions": ["kidney"],
    }
    card = config["card"]
    assert card["licence"] == (
        "as the owners allow (own: as stated by the owner; starting weights: not recorded)"
    )
    assert card["images"] == {"train": {"own": 6}, "validation": {"own": 1}}
    assert len(card["data_sha256"]) == 64
    assert "crescent" in (out / "README.md").read_text()
    assert [row["step"] for row in metrics(out)] == [0, 1, 2, 3, 4]
    assert {"dice_mean", "dice/own/crescent"} <= set(metrics(out)[-1])
    names = sorted(path.name for path in (out / "overlays").iterdir())
    assert names[0] == "step-000000-0-crescent.png"
    assert names[-1] == "step-000004-0-crescent.png"
    segmentor = NetworkSegmentor.load(str(out), device="cpu")
    (prompt,) = segmentor.segment(np.full((64, 64, 3), 200, np.uint8), CRESCENT, mpp=0.5).prompts
    state, nearest, similarity = segmentor.describe(prompt)
    assert nearest == "tissue-level crescent in multiple pathology"
    assert state != "untrained"
    assert similarity > 0.6
    (folder / "prompts.yaml").write_text(
        f"version: 1\nmpp: 0.5\nprompts:\n  - {{text: {CRESCENT}, kind: instances}}\n"
    )
    command = ["extract", "7.png", "--prompts", "prompts.yaml", "--segmentor", str(out)]
    assert main([*command, "--mpp", "0.25", "--out", "run"]) == 0
    assert (folder / "run" / "manifest.csv").is_file() or list((folder / "run").iterdir())


def test_a_killed_training_goes_on_as_if_nothing_had_been(own, tiny_checkpoint):
    whole = training.train(tune(own, tiny_checkpoint, "whole", steps=5))
    code = f"""
import os, signal
from pathlib import Path
from pathexplain.segmentor.training import train
from pathexplain.segmentor.training_config import fine_tuning
def die(step, steps, metrics):
    if step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
options = {SMALL!r} | dict(steps=5, validate_every=2, checkpoint_every=2)
options["start"] = {str(tiny_checkpoint)!r}
train(fine_tuning({str(own)!r}, Path({str(own.parent)!r}) / "cut", **options), progress=die)
"""
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | threads, check=False)
    assert done.returncode == -signal.SIGKILL
    cut = own.parent / "cut"
    assert (cut / "state.pt").is_file()
    assert [row["step"] for row in metrics(cut)] == [0, 1, 2, 3]
    training.train(tune(own, tiny_checkpoint, "cut", steps=5))
    assert [row["step"] for row in metrics(cut)] == [0, 1, 2, 3, 4, 5]
    assert same(whole, cut)


def test_ctrl_c_saves_the_step_at_hand(own, tiny_checkpoint):
    whole = training.train(tune(own, tiny_checkpoint, "whole", checkpoint_every=100))

    def press(step: int, steps: int, metrics: dict[str, float]) -> None:
        if step == 1:
            signal.raise_signal(signal.SIGINT)

    settings = tune(own, tiny_checkpoint, "cut", checkpoint_every=100)
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, progress=press)
    assert torch.load(settings.out / "state.pt", weights_only=True)["step"] == 2
    assert same(whole, training.train(settings))


def test_another_seed_gives_other_weights(own, tiny_checkpoint):
    one, other = (
        training.train(tune(own, tiny_checkpoint, f"seed{seed}", seed=seed, steps=1))
        for seed in (0, 1)
    )
    assert not same(one, other)


def test_early_stopping_keeps_the_best(own, tiny_checkpoint, monkeypatch):
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(training, "validate", lambda *_: {"dice/own/crescent": next(scores)})
    options = {"steps": 50, "validate_every": 1, "checkpoint_every": 100, "overlays_every": 0}
    kept = training.train(tune(own, tiny_checkpoint, "kept", patience=2, **options))
    assert [row["step"] for row in metrics(kept)] == [0, 1, 2, 3]
    scores = iter([0.1, 0.5])
    best = training.train(tune(own, tiny_checkpoint, "best", stop_after=1, **options))
    assert same(kept, best)
    assert json.loads((kept / "config.json").read_text())["card"]["steps"] == 1


def test_a_frozen_encoder_stays(own, tiny_checkpoint):
    out = training.train(tune(own, tiny_checkpoint, "frozen", freeze="encoder", steps=2))
    before, after = weights(tiny_checkpoint), weights(out)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "encoder" not in moved
    assert {"pixel_decoder", "layers"} <= moved


def test_a_folder_holds_one_training(own, tiny_checkpoint):
    settings = tune(own, tiny_checkpoint, "mine", steps=1)
    out = training.train(settings)
    before = (out / "model.safetensors").stat().st_mtime_ns
    assert training.train(settings) == out
    assert (out / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="finished checkpoint of another training"):
        training.train(tune(own, tiny_checkpoint, "mine", steps=2))

    class StoppedError(Exception):
        pass

    def stop(step: int, steps: int, metrics: dict[str, float]) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        training.train(tune(own, tiny_checkpoint, "half"), progress=stop)
    with pytest.raises(ConfigError, match="stopped at step 0, with other settings"):
        training.train(tune(own, tiny_checkpoint, "half", seed=5))


def test_terms_of_the_weights_are_the_strictest(own, tiny_checkpoint, manifest):
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    found = []
    for licence in (OPEN_LICENCE, RESEARCH_LICENCE):
        config["card"] = {"licence": licence, "steps": 3, "sources": {"tnbc": "CC BY 4.0"}}
        (tiny_checkpoint / "config.json").write_text(json.dumps(config))
        out = training.train(tune(own, tiny_checkpoint, f"l{len(found)}", steps=1))
        found.append(json.loads((out / "config.json").read_text())["card"]["licence"])
    assert found == ["as the owners allow (own: as stated by the owner)", RESEARCH_LICENCE]


def test_a_table_is_told_from_a_manifest_by_its_header(own, manifest, tmp_path):
    assert is_table(own)
    assert is_table(own.parent)
    assert not is_table(manifest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "nowhere"}, "'nowhere' is no checkpoint directory .* compact"),
        ({"steps": 0}, "steps: .*greater than or equal to 1"),
        ({"freeze": "all", "batch_size": 0}, "freeze: .*; batch_size: "),
        ({"sources": ("elsewhere",)}, r"no source \['elsewhere'\]; it holds own"),
    ],
)
def test_wrong_options_are_named(own, tiny_checkpoint, options, message):
    with pytest.raises(ConfigError, match=message):
        training.train(tune(own, tiny_checkpoint, "o", **options))


def test_tissue_is_looked_at_as_the_start_does_or_as_is_said(own, tiny_checkpoint):
    config = json.loads((tiny_checkpoint / "config.json").read_text()) | {"mpp": 0.8}
    (tiny_checkpoint / "config.json").write_text(json.dumps(config))
    seen = []
    for out, said in (("as", {}), ("other", {"mpp": 0.4})):
        folder = training.train(tune(own, tiny_checkpoint, out, steps=1, **said))
        seen.append(json.loads((folder / "config.json").read_text())["mpp"])
    assert seen == [0.8, 0.4]
    unsaid = TrainingConfig(version=1, data=own, out=own.parent / "u", start=str(tiny_checkpoint))
    with pytest.raises(ConfigError, match=r"where 0\.5 is meant, but .* looks at 0\.8"):
        training.train(unsaid)


def test_a_table_in_place_of_a_configuration_is_told_where_to_go(own):
    with pytest.raises(ConfigError, match="`pathexplain finetune` takes it"):
        training.train(own)


def test_data_that_teach_nothing_are_refused(own, tiny_checkpoint):
    own.write_text(f"image,mask,prompt,mpp\n0.png,,{CRESCENT},0.5\n")
    with pytest.raises(ConfigError, match="every mask is empty"):
        training.train(tune(own, tiny_checkpoint, "o"))
    own.write_text(f"image,mask,prompt,mpp\n0.png,0_mask.png,{CRESCENT},0.5\n")
    with pytest.raises(ConfigError, match=r"patience: .* has no validation images"):
        training.train(tune(own, tiny_checkpoint, "o", patience=1))


def test_finetune_says_where_it_is_and_how_it_went(own, monkeypatch, capsys):
    def train(config: TrainingConfig, *, progress) -> Path:
        assert config.start.endswith("compact")
        assert config.blend == 0.5
        progress(0, 12, {"dice_mean": 0.25})
        for step in range(1, 9):
            progress(step, 12, {"loss": 1.0})
        progress(12, 12, {"dice_mean": 0.75})
        return config.out

    monkeypatch.setattr("pathexplain.segmentor.training.train", train)
    assert main(["finetune", str(own), "--out", "mine", "--steps", "12", "--blend", "0.5"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "mine\n"
    assert "5 steps of" in shown.err
    assert "mean Dice: 0.250 at first, 0.750 at last" in shown.err

    def interrupted(config: TrainingConfig, *, progress) -> Path:
        progress(7, 12, {"loss": 1.0})
        raise KeyboardInterrupt

    monkeypatch.setattr("pathexplain.segmentor.training.train", interrupted)
    assert main(["finetune", str(own), "--out", "mine"]) == 130
    assert "stopped after step 7; the same command goes on" in capsys.readouterr().err
