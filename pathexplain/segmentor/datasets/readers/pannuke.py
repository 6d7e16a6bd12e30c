"""PanNuke: nuclei of five types in 19 tissues, as arrays."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.taxonomy import region_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.table import Split

__all__ = ["pannuke"]

_CHANNELS = ("Neoplastic", "Inflammatory", "Connective", "Dead", "Epithelial")
_SPLITS: dict[str, Split] = {"1": "train", "2": "validation", "3": "test"}
_FOLD = re.compile(r"fold[ _]?([1-3])", re.IGNORECASE)


def pannuke(folder: Path) -> list[Item]:
    """PanNuke: patches of 256 px, 40x, in three folds, taken as train, validation and test.

    Layout: ``Fold 1/images/fold1/images.npy`` (N, 256, 256, 3) and ``types.npy`` (N tissue names),
    ``Fold 1/masks/fold1/masks.npy`` (N, 256, 256, 6): a value a nucleus in the channels neoplastic,
    inflammatory, connective, dead, epithelial; the sixth is background. Patients are not told.
    Gamper et al. 2020, arXiv:2003.10778.

    Raises
    ------
    ConfigError
        When an array is missing, or the arrays of a fold differ in number.
    """
    items = []
    for images in sorted(folder.rglob("images.npy")):
        fold = _fold(images)
        masks = [path for path in folder.rglob("masks.npy") if _fold(path) == fold]
        if len(masks) != 1 or not (images.parent / "types.npy").is_file():
            message = f"{images}: needs types.npy beside it and one masks.npy of fold {fold}"
            raise ConfigError(message, path=str(images))
        files = (images, masks[0], images.parent / "types.npy")
        tissues = np.load(files[2], allow_pickle=False)
        numbers = {len(np.load(path, mmap_mode="r")) for path in files[:2]} | {len(tissues)}
        if len(numbers) > 1:
            message = f"{images}: pictures, masks and types differ in number: {sorted(numbers)}"
            raise ConfigError(message, path=str(images))
        for index, tissue in enumerate(tissues):
            name = f"fold{fold}_{index:04d}"
            read = partial(_read, images, masks[0], index)
            region = region_of(str(tissue))
            items.append(Item(name, files, read, "", _SPLITS.get(fold, ""), region))
    return items


def _fold(path: Path) -> str:
    """Find the fold that a path is of, the one nearest to the file; empty for none."""
    found = _FOLD.findall(path.as_posix())
    return found[-1] if found else ""


def _read(images: Path, masks: Path, index: int) -> Annotated:
    """One patch; its channels become one map of nuclei and one of types."""
    image = np.load(images, mmap_mode="r")[index]
    channels = np.load(masks, mmap_mode="r")[index]
    codes = np.zeros(image.shape[:2], np.uint8)
    instances = np.zeros(image.shape[:2], np.int32)
    for code, _ in enumerate(_CHANNELS, start=1):
        channel = np.asarray(channels[..., code - 1]).astype(np.int32)
        codes[channel > 0] = code
        instances = _merged(instances, channel)
    names = dict(enumerate(_CHANNELS, start=1))
    pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return annotated("pannuke", pixels, codes, names, instances=instances)


def _merged(instances: NDArray[np.int32], channel: NDArray[np.int32]) -> NDArray[np.int32]:
    """Nuclei with those of a further channel, numbered on."""
    return np.where(channel > 0, channel + instances.max(initial=0), instances)
