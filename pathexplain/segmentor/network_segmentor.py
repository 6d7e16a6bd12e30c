"""A trained checkpoint as a segmentor: any image size, any mpp, any number of prompts.

Rescaling to the network's own mpp, tiling with blended overlap, devices and precision are settled
here; the network itself knows nothing of them.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor.allocation import keep_freed_blocks
from pathexplain.segmentor.backends import check_image
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.devices import choose_device, lanes, precision
from pathexplain.segmentor.folding import fold_normalization
from pathexplain.segmentor.network import INTERIOR_OF, EncodedText, PathExplainModel
from pathexplain.segmentor.planes import ChosenPlanes, DeferredPlanes, mask_offsets
from pathexplain.segmentor.presence import PresenceCalibration, mask_evidence
from pathexplain.segmentor.segmentation import Segmentation
from pathexplain.segmentor.text import tokenize
from pathexplain.segmentor.windows import STRIDE_PX, hann_weights, tile_windows
from pathexplain.vocabulary import NUCLEAR, canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

__all__ = ["NetworkSegmentor"]

NEAR_SIMILARITY = 0.6
MOST_PARTS, NEAR_SCALE = 4, 0.02
_LOG = logging.getLogger("pathexplain")


class NetworkSegmentor:
    """A checkpoint on a device.

    Parameters
    ----------
    model : PathExplainModel
    tokenizer : Tokenizer
    name : str
    device : torch.device

    Notes
    -----
    Nuclei and cells are looked for at `nuclei_mpp`, tissue at `mpp`: prompts of both cost two looks
    at the image. Words of no known structure are looked for as the class that they come near to.

    A prompt whose object is in the vocabulary is read by the network in its canonical wording, so
    all synonyms give the same mask; other texts are read as they are. A region that the object was
    never seen in is not read, since it would say that the object is not there; where none is left
    and the object was only ever seen in one, that region is taken.
    """

    def __init__(
        self, model: PathExplainModel, tokenizer: Tokenizer, *, name: str, device: torch.device
    ) -> None:
        self.name = name
        self.licence = str(model.config.card.get("licence", "as stated by whoever trained it"))
        self.weights_sha256: str | None = getattr(model.config, "weights_sha256", None)
        self.settings_sha256 = str(getattr(model, "settings_sha256", ""))
        self.mpp = float(model.config.mpp)
        self.nuclei_mpp = float(model.config.nuclei_mpp or self.mpp)
        self.nucleus_offset = float(model.config.nucleus_offset)
        self.classes: tuple[str, ...] = tuple(model.config.classes)
        self.sources: tuple[str, ...] = tuple(model.config.card.get("sources", ()))
        self._model = model
        nn.Module.to(self._model, device)
        self._calibration = PresenceCalibration.from_config(model.config.presence_calibration)
        self._tokenizer = tokenizer
        self._device = device
        records = model.config.classes.values()
        self._trained = {record["object"] for record in records}
        self._structures = {
            text: record["structure"] for text, record in model.config.classes.items()
        }
        self._regions = {record["object"]: record.get("regions", ()) for record in records}
        self._home = {name: seen[0] for name, seen in self._regions.items() if len(seen) == 1}
        self._class_text = self._encode(self.classes).sentence if self.classes else None
        self._asked: tuple[tuple[str, ...], EncodedText] | None = None
        self._described: dict[str, tuple[str, str, float]] = {}

    @classmethod
    def load(cls, name: str, *, device: str = "auto") -> NetworkSegmentor:
        """Load a shipped checkpoint by name, or one from a directory.

        Raises
        ------
        SegmentationError
            When the weights are damaged.
        ConfigError
            When the device is not there.
        """
        shipped = Path(str(files("pathexplain.segmentor") / "weights" / name))
        folder = Path(name) if Path(name).is_dir() else shipped
        model, tokenizer = read_checkpoint(folder)
        fold_normalization(model)
        place = choose_device(device)
        if place.type == "cpu":
            keep_freed_blocks()
        loaded = cls(model, tokenizer, name=folder.name, device=place)
        _LOG.info("segmentor %s on %s, weights under: %s", folder, loaded._device, loaded.licence)
        return loaded

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Say how close a prompt is to what the network was trained on.

        Returns
        -------
        state : {"trained", "near", "untrained"}
        nearest : str
            Canonical prompt of the nearest trained class.
        similarity : float
            Cosine of the text embeddings, in [-1, 1]; 1 for a trained class.
        """
        if prompt.object in self._trained:
            nearest = canonical_text(str(prompt.structure), str(prompt.object))
            return "trained", nearest, 1.0
        wording = self._wording(prompt)
        if wording not in self._described:
            self._described[wording] = self._nearest(wording)
        return self._described[wording]

    def _nearest(self, wording: str) -> tuple[str, str, float]:
        """State, nearest class and similarity of a wording outside the training data."""
        if self._class_text is None:
            return "untrained", "", 0.0
        similarity = self._class_text @ self._encode((wording,)).sentence[0]
        best = int(similarity.argmax())
        value = float(similarity[best])
        return ("near" if value >= NEAR_SIMILARITY else "untrained"), self.classes[best], value

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Segment an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 RGB
            At least 16 × 16 px.
        prompts : str, Prompt or several
        mpp : float
            µm per pixel of the image, > 0.

        Returns
        -------
        Segmentation
            At the size and mpp of the image.

        Raises
        ------
        ConfigError
            When the image, the mpp or a prompt is wrong.

        Examples
        --------
        >>> from pathexplain.segmentor.backends import load_segmentor
        >>> blank = np.full((64, 64, 3), 243, np.uint8)
        >>> result = load_segmentor("compact").segment(blank, "tumor", mpp=0.5)
        >>> result.probabilities.shape, bool(result.masks.any())
        ((1, 64, 64), False)
        """
        check_image(image, mpp)
        parsed = as_prompts(prompts)
        text = self._encode_once(tuple(self._wording(prompt) for prompt in parsed))
        shape = (image.shape[0], image.shape[1])
        presence = np.zeros(len(parsed), np.float32)
        interiors: dict[int, NDArray[np.float32] | None] = {}
        looks: list[DeferredPlanes] = []
        places: dict[int, tuple[int, int]] = {}
        for look, (network_mpp, members) in enumerate(self._looks(parsed)):
            resized = _resize(image, network_scale(mpp, network_mpp))
            asked = [parsed[member] for member in members]
            maps, seen = self._predict(resized, _some(text, members), shape)
            maps = maps.moved(mask_offsets(asked, nucleus=self.nucleus_offset))
            presence[members] = seen
            places |= {member: (look, plane) for plane, member in enumerate(members)}
            interiors |= _interiors(maps, asked, members)
            looks.append(maps)
        order = tuple(places[index] for index in range(len(parsed)))
        return Segmentation(
            prompts=parsed,
            # Planes: the field makes an array of them when it is looked at.
            probabilities=cast("NDArray[np.float32]", ChosenPlanes(tuple(looks), order)),
            presence=presence,
            mpp=mpp,
            interiors=tuple(interiors[index] for index in range(len(parsed))),
            trained=tuple(self.describe(prompt)[0] for prompt in parsed),
        )

    def lanes(self) -> AbstractContextManager[int]:
        """Within it, so many windows may be segmented at once, each on its share of the cores."""
        return lanes(self._device)

    @torch.inference_mode()
    def presence_parts(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt], *, mpp: float
    ) -> NDArray[np.float64]:
        """Score and mask evidence that presence is made of, of an image that fits one tile.

        Parameters
        ----------
        image : (H, W, 3) uint8 RGB
        prompts : sequence of Prompt
        mpp : float

        Returns
        -------
        (P, 2) float64
            Logits; what `presence.PresenceCalibration` weighs.
        """
        text = self._encode_once(tuple(self._wording(prompt) for prompt in prompts))
        found = np.empty((len(prompts), 2))
        for network_mpp, members in self._looks(prompts):
            batch = _some(text, members).shared(1)
            resized = _resize(image, network_scale(mpp, network_mpp))
            _, parts = self._decode(_padded(resized), batch)
            found[members] = parts.T.numpy()
        return found

    def _looks(self, prompts: Sequence[Prompt]) -> list[tuple[float, list[int]]]:
        """Resolutions to look at an image at, each with the prompts that it is for."""
        looks: dict[float, list[int]] = {}
        for index, prompt in enumerate(prompts):
            network_mpp = self.nuclei_mpp if self._structure(prompt) in NUCLEAR else self.mpp
            looks.setdefault(network_mpp, []).append(index)
        return list(looks.items())

    def _structure(self, prompt: Prompt) -> str | None:
        """Structure that a prompt says, or that the class has which free words come near to."""
        if prompt.structure is not None or self.nuclei_mpp == self.mpp:
            return prompt.structure
        state, nearest, _ = self.describe(prompt)
        return str(self._structures[nearest]) if state == "near" else None

    def _wording(self, prompt: Prompt) -> str:
        """Word a prompt as the network reads it: canonically where the object is known."""
        if prompt.object is None or prompt.structure is None:
            return prompt.text
        seen = self._regions.get(prompt.object, ())
        is_read = prompt.region is not None and (not seen or prompt.region in seen)
        region = prompt.region if is_read else self._home.get(prompt.object)
        return canonical_text(prompt.structure, prompt.object, region)

    def _encode_once(self, phrases: tuple[str, ...]) -> EncodedText:
        """Text once for all tiles: what was asked last is kept."""
        asked = self._asked
        if asked is None or asked[0] != phrases:
            asked = self._asked = phrases, self._encode(phrases)
        return asked[1]

    @torch.inference_mode()
    def _encode(self, phrases: tuple[str, ...]) -> EncodedText:
        """Word-piece states and sentence embedding of each phrase."""
        ids, mask = tokenize(self._tokenizer, list(phrases), length=self._model.config.text_length)
        text: EncodedText = self._model.encode_text(ids.to(self._device), mask.to(self._device))
        return text

    @torch.inference_mode()
    def _predict(
        self,
        image: NDArray[np.uint8],
        text: EncodedText,
        shape: tuple[int, int],
    ) -> tuple[DeferredPlanes, NDArray[np.float32]]:
        """P + 2 planes of prompts and interiors, of a rescaled image, and presence (P,).

        Where the image needs several windows, their logits are blended at the size of the masks.
        """
        batch, stride = text.shared(1), self._model.mask_stride
        seen, whole = (image.shape[0], image.shape[1]), _padded(image)
        padded = (whole.shape[0], whole.shape[1])
        presence = torch.zeros(len(text.sentence))
        windows = list(tile_windows(*padded))
        if len(windows) == 1:
            logits, parts = self._decode(whole, batch)
            presence = self._calibration(parts[0], parts[1])
            planes = tuple(plane.cpu() for plane in logits)
            return DeferredPlanes(planes, padded, seen, shape), presence.numpy()
        total = torch.zeros(len(presence) + 2, padded[0] // stride, padded[1] // stride)
        weight = torch.zeros(total.shape[1:])
        for rows, columns in windows:
            logits, parts = self._decode(whole[rows, columns], batch)
            presence = torch.maximum(presence, self._calibration(parts[0], parts[1]))
            place = _coarser(rows, stride), _coarser(columns, stride)
            blend = hann_weights(*logits[0].shape)
            weight[place] += blend
            for plane, target in zip(logits, total, strict=True):
                target[place].addcmul_(plane.cpu().float(), blend)
        return DeferredPlanes(tuple(total.div_(weight)), padded, seen, shape), presence.numpy()

    def _decode(self, tile: NDArray[np.uint8], text: EncodedText) -> tuple[list[Tensor], Tensor]:
        """P + 2 planes of logits, and what presence is made of; of a tile that needs no padding."""
        pixels = torch.from_numpy(np.moveaxis(tile, -1, 0)[None].astype(np.float32) / 127.5 - 1)
        pixels = pixels.to(self._device).contiguous(memory_format=torch.channels_last)
        with precision(self._device):
            encoded = self._model.encode_image(pixels)
            output = self._model.decode(encoded, text)
        logits = [*output.masks[0], *encoded.interiors[0]]
        parts = torch.stack([output.presence[0].float(), mask_evidence(output.masks[0])])
        return logits, parts.cpu()


def network_scale(mpp: float, network_mpp: float) -> float:
    """By how much an image is enlarged for the network.

    To a ratio of small numbers where one is within 2 %, far less than the network minds: tiles of
    a slide then fall on whole pixels of the network, wherever they begin, and an object looks to it
    the same from two tiles.

    Examples
    --------
    >>> network_scale(0.5, 0.33), network_scale(0.2525, 0.5), round(network_scale(0.4, 0.33), 4)
    (1.5, 0.5, 1.2121)
    """
    exact = mpp / network_mpp
    near = float(Fraction(exact).limit_denominator(MOST_PARTS))
    return near if abs(near / exact - 1) <= NEAR_SCALE else exact


def _padded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror an image at its lower and right border to a size that the network takes."""
    pad = ((0, -image.shape[0] % STRIDE_PX), (0, -image.shape[1] % STRIDE_PX), (0, 0))
    return np.pad(image, pad, mode="symmetric")


def _coarser(span: slice, stride: int) -> slice:
    """Place of a window in maps of the masks."""
    return slice(span.start // stride, span.stop // stride)


def _some(text: EncodedText, members: list[int]) -> EncodedText:
    """Text of some of the prompts."""
    return EncodedText(text.states[members], text.mask[members], text.sentence[members])


def _interiors(
    maps: DeferredPlanes, prompts: Sequence[Prompt], members: Sequence[int]
) -> dict[int, NDArray[np.float32] | None]:
    """Depth maps by the place of the prompt, shared by those that split alike; None for regions."""
    wanted = [
        len(prompts) + INTERIOR_OF[prompt.structure or "tissue"]
        if prompt.kind == "instances"
        else None
        for prompt in prompts
    ]
    made = {plane: maps[plane] for plane in set(wanted) if plane is not None}
    return {
        member: None if plane is None else made[plane]
        for member, plane in zip(members, wanted, strict=True)
    }


def _resize(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Rescale an image by `scale`, antialiased, to at least 16 px a side."""
    size = tuple(max(16, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    if size == (image.shape[1], image.shape[0]):
        return image
    resized = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    return np.asarray(resized)
