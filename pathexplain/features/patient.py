"""From slides to one row a patient, by stated rules: weighted means, sums, and n.

Knows no file: tables in, tables out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import FeatureError
from pathexplain.features.names import FeatureName
from pathexplain.features.registry import FAMILIES
from pathexplain.features.spatial import immune_phenotype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.features.columns import Across

__all__ = ["Combination", "PatientFeatures", "aggregate_patient", "combination"]


@dataclass(frozen=True)
class PatientFeatures:
    """One row a patient: `table` and `n` (patients x features), `n_slides`, `tissue_area_mm2`."""

    table: pd.DataFrame
    n: pd.DataFrame
    n_slides: pd.Series[int]
    tissue_area_mm2: pd.Series[float]


def aggregate_patient(
    slides: pd.DataFrame,
    *,
    patient: Mapping[str, str] | pd.Series[str],
    tissue_area_mm2: Mapping[str, float] | pd.Series[float],
    n: pd.DataFrame | None = None,
) -> PatientFeatures:
    """Combine the slides of each patient by the rule of each feature (`combination`).

    A mean is sum(weight * value) / sum(weight) over the slides where the value is defined. The
    weight is the tissue area, unless the feature has a denominator of its own (the area of a place,
    of stroma, of tumor): densities and shares thereby are total over total. Counts and areas are
    summed.

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
        A slide without a patient, without a tissue area > 0, listed twice, or missing in `n`; a
        feature without the column that it is weighted by.

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
    rules = {str(name): combination(str(name)) for name in slides.columns}
    defined = slides.notna()
    weights = _weights(slides, area, rules)
    total = (slides.fillna(0.0) * weights).groupby(owner, sort=False).sum()
    weight = weights.groupby(owner, sort=False).sum()
    table = total / weight.where(weight > 0)
    sums = [name for name, rule in rules.items() if rule.across == "sum"]
    table[sums] = slides[sums].groupby(owner, sort=False).sum(min_count=1)
    for name in (name for name, rule in rules.items() if rule.across == "phenotype"):
        table[name] = _phenotypes(table, FeatureName.parse(name))
    rests_on = defined.astype(float) if n is None else n[slides.columns] * defined
    return PatientFeatures(
        table.rename_axis(index="patient_id"),
        rests_on.groupby(owner, sort=False).sum().rename_axis(index="patient_id"),
        owner.groupby(owner, sort=False).size().rename("n_slides"),
        area.groupby(owner, sort=False).sum().rename("tissue_area_mm2"),
    )


@dataclass(frozen=True)
class Combination:
    """How the slides of a patient become one value.

    `across` is "mean", "sum" or "phenotype"; `weight` the feature whose value weighs a slide in
    the mean, empty for its tissue area.
    """

    across: Across = "mean"
    weight: str = ""


def combination(name: str) -> Combination:
    """Rule of a feature, by its name; a name outside the grammar is a mean by tissue area.

    Examples
    --------
    >>> combination("lymphocyte.shape.area_um2.median")
    Combination(across='mean', weight='')
    >>> combination("lymphocyte@tumor.aggregate.density_per_mm2.total").weight
    'lymphocyte@tumor.aggregate.window_mm2.total'
    """
    try:
        parsed = FeatureName.parse(name)
    except FeatureError:
        return Combination()
    if parsed.family == "aggregate":
        return _total_rule(parsed)
    if parsed.place:
        return Combination(weight=parsed.sibling("window_mm2", family="aggregate"))
    family = FAMILIES.get(parsed.family)
    for column in () if family is None else family.slide_columns:
        if column.name == parsed.feature and parsed.statistic == "total":
            return Combination(column.across, parsed.sibling(column.weight) * bool(column.weight))
    return Combination()


def _total_rule(name: FeatureName) -> Combination:
    """Rule of a count, density or share of a prompt as a whole."""
    if name.feature in {"n", "window_mm2"}:
        return Combination("sum")
    if name.place and name.feature == "share":
        return Combination(weight=f"{name.prompt}.aggregate.n.total")
    if name.place:
        return Combination(weight=name.sibling("window_mm2"))
    return Combination()


def _weights(
    slides: pd.DataFrame, area: pd.Series[float], rules: Mapping[str, Combination]
) -> pd.DataFrame:
    """Weight of every value, 0 where it is NaN or where its weight is."""
    columns = {str(name): j for j, name in enumerate(slides.columns)}
    values = slides.to_numpy(np.float64)
    weights = np.repeat(area.to_numpy(np.float64)[:, None], values.shape[1], axis=1)
    for name, rule in rules.items():
        if not rule.weight:
            continue
        if rule.weight not in columns:
            message = f"{name} is weighted by {rule.weight}, which is not among the columns: add it"
            raise FeatureError(message)
        weights[:, columns[name]] = np.nan_to_num(values[:, columns[rule.weight]])
    weights[np.isnan(values)] = 0.0
    return pd.DataFrame(weights, index=slides.index, columns=slides.columns)


def _phenotypes(table: pd.DataFrame, name: FeatureName) -> NDArray[np.float64]:
    """Phenotype of each patient, from its densities; NaN where they are not in the table."""
    names = [name.sibling(key) for key in ("intratumoral_per_mm2", "margin_per_mm2")]
    if any(density not in table for density in names):
        return np.full(len(table), np.nan)
    pairs = table[names].to_numpy(np.float64)
    return np.array([immune_phenotype(inside, margin) for inside, margin in pairs])


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
