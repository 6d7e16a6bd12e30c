"""What each source's own labels mean in our words: region - structure - object.

The one place where a label of a source becomes a structure and an object. Each source lists the
categories that it annotates, each with the labels (in the source's spelling) that make it up. A
category that a source does not list is unknown there, neither present nor absent. Structure and
grammar are those of PathSeg (Chen et al. 2025, arXiv 2506.20988): cells that are annotated as areas
are filed under "tissue".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.vocabulary import REGIONS, normalize_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathexplain.vocabulary import Kind, Structure

__all__ = ["PROMPTED", "TAXONOMY", "UNANNOTATED", "Category", "region_of"]

UNANNOTATED = "unannotated"
"""Label of pixels that nobody annotated: unknown for each category of the source."""
PROMPTED = "prompted"
"""Label that a folder of plain masks has: the category is named by the user."""


@dataclass(frozen=True)
class Category:
    """One category of one source.

    Attributes
    ----------
    structure, name : str
        Ours.
    labels : tuple of str
        The source's labels that make it up.
    kind : {"instances", "region"}
        Whether the source separates its objects.
    unsure : tuple of str
        Labels under which the category may or may not be: unknown there.
    elsewhere_unknown : bool
        The source does not annotate all of its objects: unknown wherever no label is.
    """

    structure: Structure
    name: str
    labels: tuple[str, ...]
    kind: Kind
    unsure: tuple[str, ...] = ()
    elsewhere_unknown: bool = False


def _nuclei(
    name: str, *labels: str, unsure: tuple[str, ...] = (), elsewhere_unknown: bool = False
) -> Category:
    """Separate nuclei."""
    return Category("nuclei", name, labels, "instances", unsure, elsewhere_unknown)


def _glands(name: str, *labels: str, unsure: tuple[str, ...] = ()) -> Category:
    """Separate objects of tissue."""
    return Category("tissue", name, labels, "instances", unsure)


def _area(name: str, *labels: str, unsure: tuple[str, ...] = ()) -> Category:
    """Tissue as an area."""
    return Category("tissue", name, labels, "region", unsure)


def _cells(name: str, *labels: str) -> Category:
    """Cells as an area: the source does not separate them."""
    return Category("cell", name, labels, "region")


_ANY_NUCLEUS = (_nuclei("nucleus", "nucleus"),)
_CONSEP_STROMAL = ("fibroblast", "muscle", "endothelial")
_MONUSAC_IMMUNE = ("Lymphocyte", "Macrophage", "Neutrophil")
_PANNUKE = ("Neoplastic", "Inflammatory", "Connective", "Dead", "Epithelial")
_LIZARD_IMMUNE = ("Neutrophil", "Lymphocyte", "Plasma", "Eosinophil")
_LIZARD = (*_LIZARD_IMMUNE, "Epithelial", "Connective tissue")
_NUCLS_TUMOR = ("tumor", "mitotic_figure")
_NUCLS_IMMUNE = ("lymphocyte", "plasma_cell", "macrophage", "neutrophil", "eosinophil")
_NUCLS_OTHER = (
    "fibroblast",
    "vascular_endothelium",
    "myoepithelium",
    "apoptotic_body",
    "ductal_epithelium",
)
_NUCLS_UNSURE = ("unlabeled",)
_NEOPLASIA = ("Polyp", "Low-grade IN", "High-grade IN", "Serrated adenoma")

TAXONOMY: Mapping[str, tuple[Category, ...]] = {
    # ── glands ───────────────────────────────────────────────────────────────────────────────────
    "glas": (
        _glands("gland", "benign", "malignant", "gland"),
        _glands("benign gland", "benign", unsure=("gland",)),
        _glands("malignant gland", "malignant", unsure=("gland",)),
    ),
    "crag": (_glands("gland", "gland"),),
    "ebhi": (
        _area("gland", "Normal", "Adenocarcinoma", *_NEOPLASIA),
        _area("benign gland", "Normal", unsure=_NEOPLASIA),
        _area("malignant gland", "Adenocarcinoma", unsure=_NEOPLASIA),
        _area("polyp", "Polyp"),
        _area("low grade intraepithelial neoplasia", "Low-grade IN"),
        _area("high grade intraepithelial neoplasia", "High-grade IN"),
        _area("serrated adenoma", "Serrated adenoma"),
        _area("adenocarcinoma", "Adenocarcinoma"),
    ),
    # ── nuclei without types ─────────────────────────────────────────────────────────────────────
    "monuseg": _ANY_NUCLEUS,
    "kumar": _ANY_NUCLEUS,
    "cpm15": _ANY_NUCLEUS,
    "cpm17": _ANY_NUCLEUS,
    "tnbc": _ANY_NUCLEUS,
    "nuinsseg": _ANY_NUCLEUS,
    "cryonuseg": _ANY_NUCLEUS,
    "dsb2018": _ANY_NUCLEUS,
    # ── nuclei with types ────────────────────────────────────────────────────────────────────────
    "consep": (
        _nuclei(
            "nucleus",
            "other",
            "inflammatory",
            "healthy epithelial",
            "dysplastic/malignant epithelial",
            *_CONSEP_STROMAL,
        ),
        _nuclei("epithelial", "healthy epithelial", "dysplastic/malignant epithelial"),
        _nuclei("normal epithelial", "healthy epithelial"),
        _nuclei("neoplastic", "dysplastic/malignant epithelial", unsure=("other",)),
        _nuclei("inflammatory", "inflammatory", unsure=("other",)),
        _nuclei("connective", *_CONSEP_STROMAL, unsure=("other",)),
        _nuclei("fibroblast", "fibroblast"),
        _nuclei("myocyte", "muscle"),
        _nuclei("endothelial", "endothelial"),
    ),
    "pannuke": (
        _nuclei("nucleus", *_PANNUKE),
        _nuclei("neoplastic", "Neoplastic"),
        _nuclei("inflammatory", "Inflammatory"),
        _nuclei("connective", "Connective"),
        _nuclei("dead cell", "Dead"),
        _nuclei("normal epithelial", "Epithelial"),
        _nuclei("epithelial", "Epithelial", unsure=("Neoplastic", "Dead")),
    ),
    "lizard": (
        _nuclei("nucleus", *_LIZARD),
        _nuclei("epithelial", "Epithelial"),
        _nuclei("inflammatory", *_LIZARD_IMMUNE),
        _nuclei("neutrophil", "Neutrophil"),
        _nuclei("lymphocyte", "Lymphocyte"),
        _nuclei("plasma cell", "Plasma"),
        _nuclei("eosinophil", "Eosinophil"),
        _nuclei("connective", "Connective tissue"),
        _nuclei("fibroblast", unsure=("Connective tissue",)),
    ),
    "monusac": (
        _nuclei("nucleus", "Epithelial", *_MONUSAC_IMMUNE, elsewhere_unknown=True),
        _nuclei("epithelial", "Epithelial"),
        _nuclei("inflammatory", *_MONUSAC_IMMUNE),
        _nuclei("lymphocyte", "Lymphocyte"),
        _nuclei("macrophage", "Macrophage"),
        _nuclei("neutrophil", "Neutrophil"),
    ),
    "nucls": (
        _nuclei("nucleus", *_NUCLS_TUMOR, *_NUCLS_IMMUNE, *_NUCLS_OTHER, *_NUCLS_UNSURE),
        _nuclei("neoplastic", *_NUCLS_TUMOR, unsure=_NUCLS_UNSURE),
        _nuclei("mitotic figure", "mitotic_figure", unsure=_NUCLS_UNSURE),
        _nuclei("inflammatory", *_NUCLS_IMMUNE, unsure=_NUCLS_UNSURE),
        _nuclei("lymphocyte", "lymphocyte", unsure=_NUCLS_UNSURE),
        _nuclei("plasma cell", "plasma_cell", unsure=_NUCLS_UNSURE),
        _nuclei("macrophage", "macrophage", unsure=_NUCLS_UNSURE),
        _nuclei("neutrophil", "neutrophil", unsure=_NUCLS_UNSURE),
        _nuclei("eosinophil", "eosinophil", unsure=_NUCLS_UNSURE),
        _nuclei("fibroblast", "fibroblast", unsure=_NUCLS_UNSURE),
        _nuclei("endothelial", "vascular_endothelium", unsure=_NUCLS_UNSURE),
        _nuclei("myoepithelial", "myoepithelium", unsure=_NUCLS_UNSURE),
        _nuclei("apoptotic body", "apoptotic_body", unsure=_NUCLS_UNSURE),
        _nuclei("normal epithelial", "ductal_epithelium", unsure=_NUCLS_UNSURE),
        _nuclei("epithelial", *_NUCLS_TUMOR, "ductal_epithelium", unsure=_NUCLS_UNSURE),
    ),
    # ── tissue ───────────────────────────────────────────────────────────────────────────────────
    "bcss": (
        _area("tumor", "tumor", "angioinvasion", "dcis"),
        _area("stroma", "stroma"),
        _area("lymphocytic infiltrate", "lymphocytic_infiltrate"),
        _area("necrosis", "necrosis_or_debris"),
        _area("glandular secretion", "glandular_secretions"),
        _area("blood", "blood"),
        _area("metaplasia", "metaplasia_NOS"),
        _area("adipose", "fat"),
        _area("plasma cell infiltrate", "plasma_cells"),
        _area("other immune infiltrate", "other_immune_infiltrate"),
        _area("mucus", "mucoid_material"),
        _area("normal duct", "normal_acinus_or_duct"),
        _area("lymphatic vessel", "lymphatics"),
        _area("nerve", "nerve"),
        _area("skin adnexa", "skin_adnexa"),
        _area("blood vessel", "blood_vessel"),
        _area("angioinvasion", "angioinvasion"),
        _area("intraductal carcinoma", "dcis"),
    ),
    "kpis": (_glands("glomerulus", "glomerulus"),),
    "hubmap": (_glands("glomerulus", "glomerulus"),),
    # ── areas that antibodies drew ───────────────────────────────────────────────────────────────
    "segpath": (
        _area("epithelium", "Epithelium"),
        _area("smooth muscle", "SmoothMuscle"),
        _cells("red blood cell", "RBC"),
        _cells("inflammatory", "Leukocyte"),
        _cells("lymphocyte", "Lymphocyte"),
        _cells("endothelial", "Endothelium"),
        _cells("plasma cell", "PlasmaCell"),
        _cells("myeloid cell", "MyeloidCell"),
    ),
}

_REGION_WORDS: Mapping[str, str] = {
    "headneck": "oral cavity",
    "head & neck": "oral cavity",
    "bile duct": "bile duct",
    "cerebellum": "brain",
    "cerebrum": "brain",
    "epiglottis": "larynx",
    "cardia": "stomach",
    "pylorus": "stomach",
    "tongue": "oral cavity",
    "palatine tonsil": "tonsil",
    "jejunum": "small intestine",
    "melanoma": "skin",
    "femur": "bone",
}
"""Words of sources for regions that the vocabulary knows by another name, or not yet."""


def region_of(words: str) -> str:
    """Canonical region of a source's word for an organ.

    Returns
    -------
    str
        The vocabulary's name where it has one, else the organ in plain words; "multiple" for none.

    Examples
    --------
    >>> [region_of(word) for word in ("Adrenal_gland", "AdrenalGland", "HeadNeck", "placenta", "")]
    ['adrenal gland', 'adrenal gland', 'oral cavity', 'placenta', 'multiple']
    """
    spaced = "".join(
        f" {letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(" " + words, words, strict=False)
    )
    phrases = (normalize_phrase(words), normalize_phrase(spaced))
    for phrase in phrases:
        for region, synonyms in REGIONS.items():
            if phrase in {normalize_phrase(name) for name in (region, *synonyms)}:
                return region
    for phrase in phrases:
        for word, region in _REGION_WORDS.items():
            if normalize_phrase(word) in phrase:
                return region
    return phrases[1] or "multiple"
