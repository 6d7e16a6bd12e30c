"""`Prompt` and `PromptSet`: plain frozen dataclasses that check themselves.

Not for reading files: `reading` turns YAML into these and reports faults with their lines.
"""

from __future__ import annotations

import glob
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import (
    STRUCTURES,
    Structure,
    canonical_text,
    normalize_phrase,
    parse_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FAMILY_NAMES",
    "MPP_RANGE",
    "PLANNED_FAMILIES",
    "Kind",
    "Prompt",
    "PromptSet",
    "as_prompts",
    "check_families",
]

Kind = Literal["region", "instances"]

FAMILY_NAMES: tuple[str, ...] = ("shape", "stain")
"""Feature families that are implemented; the registry in `features` has exactly these."""

PLANNED_FAMILIES: tuple[str, ...] = ("texture", "neighborhood", "context", "region")
"""Feature families of the design that this version does not compute yet."""

MPP_RANGE = (0.05, 20.0)
"""Sensible working resolutions, um per pixel: finer than any scanner, coarser than any gland."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


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
        if not isinstance(self.name, str) or not _NAME.match(self.name):
            faults.append(
                "the name must start with a lower-case letter and hold only a-z, 0-9 and _"
                f" (got {self.name!r})"
            )
        if self.kind not in get_args(Kind):
            faults.append(f"kind must be 'region' or 'instances', not {self.kind!r}")
        if self.structure is not None and self.structure not in STRUCTURES:
            known = ", ".join(STRUCTURES)
            faults.append(f"structure must be one of {known}, not {self.structure!r}")
        return faults

    def _text_faults(self) -> list[str]:
        """Faults of text and paraphrases."""
        faults = []
        if not isinstance(self.text, str) or not self.text.strip():
            faults.append(f"the text must be words, not {self.text!r}")
        if not isinstance(self.paraphrases, tuple):
            faults.append(f"paraphrases must be a tuple of texts, not {self.paraphrases!r}")
        elif not all(isinstance(text, str) and text.strip() for text in self.paraphrases):
            faults.append(f"every paraphrase must be words (got {self.paraphrases!r})")
        return faults

    def _number_faults(self) -> list[str]:
        """Faults of threshold and least area."""
        faults = []
        if not _is_number(self.threshold) or not 0 < self.threshold < 1:
            faults.append(f"threshold must be > 0 and < 1, not {self.threshold!r}")
        if not _is_number(self.min_area_um2) or self.min_area_um2 < 0:
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
        min_area_um2: float = 0.0,
        paraphrases: Iterable[str] = (),
    ) -> Prompt:
        """Make a prompt from free words; name, parts and kind come from the vocabulary.

        `text` is kept as written. An object outside the vocabulary is allowed: it has no
        `object`, its name comes from its words and its kind is "region".

        Examples
        --------
        >>> Prompt.from_text("nuclei-level lymphocyte in breast pathology").name
        'lymphocyte'
        >>> Prompt.from_text("bicycle").object is None
        True
        """
        if not isinstance(text, str):
            message = f"a prompt is text or a Prompt, not {type(text).__name__}: {text!r}"
            raise ConfigError(message)
        parsed = parse_text(text)
        term = parsed.term
        return cls(
            name=name if name is not None else _name_from(term.name if term else parsed.object),
            text=text,
            structure=parsed.structure,
            object=term.name if term else None,
            region=parsed.region,
            kind=kind if kind is not None else term.kind if term else "region",
            threshold=threshold,
            min_area_um2=min_area_um2,
            paraphrases=tuple(paraphrases),
        )

    @property
    def canonical(self) -> str:
        """The paper's wording of the prompt where the object is known, else `text` itself."""
        if self.object is None or self.structure is None:
            return self.text
        return canonical_text(self.structure, self.object, self.region)


@dataclass(frozen=True)
class PromptSet:
    """A whole prompts file: the prompts and how they are measured.

    Parameters
    ----------
    version : int
        Version of the file format; 1.
    mpp : float
        Working resolution of segmentation and features, um per pixel.
    prompts : tuple of Prompt
        At least one; names are unique.
    features : tuple of str
        Feature families to compute, from `FAMILY_NAMES`.
    relations : tuple of (str, str)
        Pairs of prompt names to relate to each other.
    slides : tuple of str
        Globs, relative to the file's folder; empty when the file names none.
    out : Path or None
        Run folder, already resolved against the file's folder.
    segmentor : str or None
        Segmentor that the file asks for.
    path : Path or None
        The file; None for a set made in Python.
    warnings : tuple of str
        What is allowed but needs care, for example an object outside the vocabulary.

    Examples
    --------
    >>> prompt_set = PromptSet(mpp=0.5, prompts=as_prompts(["lymphocyte", "tumor"]))
    >>> prompt_set.names
    ('lymphocyte', 'tumor')
    """

    version: int = 1
    mpp: float = 0.5
    prompts: tuple[Prompt, ...] = ()
    features: tuple[str, ...] = FAMILY_NAMES
    relations: tuple[tuple[str, str], ...] = ()
    slides: tuple[str, ...] = ()
    out: Path | None = None
    segmentor: str | None = None
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without a file."""
        faults = []
        low, high = MPP_RANGE
        if self.version != 1:
            faults.append(f"version must be 1, not {self.version!r}")
        if not _is_number(self.mpp) or not low <= self.mpp <= high:
            faults.append(f"mpp must lie in {low} to {high} um per pixel, not {self.mpp!r}")
        if not self.prompts:
            faults.append("at least one prompt is needed")
        faults += _repeated(self.names)
        faults += check_families(self.features)
        for name in dict.fromkeys(name for pair in self.relations for name in pair):
            if name not in self.names:
                known = ", ".join(self.names)
                faults.append(f"relations name {name!r}, which is no prompt; prompts: {known}")
        if faults:
            message = "prompt set: " + "; ".join(faults)
            raise ConfigError(message, path=None if self.path is None else str(self.path))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prompts, in order."""
        return tuple(prompt.name for prompt in self.prompts)

    @property
    def folder(self) -> Path:
        """Folder that globs are relative to: the file's, or the working folder."""
        return Path.cwd() if self.path is None else self.path.resolve().parent

    def slide_paths(self) -> tuple[Path, ...]:
        """Files that `slides` names, sorted, each once.

        Raises
        ------
        ConfigError
            When a glob matches nothing.
        """
        found: dict[Path, None] = {}
        for pattern in self.slides:
            matches = sorted(glob.glob(str(self.folder / pattern), recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
            if not matches:
                message = f"slides: no file matches {pattern!r} in {self.folder}"
                raise ConfigError(message, path=None if self.path is None else str(self.path))
            found.update(dict.fromkeys(Path(match) for match in matches))
        return tuple(found)


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
    if faults := _repeated(tuple(taken)):
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


def check_families(names: Iterable[str]) -> list[str]:
    """Return one fault for each name that is no implemented feature family, or is repeated."""
    names = tuple(names)
    available = ", ".join(FAMILY_NAMES)
    faults = [f"feature family {name!r} is given twice" for name in _duplicates(names)]
    for name in dict.fromkeys(names):
        if name in PLANNED_FAMILIES:
            faults.append(f"feature family {name!r} is not available yet; available: {available}")
        elif name not in FAMILY_NAMES:
            faults.append(f"no feature family {name!r}; available: {available}")
    return faults


def _repeated(names: tuple[str, ...]) -> list[str]:
    """One fault for each prompt name that occurs twice."""
    return [f"two prompts are named {name!r}; names must be unique" for name in _duplicates(names)]


def _duplicates(names: tuple[str, ...]) -> list[str]:
    """Names that occur more than once, each once, in order."""
    return list(dict.fromkeys(name for i, name in enumerate(names) if name in names[:i]))


def _free_name(name: str, used: set[str]) -> str:
    """`name`, or `name` with the first free number."""
    candidate, number = name, 2
    while candidate in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _name_from(phrase: str) -> str:
    """Make an identifier of the words of a phrase."""
    words = re.sub(r"[^a-z0-9]+", "_", normalize_phrase(phrase)).strip("_")
    return words if _NAME.match(words) else f"prompt_{words}".rstrip("_")


def _is_number(value: object) -> bool:
    """Whether `value` is a finite number and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
