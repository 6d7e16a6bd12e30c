"""Nuclei outlined in Aperio ImageScope XML: MoNuSeg, Kumar, MoNuSAC."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from skimage.draw import polygon

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.annotation import Annotated, Item, annotated
from pathexplain.segmentor.datasets.readers.files import PICTURES, read_rgb, tcga_patient
from pathexplain.segmentor.datasets.taxonomy import TAXONOMY, UNANNOTATED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["draw_outlines", "monusac", "monuseg", "outlined"]

_PLAUSIBLE_MPP = (0.05, 4.0)
_NUCLEUS = "nucleus"

# Organs as the challenges publish them. The "liver" of MoNuSeg carries barcodes of lung cancer.
_MONUSEG_ORGANS = {
    "breast": "A7-A13E A7-A13F AR-A1AK AR-A1AS E2-A1B5 E2-A14V AC-A2FO AO-A0J2",
    "kidney": "B0-5711 HE-7128 HE-7129 HE-7130 B0-5710 B0-5698 2Z-A9J9 GL-6846 IZ-8196",
    "liver": "18-5592 38-6178 49-4488 50-5931 21-5784 21-5786",
    "prostate": "G9-6336 G9-6348 G9-6356 G9-6363 CH-5767 G9-6362 EJ-A46H HC-7209",
    "bladder": "DK-A2I6 G2-A2EK CU-A0YN ZF-A9R0",
    "colon": "AY-A8YK NH-A8F7 A6-6782",
    "stomach": "KB-A93J RD-A8N9",
    "lung": "44-2665 69-7764",
    "brain": "FG-A4MU HT-8564",
}
_MONUSAC_ORGANS = {
    "lung": (
        "55-1594 69-7760 69-A59K 73-4668 78-7220 86-7713 86-8672 L4-A4E5 MP-A4SY MP-A4T7 49-6743 "
        "50-6591 55-7570 55-7573 73-4662 78-7152"
    ),
    "kidney": (
        "5P-A9K0 B9-A44B B9-A8YI DW-7841 EV-5903 F9-A97G G7-A8LD MH-A560 P4-AAVK SX-A7SR UZ-A9PO "
        "UZ-A9PU 2Z-A9JG 2Z-A9JN DW-7838 DW-7963 F9-A8NY IZ-A6M9 MH-A55W"
    ),
    "breast": (
        "A2-A0CV A2-A0ES B6-A0WZ BH-A18T D8-A1X5 E2-A154 E9-A22B E9-A22G EW-A6SD S3-AA11 A2-A04X "
        "D8-A3Z6 E2-A108 EW-A6SB"
    ),
    "prostate": (
        "EJ-5495 EJ-5505 EJ-5517 G9-6342 G9-6499 J4-A67Q J4-A67T KK-A59X KK-A6E0 KK-A7AW V1-A8WL "
        "V1-A9O9 X4-A8KQ YL-A9WY G9-6356 G9-6367 VP-A87E VP-A87H X4-A8KS YL-A9WL"
    ),
}
_MONUSAC_LABELS = {
    **{label.lower(): label for c in TAXONOMY["monusac"] for label in c.labels},
    "ambiguous": UNANNOTATED,
}


def monuseg(folder: Path) -> list[Item]:
    """MoNuSeg 2018: nuclei of seven and more organs, TCGA, 40x; also Kumar in its first layout.

    Layout: ``Tissue Images/*.tif`` and ``Annotations/*.xml`` for training,
    ``MoNuSegTestData/*.tif`` with ``*.xml`` beside them for test; any tree is taken in which XML
    and picture share a name. Kumar et al. 2020, doi:10.1109/TMI.2019.2947628, and 2017,
    doi:10.1109/TMI.2017.2677499.
    """
    return outlined("monuseg", folder)


def outlined(source: str, folder: Path) -> list[Item]:
    """Pictures of nuclei of one kind, each with an XML of its name.

    Raises
    ------
    ConfigError
        When an XML has no picture.
    """
    items = []
    for image, outlines in _outlined_pictures(folder):
        items.append(
            Item(
                image.stem,
                (image, outlines),
                partial(_read, source, image, outlines),
                tcga_patient(image.name),
                "test" if _is_test(folder, outlines) else "train",
                _organ(_MONUSEG_ORGANS, image.name),
            )
        )
    return items


def monusac(folder: Path) -> list[Item]:
    """MoNuSAC 2020: epithelial nuclei, lymphocytes, macrophages and neutrophils of four organs.

    Layout: a folder a slide (``TCGA-5P-A9K0-01Z-00-DX1``) with ``…_1.svs`` or ``….tif`` and
    ``….xml``, whose ``Annotation`` elements name the type in ``Attribute Name``; "Ambiguous" of the
    test set is unknown here. Nuclei of other types are not outlined. The official test set lies in
    a folder with "Testing" in its name, and shares patients with training. Verma et al. 2021,
    doi:10.1109/TMI.2021.3085712.
    """
    items = []
    for image, outlines in _outlined_pictures(folder):
        items.append(
            Item(
                image.stem,
                (image, outlines),
                partial(_read, "monusac", image, outlines),
                tcga_patient(image.name),
                "test" if _is_test(folder, outlines) else "train",
                _organ(_MONUSAC_ORGANS, image.name),
            )
        )
    return items


def _is_test(folder: Path, outlines: Path) -> bool:
    """Whether a folder on the way to a file is one of test data, as the challenges name it."""
    parts = (folder.name, *outlines.relative_to(folder).parts[:-1])
    plain = [re.sub(r"[^a-z]", "", part.lower()) for part in parts]
    return any(p in {"test", "testing"} or "testdata" in p or "testingdata" in p for p in plain)


def _organ(organs: dict[str, str], name: str) -> str:
    """Organ of a TCGA picture; "multiple" where it is not listed."""
    patient = tcga_patient(name).removeprefix("TCGA-")
    return next((organ for organ, known in organs.items() if patient in known.split()), "multiple")


def _outlined_pictures(folder: Path) -> list[tuple[Path, Path]]:
    """Every XML below `folder` with the picture of its name, TIFF before slide."""
    pictures: dict[str, Path] = {}
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    for path in sorted(found, key=lambda path: (path.suffix.lower() == ".svs", str(path))):
        pictures.setdefault(path.stem, path)
    outlines = sorted(path for path in folder.rglob("*.xml") if not path.name.startswith("."))
    return [(pictures.get(o.stem, o.with_suffix(".tif")), o) for o in outlines]


def _read(source: str, image: Path, outlines: Path) -> Annotated:
    """Fill the outlines of one picture."""
    pixels = read_rgb(image)
    mpp, regions = _parse(outlines)
    labels = sorted({_label(source, name, outlines) for name, _ in regions})
    codes_of = {label: code for code, label in enumerate(labels, start=1)}
    codes = [codes_of[_label(source, name, outlines)] for name, _ in regions]
    instances = draw_outlines([xy for _, xy in regions], pixels.shape[:2])
    typed = np.array([0, *codes], np.uint8)[instances]
    names = {code: label for label, code in codes_of.items()}
    return annotated(source, pixels, typed, names, instances=instances, mpp=mpp)


def _label(source: str, name: str, path: Path) -> str:
    """Name the label of an annotation: its type in MoNuSAC, else a nucleus."""
    if source != "monusac":
        return _NUCLEUS
    if name.lower() not in _MONUSAC_LABELS:
        message = f"{path}: unknown type {name!r}; known are {', '.join(_MONUSAC_LABELS)}"
        raise ConfigError(message, path=str(path))
    return _MONUSAC_LABELS[name.lower()]


def _parse(path: Path) -> tuple[float | None, list[tuple[str, NDArray[np.float64]]]]:
    """µm per pixel, and name and vertices (x, y) of each region."""
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        message = f"{path}: no XML, or a damaged one ({error})"
        raise ConfigError(message, path=str(path)) from error
    regions = []
    for annotation in root.iter("Annotation"):
        attribute = annotation.find("Attributes/Attribute")
        name = annotation.get("Name", "") if attribute is None else attribute.get("Name", "")
        for region in annotation.iter("Region"):
            vertices = [(float(v.attrib["X"]), float(v.attrib["Y"])) for v in region.iter("Vertex")]
            if len(vertices) > 2:  # noqa: PLR2004 - fewer enclose nothing
                regions.append((name, np.array(vertices)))
    mpp = float(root.get("MicronsPerPixel") or 0)
    return (mpp if _PLAUSIBLE_MPP[0] < mpp < _PLAUSIBLE_MPP[1] else None), regions


def draw_outlines(outlines: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Fill outlines, each with its number from 1; small ones lie on top.

    Parameters
    ----------
    outlines : list of (V, 2) float arrays
        Vertices (x, y) in px; the top left pixel reaches from 0 to 1, its center is at 0.5.
    shape : tuple of int
        Height and width.

    Returns
    -------
    (H, W) int32
        A pixel belongs to an outline when its center lies inside.

    Examples
    --------
    >>> square = np.array([(1, 1), (3, 1), (3, 3), (1, 3)], float)
    >>> draw_outlines([square], (4, 4)).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    height, width = shape[:2]
    labels = np.zeros((height, width), np.int32)
    filled = [polygon(xy[:, 1] - 0.5, xy[:, 0] - 0.5, (height, width)) for xy in outlines]
    for index in sorted(range(len(filled)), key=lambda i: -len(filled[i][0])):
        labels[filled[index]] = index + 1
    return labels
