"""The pydantic model of a prompts file, its JSON schema, and pydantic's errors in plain words.

Not for meaning across keys (`reading`): here every key is looked at alone.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pathexplain.prompts.model import NAME_PATTERN
from pathexplain.prompts.promptset import FAMILY_NAMES, MPP_RANGE
from pathexplain.prompts.stain_options import StainMethod
from pathexplain.prompts.within import MARGIN_RANGE_UM
from pathexplain.vocabulary import OBJECTS, REGIONS, STRUCTURES

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from pathexplain.prompts.positions import Fault, Location, Parsed

__all__ = ["PromptEntry", "PromptFile", "json_schema", "schema_faults", "suggestion"]

_WIDEST = 40
_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Pair = Annotated[list[Name], Field(min_length=2, max_length=2)]


class PromptEntry(BaseModel):
    """One prompt: either `text`, or `structure` and `object` (and `region`)."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["text"]}, {"required": ["structure", "object"]}],
        }
    )

    name: Name = Field(
        "",
        description="Identifier, first part of feature names; default: the object.",
    )
    text: Text = Field("", description="Free words, in place of structure, object and region.")
    structure: str = Field(
        "",
        description="Level of the paper's label grammar.",
        json_schema_extra={"enum": list(STRUCTURES)},
    )
    object: Text = Field("", description="What to find.", examples=list(OBJECTS))
    region: Text = Field(
        "",
        description="Organ; default: multiple, as for a region not known.",
        examples=list(REGIONS),
    )
    kind: str = Field(
        "",
        description="One area, or countable objects; default: the vocabulary's, else region.",
        json_schema_extra={"enum": ["region", "instances"]},
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability above which a pixel is in.")
    min_area_um2: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Least area of an object, um2. Default: by structure for instances, else 0.",
    )
    paraphrases: list[Text] = Field([], description="Other wordings, for checks of robustness.")


class WithinEntry(BaseModel):
    """A place: inside the mask of a prompt, or up to a distance from an interface."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["inside"]}, {"required": ["interface", "margin_um"]}],
        }
    )

    prompt: Name = Field(description="Whose objects are summarized there.")
    inside: Name = Field("", description="Inside the mask of this prompt.")
    interface: list[Name] = Field(
        [],
        min_length=1,
        max_length=2,
        description="At the edge of one prompt's mask, or where the masks of two meet.",
    )
    margin_um: int | None = Field(
        None,
        ge=MARGIN_RANGE_UM[0],
        le=MARGIN_RANGE_UM[1],
        description="How far from the interface, to both sides, um.",
    )


class TilEntry(BaseModel):
    """The prompts that TIL scores are made of."""

    model_config = _STRICT

    immune: Name = Field(description="Prompt of mononuclear inflammatory cells.")
    stroma: Name = Field(description="Prompt of the stroma.")
    tumor: Name = Field(description="Prompt of the invasive tumor.")


class StainEntry(BaseModel):
    """How colors are split into stains."""

    model_config = _STRICT

    method: str = Field(
        "ruifrok",
        description="ruifrok: fixed vectors of hematoxylin and eosin; macenko: the two estimated "
        "on each slide; h-dab, h-e-dab: fixed vectors with DAB, without and with eosin.",
        json_schema_extra={"enum": list(get_args(StainMethod))},
    )
    normalize: bool = Field(
        False,  # noqa: FBT003 - the default
        description="Scale each stain to the same 99th percentile over the tissue of every slide.",
    )
    fallback: str = Field(
        "",
        description="What to measure with where macenko fails; default: the slide fails.",
        json_schema_extra={"enum": ["ruifrok"]},
    )


class PromptFile(BaseModel):
    """A pathexplain prompts file: what to find on slides and what to measure."""

    model_config = _STRICT

    version: int = Field(ge=1, le=1, description="Version of this format.")
    mpp: float = Field(
        ge=MPP_RANGE[0],
        le=MPP_RANGE[1],
        description="Resolution everything is measured at, um per pixel.",
    )
    prompts: list[PromptEntry] = Field(min_length=1, description="What to find.")
    features: list[str] = Field(
        list(FAMILY_NAMES),
        min_length=1,
        description="Feature families to compute.",
        json_schema_extra={"items": {"type": "string", "enum": list(FAMILY_NAMES)}},
    )
    relations: list[Pair] = Field(
        [], description="Pairs of prompt names: the first one's objects towards the second."
    )
    within: list[WithinEntry] = Field(
        [], description="Places in which a prompt's objects are summarized apart."
    )
    til: TilEntry | None = Field(None, description="Prompts for TIL scores.")
    stain: StainEntry | None = Field(None, description="How colors are split into stains.")
    slides: list[Text] = Field(
        [], description="Slides as globs, relative to this file; default: the working folder's."
    )
    out: Text = Field("", description="Run folder, relative to this file.")
    segmentor: Text = Field("", description="Segmentor: a name, or a folder relative to this file.")


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a prompts file, for editors.

    Examples
    --------
    >>> json_schema()["required"]
    ['version', 'mpp', 'prompts']
    """
    schema = PromptFile.model_json_schema()
    _drop_empty_defaults(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_faults(parsed: Parsed) -> list[Fault]:
    """Return what pydantic finds wrong with each key, with the line and in plain words."""
    try:
        PromptFile.model_validate(parsed.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
    else:
        return []
    return [
        parsed.fault(item["loc"], _explain(item))
        for item in details
        if not _is_broken(item["loc"], parsed.broken)
    ]


def suggestion(word: object, known: tuple[str, ...]) -> str:
    """Return "; did you mean ...?" for the nearest known word, else the list of known words.

    Examples
    --------
    >>> suggestion("treshold", ("threshold", "kind"))
    "; did you mean 'threshold'?"
    """
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _is_broken(location: Location, broken: frozenset[Location]) -> bool:
    """Whether a location, or what it lies in, has a fault of its own already."""
    return any(location[:size] in broken for size in range(len(location) + 1))


_MODELS: dict[str, type[BaseModel]] = {
    "prompts": PromptEntry,
    "within": WithinEntry,
    "til": TilEntry,
    "stain": StainEntry,
}
_LENGTHS = {"relations": "two prompt names", "within": "one or two prompt names"}


def _explain(item: ErrorDetails) -> str:
    """One pydantic error in plain words: what, the value, what to do."""
    kind, value, location = item["type"], item["input"], item["loc"]
    if kind == "extra_forbidden":
        model = _MODELS.get(str(location[0]), PromptFile) if len(location) > 1 else PromptFile
        return "unknown key" + suggestion(location[-1], tuple(model.model_fields))
    if kind == "missing":
        model = _MODELS.get(str(location[0]), PromptFile) if len(location) > 1 else PromptFile
        about = model.model_fields[str(location[-1])].description
        return f"missing key; {about}"
    return f"{_rule(item)}, not {_shown(value)}"


def _rule(item: ErrorDetails) -> str:
    """Say what a value must be, by the kind of error."""
    kind, location = item["type"], item["loc"]
    if kind == "string_pattern_mismatch":
        blank = item.get("ctx", {}).get("pattern") == r"\S"
        return "must be words" if blank else "must start with a-z and hold only a-z, 0-9 and _"
    if kind in {"too_short", "too_long"}:
        wanted = _LENGTHS.get(str(location[0]), "at least one item")
        return f"must hold {wanted}"
    if location == ("version",) and kind != "int_type":
        return "must be 1, the only version there is"
    return _EXPECTED.get(kind, item["msg"].replace("Input should be", "must be"))


_EXPECTED = {
    "string_type": "must be text (put it in quotes)",
    "string_too_short": "must be words",
    "float_type": "must be a number such as 0.5",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "list_type": "must be a list, written [a, b]",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
}


def _shown(value: object) -> str:
    """Value as a reader knows it, cut to a line."""
    text = repr(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _drop_empty_defaults(schema: dict[str, Any]) -> None:
    """Remove the empty text that stands for "not given": an editor must not offer it."""
    for model in (schema, *schema.get("$defs", {}).values()):
        for entry in model["properties"].values():
            if entry.get("default") == "":
                del entry["default"]
