"""The model card says what was measured, on what, and what is not known."""

import json
import re
from dataclasses import replace

import pytest

from pathexplain.errors import ConfigError
from pathexplain.segmentor.card import FAILURES, write_card
from pathexplain.segmentor.evaluation import evaluate
from pathexplain.serialization import write_json


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()
    card = {
        "licence": "CC BY 4.0", "steps": 10, "mpp": 0.5, "seed": 1,
        "sources": {"tnbc": "CC BY 4.0", "dsb2018": "CC0"}, "history": [{"steps": 5}],
    }  # fmt: skip
    config = {"card": card, "classes": {"nuclei-level nucleus in multiple pathology": {}}}
    (folder / "config.json").write_text(json.dumps(config | {"weights_sha256": "abc"}))
    return folder


def test_a_card_from_figures_that_were_computed_earlier(manifest, checkpoint, tmp_path):
    result = evaluate("stain", data=manifest, split="train", robustness=2)
    place = write_json(tmp_path / "figures" / "evaluation.json", result)
    (place.parent / FAILURES).write_bytes(b"jpeg")
    (score,) = result.scores
    path = write_card(checkpoint, place, baseline=result, pictures=place.parent)
    text = path.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| tnbc | nucleus |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:4] == [str(score.dice.n_images), f"{score.dice.n_units} patients"]
    shown = f"{score.dice.mean:.3f} [{score.dice.low:.3f}, {score.dice.high:.3f}]"
    assert cells[4] == cells[-1] == shown
    assert "Dice of `stain`" in text
    assert "10 steps after 5 of an earlier stage" in text
    assert "| dsb2018 | CC0 |" in text
    assert f"]({FAILURES})" in text
    assert (checkpoint / FAILURES).read_bytes() == b"jpeg"
    for heading in ("Presence", "Robustness", "Wordings", "Failures"):
        assert re.search(rf"^### {heading}", text, re.MULTILINE)
    assert "Whole tiles" not in text
    assert "nan" not in text
    written = json.loads((checkpoint / "figures.json").read_text())
    assert written["train"]["evaluation"] == json.loads(place.read_text())


def test_validation_and_test_stand_in_one_card_until_the_weights_change(manifest, checkpoint):
    test = evaluate("stain", data=manifest, split="test")
    validation = replace(test, split="validation")
    write_card(checkpoint, test, baseline=test)
    path = write_card(checkpoint, validation)
    headings = re.findall(r"^## Figures on \d+ (\w+) images", path.read_text(), re.MULTILINE)
    assert headings == ["validation", "test"]
    assert path.read_text().count("Dice of `stain`") == 1
    path = write_card(checkpoint, replace(validation, weights_sha256="of others"))
    headings = re.findall(r"^## Figures on \d+ (\w+) images", path.read_text(), re.MULTILINE)
    assert headings == ["validation"]


def test_an_evaluation_in_the_checkpoint_folder_is_not_taken_for_the_cards(manifest, checkpoint):
    """`evaluate FOLDER --out FOLDER --card` writes both there."""
    test = evaluate("stain", data=manifest)
    place = write_json(checkpoint / "evaluation.json", test)
    before = place.read_text()
    assert "## Figures on" in write_card(checkpoint, place).read_text()
    assert place.read_text() == before


def test_figures_that_are_none_are_refused(manifest, checkpoint):
    (checkpoint / "figures.json").write_text('{"test": {"evaluation": {"split": "test"}}}')
    with pytest.raises(ConfigError, match="delete it"):
        write_card(checkpoint, evaluate("stain", data=manifest))


def test_a_short_evaluation_gives_a_short_card(manifest, checkpoint):
    text = write_card(checkpoint, evaluate("stain", data=manifest)).read_text()
    assert "Robustness" not in text
    assert "Failures" not in text
    assert "| tnbc | nucleus | 1 | 1 patient |" in text
    assert "calibration error" in text


def test_a_card_says_what_must_be_known_of_every_stage(manifest, checkpoint):
    shape = checkpoint / "config.json"
    config = json.loads(shape.read_text())
    config["card"]["history"] = [{"steps": 5, "notes": ["One stain was missing."]}]
    config["card"]["settings"] = {"held_out": "none"}
    shape.write_text(json.dumps(config))
    text = write_card(checkpoint, evaluate("stain", data=manifest)).read_text()
    at = [text.index(words) for words in ("One stain was missing.", "learned from as well, for 10")]
    assert at == sorted(at)


def test_a_folder_without_a_checkpoint_is_refused(manifest, tmp_path):
    with pytest.raises(ConfigError, match=r"lacks config\.json"):
        write_card(tmp_path, evaluate("stain", data=manifest))
