"""The feature dictionary: every number pathexplain writes, with unit, formula, meaning and source.

As a frame, for `var` of tables and `pathexplain features`; `dictionary_page` writes the same as
`docs/features.md`. Nothing is computed here; everything comes from the registry.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from pathexplain.errors import FeatureError
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

__all__ = [
    "describe_features",
    "feature_dictionary",
    "laws_text",
    "peers_text",
    "range_text",
]

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


def _kinds(prompts: Mapping[str, str] | Iterable[str] | None) -> Mapping[str, str]:
    """Prompt to kind; instances where only a name is given."""
    if isinstance(prompts, Mapping):
        return prompts
    return dict.fromkeys(prompts or (), "instances")


def laws_text(column: Column) -> str:
    """Laws with their tolerances, in words."""
    return ", ".join(
        f"{law.name} ({law.tolerance:g}" + (f" + {law.absolute:g})" if law.absolute else ")")
        for law in column.laws
    )


def peers_text(column: Column) -> str:
    """Who else has the feature, with their name for it."""
    return "; ".join(
        f"{peer.tool} {peer.name}" + (f" ({peer.difference})" if peer.difference else "")
        for peer in column.peers
    )


def range_text(bounds: tuple[float, float]) -> str:
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
        "range": range_text(column.bounds),
        "high": column.high,
        "low": column.low,
        "source": column.source,
        "kind": column.kind,
        "min_pixels": column.min_pixels,
        "undefined": column.undefined,
        "laws": laws_text(column),
        "of": column.of,
        "peers": peers_text(column),
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
        "range": _CHANGED.get(statistic.name) or range_text(column.bounds),
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
