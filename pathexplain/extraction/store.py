"""The store of one slide: a SpatialData ``.zarr`` with masks, outlines, objects and provenance.

Not for computing anything. A store is written under a temporary name beside its place and renamed
when whole, so what stands at its place is complete. The layout is described in
``docs/file-formats.md``.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np

from pathexplain.extraction.outlines import trace_outlines
from pathexplain.extraction.tables import objects_table, slide_table
from pathexplain.serialization import to_jsonable

with warnings.catch_warnings():
    # ome-zarr 0.15 deprecates its own Scaler while it defines the default argument of a function.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ome_zarr.writer  # noqa: F401 - imported for its side effect: the warning, once, here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.extraction.results import PromptResult, SlideResult

__all__ = ["LABELS_SUFFIX", "read_attributes", "read_slide_table", "write_store"]

LABELS_SUFFIX = "_labels"
"""Labels of prompt ``x`` are ``x_labels``: SpatialData wants names unique over all elements."""

CHUNK_PX = 1024
ATTRIBUTES = "pathexplain"


def write_store(
    path: Path, result: SlideResult, *, attributes: Mapping[str, Any], scratch: Path | None = None
) -> Path:
    """Write the store of a slide, replacing one that is there.

    Parameters
    ----------
    path : Path
        ``<slide_id>.zarr``; its folder is made.
    result : SlideResult
    attributes : mapping
        Provenance and inputs; states of the prompts and the tissue area are added.
    scratch : Path, optional
        Existing folder on the same file system, where the parts of the store are put together.
        Default: one of its own beside `path`.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = Path(
        tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=scratch or path.parent)
    )
    try:
        whole = parts / path.name
        with anndata.settings.override(auto_shard_zarr_v3=False):
            _spatial_data(result, attributes).write(whole)
        if path.exists():
            path.rename(parts / "replaced")
        whole.rename(path)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    return path


def read_attributes(path: Path) -> dict[str, Any]:
    """Read what a store says about itself, without opening its elements; empty when unreadable."""
    try:
        content = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        found = content["attributes"][ATTRIBUTES]
    except (OSError, ValueError, KeyError):
        return {}
    return dict(found)


def read_slide_table(path: Path) -> anndata.AnnData:
    """Read the slide's one-row summary from its store."""
    return anndata.read_zarr(path / "tables" / "slide")


def _spatial_data(result: SlideResult, attributes: Mapping[str, Any]) -> Any:
    """Build the SpatialData object; label planes stay on disk until they are written."""
    from spatialdata import SpatialData
    from spatialdata.models import Image2DModel, TableModel

    described = {
        **attributes,
        "slide_id": result.slide_id,
        "mpp": result.mpp,
        "source_mpp": result.source_mpp,
        "source": result.source,
        "tissue_area_mm2": result.tissue_area_mm2,
        "n_tiles": result.n_tiles,
        "n_tiles_tissue": result.n_tiles_tissue,
        "reason": result.reason,
        "prompts": {item.prompt.name: item.describe() for item in result.prompts},
    }
    thumbnail = Image2DModel.parse(
        np.moveaxis(result.thumbnail, 2, 0),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations={"global": _scale(result.thumbnail_mpp)},
    )
    labels = {
        item.prompt.name + LABELS_SUFFIX: _labels(item.labels, result.mpp)
        for item in result.prompts
    }
    shapes = {
        item.prompt.name: _shapes(item, result.mpp)
        for item in result.prompts
        if len(item.objects.label)
    }
    objects = objects_table(result)
    if shapes:
        objects = TableModel.parse(
            objects, region=list(shapes), region_key="region", instance_key="instance_id"
        )
    return SpatialData(
        images={"thumbnail": thumbnail},
        labels=labels,
        shapes=shapes,
        tables={"objects": objects, "slide": slide_table(result)},
        attrs={ATTRIBUTES: to_jsonable(described)},
    )


def _scale(mpp: float) -> Any:
    """Pixels to µm."""
    from spatialdata.transformations import Scale

    return Scale([mpp, mpp], axes=("y", "x"))


def _labels(labels: NDArray[np.int32], mpp: float) -> Any:
    """Multiscale labels, halved until the coarsest is at most one chunk wide; at least once."""
    from dask import array
    from spatialdata.models import Labels2DModel

    chunks = tuple(min(CHUNK_PX, side) for side in labels.shape)
    n_levels = max(1, math.ceil(math.log2(max(labels.shape) / CHUNK_PX)))
    return Labels2DModel.parse(
        array.from_array(labels, chunks=chunks, name=False),
        dims=("y", "x"),
        scale_factors=[2] * n_levels,
        transformations={"global": _scale(mpp)},
    )


def _shapes(item: PromptResult, mpp: float) -> Any:
    """Outlines of one prompt's objects, in µm."""
    import geopandas
    import pandas as pd
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    outlines = trace_outlines(item.labels, mpp=mpp)
    index = pd.Index(list(outlines), name="instance_id")
    frame = geopandas.GeoDataFrame(geometry=list(outlines.values()), index=index)
    return ShapesModel.parse(frame, transformations={"global": Identity()})
