"""The page around a result: first screen, sections, provenance, all in one HTML string.

Not for numbers: callers hand over finished words. Everything that is not `Markup` is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pathexplain.report.wording import (
    format_interval,
    format_number,
    format_p,
    readable_feature,
    readable_unit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Fact", "Page", "Section", "render", "render_page"]


@dataclass(frozen=True)
class Fact:
    """One number of the first screen: what it is, the number, what it must be read against."""

    label: str
    value: str
    note: str = ""
    is_headline: bool = False


@dataclass(frozen=True)
class Section:
    """A titled part of the page; `anchor` is its id, unique on the page."""

    title: str
    anchor: str
    body: Markup


@dataclass(frozen=True)
class Page:
    """All that a report shows, in reading order."""

    kind: str
    title: str
    lead: str
    facts: Sequence[Fact]
    warnings: Sequence[str]
    sections: Sequence[Section]
    provenance: Mapping[str, object] = field(default_factory=dict)
    notice: str = ""


def render_page(page: Page) -> str:
    """Write the page as one self-contained HTML document.

    Examples
    --------
    >>> html = render_page(Page("Test", "<script>", "", [], [], []))
    >>> "&lt;script&gt;" in html, "<script>" in html
    (True, False)
    """
    source, _, _ = environment().loader.get_source(environment(), "style.css")  # type: ignore[union-attr]  # set below
    return str(render("page.html", page=page, style=Markup(source)))


def render(template: str, **context: object) -> Markup:
    """Fill a template of this package; values are escaped on the way."""
    text = environment().get_template(template).render(**context)
    return Markup(text)


@cache
def environment() -> Environment:
    """Give the template environment: escaping on, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("pathexplain.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": format_number,
        "p": format_p,
        "feature": readable_feature,
        "unit": readable_unit,
    }
    made.globals |= {"interval": format_interval}
    return made
