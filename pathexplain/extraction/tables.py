"""AnnData tables of a run: objects of a slide, the slide's summary, slides, patients.

Not for joining outcomes or for checks of a cohort: see `cohort`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.errors import TableError
from pathexplain.features import (
    PatientFeatures,
    aggregate_patient,
    describe_features,
    feature_dictionary,
)
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import anndata

    from pathexplain.extraction.patients import PatientTable
    from pathexplain.extraction.results import SlideResult
    from pathexplain.extraction.slide_rows import SlideRow

__all__ = ["cohort_table", "feature_frame", "first_rows", "slide_table", "slides_table"]

VAR_COLUMNS = ("prompt", "family", "feature", "statistic", "unit", "definition", "source", "kind")


def first_rows(result: SlideResult) -> anndata.AnnData:
    """Objects table with the first object of each prompt that has any.

    Returns
    -------
    AnnData
        ``X (n, n_columns) float64``, here zeros; `obs`: region (the shapes element), instance_id,
        slide_id, prompt, centroid_y_um, centroid_x_um, touches_border; `obsm["spatial"]` (x, y) in
        µm; `var`: family, unit, definition, source.
    """
    import anndata

    columns = result.prompts[0].objects.columns
    names = [item.prompt.name for item in result.prompts if item.objects.n]
    n = len(names)
    obs = pd.DataFrame(
        {
            "region": pd.Categorical(names, categories=names),
            "instance_id": np.ones(n, np.int64),
            "slide_id": pd.Categorical([result.slide_id] * n, categories=[result.slide_id][:n]),
            "prompt": pd.Categorical(names, categories=names),
            "centroid_y_um": np.zeros(n),
            "centroid_x_um": np.zeros(n),
            "touches_border": np.zeros(n, bool),
        },
        index=pd.Index([f"{result.slide_id}|{name}|1" for name in names], dtype=object),
    )
    values = np.zeros((n, len(columns)))
    table = anndata.AnnData(values, obs=obs, var=_object_columns(columns))
    table.obsm["spatial"] = np.zeros((n, 2))
    return table


def _object_columns(columns: Sequence[str]) -> pd.DataFrame:
    """`var` of the objects table."""
    wanted = ["family", "unit", "definition", "source"]
    # A column towards another prompt, "tumor.context.distance_um", is described as the family does.
    plain = [".".join(name.split(".")[-2:]) for name in columns]
    frame = feature_dictionary().set_index("name").loc[plain, wanted]
    return frame.set_axis(list(columns), axis=0)


def feature_frame(features: Sequence[str], *, kinds: Mapping[str, str]) -> pd.DataFrame:
    """`var` of slide and patient tables: what each aggregated feature is."""
    frame = describe_features(features, kinds=kinds).set_index("name").rename_axis(None)
    frame["feature"] = [name.split(".")[2] for name in features]
    return frame[list(VAR_COLUMNS)].copy()


def slide_table(result: SlideResult) -> anndata.AnnData:
    """One row: features, counts in ``layers["n"]``, why a value is NaN in ``var["reason"]``."""
    import anndata

    features = [str(name) for name in result.summary.index]
    var = feature_frame(
        features, kinds={item.prompt.name: item.prompt.kind for item in result.prompts}
    )
    var["reason"] = result.summary["reason"].to_numpy(object)
    obs: dict[str, Any] = {
        "tissue_area_mm2": [float(result.tissue_area_mm2)],
        "mpp": [float(result.mpp)],
        "reason": [result.reason],
    }
    for item in result.prompts:
        obs[f"{item.prompt.name}.state"] = [item.state]
        obs[f"{item.prompt.name}.presence"] = [float(item.presence)]
    return anndata.AnnData(
        result.summary["value"].to_numpy(np.float64)[None],
        obs=pd.DataFrame(obs, index=[result.slide_id]),
        var=var,
        layers={"n": result.summary["n"].to_numpy(np.float64)[None]},
    )


def slides_table(
    rows: Sequence[SlideRow], *, var: pd.DataFrame, about: Mapping[str, Any]
) -> anndata.AnnData:
    """Stack the rows of slides.

    Parameters
    ----------
    rows : sequence of SlideRow
    var : DataFrame
        What each feature is, from any of the slides.
    about : mapping
        Goes into ``uns["pathexplain"]``.

    Raises
    ------
    TableError
        When two slides have different features.
    """
    import anndata

    for row in rows:
        if row.features != tuple(var.index):
            message = (
                f"slide {row.slide_id} has other features than slide {rows[0].slide_id}; extract "
                "it again with --overwrite"
            )
            raise TableError(message, slide_id=row.slide_id)
    stacked = anndata.AnnData(
        np.stack([row.values for row in rows]),  # noqa: PD011 - no pandas
        obs=_compact_text(pd.concat([row.obs for row in rows])),
        var=_compact_text(var[list(VAR_COLUMNS)]),
        layers={"n": np.stack([row.n for row in rows])},
    )
    stacked.uns["pathexplain"] = storable(about)
    return stacked


def cohort_table(
    slides: anndata.AnnData, patients: PatientTable, *, about: Mapping[str, Any]
) -> anndata.AnnData:
    """One row a patient: features weighted by the tissue area of the patient's slides.

    Parameters
    ----------
    slides : AnnData
        One row a slide (`slides_table`), each with a patient and with tissue.
    patients : PatientTable
    about : mapping
        Goes into ``uns["pathexplain"]``.
    """
    import anndata

    result = _by_patient(slides, patients)
    obs = pd.DataFrame(index=pd.Index(result.table.index.astype(str), dtype=object))
    if patients.clinical is not None:
        obs = obs.join(patients.clinical)
    obs["n_slides"] = result.n_slides.reindex(obs.index).to_numpy(np.int64)
    obs["tissue_area_mm2"] = result.tissue_area_mm2.reindex(obs.index).to_numpy(np.float64)
    table = anndata.AnnData(
        result.table.to_numpy(np.float64),
        obs=_compact_text(obs),
        var=slides.var.copy(),
        layers={"n": result.n.to_numpy(np.float64)},
    )
    table.uns["pathexplain"] = storable(about)
    return table


def _by_patient(slides: anndata.AnnData, patients: PatientTable) -> PatientFeatures:
    """Combine the rows of each patient."""
    names = [str(name) for name in slides.obs_names]
    values = pd.DataFrame(np.asarray(slides.X), names, list(slides.var_names))
    counts = pd.DataFrame(np.asarray(slides.layers["n"]), names, list(slides.var_names))
    return aggregate_patient(
        values,
        n=counts,
        patient={name: patients.patient_of[name] for name in names},
        tissue_area_mm2=dict(zip(names, slides.obs["tissue_area_mm2"].astype(float), strict=True)),
    )


def storable(about: Mapping[str, Any]) -> dict[str, Any]:
    """Make a nested mapping fit for ``uns`` of an h5ad file: lists of text, no None, no tuples."""
    plain = to_jsonable(dict(about))
    return {key: _storable(value) for key, value in plain.items()}


def _storable(value: Any) -> Any:
    """One value of `storable`."""
    if isinstance(value, dict):
        return {str(key).replace("/", "|"): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return np.array(value, dtype=object)
        return json.dumps(value)
    return "" if value is None else value


def _compact_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Text columns as categories of text, which h5ad files hold whatever the cells were."""
    compact = frame.copy()
    for column in compact.columns:
        if compact[column].dtype == object:
            text = compact[column].map(str, na_action="ignore")
            compact[column] = pd.Categorical(text.to_numpy(object))
    return compact
