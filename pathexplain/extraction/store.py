"""The store of one slide: a SpatialData ``.zarr`` with masks, outlines, objects and provenance.

Not for computing anything. A store is written under a temporary name beside its place and renamed
when whole, so what stands at its place is complete. The layout is described in
``docs/file-formats.md``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np

from pathexplain.extraction.streams import fill_labels, fill_objects, fill_shapes
from pathexplain.extraction.tables import first_rows, slide_table
from pathexplain.serialization import to_jsonable

with warnings.catch_warnings():
    # ome-zarr 0.15 deprecates its own Scaler while it defines the default argument of a function.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ome_zarr.writer  # noqa: F401 - imported for its side effect: the warning, once, here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathexplain.extraction.results import SlideResult

__all__ = ["LABELS_SUFFIX", "read_attributes", "read_slide_table", "write_store"]

LABELS_SUFFIX = "_labels"
"""Labels of prompt ``x`` are ``x_labels``: SpatialData wants names unique over all elements."""

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
            _stand_in(result, attributes).write(whole, consolidate_metadata=False)
        _fill(whole, result)
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


def _fill(whole: Path, result: SlideResult) -> None:
    """Put labels, outlines and rows into the place of their stand-ins."""
    import zarr

    for item in result.prompts:
        fill_labels(whole / "labels" / (item.prompt.name + LABELS_SUFFIX), item.labels)
        if item.objects.n:
            fill_shapes(whole / "shapes" / item.prompt.name, item.objects)
    if any(item.objects.n for item in result.prompts):
        fill_objects(whole / "tables" / "objects", result.slide_id, result.prompts)
    with warnings.catch_warnings():
        # Consolidated metadata are not yet in the text of the format; SpatialData writes them too.
        warnings.simplefilter("ignore", UserWarning)
        zarr.consolidate_metadata(str(whole))


def _stand_in(result: SlideResult, attributes: Mapping[str, Any]) -> Any:
    """Build the SpatialData object with all elements and metadata, and one row or so in each."""
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
        "quality": result.quality,
        "stains": result.stains.to_dict(),
        "prompts": {item.prompt.name: item.describe() for item in result.prompts},
    }
    thumbnail = Image2DModel.parse(
        np.moveaxis(result.thumbnail, 2, 0),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations={"global": _scale(result.thumbnail_mpp)},
    )
    labels = {
        item.prompt.name + LABELS_SUFFIX: _labels(item.labels.n_levels, result.mpp)
        for item in result.prompts
    }
    shapes = {item.prompt.name: _shape() for item in result.prompts if item.objects.n}
    objects = first_rows(result)
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


def _labels(n_levels: int, mpp: float) -> Any:
    """Few pixels of multiscale labels with as many levels as wanted."""
    from spatialdata.models import Labels2DModel

    side = 2 ** (n_levels - 1)
    return Labels2DModel.parse(
        np.zeros((side, side), np.int32),
        dims=("y", "x"),
        scale_factors=[2] * (n_levels - 1),
        transformations={"global": _scale(mpp)},
    )


def _shape() -> Any:
    """One outline."""
    import geopandas
    import pandas as pd
    import shapely
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    index = pd.Index([1], name="instance_id")
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], index=index)
    return ShapesModel.parse(frame, transformations={"global": Identity()})
