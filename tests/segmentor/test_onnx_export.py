"""The ONNX graphs against torch, by another program's arithmetic."""

import json

import numpy as np
import pytest
import torch
from skimage.data import immunohistochemistry
from tokenizers import Tokenizer

from pathexplain.cli.app import main
from pathexplain.errors import ConfigError
from pathexplain.segmentor import encoder, onnx_export
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.onnx_export import export_onnx
from pathexplain.segmentor.presence import PresenceCalibration, mask_evidence
from pathexplain.segmentor.text import tokenize

PHRASES = [
    "nuclei-level nucleus in multiple pathology",
    "tumor",
    "tissue-level malignant gland in colon pathology",
    "a bicycle",
    "lymphocytes",
]


def in_torch(model, pixels, ids, mask):
    """Probabilities at the size of the image, as the segmentor makes them."""
    with torch.inference_mode():
        image = model.encode_image(pixels)
        output = model.decode(image, model.encode_text(ids, mask).shared(1))
        size = pixels.shape[-2:]
        masks, interiors = (
            torch.nn.functional.interpolate(logits, size, mode="bilinear").sigmoid()
            for logits in (output.masks, image.interiors)
        )
        calibration = PresenceCalibration.from_config(model.config.presence_calibration)
        presence = calibration(output.presence, mask_evidence(output.masks))
    return masks.numpy(), presence.numpy(), interiors.numpy()


def in_onnx(folder, pixels, ids, mask):
    import onnxruntime

    text, image = (
        onnxruntime.InferenceSession(folder / name) for name in ("c.text.onnx", "c.onnx")
    )
    states, sentence = text.run(None, {"token_ids": ids.numpy(), "mask": mask.numpy()})
    inputs = {"pixels": pixels.numpy(), "states": states, "sentence": sentence}
    return image.run(None, inputs | {"mask": mask.numpy()})


def picture(height, width):
    """Part of a real section, its bottom half noise, in [-1, 1]."""
    image = immunohistochemistry()[:height, :width].astype(np.float32) / 127.5 - 1
    image[height // 2 :] = np.random.default_rng(0).uniform(-1, 1, (height // 2, width, 3))
    return torch.from_numpy(image.transpose(2, 0, 1)[None].copy())


@pytest.mark.slow
def test_the_graphs_give_what_torch_gives(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        pytest.fail("the exported graph has the gradient of training in it")

    monkeypatch.setattr(encoder._FloatGradient, "forward", staticmethod(refuse))
    with torch.autocast("cpu", torch.bfloat16):
        assert main(["export", "compact", "--out", str(tmp_path / "c.onnx")]) == 0
    said = capsys.readouterr().out.split()
    names = ["c.onnx", "c.text.onnx", "c.tokenizer.json"]
    assert said == [str(tmp_path / name) for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 80e6
    reference = NetworkSegmentor.load("compact", device="cpu")
    tokenizer = Tokenizer.from_file(str(tmp_path / "c.tokenizer.json"))
    for n_prompts, size in ((1, (64, 64)), (5, (96, 160)), (1, (160, 96)), (5, (64, 64))):
        ids, mask = tokenize(tokenizer, PHRASES[:n_prompts], length=24)
        pixels = picture(*size)
        found = in_onnx(tmp_path, pixels, ids, mask)
        wanted = in_torch(reference._model, pixels, ids, mask)
        assert found[0].shape == (1, n_prompts, *size)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert np.ptp(wanted[0]) > 0.5, "the example should show something"
    import onnx

    (record,) = onnx.load(tmp_path / "c.onnx").metadata_props
    said = json.loads(record.value)
    assert record.key == "pathexplain"
    assert said["mpp"] == reference.mpp
    assert said["weights_sha256"] == reference.weights_sha256
    assert said["licence"] == reference.licence
    assert tuple(said["classes"]) == reference.classes


def test_what_cannot_be_exported_is_refused(tmp_path, monkeypatch, tiny_checkpoint):
    with pytest.raises(ConfigError, match=r"end it in \.onnx"):
        export_onnx(tiny_checkpoint, tmp_path / "model.pt")
    monkeypatch.setattr(onnx_export, "_PACKAGES", ("onnx", "not_installed_here"))
    with pytest.raises(ConfigError, match=r"not_installed_here; pip install 'pathexplain\[onnx\]'"):
        export_onnx(tiny_checkpoint, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
