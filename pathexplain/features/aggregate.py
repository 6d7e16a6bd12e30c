"""From objects to one row a slide, and from slides to one row a patient, by stated rules.

Knows no file: tables in, tables out. Names follow `{prompt}.{family}.{feature}.{statistic}`.
Every value carries the n it rests on; what is undefined is NaN with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import FeatureError
from pathexplain.features.registry import FAMILIES, families_named
from pathexplain.features.summaries import STATISTICS, TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from pathexplain.features.columns import Column
    from pathexplain.features.measure import ObjectFeatures

__all__ = [
    "STATES",
    "PatientFeatures",
    "aggregate_patient",
    "aggregate_slide",
    "feature_names",
]

_COUNT = ".aggregate.n.total"
STATES = ("present", "absent", "not assessed")
"""What a segmentor says of a prompt on a slide."""


@dataclass(frozen=True)
class PatientFeatures:
    """One row a patient: `table` and `n` (patients x features), `n_slides`, `tissue_area_mm2`."""

    table: pd.DataFrame
    n: pd.DataFrame
    n_slides: pd.Series[int]
    tissue_area_mm2: pd.Series[float]


def feature_names(
    prompt: str, *, families: Iterable[str] = ("shape", "stain"), kind: str = "instances"
) -> tuple[str, ...]:
    """Names that `aggregate_slide` gives a prompt, in order; a region has no instance-only ones.

    Examples
    --------
    >>> feature_names("gland", families=["shape"])[:4]  # doctest: +NORMALIZE_WHITESPACE
    ('gland.aggregate.n.total', 'gland.aggregate.density_per_mm2.total',
     'gland.aggregate.area_share.total', 'gland.shape.area_um2.mean')
    """
    totals = [f"{prompt}.aggregate.{total.name}.total" for total in TOTALS]
    summaries = [
        f"{prompt}.{name}.{statistic.name}"
        for name, _ in _summarized(families, kind)
        for statistic in STATISTICS
    ]
    return (*totals, *summaries)


def aggregate_slide(
    objects: Mapping[str, ObjectFeatures | pd.DataFrame],
    *,
    states: Mapping[str, str],
    tissue_area_mm2: float,
    families: Iterable[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    area_shares: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Summarize the objects of one slide, prompt by prompt.

    Parameters
    ----------
    objects : mapping of prompt name to ObjectFeatures or frame
        A frame has columns such as "shape.area_um2", and may have a bool `touches_border`.
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
        given for a present one, or a frame without the columns of the families.

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
    assessed = any(state != "not assessed" for state in states.values())
    if assessed and not (np.isfinite(tissue_area_mm2) and tissue_area_mm2 > 0):
        message = (
            f"tissue area is {tissue_area_mm2} mm^2; densities need an area above 0 (a slide "
            "without tissue has not been assessed)"
        )
        raise FeatureError(message)
    rows: list[_Row] = []
    for prompt, state in states.items():
        given = objects.get(prompt)
        _check_state(prompt, state, given)
        kind = _kind_of(given, (kinds or {}).get(prompt))
        share = (area_shares or {}).get(prompt)
        rows += _prompt_rows(prompt, state, given, kind, chosen, tissue_area_mm2, share)
    names = [row.name for row in rows]
    table = {
        "value": np.array([row.value for row in rows], float),
        "n": np.array([row.n for row in rows], np.int64),
        "reason": [row.reason for row in rows],
    }
    return pd.DataFrame(table, index=pd.Index(names, name="feature"))


def aggregate_patient(
    slides: pd.DataFrame,
    *,
    patient: Mapping[str, str] | pd.Series[str],
    tissue_area_mm2: Mapping[str, float] | pd.Series[float],
    n: pd.DataFrame | None = None,
) -> PatientFeatures:
    """Combine the slides of each patient, weighted by tissue area.

    value = sum(area * value) / sum(area) over the slides where the value is defined. Counts
    (`.aggregate.n.total`) are summed. Density and area share thereby are total over total area.

    Parameters
    ----------
    slides : (slides, features) DataFrame
        `value` of `aggregate_slide`, one row a slide, indexed by slide id.
    patient : mapping or Series of slide id to patient id
    tissue_area_mm2 : mapping or Series of slide id to mm², > 0; 0 for a slide without any value
    n : (slides, features) DataFrame, optional
        `n` of `aggregate_slide`; without it, the result's `n` counts slides.

    Returns
    -------
    PatientFeatures
        Patients in order of first appearance; NaN where no slide has the value; n is summed over
        the slides that gave one.

    Raises
    ------
    FeatureError
        A slide without a patient, without a tissue area > 0, listed twice, or missing in `n`.

    Examples
    --------
    >>> slides = pd.DataFrame({"gland.shape.area_um2.mean": [1.0, 4.0]}, index=["S1", "S2"])
    >>> patients = aggregate_patient(
    ...     slides, patient={"S1": "P", "S2": "P"}, tissue_area_mm2={"S1": 2.0, "S2": 1.0}
    ... )
    >>> float(patients.table.loc["P", "gland.shape.area_um2.mean"])
    2.0
    """
    _check_slides(slides, n, patient, tissue_area_mm2)
    index = slides.index
    owner = pd.Series([patient[slide] for slide in index], index=index, dtype=object)
    area = pd.Series([float(tissue_area_mm2[slide]) for slide in index], index=index)
    defined = slides.notna()
    weights = defined.astype(float).mul(area, axis=0)
    total = (slides.fillna(0.0) * weights).groupby(owner, sort=False).sum()
    weight = weights.groupby(owner, sort=False).sum()
    table = total / weight.where(weight > 0)
    counts = [name for name in slides.columns if str(name).endswith(_COUNT)]
    table[counts] = slides[counts].groupby(owner, sort=False).sum(min_count=1)
    rests_on = defined.astype(float) if n is None else n[slides.columns] * defined
    return PatientFeatures(
        table.rename_axis(index="patient_id"),
        rests_on.groupby(owner, sort=False).sum().rename_axis(index="patient_id"),
        owner.groupby(owner, sort=False).size().rename("n_slides"),
        area.groupby(owner, sort=False).sum().rename("tissue_area_mm2"),
    )


@dataclass(frozen=True)
class _Row:
    """One named value of a slide."""

    name: str
    value: float
    n: int
    reason: str = ""


def _summarized(families: Iterable[str], kind: str) -> list[tuple[str, Column]]:
    """Object features that a prompt of this kind gets summaries of."""
    return [
        (name, column)
        for family in families_named(families)
        for name, column in zip(family.names, family.columns, strict=True)
        if kind == "instances" or column.kind == "any"
    ]


def _kind_of(given: ObjectFeatures | pd.DataFrame | None, told: str | None) -> str:
    """Kind of a prompt: as told, else as measured, else instances."""
    if told is None and given is not None and not isinstance(given, pd.DataFrame):
        return given.kind
    return told or "instances"


def _families_of(objects: Mapping[str, ObjectFeatures | pd.DataFrame]) -> tuple[str, ...]:
    """Families whose columns the objects have, in the order of the registry."""
    prefixes = {str(name).partition(".")[0] for given in objects.values() for name in given.columns}
    return tuple(name for name in FAMILIES if name in prefixes or not prefixes)


def _check_state(prompt: str, state: str, given: ObjectFeatures | pd.DataFrame | None) -> None:
    """Refuse a state that is unknown or that the objects contradict."""
    n = 0 if given is None else _count(given)
    if state not in STATES:
        message = f"prompt {prompt}: state {state!r} is none of {', '.join(STATES)}"
        raise FeatureError(message, prompt=prompt)
    if state != "present" and n:
        message = f"prompt {prompt}: {state}, and yet {n} objects were given"
        raise FeatureError(message, prompt=prompt)
    if state == "present" and given is None:
        message = f"prompt {prompt}: present, but no objects were given (measure an empty image)"
        raise FeatureError(message, prompt=prompt)


def _count(given: ObjectFeatures | pd.DataFrame) -> int:
    """Count the objects."""
    return len(given) if isinstance(given, pd.DataFrame) else given.n


def _prompt_rows(
    prompt: str,
    state: str,
    given: ObjectFeatures | pd.DataFrame | None,
    kind: str,
    families: tuple[str, ...],
    tissue_area_mm2: float,
    area_share: float | None,
) -> list[_Row]:
    """All rows of one prompt."""
    names = feature_names(prompt, families=families, kind=kind)
    n_totals = len(TOTALS)
    if state == "not assessed":
        return [_Row(name, float("nan"), 0, state) for name in names]
    if state == "absent" or given is None:
        zeros = [_Row(name, 0.0, 0) for name in names[:n_totals]]
        return zeros + [_Row(name, float("nan"), 0, "absent") for name in names[n_totals:]]
    frame = given if isinstance(given, pd.DataFrame) else given.to_frame()
    columns = _summarized(families, kind)
    missing = [name for name, _ in columns if name not in frame]
    if missing:
        message = f"prompt {prompt}: the objects lack {missing[:3]}; measure the same families"
        raise FeatureError(message, prompt=prompt)
    rows = _total_rows(prompt, frame, tissue_area_mm2, area_share)
    cut = np.zeros(len(frame), bool)
    if kind == "instances" and "touches_border" in frame:
        cut = frame["touches_border"].to_numpy(bool)
    for name, _ in columns:
        values = frame[name].to_numpy(float)
        values = values[~cut] if name.startswith("shape.") else values
        rows += _summary_rows(f"{prompt}.{name}", values)
    return rows


def _total_rows(
    prompt: str, frame: pd.DataFrame, tissue_area_mm2: float, area_share: float | None
) -> list[_Row]:
    """Count, density and share of tissue."""
    n = len(frame)
    share = _area_share(frame, tissue_area_mm2) if area_share is None else (area_share, "")
    values = ((float(n), ""), (n / tissue_area_mm2, ""), share)
    return [
        _Row(f"{prompt}.aggregate.{total.name}.total", value, n, why)
        for total, (value, why) in zip(TOTALS, values, strict=True)
    ]


def _area_share(frame: pd.DataFrame, tissue_area_mm2: float) -> tuple[float, str]:
    """Sum of areas over tissue area, with the reason where that is no share."""
    if "shape.area_um2" not in frame:
        return float("nan"), "shape was not measured"
    share = float(frame["shape.area_um2"].sum()) * 1e-6 / tissue_area_mm2
    if share > 1:
        return float("nan"), f"objects cover {share:.3g} times the tissue: they reach out of it"
    return share, ""


def _summary_rows(name: str, values: NDArray[np.float64]) -> list[_Row]:
    """All statistics of one feature over its defined values."""
    defined = values[np.isfinite(values)]
    n = int(defined.size)
    rows = []
    for statistic in STATISTICS:
        value, reason = float("nan"), f"n = {n}, needs {statistic.minimum}"
        if n >= statistic.minimum:
            value = statistic.compute(defined)
            reason = "all values are equal" if np.isnan(value) else ""
        rows.append(_Row(f"{name}.{statistic.name}", value, n, reason))
    return rows


def _check_slides(
    slides: pd.DataFrame,
    n: pd.DataFrame | None,
    patient: Mapping[str, str] | pd.Series[str],
    area: Mapping[str, float] | pd.Series[float],
) -> None:
    """Refuse slides that are repeated, without a patient, without tissue or without counts."""
    if not slides.index.is_unique or (n is not None and not n.index.equals(slides.index)):
        message = "slides must be listed once each, and n must have the same slides in that order"
        raise FeatureError(message)
    for slide in slides.index:
        if slide not in patient:
            message = f"slide {slide} has no patient; add it to the slide_id, patient_id table"
            raise FeatureError(message, slide_id=slide)
        known = float(area[slide]) if slide in area else float("nan")
        empty = known == 0 and bool(slides.loc[slide].isna().all())
        if not (known > 0 or empty):
            message = (
                f"slide {slide}: tissue area {known} mm^2; it is the weight of the slide's values "
                "and must be above 0 where there are any"
            )
            raise FeatureError(message, slide_id=slide)
