"""Exports opened by the libraries of the programs that are meant to open them."""

from __future__ import annotations

import json
import uuid
from xml.etree import ElementTree

import geopandas
import numpy as np
import pytest
import spatialdata
import tifffile
from PIL import Image

from pathexplain.errors import ConfigError, TableError
from pathexplain.extraction import extract
from pathexplain.extraction.exports import export_slide
from pathexplain.extraction.stored_objects import StoredObjects
from pathexplain.prompts import Prompt
from pathexplain.segmentor.datasets.qupath import read_outlines

SLIDE_MPP, MPP = 0.25, 0.5
PINK, DARK, RED = (230, 170, 200), (80, 40, 120), (190, 40, 60)
FORMATS = ("geojson", "ome-tiff", "geoparquet")
# Top left corners of dark squares of 12 px, and a red ring with a hole, in pixels of the slide.
CORNERS = [(20, 40), (60, 200), (100, 300), (400, 16)]
SIDE = 12


def paint():
    image = np.full((480, 2304, 3), PINK, np.uint8)
    for y, x in CORNERS:
        image[y : y + SIDE, x : x + SIDE] = DARK
    image[200:280, 100:180] = RED
    image[220:260, 120:160] = PINK
    return image


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_prompts, make_segmentor):
    """A slide at twice the working resolution, extracted and exported in all formats."""
    folder = tmp_path_factory.mktemp("exports")
    Image.fromarray(paint()).save(folder / "slide.png")
    return extract(
        folder / "slide.png",
        prompts=make_prompts(),
        out=folder / "run",
        segmentor=make_segmentor(),
        mpp=SLIDE_MPP,
        exports=FORMATS,
    )


def exported(run, ending):
    (path,) = [path for path in run.exports if path.name.endswith(ending)]
    return path


@pytest.fixture(scope="module")
def features(run):
    return json.loads(exported(run, ".geojson").read_text())["features"]


def test_geojson_has_the_members_that_qupath_reads(run, features):
    whole = json.loads(exported(run, ".geojson").read_text())
    assert whole["type"] == "FeatureCollection"
    assert len(features) == len(CORNERS) + 1
    assert len({uuid.UUID(item["id"]) for item in features}) == len(features)
    for item in features:
        assert item["type"] == "Feature"
        assert item["geometry"]["type"] in {"Polygon", "MultiPolygon"}
        properties = item["properties"]
        assert set(properties) == {"objectType", "classification", "measurements"}
        name = properties["classification"]["name"]
        assert properties["objectType"] == {"cell": "detection", "area": "annotation"}[name]
        assert len(properties["classification"]["color"]) == 3
        assert all(isinstance(value, float | int) for value in properties["measurements"].values())
    assert "NaN" not in exported(run, ".geojson").read_text()


def test_geojson_lies_on_the_painted_pixels_of_the_slide(features):
    cells = [item for item in features if item["properties"]["classification"]["name"] == "cell"]
    boxes = []
    for item in cells:
        (ring,) = item["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        x, y = np.array(ring).T
        boxes.append((y.min(), x.min(), y.max(), x.max()))
    assert sorted(boxes) == [(y, x, y + SIDE, x + SIDE) for y, x in sorted(CORNERS)]
    areas = [item["properties"]["measurements"]["shape.area_um2"] for item in cells]
    assert areas == [SIDE**2 * SLIDE_MPP**2] * len(CORNERS)
    (ring,) = [item for item in features if item["properties"]["objectType"] == "annotation"]
    assert len(ring["geometry"]["coordinates"]) == 2


def test_gdal_reads_the_geojson(run, features):
    # GeoJSON has no word for pixels: GDAL takes the coordinates for degrees.
    frame = geopandas.read_file(exported(run, ".geojson")).set_crs(None, allow_override=True)
    assert len(frame) == len(features)
    assert frame.geometry.is_valid.all()
    assert sorted(frame.area) == [SIDE**2] * len(CORNERS) + [80 * 80 - 40 * 40]


def test_the_masks_backend_reads_the_geojson_back(run):
    outlines = read_outlines(exported(run, ".geojson"), structure="tissue")
    assert [outline.class_name for outline in outlines] == ["cell"] * len(CORNERS) + ["area"]


def test_ids_are_the_same_when_exported_again(run, features):
    path = exported(run, ".geojson")
    path.unlink()
    export_slide(run.slides[0].store, run.out, ["geojson"])
    assert json.loads(path.read_text())["features"] == features


def test_ome_tiff_is_a_pyramid_of_the_labels_with_named_channels(run):
    store = spatialdata.read_zarr(run.slides[0].store)
    with tifffile.TiffFile(exported(run, ".ome.tif")) as file:
        assert file.is_ome
        (series,) = file.series
        assert series.axes == "CYX"
        assert len(series.levels) == len(store.labels["cell_labels"]) >= 2
        for index, level in enumerate(series.levels):
            for channel, name in enumerate(("cell", "area", "nothing")):
                expected = store.labels[f"{name}_labels"][f"scale{index}"].ds.to_array()
                np.testing.assert_array_equal(level.asarray()[channel], expected.squeeze())
        pixels = ElementTree.fromstring(file.ome_metadata).find(".//{*}Pixels")
    assert series.levels[0].asarray()[0].max() == len(CORNERS)
    assert [pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeYUnit")] == [str(MPP), "µm"]
    assert [item.get("Name") for item in pixels.findall("{*}Channel")] == [
        "cell",
        "area",
        "nothing",
    ]


def test_geopandas_reads_the_parquet_with_all_features(run):
    frame = geopandas.read_parquet(exported(run, ".parquet"))
    objects = spatialdata.read_zarr(run.slides[0].store).tables["objects"]
    assert list(frame.columns[:4]) == ["slide_id", "prompt", "instance_id", "geometry"]
    assert list(frame.columns[4:]) == list(objects.var_names)
    np.testing.assert_array_equal(frame[frame.columns[4:]].to_numpy(), np.asarray(objects.X))
    np.testing.assert_allclose(frame.area, frame["shape.area_um2"])
    assert frame["prompt"].tolist() == objects.obs["prompt"].tolist()
    assert frame.crs is None


def test_viewers_find_a_feature_for_every_outline(run):
    store = spatialdata.read_zarr(run.slides[0].store)
    values = spatialdata.get_values(
        "shape.area_um2", sdata=store, element_name="cell", table_name="objects"
    )
    assert values["shape.area_um2"].tolist() == store.shapes["cell"].area.tolist()
    objects = store.tables["objects"]
    assert objects.uns["spatialdata_attrs"]["instance_key"] == "instance_id"
    assert objects.obsm["spatial"].shape == (len(CORNERS) + 1, 2)
    centers = np.stack([store.shapes["cell"].centroid.x, store.shapes["cell"].centroid.y], axis=1)
    np.testing.assert_allclose(objects.obsm["spatial"][: len(CORNERS)], centers)


def test_exports_of_complete_slides_are_made_without_segmenting_again(
    run, make_prompts, make_segmentor
):
    segmentor = make_segmentor()
    again = extract(
        run.slides[0].path,
        prompts=make_prompts(),
        out=run.out,
        segmentor=segmentor,
        mpp=SLIDE_MPP,
        exports=["geoparquet"],
    )
    assert [slide.status for slide in again.slides] == ["skipped"]
    exported(run, ".parquet").unlink()
    made = extract(
        run.slides[0].path,
        prompts=make_prompts(),
        out=run.out,
        segmentor=segmentor,
        mpp=SLIDE_MPP,
        exports=["geoparquet"],
    )
    assert made.slides[0].status == "skipped"
    assert "exports were made" in made.slides[0].reason
    assert exported(run, ".parquet").is_file()
    assert segmentor.n_calls == 0


def test_a_slide_without_objects_exports_empty_files(tmp_path, make_prompts, make_segmentor):
    Image.fromarray(np.full((96, 96, 3), PINK, np.uint8)).save(tmp_path / "bare.png")
    summary = extract(
        tmp_path / "bare.png",
        prompts=make_prompts(prompts=(Prompt(name="cell", text="cells", kind="instances"),)),
        out=tmp_path / "run",
        segmentor=make_segmentor(),
        mpp=MPP,
        exports=FORMATS,
    )
    assert summary.exit_code == 0, summary.slides
    geojson, labels, parquet = summary.exports
    assert json.loads(geojson.read_text())["features"] == []
    assert not tifffile.imread(labels).any()
    assert len(geopandas.read_parquet(parquet)) == 0


def test_exports_do_not_outlive_the_store_they_were_made_from(
    tmp_path, make_prompts, make_segmentor
):
    Image.fromarray(paint()).save(tmp_path / "slide.png")
    options = {"out": tmp_path / "run", "segmentor": make_segmentor(), "mpp": SLIDE_MPP}
    first = extract(
        tmp_path / "slide.png", prompts=make_prompts(), exports=["geoparquet"], **options
    )
    assert first.exports[0].is_file()
    changed = make_prompts(mpp=1.0)
    extract(tmp_path / "slide.png", prompts=changed, overwrite=True, **options)
    assert not first.exports[0].exists()


def test_an_unknown_format_is_refused_before_any_work(tmp_path, make_prompts):
    with pytest.raises(ConfigError, match="there are geojson, ome-tiff, geoparquet"):
        extract("slide.png", prompts=make_prompts(), out=tmp_path / "run", exports=["shapefile"])
    assert not (tmp_path / "run").exists()


def test_a_store_whose_parts_disagree_is_refused(run, tmp_path):
    import shutil

    store = tmp_path / "slide.zarr"
    shutil.copytree(run.slides[0].store, store)
    shapes = store / "shapes" / "cell" / "shapes.parquet"
    geopandas.read_parquet(shapes).iloc[1:].to_parquet(shapes)
    with pytest.raises(TableError, match="do not hold the same objects"):
        list(StoredObjects(store).batches())
