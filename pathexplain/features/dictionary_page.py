"""`docs/features.md`: the dictionary as a page that people read, generated from the registry.

The same as a frame is `dictionary`; the comparison with other extractors is `comparison`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.features.comparison import comparison_markdown
from pathexplain.features.dictionary import laws_text, peers_text, range_text
from pathexplain.features.registry import FAMILIES
from pathexplain.features.summaries import PLACE_TOTALS, STATISTICS, TOTALS

if TYPE_CHECKING:
    from pathexplain.features.columns import Column

__all__ = ["features_markdown"]

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
- A region holds the nuclei in it also where its mask spares them: `@tumor`, distances, profiles and
  TIL densities take holes of up to 200 um^2, and what has the mask on all sides, as the region's
  own. Larger holes, such as lumens, are outside. `share_inside` and contact are of the mask as it
  is. Bands and places are counted in cells of about 4 um, so that a border is known to 2 um.
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


def _pairs(family: str) -> list[tuple[str, Column]]:
    """Full name and column of a family."""
    return list(zip(FAMILIES[family].names, FAMILIES[family].columns, strict=True))


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
        "where it is defined. Densities of a place or band are weighted by its area (as",
        "`window_mm2`), the share of objects in a place by the number of all objects, TIL scores",
        "by the area of their stroma, tumor or margin: so each density is total over total.",
        "Counts, areas and lengths are summed; an immune phenotype is that of the patient's",
        "densities.",
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
        f"- Unit: {column.unit}; range: {range_text(column.bounds)}",
        f"- High: {column.high}. Low: {column.low}.",
        f"- NaN: {nan or 'never'}." + (" Instance-only." if column.kind == "instances" else ""),
        f"- Of: {_OF[column.of]}. Laws: {laws_text(column)}",
        f"- Also in: {peers_text(column) or 'none of the compared'}",
        f"- Source: {column.source}\n",
    ]
    return "\n".join(lines)
