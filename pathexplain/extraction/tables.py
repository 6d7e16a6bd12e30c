"""AnnData tables of a run: objects of a slide, the slide's summary, slides, patients.

Not for joining outcomes or for checks of a cohort: see `cohort`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.errors import TableError
from pathexplain.features import PatientFeatures, aggregate_patient, feature_dictionary
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import anndata

    from pathexplain.extraction.patients import PatientTable
    from pathexplain.extraction.results import PromptResult, SlideResult
    from pathexplain.extraction.slide_rows import SlideRow

__all__ = ["cohort_table", "feature_frame", "objects_table", "slide_table", "slides_table"]

VAR_COLUMNS = ("prompt", "family", "feature", "statistic", "unit", "definition", "source", "kind")


def objects_table(result: SlideResult) -> anndata.AnnData:
    """One row an object of a slide, over all prompts.

    Returns
    -------
    AnnData
        ``X (n_objects, n_columns) float64``; `obs`: region (the shapes element), instance_id,
        slide_id, prompt, centroid_y_um, centroid_x_um, touches_border; `obsm["spatial"]` (x, y) in
        µm; `var`: family, unit, definition, source.
    """
    import anndata

    columns = result.prompts[0].objects.columns
    measured = [item.objects for item in result.prompts]
    values = np.concatenate([objects.values for objects in measured])  # noqa: PD011 - no pandas
    obs = pd.concat([_object_rows(result, item) for item in result.prompts])
    names = [item.prompt.name for item in result.prompts]
    for column in ("region", "prompt"):
        obs[column] = pd.Categorical(obs[column], categories=names).remove_unused_categories()
    table = anndata.AnnData(values.astype(np.float64), obs=obs, var=_object_columns(columns))
    table.obsm["spatial"] = obs[["centroid_x_um", "centroid_y_um"]].to_numpy(np.float64)
    return table


def _object_rows(result: SlideResult, item: PromptResult) -> pd.DataFrame:
    """Rows of `obs` for one prompt."""
    labels = np.asarray(item.objects.label, np.int64)
    centroid = np.asarray(item.objects.centroid_um, np.float64).reshape(-1, 2)
    name = item.prompt.name
    return pd.DataFrame(
        {
            "region": pd.Series([name] * len(labels), dtype=object),
            "instance_id": labels,
            "slide_id": pd.Series([result.slide_id] * len(labels), dtype=object),
            "prompt": pd.Series([name] * len(labels), dtype=object),
            "centroid_y_um": centroid[:, 0],
            "centroid_x_um": centroid[:, 1],
            "touches_border": np.asarray(item.objects.touches_border, bool),
        }
    ).set_axis([f"{result.slide_id}|{name}|{label}" for label in labels], axis=0)


def _object_columns(columns: Sequence[str]) -> pd.DataFrame:
    """`var` of the objects table."""
    wanted = ["family", "unit", "definition", "source"]
    return feature_dictionary().set_index("name").loc[list(columns), wanted].rename_axis(None)


def feature_frame(features: Sequence[str], *, kinds: Mapping[str, str]) -> pd.DataFrame:
    """`var` of slide and patient tables: what each aggregated feature is."""
    frame = feature_dictionary(kinds).set_index("name").loc[list(features)].rename_axis(None)
    frame["feature"] = [name.split(".")[2] for name in features]
    return frame[list(VAR_COLUMNS)]


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
