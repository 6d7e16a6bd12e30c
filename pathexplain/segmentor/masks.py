"""The `masks` backend: objects that other tools found, in place of a network.

A folder holds, for slide S and prompt P, any one of ``S/P.tif``, ``P/S.tif`` (also png, geojson),
``S.geojson`` (classes are prompts), ``S.json`` or ``S/cells.json`` (CellViT) and ``S.zarr``
(SpatialData). How files are read: `mask_files`, `cellvit`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.prompts import Prompt, as_prompts
from pathexplain.provenance import sha256_file
from pathexplain.segmentor.backends import check_image
from pathexplain.segmentor.cellvit import open_cellvit
from pathexplain.segmentor.datasets.qupath import read_outlines
from pathexplain.segmentor.mask_files import (
    MASK_SUFFIXES,
    MaskSource,
    is_class_of,
    open_geojson,
    open_raster,
    open_store,
)
from pathexplain.segmentor.segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pathexplain.slides import Slide

__all__ = ["MasksSegmentor", "SlideMasks"]


class MasksSegmentor:
    """Masks of a folder as if a network had just made them.

    Parameters
    ----------
    folder : Path

    Notes
    -----
    A mask covers its whole slide at any resolution and is read by its nearest pixels; each value is
    an object, and an image with one value only is a mask whose connected areas are the objects.
    Polygons of GeoJSON are in pixels of the slide at full resolution; smaller ones lie on top.
    A prompt has a file for every slide: where it is absent from one, an empty mask says so.

    Raises
    ------
    ConfigError
        When the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> labels = np.zeros((32, 32), np.uint8)
    >>> labels[4:10, 4:16], labels[4:10, 16:30] = 1, 2
    >>> Image.fromarray(labels).save(folder / "gland.png")
    >>> image = np.full((32, 32, 3), 240, np.uint8)
    >>> result = MasksSegmentor(folder).segment(image, "gland", mpp=2.0)
    >>> np.bincount(result.instances(0).ravel()).tolist()
    [868, 72, 84]
    """

    licence = "as stated by whoever made the masks"
    weights_sha256: str | None = None

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            message = f"masks:{folder}: no such folder; name one as masks:FOLDER"
            raise ConfigError(message, path=str(folder))
        self.folder = folder
        self.name = f"masks:{folder.resolve().name}"

    @classmethod
    def load(cls, name: str) -> MasksSegmentor:
        """Open the folder of ``masks:FOLDER``.

        Raises
        ------
        ConfigError
            When no folder is named, or it does not exist.
        """
        folder = name.partition(":")[2]
        if not folder:
            message = "masks: say where they are, as masks:FOLDER"
            raise ConfigError(message)
        return cls(Path(folder))

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Return "trained": whoever made the masks meant this prompt."""
        return "trained", prompt.canonical, 1.0

    def fingerprint(self, slide_id: str) -> str:
        """Hash all files that hold masks of a slide.

        Returns
        -------
        str
            ``sha256:…`` of names and contents; dates play no part.
        """
        found = [self.folder / f"{slide_id}.geojson", self.folder / f"{slide_id}.json"]
        for place in (self.folder / slide_id, self.folder / f"{slide_id}.zarr"):
            found += place.rglob("*")
        found += [path for path in self.folder.glob("*/*") if path.stem == slide_id]
        digest = hashlib.sha256()
        for path in sorted({item for item in found if item.is_file()}):
            digest.update(f"{path.relative_to(self.folder)} {sha256_file(path)}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def for_slide(self, slide: Slide, prompts: Sequence[Prompt]) -> SlideMasks:
        """Open the masks of one slide.

        Raises
        ------
        SegmentationError
            When a prompt has no file for the slide, has several, or one does not fit the slide.
        """
        extent_um = (slide.shape[0] * slide.mpp, slide.shape[1] * slide.mpp)
        opened = [self._open(slide.slide_id, prompt, extent_um, slide.mpp) for prompt in prompts]
        return SlideMasks(tuple(opened), tuple(map(_is_counted, prompts, opened)))

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Return the masks of one image, whose files ``P.tif`` lie in the folder itself.

        Raises
        ------
        SegmentationError
            When a prompt has no file there, or one that does not fit the image.
        """
        check_image(image, mpp)
        parsed = as_prompts(prompts)
        extent_um = (image.shape[0] * mpp, image.shape[1] * mpp)
        opened = tuple(
            self._open_file(
                self._only(self._files(self.folder, prompt.name), prompt, "the image"),
                prompt,
                extent_um,
                mpp,
            )
            for prompt in parsed
        )
        bound = SlideMasks(opened, tuple(map(_is_counted, parsed, opened)))
        return bound.segment(image, parsed, mpp=mpp, origin_um=(0.0, 0.0))

    def _open(
        self, slide_id: str, prompt: Prompt, extent_um: tuple[float, float], source_mpp: float
    ) -> MaskSource:
        """Find and open what one prompt has for one slide."""
        named = self._files(self.folder / slide_id, prompt.name)
        named += self._files(self.folder / prompt.name, slide_id)
        whole = self.folder / f"{slide_id}.geojson"
        store = self.folder / f"{slide_id}.zarr"
        cells = (self.folder / f"{slide_id}.json", self.folder / slide_id / "cells.json")
        named += [path for path in (whole, store, *cells) if path.exists()]
        path = self._only(named, prompt, f"slide {slide_id}")
        if path == whole:
            self._check_class(prompt)
        return self._open_file(path, prompt, extent_um, source_mpp, by_class=path == whole)

    @staticmethod
    def _files(folder: Path, stem: str) -> list[Path]:
        """Mask files of one name."""
        paths = [folder / f"{stem}{suffix}" for suffix in MASK_SUFFIXES]
        return [path for path in paths if path.is_file()]

    def _only(self, found: list[Path], prompt: Prompt, where: str) -> Path:
        """Take the one file, or say which names are possible."""
        if len(found) == 1:
            return found[0]
        what = "several masks" if found else "no mask"
        listed = ": " + ", ".join(str(path.relative_to(self.folder)) for path in found)
        message = (
            f"{where}: {what} of prompt {prompt.name!r} in {self.folder}"
            f"{listed if found else ''}; give one of SLIDE/PROMPT or PROMPT/SLIDE with "
            f"{', '.join(MASK_SUFFIXES)}, SLIDE.geojson, SLIDE.zarr, SLIDE.json or "
            "SLIDE/cells.json of CellViT (not compressed); an empty mask where the prompt is absent"
        )
        raise SegmentationError(message, prompt=prompt.name, path=str(self.folder))

    @staticmethod
    def _open_file(
        path: Path,
        prompt: Prompt,
        extent_um: tuple[float, float],
        source_mpp: float,
        *,
        by_class: bool = False,
    ) -> MaskSource:
        """Open one file of any kind."""
        if path.suffix == ".zarr":
            source = open_store(path, prompt.name, extent_um)
            if source is None:
                message = f"{path}: neither labels nor shapes are named {prompt.name!r}"
                raise SegmentationError(message, prompt=prompt.name, path=str(path))
            return source
        if path.suffix == ".json":
            return open_cellvit(path, prompt, extent_um=extent_um, mpp=source_mpp)
        if path.suffix != ".geojson":
            return open_raster(path, extent_um)
        return open_geojson(path, prompt, extent_um=extent_um, mpp=source_mpp, by_class=by_class)

    def _check_class(self, prompt: Prompt) -> None:
        """Refuse a prompt that is no class on any slide; on one slide it may be missing."""
        if not any(is_class_of(name, prompt) for name in self._class_names):
            known = ", ".join(map(repr, sorted(self._class_names))) or "none"
            message = (
                f"no GeoJSON of {self.folder} has a class for prompt {prompt.name!r}; its classes "
                f"are {known}; name the prompt as its class"
            )
            raise SegmentationError(message, prompt=prompt.name, path=str(self.folder))

    @cached_property
    def _class_names(self) -> frozenset[str]:
        """Classes of all GeoJSON files that hold whole slides."""
        outlines = (
            outline
            for path in self.folder.glob("*.geojson")
            for outline in read_outlines(path, structure="tissue")
        )
        return frozenset(outline.class_name for outline in outlines if outline.class_name)


@dataclass(frozen=True, eq=False)
class SlideMasks:
    """The masks of one slide, read window by window.

    Attributes
    ----------
    sources : tuple of MaskSource, one a prompt
    numbered : tuple of bool
        Prompts whose objects are numbered over the whole slide, so that windows need no joining.
    """

    sources: tuple[MaskSource, ...]
    numbered: tuple[bool, ...]

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: Sequence[Prompt],
        *,
        mpp: float,
        origin_um: tuple[float, float],
    ) -> Segmentation:
        """Masks under an image whose top left corner is at `origin_um`, (y, x)."""
        planes = [
            source.window(*origin_um, image.shape[0], image.shape[1], mpp)
            for source in self.sources
        ]
        probabilities = np.stack([plane > 0 for plane in planes]).astype(np.float32)
        return Segmentation(
            prompts=tuple(prompts),
            probabilities=probabilities,
            presence=probabilities.max(axis=(1, 2)),
            mpp=mpp,
            interiors=(None,) * len(planes),
            trained=("trained",) * len(planes),
            origin_um=origin_um,
            objects=tuple(
                plane if numbered else None
                for plane, numbered in zip(planes, self.numbered, strict=True)
            ),
        )


def _is_counted(prompt: Prompt, source: MaskSource) -> bool:
    """Whether objects are counted, and by the numbers of the file."""
    return prompt.kind == "instances" and source.is_numbered
