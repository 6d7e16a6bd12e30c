"""A checkpoint as ONNX files, for programs without torch: one graph for images, one for text.

Text is encoded once; then each image is one call, whatever the number of prompts. Only this module
needs the packages of the ``onnx`` extra.
"""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional

from pathexplain import __version__
from pathexplain.errors import ConfigError
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.folding import fold_normalization
from pathexplain.segmentor.network import EncodedText, PathExplainModel
from pathexplain.segmentor.presence import PresenceCalibration, mask_evidence
from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ImageGraph", "TextGraph", "export_onnx"]

STRIDE_PX, MAX_SIDE_PX = 32, 8192
_PACKAGES = ("onnx", "onnxscript")


class ImageGraph(nn.Module):
    """One image and K encoded prompts to probabilities at the size of the image.

    As the network has them: without `nucleus_offset`, which belongs to a word, not to the graph.
    """

    def __init__(self, model: PathExplainModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, pixels: Tensor, states: Tensor, mask: Tensor, sentence: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(1, 3, H, W) and text to masks (1, K, H, W), presence (1, K), interiors (1, 2, H, W)."""
        text = EncodedText(states, mask, sentence).shared(1)
        image, output = self.model(pixels, text)
        masks, interiors = (
            functional.interpolate(
                logits, size=pixels.shape[-2:], mode="bilinear", align_corners=False
            ).sigmoid()
            for logits in (output.masks, image.interiors)
        )
        calibration = PresenceCalibration.from_config(self.model.config.presence_calibration)
        presence = calibration(output.presence, mask_evidence(output.masks))
        return masks, presence, interiors


class TextGraph(nn.Module):
    """K tokenized prompts to what `ImageGraph` wants of them."""

    def __init__(self, model: PathExplainModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(K, L) int64 and (K, L) bool to states (K, L, t) and sentence (K, t)."""
        text = self.model.encode_text(token_ids, mask)
        return text.states, text.sentence


def export_onnx(checkpoint: str | Path, out: str | Path) -> tuple[Path, Path, Path]:
    """Write a checkpoint as two ONNX graphs and its tokenizer, equal to torch in float32.

    Parameters
    ----------
    checkpoint : path or str
        Checkpoint folder, or the name of a shipped one.
    out : path
        ``NAME.onnx``, the image graph; beside it go ``NAME.text.onnx`` and ``NAME.tokenizer.json``.

    Returns
    -------
    tuple of three Path
        Image graph, text graph, tokenizer.

    Raises
    ------
    ConfigError
        When the packages of the ``onnx`` extra are missing, or `out` does not end in ``.onnx``.
    SegmentationError
        When the checkpoint cannot be read.

    Notes
    -----
    The image graph takes `pixels` (1, 3, H, W) float32 in [-1, 1] at the resolution of the network,
    H and W multiples of 32 up to 8192, with `states` (K, L, t) and `sentence` (K, t) of the text
    graph and the `mask` (K, L) bool that it was given. It returns probabilities: `masks`
    (1, K, H, W), `presence` (1, K), and `interiors` (1, 2, H, W), the depth inside nuclei or cells
    and inside tissue-level objects. Both files say under the metadata key ``pathexplain``, as JSON,
    what they were made from: mpp, licence, sha256 of the weights, classes.
    """
    image_path = Path(out)
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        message = f"ONNX export needs {', '.join(missing)}; pip install 'pathexplain[onnx]'"
        raise ConfigError(message)
    if image_path.suffix != ".onnx":
        message = f"{image_path}: not the name of an ONNX file; end it in .onnx"
        raise ConfigError(message, path=str(image_path))
    shipped = Path(str(files("pathexplain.segmentor") / "weights" / str(checkpoint)))
    folder = Path(checkpoint) if Path(checkpoint).is_dir() else shipped
    model, tokenizer = read_checkpoint(folder)
    fold_normalization(model)
    image_path.parent.mkdir(parents=True, exist_ok=True)
    text_path, words_path = (
        image_path.with_suffix(ending) for ending in (".text.onnx", ".tokenizer.json")
    )
    with _quiet(), torch.no_grad(), torch.autocast("cpu", enabled=False):
        _write_image_graph(model, image_path)
        _write_text_graph(model, text_path)
    with replacing(words_path) as temporary:
        tokenizer.save(str(temporary))
    return image_path, text_path, words_path


def _write_image_graph(model: PathExplainModel, path: Path) -> None:
    """Trace the image graph with sides and prompts of any number."""
    width = model.text_encoder.config.hidden_size
    example = (
        torch.zeros(1, 3, 2 * STRIDE_PX, 3 * STRIDE_PX),
        torch.randn(2, 5, width),
        torch.ones(2, 5, dtype=torch.bool),
        torch.randn(2, width),
    )
    rows, columns = (Dim(name, max=MAX_SIDE_PX // STRIDE_PX) for name in ("rows", "columns"))
    prompts, length = Dim("prompts"), Dim("length", max=model.config.text_length)
    shapes = (
        {2: STRIDE_PX * rows, 3: STRIDE_PX * columns},
        {0: prompts, 1: length},
        {0: prompts, 1: length},
        {0: prompts},
    )
    inputs, outputs = ("pixels", "states", "mask", "sentence"), ("masks", "presence", "interiors")
    _write(ImageGraph(model), example, shapes, names=(inputs, outputs), path=path)


def _write_text_graph(model: PathExplainModel, path: Path) -> None:
    """Trace the text graph with prompts of any number and length."""
    example = torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5, dtype=torch.bool)
    shape = {0: Dim("prompts"), 1: Dim("length", max=model.config.text_length)}
    names = ("token_ids", "mask"), ("states", "sentence")
    _write(TextGraph(model), example, (shape, shape), names=names, path=path)


def _write(
    graph: ImageGraph | TextGraph,
    example: tuple[Tensor, ...],
    shapes: tuple[dict[int, Any], ...],
    *,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    path: Path,
) -> None:
    """Trace one graph and write it whole, with where it comes from."""
    program = torch.export.export(graph.eval(), example, dynamic_shapes=shapes, strict=False)
    converted = torch.onnx.export(
        program,
        input_names=names[0],
        output_names=names[1],
        dynamo=True,
        verbose=False,
    )
    if converted is None:  # what the types allow, and dynamo=True does not
        message = f"{path}: torch made no ONNX graph"
        raise ConfigError(message, path=str(path))
    config = graph.model.config
    converted.model.metadata_props["pathexplain"] = json.dumps(
        {
            "code_version": __version__,
            "mpp": config.mpp,
            "nuclei_mpp": config.nuclei_mpp,
            "text_length": config.text_length,
            "licence": config.card.get("licence"),
            "weights_sha256": config.weights_sha256,
            "classes": list(config.classes),
        }
    )
    with replacing(path) as temporary:
        converted.save(temporary, external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of its own parts; it raises what matters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
