"""Masks of nuclei are moved by as much as held-out outlines ask for, and nothing else is."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from pathexplain.segmentor import mask_fitting
from pathexplain.segmentor.checkpoint import write_checkpoint
from pathexplain.segmentor.datasets.reading import IGNORE, read_field, read_manifest
from pathexplain.segmentor.mask_fitting import MIN_IMAGES, fit_nucleus_offset
from pathexplain.segmentor.network_segmentor import NetworkSegmentor


@pytest.fixture
def planted(manifest, monkeypatch):
    """Fields whose outlines lie where the logits, moved by 0.75, cross zero."""
    field = read_field(read_manifest(manifest)[0], mpp=0.5)
    rng = np.random.default_rng(0)
    heights = [rng.normal(scale=2, size=(60, 60)) for _ in range(MIN_IMAGES)]
    for height in heights:
        height[:, :20] = 0.15  # there, a mask that is moved so far covers all at once
    fields = [replace(field, targets={"nucleus": (z > 0).astype(np.uint8)}) for z in heights]
    found = {
        id(f): expit(z - 0.75)[None].astype(np.float32)
        for f, z in zip(fields, heights, strict=True)
    }
    monkeypatch.setattr(
        mask_fitting, "predict", lambda _model, _tokens, field, _names: (found[id(field)], None)
    )
    return fields


def test_the_planted_offset_is_found(planted, tiny_model, tokenizer):
    assert fit_nucleus_offset(tiny_model, tokenizer, {"tnbc": planted}) == 0.75


def test_unknown_pixels_count_for_nothing(planted, tiny_model, tokenizer):
    for field in planted:
        field.targets["nucleus"][:, :20] = 0
    assert fit_nucleus_offset(tiny_model, tokenizer, {"tnbc": planted}) < 0.75
    for field in planted:
        field.targets["nucleus"][:, :20] = IGNORE
    assert fit_nucleus_offset(tiny_model, tokenizer, {"tnbc": planted}) == 0.75


def test_too_few_outlines_or_only_centres_fit_nothing(planted, tiny_model, tokenizer):
    few = {"tnbc": planted[: MIN_IMAGES - 1]}
    assert fit_nucleus_offset(tiny_model, tokenizer, few) is None
    centres = [replace(f, record=replace(f.record, kind="points")) for f in planted]
    assert fit_nucleus_offset(tiny_model, tokenizer, {"crchisto": centres}) is None


def test_only_masks_of_nuclei_are_moved(tmp_path, tiny_model, tokenizer):
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    prompts = ["tumor", "nucleus", "lymphocyte"]
    seen = []
    model = deepcopy(tiny_model)
    for offset in (0.0, 1.0):
        model.config.nucleus_offset = offset
        folder = write_checkpoint(tmp_path / f"at-{offset}", model, tokenizer)
        segmentor = NetworkSegmentor.load(str(folder), device="cpu")
        seen.append(segmentor.segment(image, prompts, mpp=segmentor.mpp))
    before, after = ([logit(found.probabilities[i]) for i in range(3)] for found in seen)
    for index, moved in enumerate((0, 1, 0)):
        np.testing.assert_allclose(after[index] - before[index], moved, atol=1e-3)
    np.testing.assert_array_equal(seen[0].presence, seen[1].presence)
    np.testing.assert_array_equal(seen[0].interiors[1], seen[1].interiors[1])
