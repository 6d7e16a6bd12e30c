"""How people word a prompt: paraphrases of one category for training, and words that are none.

The network is trained on these and, at inference, reads a prompt as `normalize_phrase` leaves it:
lower case, American, singular, without punctuation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pathexplain.vocabulary import OBJECTS, REGIONS, Term, canonical_text, normalize_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["NEVER_TRAINED", "NONSENSE", "foreign", "free_wording", "paraphrases"]

NONSENSE = (
    "bicycle", "fluorescent neuron", "a photo of a cat", "red car", "tree", "mountain", "keyboard",
    "airplane", "bone fracture on x ray", "retinal vessel", "traffic light", "cloud", "banana",
    "chair", "river", "guitar", "house roof", "dog", "human face", "satellite image of a field",
    "left ventricle in cardiac mri", "bacteria colony", "telephone", "ocean wave", "pizza", "horse",
    "microtubule in fluorescence", "road", "computer screen", "flower", "handwritten digit", "boat",
    "brain tumor in mri", "lung nodule in ct", "feather", "sand", "umbrella", "train", "zebra",
)  # fmt: skip

NEVER_TRAINED = (
    "steam engine", "income tax form", "ferris wheel", "echocardiogram of the mitral valve",
    "cochlear implant", "rice field", "gamma camera scan of the thyroid", "fruit fly wing",
    "jazz trumpet", "sandstone cliff", "nematode worm", "hieroglyph", "cone photoreceptor mosaic",
    "parachute", "electrocardiogram strip", "yeast culture", "crossword puzzle", "windmill",
    "cryo electron tomogram of a virus", "barcode label", "mammogram with a lesion", "glacier",
    "tax office", "opera singer",
)  # fmt: skip
"""Nonsense for the calibration of presence, which no training has used."""

_FREE = (
    "segment the {}", "show me {}", "find all {}", "every {}", "where is the {}", "{} seen here",
    "{} only", "{} in the slide", "some {}", "typical {}", "cluster of {}", "part with {}",
    "{} on h e", "mask of {}", "a {}", "the {}", "any {}", "{} structure", "is there {}",
    "{} of this case", "large {}", "{} next to other tissue", "look for {}", "{} please",
)  # fmt: skip
_ELSEWHERE = (
    "femur", "aorta", "retina", "barn", "pollen", "larva", "castle", "piano", "harbor",
    "neuron", "spine", "tooth", "fetus", "ventricle", "ship", "truck", "rose", "spider", "owl",
    "island", "engine", "shoe", "window", "robot", "candle", "ladder", "spoon", "knee", "skull",
    "coronary artery", "pelvis", "sperm", "virus", "bacterium", "algae", "root tip", "planet",
    "mitochondrion", "actin filament", "crystal", "galaxy", "volcano", "letter", "eyelash",
    "number plate", "football", "wheel", "pumpkin", "turtle", "penguin", "bus stop", "tulip",
    "staircase", "helmet", "camera", "passport", "cornea", "iris", "eardrum", "carpet",
)  # fmt: skip
_VIEWS = (
    "x ray", "mri", "ct", "ultrasound", "electron microscopy", "satellite image", "oil painting",
    "cartoon", "street view", "live cell imaging", "endoscopy", "night", "a drawing", "angiography",
)  # fmt: skip


@lru_cache(maxsize=1024)
def paraphrases(category: str | Term, region: str = "multiple") -> tuple[str, ...]:
    """Normalised ways to ask for one category, the canonical prompt first.

    Parameters
    ----------
    category : str or Term
        Canonical name in `vocabulary.OBJECTS`, or an object of its own.
    region : str
        Canonical region; "multiple" where it is not known.

    Returns
    -------
    tuple of str
        Without repeats.

    Examples
    --------
    >>> paraphrases("lymphocyte", "breast")[0]
    'nucleus level lymphocyte in breast pathology'
    >>> "til" in paraphrases("lymphocyte")
    True
    >>> paraphrases(Term("crescent", "tissue", "instances"), "kidney")[0]
    'tissue level crescent in kidney pathology'
    """
    term = category if isinstance(category, Term) else OBJECTS[category]
    object_name = term.name
    phrases = [
        canonical_text(term.structure, object_name, region),
        canonical_text(term.structure, object_name),
    ]
    words: Sequence[str] = (object_name, *term.synonyms)
    places = [region, *REGIONS.get(region, ())] if region != "multiple" else []
    suffix = {"nuclei": " nucleus", "cell": " cell", "tissue": " tissue"}[term.structure]
    for word in words:
        phrases += [word, word + suffix, f"all {word}", f"area of {word}"]
        for place in places:
            phrases += [f"{word} in {place}", f"{place} {word}", f"{word} of the {place}"]
            phrases.append(f"{term.structure} level {word} in {place} pathology")
            phrases.append(f"{word} in {place} histology")
    return tuple(dict.fromkeys(normalize_phrase(phrase) for phrase in phrases))


def free_wording(term: Term, rng: np.random.Generator) -> str:
    """Word a category as people do who have read no manual, without a region.

    Examples
    --------
    >>> import numpy as np
    >>> free_wording(OBJECTS["gland"], np.random.default_rng(0))
    'the glandular structure'
    """
    words = (term.name, *term.synonyms)
    word = words[int(rng.integers(len(words)))]
    return normalize_phrase(_FREE[int(rng.integers(len(_FREE)))].format(word))


def foreign(rng: np.random.Generator) -> str:
    """Name something of another picture than a slide, with or without the sort of picture.

    Examples
    --------
    >>> import numpy as np
    >>> foreign(np.random.default_rng(1))
    'cartoon of skull'
    """
    thing = _ELSEWHERE[int(rng.integers(len(_ELSEWHERE)))]
    view = _VIEWS[int(rng.integers(len(_VIEWS)))]
    forms = (thing, f"{thing} in {view}", f"{view} of {thing}")
    return normalize_phrase(forms[int(rng.integers(len(forms)))])
