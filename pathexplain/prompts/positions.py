"""YAML text to plain values, with the line of every key and item, and every fault at once.

Not for what the keys mean (`schema`, `reading`). Nothing is constructed but text, numbers,
booleans, lists and dictionaries; tags that ask for more, aliases, repeated keys and keys without a
value are faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fault", "Location", "Parsed", "parse_yaml", "read_yaml"]

Location = tuple[str | int, ...]

_CORE = "tag:yaml.org,2002:"
_ALLOWED = {f"{_CORE}{word}" for word in ("map", "seq", "str", "int", "float", "bool", "null")}
_DEEPEST = 12
_LARGEST = 1_000_000


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong (or, as a warning, worth a look) in a file."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return ``file:line: message``."""
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Parsed:
    """Plain values of a file, the line of each location, and what was wrong.

    `broken` holds the locations that have a fault already: their value is None and says nothing.
    """

    path: str
    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    broken: frozenset[Location] = frozenset()

    def line_of(self, location: Location) -> int:
        """Line of a location, or of the nearest thing around it that the file has."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def fault(self, location: Location, message: str) -> Fault:
        """Return a fault at a location, which its message names."""
        where = format_location(location)
        return Fault(self.path, self.line_of(location), f"{where}: {message}" if where else message)


def format_location(location: Location) -> str:
    """Return a location as a reader writes it, for example ``prompts[2].threshold``.

    Items count from 1, as people do.
    """
    words = ""
    for part in location:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return words.removeprefix(".")


def read_yaml(path: str | Path) -> Parsed:
    """Read a YAML file of plain values.

    Raises
    ------
    ConfigError
        When the file cannot be read at all. Faults of its content are returned, not raised.
    """
    name = str(path)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        message = f"{name}: cannot be read: {error.strerror or error}"
        raise ConfigError(message, path=name) from error
    if len(raw) > _LARGEST:
        fault = Fault(name, 1, f"{len(raw)} bytes; this is no prompts file (limit {_LARGEST})")
        return Parsed(name, faults=(fault,))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = Fault(name, line, f"byte 0x{raw[error.start]:02x} is not UTF-8; save as UTF-8")
        return Parsed(name, faults=(fault,))
    return parse_yaml(text, path=name)


def parse_yaml(text: str, *, path: str = "<text>") -> Parsed:
    r"""Parse YAML text of plain values; see `read_yaml`.

    Examples
    --------
    >>> parsed = parse_yaml("mpp: 0.5\nmpp: 1\n", path="p.yaml")
    >>> [str(fault) for fault in parsed.faults]
    ["p.yaml:2: repeated key 'mpp' (first on line 1)"]
    """
    try:
        faults = tuple(_shape_faults(text, path))
        if faults:
            return Parsed(path, faults=faults)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        return Parsed(path, faults=(_syntax_fault(error, path),))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        about = f"character #x{ord(text[error.position]):04x} is not allowed"
        return Parsed(path, faults=(Fault(path, line, f"not valid YAML: {about}"),))
    if node is None or node.tag == f"{_CORE}null":
        return Parsed(path, faults=(Fault(path, 1, "the file is empty"),))
    walker = _Walker(path)
    value = walker.value(node, ())
    return Parsed(path, value, walker.lines, tuple(walker.faults), frozenset(walker.broken))


def _syntax_fault(error: yaml.MarkedYAMLError, path: str) -> Fault:
    """Fault of a syntax error; what never ends is reported where it begins."""
    begun, found = error.context_mark, error.problem_mark
    mark = begun if begun and "end of stream" in (error.problem or "") else found or begun
    about = ", ".join(filter(None, (error.context, error.problem)))
    return Fault(path, 1 if mark is None else mark.line + 1, f"not valid YAML: {about}")


def _shape_faults(text: str, path: str) -> Iterator[Fault]:
    """Aliases and endless nesting: refused before anything follows them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            yield Fault(path, line, f"alias *{event.anchor} is not allowed; write the value out")
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                yield Fault(path, line, f"nested more than {_DEEPEST} deep")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Walker:
    """Nodes to plain values; notes lines and faults on the way."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[Location, int] = {}
        self.faults: list[Fault] = []
        self.broken: set[Location] = set()
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, location: Location) -> Any:
        """Plain value of a node; None where it has a fault of its own."""
        self.lines.setdefault(location, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag in _ALLOWED:
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag in _ALLOWED:
            return [self.value(item, (*location, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        self._break(node, location, f"tag {_short(node.tag)} is not allowed; only plain values are")
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        """Return the dictionary of a mapping node; the first of repeated keys counts."""
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _ALLOWED:
                self._fault(line, "a key must be a plain word")
                continue
            key = key_node.value
            inner = (*location, key)
            if key in result:
                self._fault(line, f"repeated key {key!r} (first on line {self.lines[inner]})")
                continue
            self.lines[inner] = line
            result[key] = self.value(value_node, inner)
        return result

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        """Text, number or boolean; a date stays text."""
        if node.tag == f"{_CORE}timestamp" and node.style is None:
            return node.value
        if node.tag not in _ALLOWED:
            about = f"tag {_short(node.tag)} is not allowed; only plain values are"
        elif node.tag == f"{_CORE}null":
            about = "has no value; give one, or leave the key out"
        else:
            try:
                return self._constructor.construct_object(node)
            except (ValueError, KeyError, yaml.MarkedYAMLError):
                about = f"{node.value!r} is no {_short(node.tag)}"
        self._break(node, location, about)
        return None

    def _break(self, node: yaml.Node, location: Location, message: str) -> None:
        """Note that a location has no usable value."""
        self.broken.add(location)
        where = format_location(location)
        self._fault(_line(node), f"{where}: {message}" if where else message)

    def _fault(self, line: int, message: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(self.path, line, message))


def _short(tag: str) -> str:
    """Tag as it is written in a file."""
    return tag.replace(_CORE, "!!")


def _line(thing: yaml.Node | yaml.Event) -> int:
    """Line where a node or an event starts, from 1."""
    return 1 if thing.start_mark is None else thing.start_mark.line + 1
