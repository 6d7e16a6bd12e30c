"""All spatial features of a slide in one call: object columns, slide numbers, places."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.features.spatial.boundary import Other
from pathexplain.features.spatial.context import context_columns, measure_context
from pathexplain.features.spatial.neighborhood import (
    NEIGHBORHOOD,
    PointSet,
    measure_neighborhood,
)
from pathexplain.features.spatial.places import Place, find_place
from pathexplain.features.spatial.region import REGION, measure_region
from pathexplain.features.spatial.table import SlideNumber, undefined_numbers
from pathexplain.features.spatial.til import TIL, measure_til
from pathexplain.features.spatial.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.features.columns import Column
    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.prompts import PromptSet

__all__ = ["SpatialFeatures", "measure_spatial", "spatial_object_columns"]


@dataclass(frozen=True, eq=False)
class SpatialFeatures:
    """What spatial families say of a slide.

    Attributes
    ----------
    columns : tuple of str
        Object columns, the same for all prompts: "neighborhood.degree",
        "tumor.context.distance_um" (towards tumor).
    values : dict of str to (n, k) float64
        For each prompt; NaN where a column is not of the prompt or is undefined.
    undefined : dict of str to (column to (reason to count))
        Why, for each prompt's own columns.
    numbers : dict of str to SlideNumber
        Slide numbers by full name, "tumor.region.entropy.total".
    places : dict of str to Place
        "lymphocyte@tumor".
    relations : tuple of (str, str)
        Pairs that `context` was measured for.
    """

    columns: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    undefined: dict[str, dict[str, dict[str, int]]]
    numbers: dict[str, SlideNumber]
    places: dict[str, Place]
    relations: tuple[tuple[str, str], ...] = ()


def spatial_object_columns(prompts: PromptSet) -> tuple[tuple[str, Column], ...]:
    """Object columns of a prompt set's spatial families, with their names in the objects table."""
    found: dict[str, Column] = {}
    if "neighborhood" in prompts.features:
        found |= {f"neighborhood.{c.name}": c for c in NEIGHBORHOOD.object_columns}
    if "context" in prompts.features:
        kinds = {prompt.name: prompt.kind for prompt in prompts.prompts}
        for first, second in prompts.relations:
            for column in context_columns(kinds[first], kinds[second]):
                if column.of == "object":
                    found[f"{second}.context.{column.name}"] = column
    return tuple(found.items())


def measure_spatial(
    objects: Mapping[str, SlideObjects], geometry: SlideGeometry, prompts: PromptSet
) -> SpatialFeatures:
    """Measure the spatial families that a prompt set asks for, over a whole slide.

    Parameters
    ----------
    objects : mapping of prompt name to SlideObjects
        Every prompt of the set; one that is absent or was not assessed has no objects.
    geometry : SlideGeometry
        Grid and tissue; the tissue is the window of all spatial statistics.
    prompts : PromptSet
        Its `features`, `relations`, `within` and `til` say what is measured.

    Returns
    -------
    SpatialFeatures

    Notes
    -----
    Time grows with the number of objects (n log n) and with the slide's area in coarse cells;
    memory with both, never with the pixels of the slide.

    Examples
    --------
    >>> from pathexplain.features.slide_objects import slide_geometry, slide_objects
    >>> from pathexplain.prompts import Prompt, PromptSet
    >>> labels = np.zeros((200, 200), np.int32)
    >>> labels[20:30, 20:30], labels[20:30, 60:70] = 1, 2
    >>> prompt = Prompt(name="cell", text="cells", kind="instances")
    >>> found = measure_spatial(
    ...     {"cell": slide_objects(labels, mpp=0.5, name="cell")},
    ...     slide_geometry(labels.shape, mpp=0.5),
    ...     PromptSet(1, mpp=0.5, prompts=(prompt,), features=("neighborhood",)),
    ... )
    >>> found.values["cell"][:, found.columns.index("neighborhood.distance_1_um")].tolist()
    [20.0, 20.0]
    """
    slide = _Slide(objects, geometry, prompts)
    if "neighborhood" in prompts.features:
        _neighborhood(slide)
    if "region" in prompts.features:
        _region(slide)
    if "context" in prompts.features:
        _context(slide)
    if "til" in prompts.features:
        _til(slide)
    places = {item.name: find_place(item, objects, geometry) for item in prompts.within}
    names = tuple(name for name, _ in slide.columns)
    relations = prompts.relations if "context" in prompts.features else ()
    return SpatialFeatures(names, slide.values, slide.undefined, slide.numbers, places, relations)


@dataclass(eq=False)
class _Slide:
    """A slide while it is measured: what is shared, and what is found so far."""

    objects: Mapping[str, SlideObjects]
    geometry: SlideGeometry
    prompts: PromptSet
    numbers: dict[str, SlideNumber] = field(default_factory=dict)
    undefined: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    others: dict[str, Other] = field(default_factory=dict)
    point_sets: dict[str, PointSet] = field(default_factory=dict)

    @cached_property
    def window(self) -> Window:
        """The tissue."""
        return Window(self.geometry.tissue, self.geometry.tissue_mpp)

    @cached_property
    def columns(self) -> tuple[tuple[str, Column], ...]:
        """Object columns with their names."""
        return spatial_object_columns(self.prompts)

    @cached_property
    def values(self) -> dict[str, NDArray[np.float64]]:
        """Object values, NaN to begin with."""
        k = len(self.columns)
        return {name: np.full((item.n, k), np.nan) for name, item in self.objects.items()}

    def points(self, name: str) -> PointSet:
        """Centroids of a prompt."""
        if name not in self.point_sets:
            self.point_sets[name] = PointSet(self.objects[name].centroid_um, self.window)
        return self.point_sets[name]

    def other(self, name: str) -> Other:
        """Return a prompt as the second of relations."""
        if name not in self.others:
            self.others[name] = Other(self.objects[name], self.points(name), self.geometry)
        return self.others[name]

    def enter_values(self, prompt: str, found: Mapping[str, NDArray[np.float64]]) -> None:
        """Enter object columns of a prompt by full name; count what is NaN by reason."""
        reasons = self.undefined.setdefault(prompt, {})
        for j, (name, column) in enumerate(self.columns):
            if name not in found:
                continue
            values = np.where(np.isfinite(found[name]), found[name], np.nan)
            self.values[prompt][:, j] = values
            if count := int(np.isnan(values).sum()):
                reasons[name] = {column.undefined or "not finite": count}

    def enter_numbers(
        self,
        subject: str,
        family: str,
        columns: tuple[Column, ...],
        found: Mapping[str, SlideNumber],
    ) -> None:
        """Enter slide numbers of a prompt or pair; a column that is missing is NaN."""
        for column in columns:
            blank = SlideNumber(float("nan"), 0, column.undefined or "not defined")
            name = f"{subject}.{family}.{column.name}.total"
            self.numbers[name] = found.get(column.name, blank)


def _blank(n: int, columns: tuple[Column, ...], prefix: str) -> dict[str, NDArray[np.float64]]:
    """NaN for every object column."""
    return {f"{prefix}.{column.name}": np.full(n, np.nan) for column in columns}


def _neighborhood(slide: _Slide) -> None:
    """Measure `neighborhood` for every instances prompt."""
    columns = NEIGHBORHOOD.slide_columns
    for name, objects in slide.objects.items():
        if objects.kind != "instances":
            continue
        values = _blank(objects.n, NEIGHBORHOOD.object_columns, "neighborhood")
        numbers = undefined_numbers(columns, objects.state)
        if objects.state == "present":
            table = measure_neighborhood(objects, slide.points(name))
            values |= {f"neighborhood.{key}": item for key, item in table.objects.items()}
            numbers = table.numbers
        slide.enter_values(name, values)
        slide.enter_numbers(name, "neighborhood", columns, numbers)


def _region(slide: _Slide) -> None:
    """Measure `region` for every prompt; what is absent has area, count and boundary of 0."""
    for name, objects in slide.objects.items():
        numbers = undefined_numbers(REGION.columns, objects.state)
        if objects.state == "present":
            numbers = measure_region(objects, slide.geometry, slide.window).numbers
        elif objects.state == "absent":
            for key in ("area_mm2", "instance_count", "fragments_per_mm2", "boundary_mm"):
                numbers[key] = SlideNumber(0.0, 0)
        slide.enter_numbers(name, "region", REGION.columns, numbers)


def _context(slide: _Slide) -> None:
    """Measure `context` for every relation."""
    for first, second in slide.prompts.relations:
        one, two = slide.objects[first], slide.objects[second]
        columns = context_columns(one.kind, two.kind)
        per_slide = tuple(column for column in columns if column.of == "slide")
        per_object = tuple(column for column in columns if column.of == "object")
        values = _blank(one.n, per_object, f"{second}.context")
        state = _pair_state(one, two)
        numbers = undefined_numbers(per_slide, state)
        if not state or (one.state == "present" and two.state == "absent"):
            table = measure_context(one, slide.points(first), slide.other(second))
            values |= {f"{second}.context.{key}": item for key, item in table.objects.items()}
            numbers = table.numbers
        elif one.state == "absent" and two.state == "present":
            numbers = measure_context(one, slide.points(first), slide.other(second)).numbers
        slide.enter_values(first, values)
        slide.enter_numbers(f"{first}-{second}", "context", per_slide, numbers)


def _pair_state(one: SlideObjects, two: SlideObjects) -> str:
    """Why a pair has no numbers; empty where both are present."""
    for state in ("not assessed", "absent"):
        names = [item.name for item in (one, two) if item.state == state]
        if names:
            return f"{' and '.join(names)}: {state}"
    return ""


def _til(slide: _Slide) -> None:
    """Measure `til` where the prompts file names its three prompts."""
    score = slide.prompts.til
    if score is None:
        return
    immune, stroma, tumor = (
        slide.objects[name] for name in (score.immune, score.stroma, score.tumor)
    )
    unknown = [item.name for item in (immune, stroma, tumor) if item.state == "not assessed"]
    numbers = undefined_numbers(TIL.columns, f"{' and '.join(unknown)}: not assessed")
    if not unknown:
        other = slide.other(score.tumor)
        numbers = measure_til(immune, slide.points(score.immune), stroma, other).numbers
    columns = tuple(c for c in TIL.columns if immune.kind == "instances" or c.kind == "any")
    slide.enter_numbers(score.immune, "til", columns, numbers)
