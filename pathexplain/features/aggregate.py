"""From objects to one row a slide, by stated rules; `patient` goes on to patients.

Knows no file: tables in, tables out. Names follow `{subject}.{family}.{feature}.{statistic}`.
Every value carries the n it rests on; what is undefined is NaN with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import FeatureError
from pathexplain.features.registry import FAMILIES, families_named
from pathexplain.features.slide_rows import STATISTIC_NAMES, Row, object_rows
from pathexplain.features.spatial.context import context_columns
from pathexplain.features.subjects import Frame, Measured, Subject, check_state
from pathexplain.features.summaries import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pathexplain.features.spatial import Place, SpatialFeatures

__all__ = ["aggregate_slide", "feature_names"]


def feature_names(
    prompt: str, *, families: Iterable[str] = ("shape", "stain", "texture"), kind: str = "instances"
) -> tuple[str, ...]:
    """Names that `aggregate_slide` gives a prompt, in order; a region has no instance-only ones.

    Those of relations, places and TIL scores come after those of all prompts.

    Examples
    --------
    >>> feature_names("gland", families=["shape"])[:4]  # doctest: +NORMALIZE_WHITESPACE
    ('gland.aggregate.n.total', 'gland.aggregate.density_per_mm2.total',
     'gland.aggregate.area_share.total', 'gland.shape.area_um2.mean')
    """
    names = [f"{prompt}.aggregate.{total.name}.total" for total in TOTALS]
    for family in families_named(families):
        if family.of_pairs or family.name == "til":
            continue
        names += [
            f"{prompt}.{family.name}.{column.name}.{statistic}"
            for column in family.columns
            if kind == "instances" or column.kind == "any"
            for statistic in (STATISTIC_NAMES if column.of == "object" else ("total",))
        ]
    return tuple(names)


def aggregate_slide(
    objects: Mapping[str, Measured | pd.DataFrame],
    *,
    states: Mapping[str, str],
    tissue_area_mm2: float,
    families: Iterable[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    area_shares: Mapping[str, float] | None = None,
    spatial: SpatialFeatures | None = None,
) -> pd.DataFrame:
    """Summarize the objects of one slide, prompt by prompt.

    Parameters
    ----------
    objects : mapping of prompt name to ObjectFeatures (or alike) or frame
        With the columns of `spatial` where that is given. A frame has columns such as
        "shape.area_um2", and may have a bool `touches_border`.
        An absent or not assessed prompt may be left out.
    states : mapping of prompt name to {"present", "absent", "not assessed"}
        Every prompt of the run; this decides which names the result has.
    tissue_area_mm2 : float
        Area of the tissue that was looked at, mm², > 0 unless nothing was assessed.
    families : iterable of str, optional
        Families that were measured, the same for all slides, so that all have the same names.
        Default: those found in `objects`, or all where there are no objects at all.
    kinds : mapping of prompt name to {"instances", "region"}, optional
        Overrides what the `ObjectFeatures` say; a prompt that neither tells is "instances".
    area_shares : mapping of prompt name to float in [0, 1], optional
        Share of the tissue that each prompt covers, measured on the tissue mask. Without it the
        share is the sum of areas over the tissue area, and NaN where that exceeds 1: objects that
        reach out of the tissue (lumens, the slide's edge) then cannot be told apart.
    spatial : SpatialFeatures, optional
        What `measure_spatial` found on the slide: needed by spatial families, relations and places.

    Returns
    -------
    pandas.DataFrame
        Index `{prompt}.{family}.{feature}.{statistic}`; columns `value` (float64), `n` (int64,
        objects the value rests on) and `reason` (str, why a value is NaN). Absent: n, density and
        area share are 0, all else NaN. Not assessed: all NaN.

    Raises
    ------
    FeatureError
        An unknown state, tissue area not > 0, objects of a prompt that is not present, no objects
        given for a present one, a frame without the columns of the families, or spatial families
        without `spatial`.

    Notes
    -----
    Objects cut by the image edge count in n, density and area share, and are left out of the
    `shape` summaries of instance prompts.

    Examples
    --------
    >>> frame = pd.DataFrame({"shape.area_um2": [10.0, 20.0, 60.0]})
    >>> frame = frame.reindex(columns=FAMILIES["shape"].names)
    >>> slide = aggregate_slide(
    ...     {"gland": frame}, states={"gland": "present"}, tissue_area_mm2=2.0, families=["shape"]
    ... )
    >>> float(slide.loc["gland.shape.area_um2.mean", "value"])
    30.0
    >>> float(slide.loc["gland.aggregate.density_per_mm2.total", "value"])
    1.5
    >>> slide.loc["gland.shape.area_um2.skewness", "reason"]
    'n = 3, needs 10'
    """
    chosen = _families_of(objects) if families is None else tuple(families)
    _check_tissue(states, tissue_area_mm2)
    slide = _Slide(chosen, tissue_area_mm2, spatial)
    rows: list[Row] = []
    subjects: dict[str, Subject] = {}
    for prompt, state in states.items():
        given = objects.get(prompt)
        measured = Frame(given) if isinstance(given, pd.DataFrame) else given
        check_state(prompt, state, measured)
        kind = (kinds or {}).get(prompt) or ("instances" if measured is None else measured.kind)
        subjects[prompt] = Subject(prompt, state, measured, kind)
        rows += _prompt_rows(subjects[prompt], slide, (area_shares or {}).get(prompt))
    if spatial is not None:
        rows += _spatial_rows(subjects, slide, spatial)
    names = [row.name for row in rows]
    table = {
        "value": np.array([row.value for row in rows], float),
        "n": np.array([row.n for row in rows], np.int64),
        "reason": [row.reason for row in rows],
    }
    return pd.DataFrame(table, index=pd.Index(names, name="feature"))


@dataclass(frozen=True, eq=False)
class _Slide:
    """What is the same for all prompts."""

    families: tuple[str, ...]
    tissue_area_mm2: float
    spatial: SpatialFeatures | None


def _check_tissue(states: Mapping[str, str], area_mm2: float) -> None:
    """Refuse a slide that was assessed and has no tissue."""
    assessed = any(state != "not assessed" for state in states.values())
    if assessed and not (np.isfinite(area_mm2) and area_mm2 > 0):
        message = (
            f"tissue area is {area_mm2} mm^2; densities need an area above 0 (a slide "
            "without tissue has not been assessed)"
        )
        raise FeatureError(message)


def _families_of(objects: Mapping[str, Measured | pd.DataFrame]) -> tuple[str, ...]:
    """Families whose columns the objects have, or all that are measured on pixels."""
    prefixes = {str(name).partition(".")[0] for given in objects.values() for name in given.columns}
    pixels = [name for name, family in FAMILIES.items() if family.compute is not None]
    found = tuple(name for name in FAMILIES if name in prefixes)
    return found or tuple(pixels)


def _prompt_rows(subject: Subject, slide: _Slide, area_share: float | None) -> list[Row]:
    """All rows of one prompt, without those of relations and places."""
    rows = _total_rows(subject, slide, area_share)
    for family in families_named(slide.families):
        if family.of_pairs or family.name == "til":
            continue
        for column in family.columns:
            if subject.kind != "instances" and column.kind != "any":
                continue
            if column.of == "object":
                name = f"{family.name}.{column.name}"
                rows += object_rows(f"{subject.name}.{name}", name, subject)
            else:
                rows.append(_number(f"{subject.name}.{family.name}.{column.name}.total", slide))
    return rows


def _number(name: str, slide: _Slide) -> Row:
    """Row of a number that `measure_spatial` found."""
    if slide.spatial is None or name not in slide.spatial.numbers:
        message = f"{name} is a spatial feature; give what measure_spatial found as spatial="
        raise FeatureError(message)
    found = slide.spatial.numbers[name]
    return Row(name, found.value, found.n, found.reason)


def _total_rows(subject: Subject, slide: _Slide, area_share: float | None) -> list[Row]:
    """Count, density and share of tissue."""
    names = [f"{subject.name}.aggregate.{total.name}.total" for total in TOTALS]
    if subject.state == "not assessed":
        return [Row(name, float("nan"), 0, subject.state) for name in names]
    given = subject.given
    if subject.state == "absent" or given is None:
        return [Row(name, 0.0, 0) for name in names]
    known = _area_share(given, slide.tissue_area_mm2) if area_share is None else (area_share, "")
    values = ((float(given.n), ""), (given.n / slide.tissue_area_mm2, ""), known)
    return [
        Row(name, float(value), given.n, why)
        for name, (value, why) in zip(names, values, strict=True)
    ]


def _area_share(given: Measured, tissue_area_mm2: float) -> tuple[float, str]:
    """Sum of areas over tissue area, with the reason where that is no share."""
    if "shape.area_um2" not in given.columns:
        return float("nan"), "shape was not measured"
    share = float(np.nansum(given.column("shape.area_um2"))) * 1e-6 / tissue_area_mm2
    if share > 1:
        return float("nan"), f"objects cover {share:.3g} times the tissue: they reach out of it"
    return share, ""


def _spatial_rows(
    subjects: Mapping[str, Subject], slide: _Slide, spatial: SpatialFeatures
) -> list[Row]:
    """Rows of relations, of TIL scores and of places."""
    rows: list[Row] = []
    for first, second in spatial.relations:
        for column in context_columns(subjects[first].kind, subjects[second].kind):
            name = f"{first}-{second}.context.{column.name}"
            if column.of == "object":
                rows += object_rows(name, f"{second}.context.{column.name}", subjects[first])
            else:
                rows.append(_number(f"{name}.total", slide))
    rows += [_number(name, slide) for name in spatial.numbers if ".til." in name]
    for name, place in spatial.places.items():
        rows += _place_rows(name, subjects[place.prompt], place, slide)
    return rows


def _place_rows(name: str, subject: Subject, place: Place, slide: _Slide) -> list[Row]:
    """Rows of a prompt's objects in a place."""
    n, everywhere = int(place.member.sum()), 0 if subject.given is None else subject.given.n
    area = place.area_mm2
    values = {
        "n": (float(n), ""),
        "density_per_mm2": (n / area if area > 0 else float("nan"), place.reason),
        "share": (n / everywhere if everywhere else float("nan"), f"no {subject.name}"),
        "window_mm2": (area, place.reason),
    }
    if place.state == "not assessed":
        values = dict.fromkeys(values, (float("nan"), place.state))
    rows = [
        Row(f"{name}.aggregate.{key}.total", value, n, why if np.isnan(value) else "")
        for key, (value, why) in values.items()
    ]
    for family in families_named(slide.families):
        if family.of_pairs:
            continue
        for column in family.object_columns:
            if subject.kind == "instances" or column.kind == "any":
                full = f"{family.name}.{column.name}"
                rows += object_rows(f"{name}.{full}", full, subject, place.member)
    return rows
