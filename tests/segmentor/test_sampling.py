"""What a batch holds: crops with their masks, prompts, and what is known to be absent."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from pathexplain.segmentor import phrasing, sampling
from pathexplain.segmentor.assessment.measuring import UNSEEN_NONSENSE
from pathexplain.segmentor.assessment.wordings import FREE
from pathexplain.segmentor.datasets.phantoms import phantom_fields
from pathexplain.segmentor.datasets.reading import Field, read_field, read_manifest
from pathexplain.segmentor.phrasing import NEVER_TRAINED, NONSENSE, foreign, free_wording
from pathexplain.segmentor.sampling import draw_batch
from pathexplain.segmentor.training_config import TrainingConfig
from pathexplain.segmentor.training_data import read_training_data
from pathexplain.vocabulary import OBJECTS, normalize_phrase


def test_batches_are_a_function_of_seed_and_step(manifest):
    fields = {"tnbc": [read_field(record, mpp=0.5) for record in read_manifest(manifest)]}
    options = {"batch_size": 2, "crop_px": 64, "n_prompts": 3}
    one, same, other = (
        draw_batch(fields, ["bicycle"], seed=3, step=step, **options) for step in (5, 5, 6)
    )
    assert torch.equal(one.pixels, same.pixels)
    assert one.phrases == same.phrases
    assert not torch.equal(one.pixels, other.pixels)


def test_batches_of_a_manifest_stay_what_they_were(manifest):
    """The shipped weights are trained anew from these: a seed and a step mean one batch."""
    fields = {
        "phantom": phantom_fields(2, seed=0, mpp=0.5),
        "tnbc": [read_field(record, mpp=0.5) for record in read_manifest(manifest)],
    }
    found = []
    for step in range(3):
        batch = draw_batch(
            fields, ["bicycle", "window"], seed=3, step=step, batch_size=4, crop_px=64,
            n_prompts=4, is_wide=step == 1,
        )  # fmt: skip
        digest = hashlib.sha256(repr(batch.phrases).encode())
        for part in (batch.targets, batch.presence, batch.interior):
            digest.update(part.numpy().tobytes())
        found.append((digest.hexdigest()[:16], float(batch.pixels.mean())))
    expected = [
        ("432f3345475738fc", 0.4009), ("b2dbed6eea34f653", 0.2942), ("676066f3e759f98a", 0.3620)
    ]  # fmt: skip
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert [mean for _, mean in found] == pytest.approx([m for _, m in expected], abs=2e-4)


def test_crops_keep_image_and_mask_together(manifest):
    fields = {"tnbc": [read_field(record, mpp=0.5) for record in read_manifest(manifest)]}
    agree = []
    for step in range(20):
        batch = draw_batch(fields, ["x"], seed=0, step=step, batch_size=2, crop_px=64, n_prompts=2)
        for pixels, targets, seen in zip(
            batch.pixels.numpy(), batch.targets.numpy(), batch.presence.numpy(), strict=True
        ):
            if seen[0] == 1:
                red = pixels[0]
                agree.append(red[targets[0] == 1].mean() < red[targets[0] == 0].mean())
    assert len(agree) > 10
    assert all(agree)


def test_wide_crops_of_closely_read_fields_show_as_much_tissue_as_of_others(manifest):
    """The mean area of a nucleus in px falls with the square of the resolution."""
    records = read_manifest(manifest)
    areas = {}
    for mpp, wide_mpp, close in ((0.25, None, 0), (0.25, 0.5, 0), (0.5, 0.5, 0), (0.25, 0.5, 1)):
        fields = {"tnbc": [read_field(record, mpp=mpp) for record in records]}
        shares = [
            draw_batch(
                fields, ["x"], seed=1, step=step, batch_size=2, crop_px=64, n_prompts=2,
                is_wide=True, wide_mpp=wide_mpp, close_share=close,
            ).targets[:, 0].float().mean().item()
            for step in range(12)
        ]  # fmt: skip
        areas[mpp, wide_mpp, close] = np.mean(shares)
    assert areas[0.25, 0.5, 0] == pytest.approx(areas[0.5, 0.5, 0], rel=0.25)
    assert areas[0.25, 0.5, 1] > 1.3 * areas[0.25, 0.5, 0]


@pytest.mark.parametrize("annotated", ["gland", "nucleus"])
def test_nuclei_are_known_to_be_absent_from_glass_alone(manifest, annotated):
    """Right half glass, left half stained; of nuclei, a stripe of the stained half is annotated."""
    record = read_manifest(manifest)[0]
    image = np.full((200, 200, 3), (110, 60, 140), np.uint8)
    image[:, 100:] = 243
    plane = np.full((200, 200), 0 if annotated == "gland" else 255, np.uint8)
    plane[:, 20:60] = 1
    field = Field(record, image, {annotated: plane}, None, None, (), 0.5)
    n_glass = 0
    for step in range(8):
        batch = draw_batch(
            {"tnbc": [field]}, ["x"], seed=0, step=step, batch_size=1, crop_px=64, n_prompts=2,
            pale_share=1.0,
        )  # fmt: skip
        place = 1 if annotated == "gland" else 0
        target, red = batch.targets[0, place].numpy(), batch.pixels[0, 0].numpy()
        assert set(np.unique(target)) <= {0, 255} | ({1} if annotated == "nucleus" else set())
        if {0, 255} <= set(np.unique(target)):
            n_glass += 1
            assert red[target == 0].mean() > red[target != 0].mean() + 0.5
        if not (target == 1).any():
            assert batch.presence[0, place].isnan()
    assert n_glass > 1


def test_absent_prompts_have_empty_targets(manifest):
    fields = {"tnbc": [read_field(record, mpp=0.5) for record in read_manifest(manifest)]}
    batch = draw_batch(fields, ["x"], seed=0, step=0, batch_size=4, crop_px=64, n_prompts=4)
    absent = batch.presence.numpy() == 0
    assert absent.any()
    assert (batch.targets.numpy()[absent] == 0).all()


def test_source_weights_of_the_configuration_go_before_those_of_the_table(manifest):
    settings = TrainingConfig(version=1, data=manifest, out=manifest.parent / "out")
    fields = read_training_data(settings).train
    other = {"elsewhere": [replace(f, mpp=f.mpp) for f in fields["tnbc"]]}
    batch = draw_batch(
        fields | other, ["tree"], seed=0, step=0, batch_size=4, crop_px=64, n_prompts=1,
        weights={"tnbc": (0.0, 0.0), "elsewhere": (1.0, 1.0)},
    )  # fmt: skip
    alone = draw_batch(other, ["tree"], seed=0, step=0, batch_size=4, crop_px=64, n_prompts=1)
    assert torch.equal(batch.pixels, alone.pixels)


def test_an_image_stained_like_another_takes_its_colors_and_keeps_its_white(manifest, monkeypatch):
    """The other image absorbs ten times as much green as red, this one twice as much."""
    monkeypatch.setattr(sampling, "_distort", lambda image, _: image)
    record = read_manifest(manifest)[0]

    def stained(red, green):
        image = np.full((128, 128, 3), 255, np.uint8)
        image[:, :64] = np.round(256 * np.exp([-red, -green, -0.5]) - 1)
        plane = (image[..., 1] < 255).astype(np.uint8)
        return Field(record, image, {"gland": plane}, None, None, (), 0.5)

    fields = {"tnbc": [stained(0.5, 1.0)], "dsb2018": [stained(0.3, 1.8)]}
    ratios, n_glass = [], 0
    for step in range(30):
        batch = draw_batch(
            fields, ["x"], seed=4, step=step, batch_size=1, crop_px=64, n_prompts=2,
            stain_share=1.0, weights={"tnbc": (1.0, 1.0), "dsb2018": (0.0, 0.0)},
        )  # fmt: skip
        pixels = (batch.pixels[0].numpy() + 1) * 127.5
        density = -np.log((pixels + 1) / 256)
        glass = (batch.targets[0, 0] == 0).numpy()
        if glass.sum() > 200:
            assert pixels[:, glass].max(axis=1).tolist() == pytest.approx([255] * 3, abs=0.1)
            n_glass += 1
        red, green = density[0].max(), density[1].max()
        if not glass.all():
            ratios.append(green / red)
    assert min(ratios) == pytest.approx(2, rel=0.02)  # half of the time it is its own stain
    assert max(ratios) < 6.1
    assert max(ratios) > 4.5
    assert len(np.unique(np.round(ratios, 2))) > 8
    assert n_glass > 5


def _points(tmp_path, manifest, types):
    """Read four centres in an image of 80 µm."""
    folder = tmp_path / "crchisto"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes((manifest.parent / "0.png").read_bytes())
    rows = [
        f"crchisto/images/a.png,{x},{y},{kind}" for (x, y), kind in zip(_PLACES, types, strict=True)
    ]
    (folder / "points.csv").write_text("\n".join(["image,x_px,y_px,type", *rows]) + "\n")
    table = tmp_path / "points.csv"
    table.write_text(
        "source,image,mask,kind,mpp,organ,patient,split,label\n"
        "crchisto,crchisto/images/a.png,,points,0.5,colon,,train,\n"
    )
    return read_field(read_manifest(table)[0], mpp=0.5)


_PLACES = ((80, 80), (5, 5), (155, 155), (150, 10))


@pytest.mark.parametrize("others", ["fibroblast", "inflammatory"])
def test_a_type_without_centres_is_absent_where_somebody_looked(tmp_path, manifest, others):
    field = _points(tmp_path, manifest, ["epithelial", others, others, others])
    known = {}
    for step in range(40):
        batch = draw_batch(
            {"crchisto": [field]}, ["x"], seed=2, step=step, batch_size=1, crop_px=64, n_prompts=7
        )
        for phrase, target, seen in zip(
            batch.phrases[0], batch.targets[0], batch.presence[0].tolist(), strict=True
        ):
            for name in ("epithelial", "fibroblast", "inflammatory", "lymphocyte"):
                if phrase.startswith(f"nucleus level {name}"):
                    is_there = bool((target == 1).sum() >= 12)
                    assert not (is_there and seen == 0)
                    known.setdefault(name, []).append(seen)
    assert 0.0 in known["epithelial"]  # crops that hold centres of the others alone
    assert 1.0 in known["epithelial"]
    assert 0.0 in known["inflammatory" if others == "fibroblast" else "fibroblast"]
    # inflammatory nuclei may be lymphocytes: unknown where there are some, absent elsewhere
    n_unknown = np.isnan(known["lymphocyte"]).sum()
    assert 1.0 not in known["lymphocyte"]
    assert n_unknown < len(known["lymphocyte"])
    assert bool(n_unknown) is (others == "inflammatory")


def free_wordings(name):
    words = (name, *OBJECTS[name].synonyms)
    return {normalize_phrase(form.format(word)) for form in phrasing._FREE for word in words}


def test_words_for_measuring_and_calibrating_are_in_no_training():
    rng = np.random.default_rng(0)
    drawn = {foreign(rng) for _ in range(4000)}
    trained = drawn | {normalize_phrase(words) for words in NONSENSE}
    fresh, kept = ({normalize_phrase(w) for w in ws} for ws in (UNSEEN_NONSENSE, NEVER_TRAINED))
    assert not trained & (fresh | kept)
    assert not fresh & kept
    assert len(drawn) > 1000
    for name, wordings in FREE.items():
        assert not free_wordings(name) & {normalize_phrase(text) for text in wordings}, name
    assert {free_wording(OBJECTS["tumor"], rng) for _ in range(50)} < free_wordings("tumor")


def test_a_share_of_the_prompts_is_worded_freely(manifest):
    fields = {"tnbc": [read_field(record, mpp=0.5) for record in read_manifest(manifest)]}
    known = free_wordings("nucleus")
    options = {"seed": 0, "step": 0, "batch_size": 40, "crop_px": 64, "n_prompts": 2}
    counts = []
    for share in (0.0, 0.5, 1.0):
        batch = draw_batch(fields, ["x"], free_share=share, **options)
        counts.append(sum(phrases[0] in known for phrases in batch.phrases))
    assert counts[0] < 10 < counts[1] < 35 < counts[2] == 40
