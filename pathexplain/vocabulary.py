"""The words of pathology that pathexplain knows: objects, structures, regions and their synonyms.

Pure data and matching, no file access. The prompts file is checked against it (`prompts`), and
the segmentor is trained on it. Structure and wording follow the label grammar
"region - structure - object" of PathSeg (Chen 2025, arXiv 2506.20988).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = [
    "NUCLEAR",
    "NUCLEUS",
    "OBJECTS",
    "REGIONS",
    "STRUCTURES",
    "ParsedText",
    "Structure",
    "Term",
    "canonical_text",
    "closest_terms",
    "normalize_phrase",
    "parse_text",
]

Structure = Literal["tissue", "cell", "nuclei"]
Kind = Literal["region", "instances"]

STRUCTURES: tuple[Structure, ...] = ("tissue", "cell", "nuclei")
NUCLEAR: frozenset[str] = frozenset(("cell", "nuclei"))
NUCLEUS = "nucleus"


@dataclass(frozen=True)
class Term:
    """One canonical object: its structure, how it is measured, and its synonyms.

    `kind` is the default of a prompt: countable things are "instances", areas are "region".
    """

    name: str
    structure: Structure
    kind: Kind
    synonyms: tuple[str, ...] = ()


OBJECTS: dict[str, Term] = {
    term.name: term
    for term in (
        Term(NUCLEUS, "nuclei", "instances", ("cell nucleus", "any nucleus", "cell", "nuclear")),
        Term(
            "epithelial",
            "nuclei",
            "instances",
            (
                "epithelial nucleus",
                "epithelial cell",
                "epithelium nucleus",
                "epithelial cell nucleus",
            ),
        ),
        Term(
            "lymphocyte",
            "nuclei",
            "instances",
            (
                "lymphocyte nucleus",
                "lymphocytic nucleus",
                "til",
                "tils",
                "tumor infiltrating lymphocyte",
                "lymphoid cell",
            ),
        ),
        Term(
            "neutrophil", "nuclei", "instances", ("neutrophil nucleus", "neutrophilic granulocyte")
        ),
        Term("macrophage", "nuclei", "instances", ("macrophage nucleus", "histiocyte")),
        Term(
            "fibroblast",
            "nuclei",
            "instances",
            ("fibroblast nucleus", "spindle cell", "stromal cell", "connective tissue cell"),
        ),
        Term(
            "inflammatory",
            "nuclei",
            "instances",
            ("inflammatory cell", "inflammatory nucleus", "immune cell", "leukocyte"),
        ),
        Term(
            "gland", "tissue", "instances", ("glandular epithelium", "crypt", "glandular structure")
        ),
        Term(
            "malignant gland",
            "tissue",
            "instances",
            ("cancerous gland", "neoplastic gland", "adenocarcinoma gland"),
        ),
        Term(
            "benign gland", "tissue", "instances", ("normal gland", "healthy gland", "normal crypt")
        ),
        Term(
            "tumor",
            "tissue",
            "region",
            (
                "carcinoma",
                "cancer",
                "tumor tissue",
                "neoplasm",
                "malignant epithelium",
                "tumor epithelium",
            ),
        ),
        Term(
            "metastasis",
            "tissue",
            "region",
            ("metastatic tumor", "lymph node metastasis", "metastatic carcinoma"),
        ),
        Term(
            "stroma",
            "tissue",
            "region",
            (
                "connective tissue",
                "cancer associated stroma",
                "desmoplastic stroma",
                "fibrous stroma",
            ),
        ),
        Term(
            "lymphocytic infiltrate",
            "tissue",
            "region",
            (
                "lymphoid tissue",
                "lymphoid aggregate",
                "lymphocyte infiltration",
                "inflammatory infiltrate",
            ),
        ),
        Term("necrosis", "tissue", "region", ("necrotic tissue", "debris", "necrotic debris")),
        Term("adipose", "tissue", "region", ("adipose tissue", "fat", "adipocyte", "fatty tissue")),
        Term("mucus", "tissue", "region", ("mucin", "mucinous material")),
        Term("smooth muscle", "tissue", "region", ("muscle", "muscularis", "muscle tissue")),
        Term(
            "normal mucosa", "tissue", "region", ("mucosa", "healthy mucosa", "normal epithelium")
        ),
        Term(
            "glomerulus",
            "tissue",
            "instances",
            ("renal glomerulus", "kidney glomerulus", "renal corpuscle"),
        ),
        Term("background", "tissue", "region", ("glass", "empty slide", "slide background")),
        # ── further categories of public sources, for those who train on them ───────────────────
        Term(
            "neoplastic",
            "nuclei",
            "instances",
            ("neoplastic nucleus", "neoplastic cell", "malignant epithelial nucleus"),
        ),
        Term(
            "normal epithelial",
            "nuclei",
            "instances",
            ("normal epithelial nucleus", "healthy epithelial", "benign epithelial"),
        ),
        Term("connective", "nuclei", "instances", ("connective nucleus", "mesenchymal cell")),
        Term("plasma cell", "nuclei", "instances", ("plasma cell nucleus", "plasmacyte")),
        Term(
            "eosinophil", "nuclei", "instances", ("eosinophil nucleus", "eosinophilic granulocyte")
        ),
        Term(
            "endothelial",
            "nuclei",
            "instances",
            ("endothelial nucleus", "vascular endothelial cell", "endothelium"),
        ),
        Term("myocyte", "nuclei", "instances", ("myocyte nucleus", "muscle nucleus")),
        Term(
            "myoepithelial",
            "nuclei",
            "instances",
            ("myoepithelial nucleus", "myoepithelial cell", "myoepithelium"),
        ),
        Term("mitotic figure", "nuclei", "instances", ("mitosis", "mitotic nucleus")),
        Term("apoptotic body", "nuclei", "instances", ("apoptotic nucleus", "apoptosis")),
        Term("dead cell", "nuclei", "instances", ("dead nucleus", "necrotic nucleus")),
        Term("red blood cell", "cell", "region", ("erythrocyte",)),
        Term("myeloid cell", "cell", "region", ("myeloid",)),
        Term("epithelium", "tissue", "region", ("epithelial tissue", "epithelial layer")),
        Term("polyp", "tissue", "region", ("polypoid tissue", "colorectal polyp")),
        Term("serrated adenoma", "tissue", "region", ("serrated lesion", "serrated polyp")),
        Term(
            "low grade intraepithelial neoplasia",
            "tissue",
            "region",
            ("low grade dysplasia", "low grade neoplasia"),
        ),
        Term(
            "high grade intraepithelial neoplasia",
            "tissue",
            "region",
            ("high grade dysplasia", "high grade neoplasia"),
        ),
        Term("adenocarcinoma", "tissue", "region", ("invasive adenocarcinoma",)),
        Term("intraductal carcinoma", "tissue", "region", ("ductal carcinoma in situ", "dcis")),
        Term("normal duct", "tissue", "region", ("normal acinus", "terminal duct lobular unit")),
        Term("metaplasia", "tissue", "region", ("metaplastic tissue",)),
        Term("glandular secretion", "tissue", "region", ("luminal secretion",)),
        Term("plasma cell infiltrate", "tissue", "region", ("plasmacytic infiltrate",)),
        Term("other immune infiltrate", "tissue", "region", ("mixed immune infiltrate",)),
        Term("blood", "tissue", "region", ("hemorrhage", "blood pool")),
        Term("blood vessel", "tissue", "region", ("artery", "vein", "capillary")),
        Term("lymphatic vessel", "tissue", "region", ("lymphatic",)),
        Term("angioinvasion", "tissue", "region", ("vascular invasion",)),
        Term("nerve", "tissue", "region", ("nerve bundle", "peripheral nerve")),
        Term("skin adnexa", "tissue", "region", ("hair follicle", "sebaceous gland")),
    )
}

REGIONS: dict[str, tuple[str, ...]] = {
    "multiple": ("unspecified", "any organ", "pan cancer"),
    "adrenal gland": ("adrenal",),
    "bladder": ("urinary bladder", "urothelial"),
    "brain": ("cerebral", "cns"),
    "breast": ("mammary",),
    "cervix": ("cervical",),
    "colon": ("colorectal", "colonic", "rectum", "large intestine", "bowel"),
    "esophagus": ("oesophagus", "esophageal"),
    "kidney": ("renal",),
    "larynx": ("laryngeal",),
    "liver": ("hepatic",),
    "lung": ("pulmonary",),
    "lymph node": ("nodal", "lymph nodes"),
    "mediastinum": ("mediastinal",),
    "oral cavity": ("mouth", "head and neck", "oral"),
    "ovary": ("ovarian",),
    "pancreas": ("pancreatic",),
    "pleura": ("pleural",),
    "prostate": ("prostatic",),
    "skin": ("cutaneous", "dermal"),
    "stomach": ("gastric",),
    "testis": ("testes", "testicular"),
    "thymus": ("thymic",),
    "thyroid": ("thyroid gland",),
    "uterus": ("uterine", "endometrium"),
}

_BRITISH = {"tumour": "tumor", "oesophag": "esophag", "haem": "hem"}
_PLURALS = {
    "nuclei": "nucleus",
    "glomeruli": "glomerulus",
    "metastases": "metastasis",
    "carcinomata": "carcinoma",
    "mucosae": "mucosa",
    "stromata": "stroma",
    "testes": "testis",
    "bodies": "body",
    "mitoses": "mitosis",
    "leucocytes": "leukocyte",
    "leucocyte": "leukocyte",
}
_SHORTEST_PLURAL = 4  # "gas" and "has" are no plurals
_KEEP_S = ("us", "is", "ss", "as")
_PROMPT = re.compile(
    r"^(?:(?P<structure>tissue|cell|cells|nuclei|nucleus|nuclear)[- ]level )?(?P<object>.+?)"
    r"(?: (?:in|of|from)(?: the)? (?P<region>.+?)(?: pathology| tissue| slides?| histology)?)?$"
)


@dataclass(frozen=True)
class ParsedText:
    """What a free text says in the words of the vocabulary; None where it says nothing known."""

    structure: Structure | None
    term: Term | None
    object: str
    region: str | None


def normalize_phrase(text: str) -> str:
    """Lower-case, American, singular, single-spaced, without punctuation.

    Examples
    --------
    >>> normalize_phrase("Tumour-infiltrating  Lymphocytes")
    'tumor infiltrating lymphocyte'
    >>> normalize_phrase("glomeruli"), normalize_phrase("Carcinomas")
    ('glomerulus', 'carcinoma')
    """
    lowered = re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()
    for british, american in _BRITISH.items():
        lowered = lowered.replace(british, american)
    return " ".join(_singular(word) for word in lowered.split())


def _singular(word: str) -> str:
    """Singular of one English word, for the words of this field."""
    if word in _PLURALS:
        return _PLURALS[word]
    is_plural = word.endswith("omas") or (word.endswith("s") and not word.endswith(_KEEP_S))
    if len(word) >= _SHORTEST_PLURAL and is_plural:
        return word[:-1]
    return word


@lru_cache(maxsize=1)
def _object_index() -> dict[str, Term]:
    """Every normalized name and synonym, to its term."""
    index: dict[str, Term] = {}
    for term in OBJECTS.values():
        for phrase in (term.name, *term.synonyms):
            index.setdefault(normalize_phrase(phrase), term)
    return index


@lru_cache(maxsize=1)
def _region_index() -> dict[str, str]:
    """Every normalized region and synonym, to its canonical name."""
    index: dict[str, str] = {}
    for region, synonyms in REGIONS.items():
        for phrase in (region, *synonyms):
            index.setdefault(normalize_phrase(phrase), region)
    return index


def _find_term(phrase: str, structure: str | None) -> Term | None:
    """Term for an object phrase; "nuclei-level epithelial" is the same as "epithelial nuclei"."""
    index = _object_index()
    candidates = [phrase]
    if structure in {"nuclei", "cell"}:
        candidates += [f"{phrase} nucleus", f"{phrase} cell"]
    for word in (" nucleus", " cell", " tissue"):
        if phrase.endswith(word):
            candidates.append(phrase.removesuffix(word))
    for candidate in candidates:
        if candidate in index:
            return index[candidate]
    return None


def parse_text(text: str) -> ParsedText:
    """Read a prompt, in the paper's grammar or in plain words, against the vocabulary.

    Parameters
    ----------
    text : str
        For example "nuclei-level lymphocyte in breast pathology" or "malignant glands of the
        colon".

    Returns
    -------
    ParsedText
        `term` is None when the object is outside the vocabulary; `object` is then the normalized
        phrase.

    Examples
    --------
    >>> parsed = parse_text("Malignant glands of the colon")
    >>> parsed.term.name, parsed.region, parsed.structure
    ('malignant gland', 'colon', 'tissue')
    >>> parse_text("lymphocyte nuclei in breast").term.name
    'lymphocyte'
    >>> parse_text("ductal carcinoma in situ of the breast").term.name  # no region "situ"
    'intraductal carcinoma'
    >>> parse_text("bicycle").term is None
    True
    """
    plain = re.sub(r"\s+", " ", text.strip().lower()).replace(" in situ", " in-situ")
    match = _PROMPT.match(plain)
    if match is None:
        return ParsedText(None, None, normalize_phrase(text), None)
    word = match["structure"]
    structure: Structure | None = None
    if word:
        structure = (
            "tissue" if word == "tissue" else "cell" if word.startswith("cell") else "nuclei"
        )
    region = _region_index().get(normalize_phrase(match["region"])) if match["region"] else None
    phrase = normalize_phrase(match["object"])
    if match["region"] and region is None:
        phrase = normalize_phrase(match["object"] + " " + match["region"])
        term = _find_term(phrase, structure) or _find_term(
            normalize_phrase(match["object"]), structure
        )
    else:
        term = _find_term(phrase, structure)
    if term is None and region is None:
        term, region = _leading_region(phrase, structure)
    if structure is None and term is not None:
        structure = term.structure
    return ParsedText(structure, term, phrase, region)


def _leading_region(phrase: str, structure: Structure | None) -> tuple[Term | None, str | None]:
    """Read "breast tumor" or "colonic gland": a region word before the object."""
    regions = _region_index()
    words = phrase.split()
    for size in (1, 2, 3):
        region = regions.get(" ".join(words[:size]))
        if region and len(words) > size:
            term = _find_term(" ".join(words[size:]), structure)
            if term is not None:
                return term, region
    return None, None


def canonical_text(structure: str, object_name: str, region: str | None = None) -> str:
    """Return the paper's prompt: "[structure]-level [object] in [region] pathology".

    A region that is not known reads "multiple", as in the paper's inference.

    Examples
    --------
    >>> canonical_text("nuclei", "lymphocyte", "breast")
    'nuclei-level lymphocyte in breast pathology'
    >>> canonical_text("tissue", "gland")
    'tissue-level gland in multiple pathology'
    """
    known = "multiple" if region in {None, "unspecified"} else region
    return f"{structure}-level {object_name} in {known} pathology"


def closest_terms(phrase: str, *, n: int = 3) -> tuple[str, ...]:
    """Canonical names spelled most like `phrase`, best first; empty when nothing is close.

    Examples
    --------
    >>> closest_terms("lymphocite")[0]
    'lymphocyte'
    """
    index = _object_index()
    matches = difflib.get_close_matches(normalize_phrase(phrase), index, n=n * 3, cutoff=0.6)
    names = dict.fromkeys(index[match].name for match in matches)
    return tuple(names)[:n]
