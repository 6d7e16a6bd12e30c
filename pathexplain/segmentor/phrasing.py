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

__all__ = ["NONSENSE", "paraphrases"]

NONSENSE = (
    "bicycle", "fluorescent neuron", "a photo of a cat", "red car", "tree", "mountain", "keyboard",
    "airplane", "bone fracture on x ray", "retinal vessel", "traffic light", "cloud", "banana",
    "chair", "river", "guitar", "house roof", "dog", "human face", "satellite image of a field",
    "left ventricle in cardiac mri", "bacteria colony", "telephone", "ocean wave", "pizza", "horse",
    "microtubule in fluorescence", "road", "computer screen", "flower", "handwritten digit", "boat",
    "brain tumor in mri", "lung nodule in ct", "feather", "sand", "umbrella", "train", "zebra",
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
