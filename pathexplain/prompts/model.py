"""`Prompt`: one thing to find, as a plain frozen dataclass that checks itself.

Not for reading files: `reading` turns YAML into these and reports faults with their lines.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import (
    REGIONS,
    STRUCTURES,
    Structure,
    canonical_text,
    normalize_phrase,
    parse_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "NAME_PATTERN",
    "Kind",
    "Prompt",
    "as_prompts",
    "duplicates",
    "find_region",
    "is_number",
    "is_reserved",
    "name_faults",
]

Kind = Literal["region", "instances"]

NAME_PATTERN = r"[a-z][a-z0-9_]{0,63}"
"""What a prompt may be called: it becomes part of feature names and of file names."""

RESERVED_NAMES = ("objects", "slide", "thumbnail")
"""Names of a slide store's own elements, which must differ from those of its prompts."""

RESERVED_ENDING = "_labels"
"""Ending of a slide store's label images, of which there is one a prompt."""

LEAST_AREA_UM2 = {"nuclei": 8.0, "cell": 8.0, "tissue": 200.0}
"""Smaller objects are specks, um2: half of a small lymphocyte's nucleus, a fraction of a gland."""

_NAME = re.compile(NAME_PATTERN + r"\Z")


@dataclass(frozen=True)
class Prompt:
    """One thing to find, in words, and how to measure it.

    Parameters
    ----------
    name : str
        Identifier, ``[a-z][a-z0-9_]*``; every feature name starts with it.
    text : str
        What the segmentor reads, for example "nuclei-level lymphocyte in breast pathology".
    structure, object, region : str, optional
        The text's parts in the words of the vocabulary; None where it says nothing known.
    kind : {"region", "instances"}
        Whether the mask is one area or is split into countable objects.
    threshold : float
        Probability above which a pixel belongs to the mask, 0 < threshold < 1.
    min_area_um2 : float
        Objects smaller than this are dropped, in um2, >= 0.
    paraphrases : tuple of str
        Other wordings of the same thing, for checks of robustness.

    Raises
    ------
    ConfigError
        When a value is outside its range.

    Examples
    --------
    >>> prompt = Prompt.from_text("Malignant glands of the colon")
    >>> prompt.name, prompt.object, prompt.region, prompt.kind
    ('malignant_gland', 'malignant gland', 'colon', 'instances')
    """

    name: str
    text: str
    structure: Structure | None = None
    object: str | None = None
    region: str | None = None
    kind: Kind = "region"
    threshold: float = 0.5
    min_area_um2: float = 0.0
    paraphrases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field, so that Python callers are held to the same rules as files."""
        faults = [*self._name_faults(), *self._text_faults(), *self._number_faults()]
        if faults:
            message = f"prompt {self.name!r}: " + "; ".join(faults)
            raise ConfigError(message, prompt=str(self.name))

    def _name_faults(self) -> list[str]:
        """Faults of name, kind and structure."""
        faults = []
        if not _is_text(self.name) or not _NAME.match(self.name):
            about = "must start with a-z and hold only a-z, 0-9 and _, at most 64"
            faults.append(f"the name {about} (got {self.name!r})")
        elif is_reserved(self.name):
            faults.append(f"the name {self.name!r} is taken by slide stores; give another")
        if self.kind not in get_args(Kind):
            faults.append(f"kind must be 'region' or 'instances', not {self.kind!r}")
        if self.structure is not None and self.structure not in STRUCTURES:
            known = ", ".join(STRUCTURES)
            faults.append(f"structure must be one of {known}, not {self.structure!r}")
        return faults

    def _text_faults(self) -> list[str]:
        """Faults of text and paraphrases."""
        faults = []
        if not _is_text(self.text):
            faults.append(f"the text must be words, not {self.text!r}")
        paraphrases: object = self.paraphrases
        if not isinstance(paraphrases, tuple) or not all(map(_is_text, paraphrases)):
            faults.append(f"paraphrases must be a tuple of texts, not {paraphrases!r}")
        return faults

    def _number_faults(self) -> list[str]:
        """Faults of threshold and least area."""
        faults = []
        if not is_number(self.threshold) or not 0 < self.threshold < 1:
            faults.append(f"threshold must be > 0 and < 1, not {self.threshold!r}")
        if not is_number(self.min_area_um2) or self.min_area_um2 < 0:
            faults.append(f"min_area_um2 must be a finite number >= 0, not {self.min_area_um2!r}")
        return faults

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        name: str | None = None,
        kind: Kind | None = None,
        threshold: float = 0.5,
        min_area_um2: float | None = None,
        paraphrases: Iterable[str] = (),
    ) -> Prompt:
        """Make a prompt from free words; name, parts and kind come from the vocabulary.

        `text` is kept as written. An object outside the vocabulary is allowed: it has no
        `object`, its name comes from its words and its kind is "region". Without a
        `min_area_um2`, objects too small to be one of their structure are specks
        (`LEAST_AREA_UM2`); 0 keeps them. Regions keep everything.

        Examples
        --------
        >>> Prompt.from_text("nuclei-level lymphocyte in breast pathology").name
        'lymphocyte'
        >>> Prompt.from_text("bicycle").object is None
        True
        """
        if not _is_text(text):
            message = f"a prompt is text or a Prompt, not {text!r}"
            raise ConfigError(message)
        parsed = parse_text(text)
        term = parsed.term
        chosen = kind if kind is not None else term.kind if term else "region"
        if min_area_um2 is None:
            level = parsed.structure if chosen == "instances" else None
            min_area_um2 = LEAST_AREA_UM2[level] if level is not None else 0.0
        return cls(
            name=name if name is not None else _name_from(term.name if term else parsed.object),
            text=text,
            structure=parsed.structure,
            object=term.name if term else None,
            region=parsed.region,
            kind=chosen,
            threshold=threshold,
            min_area_um2=min_area_um2,
            paraphrases=tuple(paraphrases),
        )

    @classmethod
    def from_parts(
        cls,
        structure: str,
        object: str,
        region: str | None = None,
        *,
        name: str | None = None,
        kind: Kind | None = None,
        threshold: float = 0.5,
        min_area_um2: float | None = None,
        paraphrases: Iterable[str] = (),
    ) -> Prompt:
        """Make a prompt from the parts of the paper's label grammar.

        Raises
        ------
        ConfigError
            When structure or region is outside the vocabulary. An object outside it is allowed.

        Examples
        --------
        >>> Prompt.from_parts("nuclei", "TILs", "mammary").text
        'nuclei-level lymphocyte in breast pathology'
        """
        known = None if region is None else find_region(region)
        if region is not None and known is None:
            message = f"unknown region {region!r}; known: {', '.join(REGIONS)}"
            raise ConfigError(message)
        term = parse_text(f"{structure}-level {object}").term
        prompt = cls.from_text(
            canonical_text(structure, term.name if term else object, known),
            name=name if name is not None else _name_from(term.name if term else object),
            kind=kind if kind is not None else term.kind if term else "region",
            threshold=threshold,
            min_area_um2=min_area_um2,
            paraphrases=paraphrases,
        )
        level = cast("Structure", structure)
        return replace(prompt, structure=level, object=term.name if term else None, region=known)

    @property
    def canonical(self) -> str:
        """The paper's wording of the prompt where the object is known, else `text` itself."""
        if self.object is None or self.structure is None:
            return self.text
        return canonical_text(self.structure, self.object, self.region)


def as_prompts(prompts: str | Prompt | Iterable[str | Prompt]) -> tuple[Prompt, ...]:
    """Return prompts from text or `Prompt`, one or several, with unique names.

    Names taken from text are made unique with a number; names given by the caller are kept.

    Raises
    ------
    ConfigError
        When nothing is given, or two given names are the same.

    Examples
    --------
    >>> [p.name for p in as_prompts(["gland in colon", "gland in breast"])]
    ['gland', 'gland_2']
    """
    items = [prompts] if isinstance(prompts, str | Prompt) else list(prompts)
    if not items:
        message = "no prompt given; give a text or a Prompt, one or several"
        raise ConfigError(message)
    taken = [item.name for item in items if isinstance(item, Prompt)]
    if faults := name_faults(taken):
        message = "; ".join(faults)
        raise ConfigError(message)
    result: list[Prompt] = []
    used = set(taken)
    for item in items:
        prompt = item if isinstance(item, Prompt) else Prompt.from_text(item)
        if not isinstance(item, Prompt):
            prompt = replace(prompt, name=_free_name(prompt.name, used))
            used.add(prompt.name)
        result.append(prompt)
    return tuple(result)


def find_region(word: str) -> str | None:
    """Return the vocabulary's name of a region, or None.

    Examples
    --------
    >>> find_region("Colorectal"), find_region("unspecified"), find_region("breasst")
    ('colon', 'multiple', None)
    """
    return parse_text(f"gland in {word}").region


def name_faults(names: Iterable[str]) -> list[str]:
    """Return one fault for each prompt name that occurs twice."""
    return [f"two prompts are named {name!r}; names must be unique" for name in duplicates(names)]


def duplicates(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, each once, in order."""
    names = tuple(names)
    return list(dict.fromkeys(name for i, name in enumerate(names) if name in names[:i]))


def is_reserved(name: str) -> bool:
    """Whether a slide store needs `name` for itself.

    Examples
    --------
    >>> is_reserved("thumbnail"), is_reserved("gland_labels"), is_reserved("gland")
    (True, True, False)
    """
    return name in RESERVED_NAMES or name.endswith(RESERVED_ENDING)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _free_name(name: str, used: set[str]) -> str:
    """`name`, or `name` with the first free number."""
    candidate, number = name, 2
    while candidate in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _name_from(phrase: str) -> str:
    """Make an identifier of the words of a phrase."""
    words = re.sub(r"[^a-z0-9]+", "_", normalize_phrase(phrase)).strip("_")
    is_free = _NAME.match(words) and not is_reserved(words)
    return words if is_free else f"prompt_{words.removesuffix(RESERVED_ENDING)}"[:64].rstrip("_")


def _is_text(value: object) -> bool:
    """Whether `value` is text with a word in it."""
    return isinstance(value, str) and bool(value.strip())
