"""Nuclei as label or binary images: NuInsSeg, CryoNuSeg, TNBC, Data Science Bowl 2018."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import ConfigError, SlideError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.readers.files import (
    binary,
    by_stem,
    check_shape,
    find_folder,
    read_labels,
    read_rgb,
)
from pathexplain.segmentor.datasets.readers.pairs import pairs, read_instances, read_semantic
from pathexplain.segmentor.datasets.taxonomy import UNANNOTATED, region_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["cryonuseg", "dsb2018", "nuinsseg", "tnbc"]

_LABELS = "label masks modify"
_NUCLEUS_UM = 8.0
_PLAUSIBLE_MPP = (0.2, 0.8)
_LEAST_SATURATION = 12
_DARK = 100


def nuinsseg(folder: Path) -> list[Item]:
    """NuInsSeg: nuclei of 31 human and mouse organs.

    Layout: a folder an organ (``human bladder``, ``mouse liver``), each with ``tissue
    images/*.png`` and ``label masks modify/*.tif``. Ambiguous areas are unknown; the name of their
    folder could not be confirmed, so one that begins with "vague" or "ambiguous" is taken, and in
    it ``mask binary`` where there is one. Mahbod et al. 2024, doi:10.1038/s41597-024-03117-2.
    """
    items = []
    for images in sorted(path for path in folder.rglob("tissue images") if path.is_dir()):
        organ = images.parent
        vague = _vague(organ)
        species, _, words = organ.name.partition(" ")
        region = region_of(words if species in {"human", "mouse"} else organ.name)
        for name, image, mask in pairs(images, organ / _LABELS):
            mask_file = mask if mask.is_file() else mask.with_suffix(".tif")
            files = (image, mask_file, *([vague[name]] if name in vague else []))
            unique = name if organ.name.replace(" ", "_") in name else f"{organ.name}_{name}"
            items.append(Item(unique, files, partial(_read_vague, *files), region=region))
    return items


def _vague(organ: Path) -> dict[str, Path]:
    """Masks of ambiguous areas, by name."""
    for place in sorted(organ.iterdir()):
        if place.is_dir() and place.name.lower().startswith(("vague", "ambiguous")):
            inner = place / "mask binary"
            return by_stem((inner if inner.is_dir() else place).iterdir())
    return {}


def _read_vague(image: Path, mask: Path, vague: Path | None = None) -> Annotated:
    """Read nuclei, unknown where they could not be told apart."""
    pixels, labels = read_rgb(image), read_labels(mask)
    check_shape(pixels, labels, mask)
    codes = (labels > 0).astype(np.uint8)
    if vague is not None:
        area = binary(read_labels(vague))
        check_shape(pixels, area, vague)
        codes[area] = 2
    names = {1: "nucleus", 2: UNANNOTATED}
    return annotated("nuinsseg", pixels, codes, names, instances=labels)


def cryonuseg(folder: Path) -> list[Item]:
    """CryoNuSeg: nuclei of frozen sections of ten organs, TCGA, 40x.

    Layout: ``tissue images/Human_AdrenalGland_01.tif`` and ``Annotator 1 (biologist)/…/label masks
    modify`` of TIFF; the first round of the first annotator is taken. Mahbod et al. 2021,
    doi:10.1016/j.compbiomed.2021.104349.

    Raises
    ------
    ConfigError
        When the first annotator's labels are missing.
    """
    found = [
        path
        for path in folder.rglob(_LABELS)
        if "annotator 1" in (below := path.relative_to(folder).as_posix().lower())
        and "second round" not in below
    ]
    if not found:
        message = f"{folder}: no 'Annotator 1 (biologist)' with '{_LABELS}' in it"
        raise ConfigError(message, path=str(folder))
    items = []
    for name, image, mask in pairs(find_folder(folder, "tissue images"), min(found)):
        organ = name.removeprefix("Human_").rpartition("_")[0]
        read = partial(read_instances, "cryonuseg", image, mask, "nucleus")
        items.append(Item(name, (image, mask), read, region=region_of(organ)))
    return items


def tnbc(folder: Path) -> list[Item]:
    """TNBC: nuclei of triple-negative breast cancer, 11 patients, 40x.

    Layout: ``Slide_01/01_1.png`` and ``GT_01/01_1.png`` of two values; a slide is a patient, and
    each connected patch a nucleus. Naylor et al. 2019, doi:10.1109/TMI.2018.2865709.
    """
    items = []
    for slide in sorted(path for path in folder.rglob("Slide_*") if path.is_dir()):
        truth = slide.parent / slide.name.replace("Slide_", "GT_")
        for name, image, mask in pairs(slide, truth):
            read = partial(read_semantic, "tnbc", image, mask, "nucleus", connected=True)
            items.append(Item(name, (image, mask), read, slide.name, region="breast"))
    return items


def dsb2018(folder: Path) -> list[Item]:
    """Read Data Science Bowl 2018, stage 1: the pictures of stained tissue among all.

    Layout: ``stage1_train/<id>/images/<id>.png`` and ``<id>/masks/*.png``, a mask a nucleus. Gray
    pictures (fluorescence) are left out. Nobody published µm per pixel: it is estimated from the
    median nucleus, taken as 8 µm wide, within 0.2 to 0.8. Caicedo et al. 2019,
    doi:10.1038/s41592-019-0612-7.
    """
    items = []
    for masks in sorted(path for path in folder.rglob("masks") if path.is_dir()):
        images = by_stem((masks.parent / "images").iterdir())
        files = tuple(sorted(masks.glob("*.png")))
        for name, image in images.items():
            if _is_stained(image):
                read = partial(_read_bowl, image, files)
                items.append(Item(name, (image, *files), read))
    return items


def _is_stained(path: Path) -> bool:
    """Whether a picture has colors on a bright ground; a damaged one is kept, to be reported."""
    try:
        pixels = read_rgb(path)[::4, ::4].astype(np.int16)
    except SlideError:
        return True
    saturation = (pixels.max(axis=-1) - pixels.min(axis=-1)).mean()
    return bool(saturation > _LEAST_SATURATION and pixels.mean() > _DARK)


def _read_bowl(image: Path, masks: tuple[Path, ...]) -> Annotated:
    """Put the nuclei of one picture together."""
    pixels = read_rgb(image)
    instances = np.zeros(pixels.shape[:2], np.int32)
    for index, mask in enumerate(masks, start=1):
        nucleus = read_labels(mask)
        check_shape(pixels, nucleus, mask)
        instances[nucleus > 0] = index
    codes = (instances > 0).astype(np.uint8)
    mpp = _mpp_by_nuclei(instances)
    return annotated("dsb2018", pixels, codes, {1: "nucleus"}, instances=instances, mpp=mpp)


def _mpp_by_nuclei(instances: NDArray[np.int32]) -> float | None:
    """µm per pixel at which the median nucleus is 8 µm wide; None where there is none."""
    areas = np.bincount(instances.ravel())[1:]
    if not areas.any():
        return None
    diameter_px = float(np.sqrt(np.median(areas[areas > 0]) * 4 / np.pi))
    return float(np.clip(_NUCLEUS_UM / diameter_px, *_PLAUSIBLE_MPP))
