"""The weights that ship, on phantoms, a real image, and real data where there is any."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from pathexplain.phantom import cohort
from pathexplain.segmentor import load_segmentor
from pathexplain.segmentor.datasets.reading import read_field, read_manifest
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.metrics import aggregated_jaccard, dice

WEIGHTS = Path(str(files("pathexplain.segmentor") / "weights"))
MANIFEST = Path(__file__).parents[2] / "../shared/data/manifest.csv"


@pytest.fixture(scope="module")
def compact():
    return load_segmentor("compact", device="cpu")


@pytest.fixture(scope="module")
def stain():
    return load_segmentor("stain")


@pytest.mark.parametrize(
    ("name", "licence"), [("compact", "CC BY-NC-SA 4.0"), ("compact-open", "Apache-2.0")]
)
def test_the_card_names_every_source_and_its_terms(name, licence):
    card = (WEIGHTS / name / "README.md").read_text()
    config = json.loads((WEIGHTS / name / "config.json").read_text())
    loaded = load_segmentor(name, device="cpu")
    assert loaded.name == name
    assert licence in loaded.licence
    assert loaded.licence in card
    assert config["weights_sha256"] == loaded.weights_sha256
    assert loaded.weights_sha256 in card
    for record in config["classes"].values():
        for source in record["sources"]:
            assert f"| {source} |" in card


def test_open_weights_were_taught_by_open_sources_alone():
    taught = load_segmentor("compact-open", device="cpu").sources
    assert len(taught) > 5
    assert all(SOURCES[source].is_open for source in taught)


def test_both_weights_together_are_small_enough_to_ship():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 45e6


def test_phantoms_of_unseen_seeds_beat_the_baseline(compact, stain):
    made = cohort(4, seed=99)
    ours, theirs = [], []
    for _, truth in made.tissues():
        for model, scores in ((compact, ours), (stain, theirs)):
            result = model.segment(truth.image, ["nucleus", "gland", "lymphocyte"], mpp=0.5)
            wanted = (truth.nuclei > 0, truth.glands > 0, truth.lymphocytes > 0)
            values = [dice(mask, true) for mask, true in zip(result.masks, wanted, strict=True)]
            values.append(aggregated_jaccard(result.instances(0), truth.nuclei))
            scores.append(values)
    nucleus, gland, lymphocyte, aji = np.mean(ours, axis=0)
    assert min(nucleus, gland) > 0.9
    assert lymphocyte > 0.6  # spindle nuclei are taken for lymphocytes too often
    assert aji > 0.75
    assert (np.mean(ours, axis=0) > np.mean(theirs, axis=0)).all()


def test_every_wording_of_a_known_object_gives_one_mask_and_other_objects_another(compact):
    wordings = ["TILs", "lymphocytes", "Lymphocyte nuclei", "nuclei-level lymphocyte", "epithelial"]
    *same, other = compact.segment(immunohistochemistry(), wordings, mpp=0.5).probabilities
    for plane in same[1:]:
        np.testing.assert_array_equal(plane, same[0])
    assert not np.array_equal(other, same[0])


def test_the_only_region_an_object_was_taught_in_is_taken(compact):
    wordings = ["glomerulus", "glomeruli in kidney", "glomeruli of the colon"]
    planes = compact.segment(immunohistochemistry(), wordings, mpp=0.5).probabilities
    np.testing.assert_array_equal(planes[0], planes[1])
    np.testing.assert_array_equal(planes[0], planes[2])


def test_words_for_other_things_find_nothing(compact):
    image = immunohistochemistry()
    prompts = ["bicycle", "fluorescent neuron", "red car", "nucleus"]
    result = compact.segment(image, prompts, mpp=0.5)
    assert result.is_present.tolist() == [False, False, False, True]
    assert not result.masks[:3].any()
    assert result.instances(3).max() > 50


@pytest.mark.skipif(not MANIFEST.is_file(), reason="the shared images are not on this machine")
@pytest.mark.parametrize(("source", "name"), [("tnbc", "nucleus"), ("glas", "gland")])
def test_held_out_patients_beat_the_baseline(compact, stain, source, name):
    records = [r for r in read_manifest(MANIFEST, sources=[source]) if r.split == "validation"]
    scores = []
    for record in records[:4]:
        field = read_field(record, mpp=None)
        truth = field.targets[name] == 1
        masks = [m.segment(field.image, name, mpp=field.mpp).masks[0] for m in (compact, stain)]
        scores.append([dice(mask, truth) for mask in masks])
    ours, theirs = np.mean(scores, axis=0)
    assert ours > theirs + 0.05
