"""The feature dictionary: every number pathexplain writes, with unit, formula, meaning and source.

As a frame (for `var` of tables and `pathexplain features`) and as Markdown (`docs/features.md`).
Nothing is computed here; everything comes from the registry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from pathexplain.errors import FeatureError
from pathexplain.features.comparison import comparison_markdown
from pathexplain.features.names import FeatureName
from pathexplain.features.registry import FAMILIES, column_named, families_named
from pathexplain.features.summaries import (
    PLACE_TOTALS,
    STATISTICS,
    TOTALS,
    Statistic,
    Total,
)

if TYPE_CHECKING:
    from pathexplain.features.columns import Column

__all__ = ["describe_features", "feature_dictionary", "features_markdown"]

_OWN = "pathexplain docs/design.md, section 6"


def feature_dictionary(
    prompts: Mapping[str, str] | Iterable[str] | None = None,
    *,
    families: Iterable[str] | None = None,
) -> pd.DataFrame:
    """List the features with all that is needed to use them.

    Parameters
    ----------
    prompts : mapping of prompt name to {"instances", "region"}, or names, optional
        With it: one row an aggregated feature `{prompt}.{family}.{feature}.{statistic}`, in the
        order of `aggregate_slide`; a name without a kind gets the features of instances.
        Without: one row an object feature `{family}.{feature}`.
    families : iterable of str, optional
        Default: all.

    Returns
    -------
    pandas.DataFrame
        Text columns name, prompt, family, feature, statistic, unit, definition, formula, range,
        high, low, source, kind, undefined, laws, of, peers; int column min_pixels.

    Raises
    ------
    FeatureError
        An unknown family.

    Examples
    --------
    >>> table = feature_dictionary({"gland": "instances"}).set_index("name")
    >>> str(table.loc["gland.shape.area_um2.median", "unit"])
    'um^2'
    >>> str(table.loc["gland.shape.area_um2.skewness", "unit"])
    '1'
    >>> str(feature_dictionary().set_index("name").loc["stain.eosin_mean", "unit"])
    'OD'
    """
    chosen = families_named(FAMILIES if families is None else families)
    rows: list[dict[str, Any]] = []
    if prompts is None:
        rows = [
            _column_row(name, family.name, column)
            for family in chosen
            for name, column in zip(family.names, family.columns, strict=True)
        ]
    for prompt, kind in _kinds(prompts).items():
        rows += [_total_row(prompt, kind, total) for total in TOTALS]
        rows += [
            row
            for family in chosen
            if not family.of_pairs and family.name != "til"
            for column in family.columns
            if kind == "instances" or column.kind == "any"
            for row in _rows_of(prompt, family.name, column)
        ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def describe_features(names: Iterable[str], *, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Look features of slides or patients up by name, those of relations and places among them.

    Parameters
    ----------
    names : iterable of str
        ``{subject}.{family}.{feature}.{statistic}``.
    kinds : mapping of prompt name to {"instances", "region"}

    Returns
    -------
    pandas.DataFrame
        Rows as in `feature_dictionary`, in the order of the names.

    Raises
    ------
    FeatureError
        A name that is no feature.

    Examples
    --------
    >>> name = "lymphocyte@tumor.shape.area_um2.median"
    >>> describe_features([name], kinds={"lymphocyte": "instances"})["definition"].item()
    'Area of the object: median over objects; of those in tumor'
    """
    return pd.DataFrame([_describe(name, kinds) for name in names], columns=list(_COLUMNS))


def _describe(name: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Row of one feature."""
    parsed = FeatureName.parse(name)
    if parsed.family == "aggregate":
        totals = PLACE_TOTALS if parsed.place else TOTALS
        kind = kinds.get(parsed.prompt, "instances")
        found = [
            _total_row(parsed.subject, kind, total)
            for total in totals
            if total.name == parsed.feature and parsed.statistic == "total"
        ]
    else:
        found = _described_column(parsed.family, parsed.feature, parsed.statistic)
    if not found:
        message = f"no feature {name!r}; `pathexplain features` lists all"
        raise FeatureError(message)
    row = found[0] | {"name": name, "prompt": parsed.subject}
    if parsed.place and parsed.family != "aggregate":
        row["definition"] += f"; of those in {parsed.place}"
    if parsed.other:
        row["definition"] += f"; towards {parsed.other}"
    return row


@cache
def _described_column(family: str, feature: str, statistic: str) -> list[dict[str, Any]]:
    """Row of a column's statistic for any prompt, made once for all of them; none if unknown."""
    column = column_named(f"{family}.{feature}")
    return [row for row in _rows_of("", family, column) if row["statistic"] == statistic]


def _rows_of(subject: str, family: str, column: Column) -> list[dict[str, Any]]:
    """Rows of one column of a slide: one a statistic, or the one number that the slide has."""
    name = f"{family}.{column.name}"
    if column.of == "object":
        return [_summary_row(subject, name, family, column, statistic) for statistic in STATISTICS]
    row = _column_row(f"{subject}.{name}.total", family, column)
    return [row | {"prompt": subject, "statistic": "total"}]


def features_markdown() -> str:
    """Write the dictionary as the page `docs/features.md`, which a test compares with the registry.

    Examples
    --------
    >>> features_markdown().splitlines()[0]
    '# Features'
    """
    parts = [_HEAD, _aggregate_section()]
    for family in FAMILIES.values():
        parts.append(f"\n## `{family.name}`\n")
        parts += [_column_section(name, column) for name, column in _pairs(family.name)]
    parts.append(comparison_markdown())
    return "\n".join(parts).rstrip() + "\n"


_COLUMNS = (
    "name",
    "prompt",
    "family",
    "feature",
    "statistic",
    "unit",
    "definition",
    "formula",
    "range",
    "high",
    "low",
    "source",
    "kind",
    "min_pixels",
    "undefined",
    "laws",
    "of",
    "peers",
)

_HEAD = """# Features

Every number that pathexplain measures. This page is generated from the registry
(`pathexplain features --markdown`) and compared with it by a test: do not edit it.

- A feature of an object is `{family}.{feature}`; of a slide or patient
  `{prompt}.{family}.{feature}.{statistic}`, for example `lymphocyte.shape.area_um2.median`.
  Numbers of a slide that are no statistic of objects end in `.total`.
- `lymphocyte-tumor.context.distance_um.p10` is of lymphocytes towards tumor (`relations` in the
  prompts file); in the objects table the column is `tumor.context.distance_um`.
- `lymphocyte@tumor.shape.area_um2.median` is of the lymphocytes in a place (`within`): inside the
  mask of `tumor`; `lymphocyte@tumor~100um`: up to 100 um from the edge of the tumor, on both sides;
  `lymphocyte@tumor-stroma~100um`: from where tumor and stroma meet.
- Lengths are in micrometers at the working resolution `mpp`; use one `mpp` for a whole cohort.
- Undefined is NaN, with a counted reason; it is never 0.
- *Instance-only* features are destroyed by the merging of touching objects: they are NaN for
  region prompts.
- Laws: what a feature does not depend on, with the tolerance that the tests hold it to: relative,
  plus an absolute one in the feature's own unit where there are two numbers. `resolution`: the same
  smooth object drawn at 0.25, 0.5 and 1 um a pixel, from 30 pixels up (or the minimum pixel count
  where that is larger). `intensity_scale`: half the light everywhere.
- Densities are of the stain vectors of the slide (`stain` in the prompts file). Columns of a stain
  that the vectors lack are NaN for objects, and left out of the tables of slides and patients.
- At the end: [who else has it](#who-else-has-it), feature by feature.
"""


def _kinds(prompts: Mapping[str, str] | Iterable[str] | None) -> Mapping[str, str]:
    """Prompt to kind; instances where only a name is given."""
    if isinstance(prompts, Mapping):
        return prompts
    return dict.fromkeys(prompts or (), "instances")


def _pairs(family: str) -> list[tuple[str, Column]]:
    """Full name and column of a family."""
    return list(zip(FAMILIES[family].names, FAMILIES[family].columns, strict=True))


def _laws(column: Column) -> str:
    """Laws with their tolerances, in words."""
    return ", ".join(
        f"{law.name} ({law.tolerance:g}" + (f" + {law.absolute:g})" if law.absolute else ")")
        for law in column.laws
    )


def _peers(column: Column) -> str:
    """Who else has the feature, with their name for it."""
    return "; ".join(
        f"{peer.tool} {peer.name}" + (f" ({peer.difference})" if peer.difference else "")
        for peer in column.peers
    )


def _range(bounds: tuple[float, float]) -> str:
    """Range in interval notation."""
    low, high = bounds
    left = "(-inf" if math.isinf(low) else f"[{low:g}"
    right = "inf)" if math.isinf(high) else f"{high:g}]"
    return f"{left}, {right}"


def _column_row(name: str, family: str, column: Column) -> dict[str, Any]:
    """Row of an object feature."""
    return {
        "name": name,
        "prompt": "",
        "family": family,
        "feature": column.name,
        "statistic": "",
        "unit": column.unit,
        "definition": column.definition,
        "formula": column.formula,
        "range": _range(column.bounds),
        "high": column.high,
        "low": column.low,
        "source": column.source,
        "kind": column.kind,
        "min_pixels": column.min_pixels,
        "undefined": column.undefined,
        "laws": _laws(column),
        "of": column.of,
        "peers": _peers(column),
    }


def _summary_row(
    prompt: str, name: str, family: str, column: Column, statistic: Statistic
) -> dict[str, Any]:
    """Row of an object feature summarized over the objects of a slide."""
    row = _column_row(f"{prompt}.{name}.{statistic.name}", family, column)
    few = f"fewer than {statistic.minimum} objects with a value"
    changed = statistic.name in _CHANGED
    return row | {
        "prompt": prompt,
        "statistic": statistic.name,
        "unit": statistic.unit or column.unit,
        "definition": f"{column.definition}: {statistic.definition}",
        "range": _CHANGED.get(statistic.name) or _range(column.bounds),
        "high": _HIGH[statistic.name] if changed else column.high,
        "low": _LOW[statistic.name] if changed else column.low,
        "undefined": few,
    }


_CHANGED = {"sd": "[0, inf)", "iqr": "[0, inf)", "skewness": "(-inf, inf)"}
_HIGH = {
    "sd": "objects differ much",
    "iqr": "objects differ much",
    "skewness": "a tail of objects with high values",
}
_LOW = {
    "sd": "objects are alike",
    "iqr": "objects are alike",
    "skewness": "a tail of objects with low values",
}


def _total_row(prompt: str, kind: str, total: Total) -> dict[str, Any]:
    """Row of a number of the prompt as a whole."""
    return {
        "name": f"{prompt}.aggregate.{total.name}.total",
        "prompt": prompt,
        "family": "aggregate",
        "feature": total.name,
        "statistic": "total",
        "unit": total.unit,
        "definition": total.definition,
        "formula": total.formula,
        "range": "[0, 1]" if total.is_share else "[0, inf)",
        "high": "many or large objects",
        "low": "few or small objects",
        "source": _OWN,
        "kind": "any" if total.name == "area_share" else kind,
        "min_pixels": 1,
        "undefined": "the prompt was not assessed on the slide",
        "laws": "",
        "of": "slide",
        "peers": "",
    }


def _aggregate_section() -> str:
    """Rules of the aggregation, and the numbers of a prompt as a whole."""
    lines = ["## `aggregate`\n", "Of a prompt on a slide, as `{prompt}.aggregate.{name}.total`:\n"]
    lines += ["| name | unit | what | formula |", "| --- | --- | --- | --- |"]
    lines += [f"| `{t.name}` | {t.unit} | {t.definition} | {t.formula} |" for t in TOTALS]
    lines += ["\nOf a prompt in a place, as `{prompt}@{place}.aggregate.{name}.total`:\n"]
    lines += ["| name | unit | what | formula |", "| --- | --- | --- | --- |"]
    lines += [f"| `{t.name}` | {t.unit} | {t.definition} | {t.formula} |" for t in PLACE_TOTALS]
    lines += ["\nOf each object feature below, over the objects of a slide:\n"]
    lines += ["| statistic | what | fewest objects |", "| --- | --- | --- |"]
    lines += [f"| `{s.name}` | {s.definition} | {s.minimum} |" for s in STATISTICS]
    lines += [
        "\nObjects cut by the image edge count in the totals and are left out of the `shape`",
        "summaries of instance prompts. A prompt that is *absent* has totals of 0 and all else",
        "NaN; one that was *not assessed* has NaN throughout.",
        "\nA patient's value is the mean over slides weighted by tissue area, over the slides",
        "where it is defined; densities and shares of a place are weighted by the area of the",
        "place (its `window_mm2`), TIL scores by that of their stroma, tumor or margin. So each",
        "density is total over total. Counts, areas and lengths are summed; an immune phenotype is",
        "that of the patient's densities.",
    ]
    return "\n".join(lines)


_OF = {"object": "each object", "slide": "the slide"}


def _column_section(name: str, column: Column) -> str:
    """Section of one object feature."""
    nan = f"below {column.min_pixels} pixels" if column.min_pixels > 1 else ""
    nan = "; ".join(part for part in (nan, column.undefined) if part)
    lines = [
        f"### `{name}`\n",
        f"{column.definition}.\n",
        f"- Formula: {column.formula}",
        f"- Unit: {column.unit}; range: {_range(column.bounds)}",
        f"- High: {column.high}. Low: {column.low}.",
        f"- NaN: {nan or 'never'}." + (" Instance-only." if column.kind == "instances" else ""),
        f"- Of: {_OF[column.of]}. Laws: {_laws(column)}",
        f"- Also in: {_peers(column) or 'none of the compared'}",
        f"- Source: {column.source}\n",
    ]
    return "\n".join(lines)
