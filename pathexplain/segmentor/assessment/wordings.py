"""Other wordings of a category, and what they cost in Dice against the canonical prompt.

The list is fixed, so that figures of different weights can be compared. Wordings of the way "free"
are in no list that training draws from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pathexplain.prompts import Prompt
from pathexplain.segmentor.assessment.intervals import ratio_score
from pathexplain.segmentor.assessment.measuring import answers, category_prompt, unit
from pathexplain.segmentor.assessment.results import WordingScore
from pathexplain.segmentor.datasets.reading import IGNORE
from pathexplain.segmentor.metrics import dice
from pathexplain.vocabulary import OBJECTS, canonical_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.datasets.reading import Field

__all__ = [
    "EVERY",
    "FREE",
    "LISTED",
    "PLURALS",
    "WordingTrial",
    "measure_wordings",
    "summarise_wordings",
]
__all__ += ["wordings"]

EVERY, LISTED = "all", "all but free"
Reading = Literal["vocabulary", "raw"]

PLURALS = {
    "nucleus": "nuclei",
    "epithelial": "epithelial cells",
    "lymphocyte": "lymphocytes",
    "neutrophil": "neutrophils",
    "macrophage": "macrophages",
    "fibroblast": "fibroblasts",
    "inflammatory": "inflammatory cells",
    "gland": "glands",
    "malignant gland": "malignant glands",
    "benign gland": "benign glands",
    "tumor": "tumors",
    "metastasis": "metastases",
    "glomerulus": "glomeruli",
    "plasma cell": "plasma cells",
    "eosinophil": "eosinophils",
    "myocyte": "myocytes",
    "mitotic figure": "mitotic figures",
    "apoptotic body": "apoptotic bodies",
    "dead cell": "dead cells",
    "red blood cell": "red blood cells",
    "polyp": "polyps",
    "serrated adenoma": "serrated adenomas",
    "adenocarcinoma": "adenocarcinomas",
    "normal duct": "normal ducts",
    "blood vessel": "blood vessels",
    "lymphatic vessel": "lymphatic vessels",
    "nerve": "nerves",
}
"""Things that can be counted; the others have no plural."""

FREE = {
    "nucleus": ("nuclei of all cells", "the nuclei in this image"),
    "epithelial": ("nuclei of epithelial cells", "epithelial cell nuclei in this tissue"),
    "lymphocyte": ("lymphocytes between tumor cells", "small dark lymphocyte nuclei"),
    "neutrophil": ("neutrophil granulocytes", "segmented neutrophils"),
    "macrophage": ("tissue macrophages", "macrophage cells with large nuclei"),
    "fibroblast": ("spindle shaped fibroblasts", "fibroblast nuclei in the connective tissue"),
    "inflammatory": ("nuclei of inflammatory cells", "infiltrating immune cells"),
    "gland": ("outline the glands", "glands of any kind"),
    "malignant gland": ("glands of the cancer", "malignant glands of carcinoma"),
    "benign gland": ("benign looking glands", "glands that are normal"),
    "tumor": ("regions of tumor", "invasive tumor tissue"),
    "metastasis": ("metastases of carcinoma", "metastatic deposits"),
    "stroma": ("stroma around the tumor", "fibrous connective tissue"),
    "lymphocytic infiltrate": ("dense lymphocytic infiltrates", "infiltrate of lymphocytes"),
    "necrosis": ("necrosis of the tumor", "necrotic areas"),
    "adipose": ("fatty adipose areas", "adipose fat cells"),
    "mucus": ("pools of mucus", "extracellular mucin"),
    "smooth muscle": ("smooth muscle bundles", "layer of smooth muscle"),
    "normal mucosa": ("layer of normal mucosa", "healthy mucosal tissue"),
    "glomerulus": ("glomeruli of the kidney cortex", "glomerular tufts"),
    "background": ("empty background", "background without tissue"),
    "neoplastic": ("nuclei of neoplastic cells", "atypical neoplastic nuclei"),
    "normal epithelial": ("nuclei of healthy epithelium", "epithelial nuclei without atypia"),
    "connective": ("nuclei of the connective tissue", "long connective nuclei"),
    "plasma cell": ("plasma cells with clock face nuclei", "infiltrating plasma cells"),
    "eosinophil": ("eosinophil granulocytes", "bilobed eosinophils"),
    "endothelial": ("nuclei of the vessel lining", "flat endothelial nuclei"),
    "myocyte": ("nuclei of muscle cells", "myocytes of the muscle layer"),
    "myoepithelial": ("nuclei of myoepithelial cells", "outer myoepithelial layer"),
    "mitotic figure": ("dividing nuclei", "mitoses of tumor cells"),
    "apoptotic body": ("bodies of apoptosis", "shrunken apoptotic nuclei"),
    "dead cell": ("nuclei of dead cells", "dead and dying cells"),
    "red blood cell": ("erythrocytes in vessels", "red cells of the blood"),
    "myeloid cell": ("cells of the myeloid line", "infiltrating myeloid cells"),
    "epithelium": ("layers of epithelium", "lining epithelium"),
    "polyp": ("outline the polyp", "tissue of a polyp"),
    "serrated adenoma": ("adenoma with serration", "glands of a serrated adenoma"),
    "low grade intraepithelial neoplasia": ("mild dysplasia", "neoplasia of low grade"),
    "high grade intraepithelial neoplasia": ("severe dysplasia", "neoplasia of high grade"),
    "adenocarcinoma": ("glandular carcinoma", "infiltrating adenocarcinoma"),
    "intraductal carcinoma": ("carcinoma within ducts", "ducts filled by carcinoma"),
    "normal duct": ("ducts that are normal", "benign looking ducts"),
    "metaplasia": ("areas of metaplasia", "metaplastic epithelium"),
    "glandular secretion": ("secretion inside glands", "content of the lumen"),
    "plasma cell infiltrate": ("dense plasma cell infiltrates", "infiltrate of plasma cells"),
    "other immune infiltrate": ("infiltrate of other immune cells", "mixed inflammation"),
    "blood": ("extravasated blood", "pools of blood"),
    "blood vessel": ("vessels that carry blood", "small blood vessels"),
    "lymphatic vessel": ("lymph vessels", "vessels that carry lymph"),
    "angioinvasion": ("invasion of vessels", "tumor within vessels"),
    "nerve": ("bundles of nerve fibers", "small nerves"),
    "skin adnexa": ("adnexal structures of the skin", "appendages of the skin"),
}


@dataclass(frozen=True)
class WordingTrial:
    """Dice of one wording and of the canonical prompt, for one class in one image."""

    object: str
    way: str
    reading: Reading
    wording: str
    unit: str
    canonical: float
    reworded: float


def wordings(name: str, region: str = "multiple") -> tuple[tuple[str, str], ...]:
    """List the fixed wordings of a category as (way, text), without the canonical prompt.

    Parameters
    ----------
    name : str
        Canonical name of the vocabulary.
    region : str
        Canonical region of the image; "multiple" where unknown.

    Examples
    --------
    >>> dict(wordings("lymphocyte", "breast"))["plural"]
    'lymphocytes'
    >>> [text for way, text in wordings("lymphocyte", "breast") if way == "region"]
    ['lymphocyte nuclei in breast', 'breast lymphocyte', 'lymphocyte of the breast']
    """
    term = OBJECTS[name]
    canonical = canonical_text(term.structure, name, region)
    texts = [("case", canonical.upper()), ("case", name.title())]
    texts += [("grammar", f"{term.structure}-level {name}"), ("grammar", name)]
    texts += [("grammar", canonical_text(term.structure, name))]
    if name in PLURALS:
        texts += [("plural", PLURALS[name])]
    if region != "multiple":
        suffix = {"nuclei": " nuclei", "cell": " cells", "tissue": ""}[term.structure]
        texts += [("region", f"{name}{suffix} in {region}"), ("region", f"{region} {name}")]
        texts += [("region", f"{name} of the {region}")]
    synonyms = ("TILs", *term.synonyms[:1]) if "tils" in term.synonyms else term.synonyms[:2]
    texts += [("synonym", synonym) for synonym in synonyms]
    texts += [("free", text) for text in FREE.get(name, ())]
    return tuple((way, text) for way, text in texts if text != canonical)


def measure_wordings(model: Segmentor, field: Field) -> tuple[WordingTrial, ...]:
    """Dice of all wordings of every class of the vocabulary that the image holds.

    Backends without weights read no words, so the raw reading is left out for them.
    """
    trials: list[WordingTrial] = []
    readings: tuple[Reading, ...] = (
        ("vocabulary",) if model.weights_sha256 is None else ("vocabulary", "raw")
    )
    for name, target in field.targets.items():
        is_measurable = (target == 1).any() and (target == 0).any()
        if name in OBJECTS and is_measurable and field.record.kind != "points":
            for reading in readings:
                trials += _category(model, field, name, reading)
    return tuple(trials)


def _category(model: Segmentor, field: Field, name: str, reading: Reading) -> list[WordingTrial]:
    """All wordings of one class under one reading, in one pass."""
    known, truth = field.targets[name] != IGNORE, field.targets[name] == 1
    canonical = category_prompt(field, name)
    ways = wordings(name, field.record.region)
    texts = [canonical.text, *(text for _, text in ways)]
    prompts = [_prompt(text, canonical, reading) for text in texts]
    replies = answers(model, field.image, prompts, mpp=field.mpp)
    first, *others = (dice(reply.mask & known, truth) for reply in replies)
    return [
        WordingTrial(name, way, reading, text, unit(field), first, value)
        for (way, text), value in zip(ways, others, strict=True)
    ]


def _prompt(text: str, canonical: Prompt, reading: Reading) -> Prompt:
    """Prompt as a user's words give it, or with words alone, so that no synonym is looked up."""
    if reading == "raw":
        return Prompt(name="raw", text=text)
    return Prompt.from_text(text, kind=canonical.kind, min_area_um2=canonical.min_area_um2)


def summarise_wordings(
    trials: Sequence[WordingTrial], *, seed: int = 0
) -> tuple[WordingScore, ...]:
    """Ratio of mean reworded to mean canonical Dice, by class and way, and over all of each."""
    groups: dict[tuple[str, str, str], list[WordingTrial]] = defaultdict(list)
    for trial in trials:
        for name in (trial.object, EVERY):
            for way in (trial.way, EVERY, *((LISTED,) if trial.way != "free" else ())):
                groups[name, way, trial.reading].append(trial)
    ordered = sorted(groups, key=lambda key: (key[2] == "raw", key[0] == EVERY, key))
    return tuple(_ratio(key, groups[key], seed) for key in ordered)


def _ratio(key: tuple[str, str, str], trials: Sequence[WordingTrial], seed: int) -> WordingScore:
    """One ratio."""
    name, way, reading = key
    ratio = ratio_score(
        [t.reworded for t in trials],
        [t.canonical for t in trials],
        [t.unit for t in trials],
        seed=seed,
    )
    return WordingScore(name, way, reading, ratio, len({t.wording for t in trials}))
