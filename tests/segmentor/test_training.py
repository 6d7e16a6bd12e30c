"""Training: reads what is annotated, learns, repeats itself, and resumes exactly."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState

from pathexplain.errors import ConfigError, FitError
from pathexplain.segmentor import batches, starting, training, training_card
from pathexplain.segmentor.checkpoint import read_checkpoint, write_checkpoint
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.evaluation import evaluate
from pathexplain.segmentor.network import PathExplainModel
from pathexplain.segmentor.sampling import draw_batch
from pathexplain.segmentor.starting import start_model
from pathexplain.segmentor.text import tokenize
from pathexplain.segmentor.training_config import TrainingConfig, read_training_config
from pathexplain.segmentor.training_data import read_training_data

RECIPES = Path(__file__).parents[2] / "training"
SHIPPED = Path(training.__file__).parent / "weights" / "compact"


def configure(manifest: Path, start: Path, out: str, **changes) -> TrainingConfig:
    values = {
        "version": 1,
        "data": manifest,
        "out": manifest.parent / out,
        "start": str(start),
        "steps": 4,
        "batch_size": 2,
        "crop_px": 64,
        "prompts_per_image": 2,
        "validate_every": 4,
        "checkpoint_every": 2,
    }
    return TrainingConfig(**(values | changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder)[0].state_dict()


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.yaml")), ids=lambda file: file.stem)
def test_recipes_of_the_shipped_weights_can_be_read(file, tmp_path, tiny_checkpoint):
    """Each starts from published encoders or from what another recipe writes."""
    for stage in RECIPES.glob("*.yaml"):
        out = yaml.safe_load(stage.read_text())["out"]
        shutil.copytree(tiny_checkpoint, tmp_path / out, dirs_exist_ok=True)
    config = read_training_config(shutil.copy(file, tmp_path))
    assert config.steps > 0
    assert config.out.parent == tmp_path


def test_the_chain_of_the_shipped_weights_has_each_start_before_it_is_needed():
    lines = (RECIPES.parent / "Makefile").read_text().splitlines()
    chain = [line.split("training/")[1] for line in lines if "train training/" in line]
    assert sorted(chain) == sorted(file.name for file in RECIPES.glob("*.yaml"))
    written: set[str] = set()
    for name in chain:
        recipe = yaml.safe_load((RECIPES / name).read_text())
        keys = ("start", "text_from", "blend_with", "calibration_from")
        needed = {recipe[key] for key in keys if key in recipe} - {"imagenet"}
        assert needed <= written, name
        written.add(recipe["out"])
    assert {"compact", "compact-open"} <= written


def test_nuclei_are_read_more_closely_than_tissue():
    config = TrainingConfig(version=1, data="a", out="b", nuclei_mpp=0.25)
    assert config.mpp_for(["tissue"]) == 0.5
    assert config.mpp_for(["nuclei", "tissue"]) == config.mpp_for(["cell"]) == 0.25
    assert TrainingConfig(version=1, data="a", out="b").mpp_for(["nuclei"]) == 0.5


def test_same_seed_same_weights_and_an_interrupted_run_resumes_exactly(
    manifest, tiny_checkpoint, monkeypatch
):
    whole = training.train(configure(manifest, tiny_checkpoint, "whole"))
    again = training.train(configure(manifest, tiny_checkpoint, "again"))

    class StoppedError(Exception):
        """The process dies here."""

    def stop(step, steps, metrics):
        if step == 3:
            raise StoppedError

    settings = configure(manifest, tiny_checkpoint, "cut")
    with pytest.raises(StoppedError):
        training.train(settings, progress=stop)
    resumed = training.train(settings)
    drawn = training.train(configure(manifest, tiny_checkpoint, "drawn", workers=2))
    expected, repeated, continued, elsewhere = map(weights, (whole, again, resumed, drawn))
    for name, tensor in expected.items():
        assert torch.equal(tensor, repeated[name]), name
        assert torch.equal(tensor, continued[name]), name
        assert torch.equal(tensor, elsewhere[name]), name
    start = weights(tiny_checkpoint)
    assert any(not torch.equal(tensor, start[name]) for name, tensor in expected.items())
    assert not (resumed / "state.pt").exists()
    half = weights(training.train(configure(manifest, tiny_checkpoint, "half", blend=0.5)))
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            mean = (tensor + start[name]) / 2
            torch.testing.assert_close(half[name], mean, rtol=2e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blend: 0.5", r"blend: 0\.5 needs a checkpoint"),
        ("start: compact\nblend_with: compact-open", r"compact-open' has no share; say blend"),
        (
            "start: compact\ncalibration_from: compact",
            r"compact' is not used where images are held",
        ),
    ],
)
def test_what_is_taken_from_other_weights_needs_a_use(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(f"version: 1\ndata: m.csv\nout: o\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        read_training_config(path)


def test_two_trainings_from_one_start_are_averaged(manifest, tiny_checkpoint, monkeypatch):
    recipe = str(manifest.parent / "two words.yaml")
    monkeypatch.setattr(sys, "argv", ["/opt/bin/pathexplain", "train", recipe, "--quiet"])
    first, second = (
        training.train(configure(manifest, tiny_checkpoint, f"seed-{seed}", seed=seed))
        for seed in (1, 2)
    )
    shape = first / "config.json"
    fitted = {"score": 0.7, "mask": 0.3, "offset": -0.1}
    shape.write_text(json.dumps(json.loads(shape.read_text()) | {"presence_calibration": fitted}))
    options = {"seed": 2, "held_out": "none", "blend": 0.5, "blend_with": str(first)}
    both = training.train(configure(manifest, tiny_checkpoint, "both", **options))
    config = json.loads((both / "config.json").read_text())
    assert config["presence_calibration"] == fitted
    assert config["card"]["settings"]["blend_with"] == "seed-1"
    assert config["card"]["command"] == "pathexplain train 'two words.yaml' --quiet"
    options |= {"held_out": "validation"}
    both = training.train(configure(manifest, tiny_checkpoint, "same", **options))
    one, other, mean = map(weights, (first, second, both))
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            expected = (one[name] + other[name]) / 2
            torch.testing.assert_close(tensor, expected, rtol=2e-3, atol=1e-4, msg=name)


def test_averaged_weights_carry_the_terms_of_both(manifest, tiny_checkpoint):
    """The other weights saw what may not be used freely, so neither may the mean."""
    terms = "CC BY-NC-SA 4.0 (non-commercial: some training sources are)"
    shape = tiny_checkpoint / "config.json"
    config = json.loads(shape.read_text())
    shape.write_text(json.dumps(config | {"card": {"licence": "Apache-2.0", "steps": 1}}))
    other = tiny_checkpoint.with_name("other")
    shutil.copytree(tiny_checkpoint, other)
    card = {"licence": terms, "steps": 1, "sources": {"monuseg": "CC BY-NC-SA 4.0"}}
    (other / "config.json").write_text(json.dumps(config | {"card": card}))
    options = {"blend": 0.5, "steps": 1}
    alone = training.train(configure(manifest, tiny_checkpoint, "alone", **options))
    options |= {"blend_with": str(other)}
    both = training.train(configure(manifest, tiny_checkpoint, "both", **options))
    found = [json.loads((out / "config.json").read_text())["card"] for out in (alone, both)]
    assert [card["licence"] for card in found] == ["Apache-2.0", terms]
    assert found[1]["sources"] == {"monuseg": "CC BY-NC-SA 4.0", "tnbc": "CC BY 4.0"}


def test_weights_of_another_shape_are_refused_before_training(manifest, tiny_checkpoint):
    settings = configure(manifest, tiny_checkpoint, "no", blend=0.5, blend_with=str(SHIPPED))
    with pytest.raises(ConfigError, match="is another network than that of start"):
        training.train(settings)
    assert not (settings.out / "metrics.jsonl").exists()


def test_one_batch_can_be_learned(manifest, tiny_checkpoint, monkeypatch):
    original = draw_batch

    def always_the_first(fields, words, **options):
        return original(fields, words, **(options | {"step": 0, "crop_px": 64, "batch_size": 2}))

    monkeypatch.setattr(batches, "draw_batch", always_the_first)
    settings = configure(
        manifest, tiny_checkpoint, "fit", steps=150, validate_every=1000, checkpoint_every=1000,
        learning_rate=5e-3, encoder_learning_rate=5e-3,
    )  # fmt: skip
    folder = training.train(settings)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["dice"] for row in rows if "dice" in row]
    assert losses[-1] < 0.05 < losses[0]


@pytest.mark.parametrize("is_lasting", [False, True])
def test_a_bad_gradient_spoils_no_weights_and_many_in_a_row_end_the_training(
    manifest, tiny_checkpoint, monkeypatch, is_lasting
):
    original = training.batch_losses
    steps = []

    def spoil(*arguments):
        losses = original(*arguments)
        steps.append(len(steps))
        if is_lasting or len(steps) == 2:
            return replace(losses, dice=losses.dice * float("nan"))
        return losses

    monkeypatch.setattr(training, "batch_losses", spoil)
    settings = configure(manifest, tiny_checkpoint, "spoilt", steps=20, validate_every=20)
    if is_lasting:
        with pytest.raises(FitError, match="6 steps in a row, the last of them step 6"):
            training.train(settings)
        return
    folder = training.train(settings)
    assert all(tensor.isfinite().all() for tensor in weights(folder).values())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row.get("skipped")] == [2]


def test_attention_whose_gradients_failed_is_not_trained_with(
    manifest, tiny_checkpoint, monkeypatch
):
    original, seen = training.batch_losses, []

    def watch(*arguments):
        seen.append(torch.backends.cuda.cudnn_sdp_enabled())
        return original(*arguments)

    monkeypatch.setattr(training, "batch_losses", watch)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    training.train(configure(manifest, tiny_checkpoint, "flash", steps=1))
    assert seen == [False]
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


def test_calibration_is_that_of_a_training_that_held_images_out(manifest, tiny_checkpoint):
    other = manifest.parent / "other"
    shutil.copytree(tiny_checkpoint, other)
    config = json.loads((other / "config.json").read_text())
    calibration = {"score": 0.25, "mask": 0.5, "offset": -1.5}
    told = {"presence_calibration": calibration, "nucleus_offset": 0.5}
    (other / "config.json").write_text(json.dumps(config | told))
    changes = {"held_out": "none", "calibration_from": str(other), "steps": 1}
    folder = training.train(configure(manifest, tiny_checkpoint, "calibrated", **changes))
    made = json.loads((folder / "config.json").read_text())
    assert {name: made[name] for name in told} == told
    assert made["card"]["settings"]["calibration_from"] == "other"


def test_what_is_fitted_on_held_out_images_is_kept(manifest, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(training_card, "fit_nucleus_offset", lambda *_: 0.25)
    folder = training.train(configure(manifest, tiny_checkpoint, "fitted", steps=1))
    assert json.loads((folder / "config.json").read_text())["nucleus_offset"] == 0.25


def test_evaluation_reports_only_what_is_defined(manifest):
    result = evaluate("stain", data=manifest)
    (score,) = result.scores
    assert (score.source, score.object, score.dice.n_images) == ("tnbc", "nucleus", 1)
    assert score.dice.mean > 0.9
    assert np.isnan(score.dice.low)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nmanifest: m.csv\nout: o\nstep: 3\n", "step: Extra inputs"),
        ("version: 1\nmanifest: m.csv\nout: o\nsteps: 0\n", "steps: .*greater than or equal to 1"),
        ("version: 1\nmanifest: m.csv\nout: [", "not valid YAML"),
        ("version: 1\nout: o\n", "data: Field required"),
    ],
)
def test_bad_configurations_are_refused(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_training_config(path)


def test_a_last_training_learns_from_the_validation_images_too(manifest, tiny_checkpoint):
    shape = tiny_checkpoint / "config.json"
    fitted = {"score": 0.7, "mask": 0.3, "offset": -0.1}
    shape.write_text(json.dumps(json.loads(shape.read_text()) | {"presence_calibration": fitted}))
    settings = configure(manifest, tiny_checkpoint, "all", held_out="none", n_phantoms=2)
    data, apart = (
        read_training_data(settings.model_copy(update={"held_out": held}))
        for held in ("none", "validation")
    )
    places = [
        {field.record.image for field in (*part.train["tnbc"], *part.validation.get("tnbc", ()))}
        for part in (data, apart)
    ]
    assert places[0] == places[1]
    assert data.validation == {}
    assert len(data.train["tnbc"]) > len(apart.train["tnbc"]) > 0
    out = training.train(settings)
    assert json.loads((out / "config.json").read_text())["presence_calibration"] == fitted
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert not any("dice/" in line for line in lines)


def test_a_network_without_the_region_path_gets_it_without_effect(tiny_model, tokenizer, tmp_path):
    torch.manual_seed(5)
    fields = tiny_model.config.to_dict() | {"has_region_path": False, "standardizes_text": False}
    before = PathExplainModel(PathExplainConfig.from_dict(fields)).eval()
    folder = write_checkpoint(tmp_path / "plain", before, tokenizer)
    settings = TrainingConfig(
        version=1, data=tmp_path / "none.csv", out=tmp_path / "out", start=str(folder)
    )
    after, _ = start_model(settings, {}, taught=None)
    after.eval()
    assert after.config.has_region_path
    assert float(after.text_scale.std()) > 0
    ids, mask = tokenize(tokenizer, ["tumor", "bicycle"], length=8)
    pixels = torch.rand(1, 3, 64, 64)
    stored, _ = read_checkpoint(folder)
    masks = [
        model.decode(model.encode_image(pixels), model.encode_text(ids, mask).shared(1)).masks
        for model in (stored.eval(), after)
    ]
    torch.testing.assert_close(masks[0], masks[1], atol=1e-5, rtol=0)


def test_a_taught_text_encoder_is_taken_without_what_saw_images(
    tiny_model, tiny_checkpoint, tokenizer
):
    torch.manual_seed(8)
    model = PathExplainModel(tiny_model.config)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    read = starting._take_text(model, tiny_checkpoint)
    stored = read_checkpoint(tiny_checkpoint)[0].state_dict()
    for name, weight in model.state_dict().items():
        wanted = stored if name.startswith("text_encoder.") else before
        torch.testing.assert_close(weight, wanted[name], atol=0, rtol=0)
    assert read.get_vocab() == tokenizer.get_vocab()
    fields = tiny_model.config.to_dict() | {"text_hidden_size": 48}
    with pytest.raises(ConfigError, match=r"text_from.*another size"):
        starting._take_text(PathExplainModel(PathExplainConfig.from_dict(fields)), tiny_checkpoint)


@pytest.mark.parametrize("is_supported", [False, True])
def test_bfloat16_is_for_processors_that_compute_in_it(
    manifest, tiny_checkpoint, monkeypatch, is_supported
):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_supported)
    AcceleratorState._reset_state(reset_partial_state=True)  # it remembers the first choice
    computed = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda *_: computed.append(torch.is_autocast_enabled("cpu"))
    )
    try:
        training.train(configure(manifest, tiny_checkpoint, "low", steps=1, sources=("tnbc",)))
    finally:
        hook.remove()
        AcceleratorState._reset_state(reset_partial_state=True)
    assert computed
    assert any(computed) is is_supported
