"""What stands before and behind the network, for those who call it by themselves.

Images to its resolution and range, prompts to word pieces, logits to a `Segmentation`. For images
larger than a tile, synonyms and devices, `load_segmentor` does more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerFast, ProcessorMixin
from transformers.utils.hub import cached_file

from pathexplain.errors import ConfigError
from pathexplain.prompts import as_prompts
from pathexplain.segmentor.backends import MIN_IMAGE_PX, check_image
from pathexplain.segmentor.network import INTERIOR_OF, EncodedImage, PromptOutput
from pathexplain.segmentor.planes import DeferredPlanes, mask_offsets
from pathexplain.segmentor.presence import PresenceCalibration, mask_evidence
from pathexplain.segmentor.segmentation import Segmentation
from pathexplain.segmentor.text import tokenize

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt

__all__ = ["PathExplainProcessor"]

STRIDE_PX = 32
_FIELDS = ("mpp", "text_length", "presence_calibration", "nucleus_offset")
_TOKENIZER, _OWN, _NETWORK = "tokenizer.json", "processor_config.json", "config.json"


class PathExplainProcessor(ProcessorMixin):
    """Images and prompts to tensors, and the network's output to masks.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
    mpp : float
        µm per pixel at which the network looks at tissue, > 0.
    text_length : int
        The longest prompt in word pieces; what is longer is cut.
    presence_calibration : mapping, optional
        What makes the presence score a probability; see `PresenceCalibration`.
    nucleus_offset : float
        Added to the mask logits of "nucleus"; see `mask_fitting`.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from pathexplain.segmentor.network import PathExplainModel
    >>> folder = str(files("pathexplain.segmentor") / "weights" / "compact")
    >>> processor = PathExplainProcessor.from_pretrained(folder)
    >>> model = PathExplainModel.from_pretrained(folder)
    >>> blank = np.full((80, 100, 3), 243, np.uint8)
    >>> inputs = processor([blank], ["nuclei-level nucleus in breast pathology"], mpp=0.25)
    >>> inputs["pixels"].shape
    torch.Size([1, 3, 32, 64])
    >>> with torch.inference_mode():
    ...     text = model.encode_text(inputs["token_ids"], inputs["mask"]).shared(n_images=1)
    ...     image, output = model(inputs["pixels"], text)
    >>> (result,) = processor.post_process(image, output, inputs)
    >>> result.probabilities.shape, bool(result.masks.any())
    ((1, 80, 100), False)
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        *,
        mpp: float = 0.5,
        text_length: int = 24,
        presence_calibration: Mapping[str, float] | None = None,
        nucleus_offset: float = 0.0,
    ) -> None:
        super().__init__(tokenizer)
        self.mpp = mpp
        self.text_length = text_length
        self.presence_calibration = presence_calibration
        self.nucleus_offset = nucleus_offset

    @classmethod
    def from_pretrained(  # type: ignore[override]  # there, all options are named
        cls, name: str | os.PathLike[str], **options: Any
    ) -> PathExplainProcessor:
        """Read a folder, or a repository of the hub: any checkpoint of ours will do.

        Parameters
        ----------
        name : path or str
            With ``tokenizer.json``, and ``processor_config.json`` or ``config.json``.
        options
            `revision`, `token`, `cache_dir`, `local_files_only` and such, for the hub.

        Raises
        ------
        ConfigError
            When there is no such folder or repository, or it lacks a file.
        """

        def find(file: str) -> str | None:
            try:
                path: str | None = cached_file(
                    name, file, _raise_exceptions_for_missing_entries=False, **options
                )
            except OSError as error:
                message = f"{name}: no processor could be read: {error}"
                raise ConfigError(message, path=str(name)) from error
            return path

        words, numbers = find(_TOKENIZER), find(_OWN) or find(_NETWORK)
        if words is None or numbers is None:
            lacking = _TOKENIZER if words is None else f"{_OWN} or {_NETWORK}"
            message = f"{name}: no processor, lacks {lacking}"
            raise ConfigError(message, path=str(name))
        with open(numbers, encoding="utf-8") as file:  # noqa: PTH123  a path of the hub's cache
            fields = json.load(file)
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=words)
        known = {key: fields[key] for key in _FIELDS if key in fields}
        return cls(tokenizer, **known)

    def __call__(
        self,
        images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]] | None = None,
        text: str | Prompt | Iterable[str | Prompt] | None = None,
        *,
        mpp: float | None = None,
    ) -> BatchFeature:
        """Prepare images, prompts or both.

        Parameters
        ----------
        images : (H, W, 3) uint8 RGB, or several
        text : str, Prompt or several
            All are asked of all images. Read in the words given.
        mpp : float
            µm per pixel of the images; needed with images.

        Returns
        -------
        BatchFeature
            With images `pixels` (B, 3, H', W') float32 in [-1, 1], at the resolution of the network
            and padded by reflection to multiples of 32, and `sizes`, `scaled_sizes` and `mpp` for
            `post_process`; with text `token_ids` (K, L) int64, `mask` (K, L) bool and `prompts`.

        Raises
        ------
        ConfigError
            When an image, the mpp or a prompt is wrong, or all are missing.
        """
        if images is None and text is None:
            message = "processor: give images, text or both"
            raise ConfigError(message)
        fields: dict[str, Any] = {}
        if images is not None:
            several = [images] if isinstance(images, np.ndarray) else list(images)
            fields |= self._prepare_images(several, mpp)
        if text is not None:
            prompts = as_prompts(text)
            phrases = [prompt.text for prompt in prompts]
            ids, mask = tokenize(self.tokenizer.backend_tokenizer, phrases, length=self.text_length)
            fields |= {"token_ids": ids, "mask": mask, "prompts": prompts}
        return BatchFeature(fields)

    def _prepare_images(
        self, images: Sequence[NDArray[np.uint8]], mpp: float | None
    ) -> dict[str, Any]:
        """Rescale, pad to one size and normalise."""
        if mpp is None:
            message = "processor: images need their mpp (µm per pixel)"
            raise ConfigError(message)
        for image in images:
            check_image(image, mpp)
        scaled = [_rescaled(image, mpp / self.mpp) for image in images]
        sides = [max(image.shape[axis] for image in scaled) for axis in (0, 1)]
        height, width = (-(-side // STRIDE_PX) * STRIDE_PX for side in sides)
        padded = [
            np.pad(
                image,
                ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)),
                mode="symmetric",
            )
            for image in scaled
        ]
        pixels = np.moveaxis(np.stack(padded), -1, 1).astype(np.float32) / np.float32(127.5) - 1
        return {
            "pixels": torch.from_numpy(np.ascontiguousarray(pixels)),
            "sizes": [image.shape[:2] for image in images],
            "scaled_sizes": [image.shape[:2] for image in scaled],
            "mpp": mpp,
        }

    def post_process(
        self, image: EncodedImage, output: PromptOutput, inputs: BatchFeature
    ) -> list[Segmentation]:
        """Turn logits into probabilities at the size and mpp of the images.

        Parameters
        ----------
        image : EncodedImage
        output : PromptOutput
        inputs : BatchFeature
            What the processor gave for both the images and the text.

        Returns
        -------
        list of Segmentation
            One an image. The state of each prompt is "untrained": whether the network was taught
            it, only `load_segmentor` says.
        """
        planes = torch.cat([output.masks, image.interiors], dim=1).float().cpu()
        padded = (int(inputs["pixels"].shape[-2]), int(inputs["pixels"].shape[-1]))
        offsets = mask_offsets(inputs["prompts"], nucleus=self.nucleus_offset)
        calibration = PresenceCalibration.from_config(self.presence_calibration)
        presence = calibration(output.presence.float(), mask_evidence(output.masks)).cpu().numpy()
        return [
            self._segmentation(
                DeferredPlanes(tuple(logits), padded, scaled, shape).moved(offsets), seen, inputs
            )
            for logits, seen, scaled, shape in zip(
                planes, presence, inputs["scaled_sizes"], inputs["sizes"], strict=True
            )
        ]

    def _segmentation(
        self, maps: DeferredPlanes, presence: NDArray[np.float32], inputs: BatchFeature
    ) -> Segmentation:
        """One image's K + 2 planes as a result."""
        prompts = inputs["prompts"]
        return Segmentation(
            prompts=prompts,
            probabilities=np.stack([maps[index] for index in range(len(prompts))]),
            presence=presence,
            mpp=inputs["mpp"],
            interiors=tuple(
                maps[len(prompts) + INTERIOR_OF[prompt.structure or "tissue"]]
                if prompt.kind == "instances"
                else None
                for prompt in prompts
            ),
            trained=("untrained",) * len(prompts),
        )


def _rescaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Rescale an image by `scale`, antialiased, to at least 16 px a side."""
    height, width = (max(MIN_IMAGE_PX, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    resized = Image.fromarray(image).resize(
        (width, height), Image.Resampling.LANCZOS, reducing_gap=3
    )
    return np.asarray(resized)
