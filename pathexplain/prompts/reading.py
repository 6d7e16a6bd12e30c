"""`read_prompts`: a YAML file to a `PromptSet`, or every fault in it at once as ``file:line``.

Not for the shape of single values (`schema`): here is what keys mean together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pathexplain.errors import ConfigError
from pathexplain.prompts.model import Kind, Prompt, find_region, is_reserved
from pathexplain.prompts.positions import Fault, Location, Parsed, read_yaml
from pathexplain.prompts.promptset import FAMILY_NAMES, PromptSet, check_families
from pathexplain.prompts.schema import schema_faults, suggestion
from pathexplain.prompts.stain_options import StainOptions, stain_faults
from pathexplain.prompts.within import TilScore, Within, within_faults
from pathexplain.vocabulary import OBJECTS, REGIONS, STRUCTURES, closest_terms, parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PromptsCheck", "check_prompts", "read_prompts"]

_PARTS = ("structure", "object", "region")
_OPTIONS = ("kind", "threshold", "min_area_um2", "paraphrases")


@dataclass(frozen=True)
class PromptsCheck:
    """What a prompts file says, and everything wrong or odd in it.

    `prompt_set` is None exactly when there are `faults`.
    """

    path: str
    prompt_set: PromptSet | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def read_prompts(path: str | Path) -> PromptSet:
    r"""Read a prompts file.

    Parameters
    ----------
    path : str or Path
        YAML, UTF-8, as `docs/prompts.schema.json` describes it.

    Returns
    -------
    PromptSet
        `slides` are globs relative to the file, `out` is resolved against its folder. What is
        allowed but odd, such as an object outside the vocabulary, is in `warnings`.

    Raises
    ------
    ConfigError
        When anything is wrong: one line ``file:line: message`` for each fault, all at once.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "prompts.yaml"
    ...     _ = file.write_text("version: 1\nmpp: 0.5\nprompts:\n  - {text: lymphocyte nuclei}\n")
    ...     read_prompts(file).prompts[0].kind
    'instances'
    """
    check = check_prompts(path)
    if check.prompt_set is None:
        message = "\n".join(map(str, check.faults))
        raise ConfigError(message, path=check.path, line=check.faults[0].line)
    return check.prompt_set


def check_prompts(path: str | Path) -> PromptsCheck:
    r"""Check a prompts file and return faults and warnings instead of raising.

    Raises
    ------
    ConfigError
        Only when the file cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "prompts.yaml"
    ...     _ = file.write_text("version: 1\nmpp: 0.5\nprompts:\n  - {txt: nuclei}\n")
    ...     found = check_prompts(file)
    >>> found.prompt_set is None, found.faults[0].line
    (True, 4)
    """
    parsed = read_yaml(path)
    faults = list(parsed.faults)
    warnings: list[Fault] = []
    if isinstance(parsed.value, dict) or not faults:
        faults += schema_faults(parsed)
    if isinstance(parsed.value, dict):
        faults += _family_faults(parsed)
        faults += _relation_faults(parsed)
        faults += _stain_faults(parsed)
        faults += _within_faults(parsed)
        faults += _til_faults(parsed)
        faults += _name_faults(parsed)
        for index, entry in _entries(parsed):
            faults += _entry_faults(parsed, index, entry)
            warnings += _entry_warnings(parsed, index, entry)
        warnings += _unused_warnings(parsed)
    warnings.sort()
    if faults:
        return PromptsCheck(parsed.path, None, tuple(sorted(set(faults))), tuple(warnings))
    prompt_set = _build(parsed.value, Path(path), tuple(str(item) for item in warnings))
    return PromptsCheck(parsed.path, prompt_set, (), tuple(warnings))


def _build(value: dict[str, Any], path: Path, warnings: tuple[str, ...]) -> PromptSet:
    """Make the prompt set of a file without faults."""
    folder = path.resolve().parent
    out = value.get("out")
    segmentor = value.get("segmentor")
    if segmentor is not None and segmentor.startswith(("./", "../")):
        segmentor = str((folder / segmentor).resolve())
    return PromptSet(
        version=value["version"],
        mpp=float(value["mpp"]),
        prompts=tuple(_prompt(entry) for entry in value["prompts"]),
        features=tuple(value.get("features", FAMILY_NAMES)),
        relations=tuple((first, second) for first, second in value.get("relations", ())),
        within=tuple(_within(entry) for entry in value.get("within", ())),
        til=TilScore(**value["til"]) if "til" in value else None,
        slides=tuple(value.get("slides", ())),
        out=None if out is None else (folder / out).resolve(),
        segmentor=segmentor,
        path=path,
        warnings=warnings,
        stain=StainOptions(**(value.get("stain") or {})),
    )


def _prompt(entry: dict[str, Any]) -> Prompt:
    """Make the prompt of an entry without faults."""
    options: dict[str, Any] = {key: entry[key] for key in _OPTIONS if key in entry}
    options["name"] = entry.get("name")
    if "text" in entry:
        return Prompt.from_text(entry["text"], **options)
    return Prompt.from_parts(entry["structure"], entry["object"], entry.get("region"), **options)


def _within(entry: dict[str, Any]) -> Within:
    """Make the place of an entry without faults."""
    return Within(
        entry["prompt"],
        inside=entry.get("inside"),
        interface=tuple(entry.get("interface", ())),
        margin_um=entry.get("margin_um"),
    )


def _entries(parsed: Parsed) -> Iterator[tuple[int, dict[str, Any]]]:
    """Entries of `prompts` that can be looked into."""
    entries = parsed.value.get("prompts")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def _names(parsed: Parsed) -> dict[int, str]:
    """Name of each entry, given or derived, where it has one."""
    names = {}
    for index, entry in _entries(parsed):
        given = entry.get("name")
        if isinstance(given, str):
            names[index] = given
        elif "name" not in entry and (phrase := _phrase(entry)):
            names[index] = Prompt.from_text(phrase).name
    return names


def _phrase(entry: dict[str, Any]) -> str:
    """Return the words that say what an entry is about, or nothing."""
    text, structure, thing = (entry.get(key) for key in ("text", "structure", "object"))
    if isinstance(text, str):
        return text.strip()
    if isinstance(thing, str) and thing.strip():
        return f"{structure}-level {thing}" if structure in STRUCTURES else thing
    return ""


def _name_faults(parsed: Parsed) -> Iterator[Fault]:
    """Names that two prompts share, or that no prompt may have."""
    seen: dict[str, int] = {}
    for index, name in _names(parsed).items():
        where = ("prompts", index, "name")
        if name in seen:
            first = parsed.line_of(("prompts", seen[name], "name"))
            derived = "" if where in parsed.lines else "derived "
            about = f"{derived}name {name!r} is taken by the prompt on line {first}; give another"
            yield parsed.fault(where if not derived else where[:-1], about)
        if is_reserved(name):
            yield parsed.fault(where, f"{name!r} is taken by slide stores; give another")
        seen.setdefault(name, index)


def _family_faults(parsed: Parsed) -> Iterator[Fault]:
    """Feature families that do not exist, are not there yet, or are repeated."""
    families = parsed.value.get("features")
    seen: list[str] = []
    for index, name in enumerate(families if isinstance(families, list) else ()):
        if not isinstance(name, str):
            continue
        where = ("features", index)
        if name in seen:
            yield parsed.fault(where, f"feature family {name!r} is given twice")
            continue
        seen.append(name)
        for fault in check_families((name,)):
            yield parsed.fault(where, fault)


def _relation_faults(parsed: Parsed) -> Iterator[Fault]:
    """Relations that name no prompt, or one prompt twice."""
    pairs = parsed.value.get("relations")
    names = tuple(dict.fromkeys(_names(parsed).values()))
    for index, pair in enumerate(pairs if isinstance(pairs, list) else ()):
        if not isinstance(pair, list):
            continue
        for position, name in enumerate(pair):
            if isinstance(name, str) and name not in names:
                about = f"no prompt is named {name!r}" + suggestion(name, names)
                yield parsed.fault(("relations", index, position), about)
        if len(pair) == 2 and pair[0] == pair[1]:  # noqa: PLR2004 - a pair
            yield parsed.fault(("relations", index), f"relates {pair[0]!r} to itself")


def _within_faults(parsed: Parsed) -> Iterator[Fault]:
    """Places that name no prompt, are half named, or are named twice."""
    entries = parsed.value.get("within")
    names = tuple(dict.fromkeys(_names(parsed).values()))
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, dict):
            continue
        here = ("within", index)
        interface = entry.get("interface")
        makers = interface if isinstance(interface, list) else []
        places: list[tuple[Location, Any]] = [
            ((*here, key), entry[key]) for key in ("prompt", "inside") if key in entry
        ]
        places += [((*here, "interface", i), name) for i, name in enumerate(makers)]
        for where, name in places:
            if isinstance(name, str) and name not in names:
                yield parsed.fault(where, f"no prompt is named {name!r}" + suggestion(name, names))
        if "prompt" in entry and all(isinstance(name, str) for _, name in places):
            yield from _place_faults(parsed, here, entry, seen)


def _place_faults(
    parsed: Parsed, here: Location, entry: dict[str, Any], seen: dict[str, int]
) -> Iterator[Fault]:
    """Faults of one place that has its words; `seen` has the line of each place before it."""
    interface = entry.get("interface")
    makers = tuple(interface) if isinstance(interface, list) else ()
    margin_um = entry.get("margin_um")
    found = within_faults(entry["prompt"], entry.get("inside"), makers, margin_um)
    for about in found:
        if not about.startswith("margin_um must"):  # the schema says so at its own line
            yield parsed.fault(here, about)
    if not found:
        name = _within(entry).name
        if name in seen:
            yield parsed.fault(here, f"{name} stands on line {seen[name]} already")
        seen.setdefault(name, parsed.line_of(here))


def _til_faults(parsed: Parsed) -> Iterator[Fault]:
    """Roles of TIL scores that name no prompt, or one prompt twice."""
    entry = parsed.value.get("til")
    names = tuple(dict.fromkeys(_names(parsed).values()))
    seen: dict[str, str] = {}
    for role, name in entry.items() if isinstance(entry, dict) else ():
        if not isinstance(name, str):
            continue
        if name not in names:
            about = f"no prompt is named {name!r}" + suggestion(name, names)
            yield parsed.fault(("til", role), about)
        elif name in seen:
            yield parsed.fault(("til", role), f"{name!r} is {seen[name]} already")
        seen.setdefault(name, role)


def _unused_warnings(parsed: Parsed) -> Iterator[Fault]:
    """Keys that the chosen feature families do not use."""
    families = parsed.value.get("features", list(FAMILY_NAMES))
    for key, family in (("relations", "context"), ("til", "til")):
        if parsed.value.get(key) and isinstance(families, list) and family not in families:
            yield parsed.fault((key,), f"not used: features do not name {family!r}")


def _stain_faults(parsed: Parsed) -> Iterator[Fault]:
    """Methods and fallbacks that do not exist, or do not go together."""
    entry = parsed.value.get("stain")
    if not isinstance(entry, dict):
        return
    method, fallback = entry.get("method", "ruifrok"), entry.get("fallback", "")
    if isinstance(method, str) and isinstance(fallback, str):
        for key, about in stain_faults(method, fallback).items():
            yield parsed.fault(("stain", key), about)


def _entry_faults(parsed: Parsed, index: int, entry: dict[str, Any]) -> Iterator[Fault]:
    """Faults of one prompt: which keys go together, and words of closed lists."""
    here = ("prompts", index)
    parts = [key for key in _PARTS if key in entry]
    if "text" in entry and parts:
        about = f"has both text and {', '.join(parts)}; give one or the other"
        yield parsed.fault(here, about)
    elif "text" not in entry:
        missing = [key for key in ("structure", "object") if key not in entry]
        if missing:
            about = f"missing {' and '.join(missing)}; give structure and object, or text"
            yield parsed.fault(here, about)
    for key, known in (("structure", STRUCTURES), ("kind", get_args(Kind))):
        word = entry.get(key)
        if isinstance(word, str) and word not in known:
            yield parsed.fault((*here, key), f"unknown {key} {word!r}" + suggestion(word, known))
    region = entry.get("region")
    if isinstance(region, str) and region.strip() and find_region(region) is None:
        about = f"unknown region {region!r}" + suggestion(region.lower(), tuple(REGIONS))
        yield parsed.fault((*here, "region"), about)


def _entry_warnings(parsed: Parsed, index: int, entry: dict[str, Any]) -> Iterator[Fault]:
    """Words outside the vocabulary, or that contradict each other."""
    phrase = _phrase(entry)
    if not phrase:
        return
    key = "text" if "text" in entry else "object"
    here = ("prompts", index, key)
    term = parse_text(phrase).term
    if term is None:
        near = closest_terms(parse_text(phrase).object)
        hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(OBJECTS)}"
        yield parsed.fault(here, f"{entry[key]!r} is outside the vocabulary; {hint}")
        return
    structure = entry.get("structure")
    if structure in STRUCTURES and structure != term.structure:
        about = f"the vocabulary knows {term.name!r} at {term.structure} level, not {structure}"
        yield parsed.fault((*here[:-1], "structure"), about)
    if key == "text" and parse_text(phrase).region is None and re.search(r" (in|of|from) ", phrase):
        yield parsed.fault(here, f"{phrase!r} names no known region; read as multiple")
    yield from _paraphrase_warnings(parsed, index, entry, term.name)


def _paraphrase_warnings(
    parsed: Parsed, index: int, entry: dict[str, Any], name: str
) -> Iterator[Fault]:
    """Paraphrases that the vocabulary reads as something else."""
    paraphrases = entry.get("paraphrases")
    for position, text in enumerate(paraphrases if isinstance(paraphrases, list) else ()):
        term = parse_text(text).term if isinstance(text, str) else None
        if term is not None and term.name != name:
            where = ("prompts", index, "paraphrases", position)
            yield parsed.fault(where, f"{text!r} reads as {term.name!r}, not as {name!r}")
