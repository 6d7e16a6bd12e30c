"""Every pixel of a window shows the coordinates of its own center, to one pixel, in every format.

Red is y and green is x of level 0, modulo 256, of the center of each pixel of each level; windows
stay inside one period. Levels have factors 4 and 16, sides are odd.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
import tifffile
import zarr

from pathexplain.slides import open_slide
from pathexplain.slides.openslide_reader import _bounds, _level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MPP = 0.25
HEIGHT, WIDTH = 1203, 1405
FACTORS = (1, 4, 16)
# Scale of the window to level 0, height and width of the window; each also on its side.
WINDOWS = [
    (1.0, 200, 33), (1.0, 64, 64), (1.37, 129, 17), (2.0, 90, 90), (3.9, 50, 20),
    (4.0, 48, 11), (5.3, 31, 31), (11.0, 9, 16), (16.0, 8, 3), (21.0, 5, 2),
]  # fmt: skip


def painted(factor: int) -> NDArray[np.uint8]:
    height, width = HEIGHT // factor, WIDTH // factor
    y, x = np.floor((np.mgrid[:height, :width] + 0.5) * factor)
    planes = [y % 256, x % 256, np.full_like(y, FACTORS.index(factor))]
    return np.stack(planes, -1).astype(np.uint8)


def write_tiff(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for factor in FACTORS:
            writer.write(
                painted(factor),
                tile=(64, 64),
                photometric="rgb",
                subfiletype=int(factor > 1),
                resolution=(1e4 / MPP, 1e4 / MPP),
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def ome_attributes(*, unit: str | None = "micrometer") -> dict[str, object]:
    axes = [{"name": name, "type": "space", "unit": unit} for name in "yx"]
    if unit is None:
        axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [
        {
            "path": f"s{index}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, MPP * factor, MPP * factor]}
            ],
        }
        for index, factor in enumerate(FACTORS)
    ]
    axes = [{"name": "c", "type": "channel"}, *axes]
    return {"multiscales": [{"version": "0.5", "axes": axes, "datasets": datasets}]}


def write_zarr(path: Path, *, version: int = 3, unit: str | None = "micrometer") -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    attributes = ome_attributes(unit=unit)
    group.attrs.update({"ome": attributes} if version == 3 else attributes)
    for index, factor in enumerate(FACTORS):
        pixels = np.moveaxis(painted(factor), -1, 0)
        array = group.create_array(
            f"s{index}", shape=pixels.shape, chunks=(1, 100, 90), dtype="uint8"
        )
        array[:] = pixels


FORMATS: dict[str, tuple[Callable[[Path], None], str]] = {
    "tiff": (write_tiff, "p.tif"),
    "openslide": (write_tiff, "p.tif"),
    "zarr": (write_zarr, "p.ome.zarr"),
}


@pytest.mark.parametrize("reader", FORMATS)
def test_every_pixel_shows_its_own_place(tmp_path: Path, reader: str) -> None:
    write, name = FORMATS[reader]
    write(tmp_path / name)
    given = MPP if reader == "openslide" else None
    rng = np.random.default_rng(0)
    with open_slide(tmp_path / name, mpp=given, reader=reader) as slide:
        assert (slide.slide_id, slide.mpp, slide.shape) == ("p", MPP, (HEIGHT, WIDTH))
        for ratio, *sides in WINDOWS:
            for height, width in (sides, sides[::-1]):
                # Two pixels of the level that is read stay between the window and the period's end.
                room = 256 - 2 * 16 - np.array([height, width]) * ratio
                y, x = 256 * rng.integers(0, 4, 2) + 16 + rng.uniform(0, 1, 2) * room
                got = slide.read(y * MPP, x * MPP, height, width, MPP * ratio).astype(float)
                level = max(i for i, factor in enumerate(FACTORS) if factor <= ratio * 1.01)
                # Centers of level 0 are at halves and painted as the whole number below.
                cut = 0.0 if level else 0.5
                want_y = y % 256 + (np.arange(height) + 0.5) * ratio - cut
                want_x = x % 256 + (np.arange(width) + 0.5) * ratio - cut
                allowed = max(1.0, ratio)  # one pixel of the window
                assert np.abs(got[..., 0] - want_y[:, None]).max() <= allowed
                assert np.abs(got[..., 1] - want_x[None]).max() <= allowed
                assert np.abs((got[..., 0] - want_y[:, None]).mean()) <= 1.0
                assert (got[..., 2] == level).all()


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_of_ome_zarr_and_a_spatialdata_store(tmp_path: Path, version: int) -> None:
    write_zarr(tmp_path / "s.ome.zarr", version=version)
    with open_slide(tmp_path / "s.ome.zarr") as slide:
        assert slide.source["mpp_source"] == "ome-zarr"
        np.testing.assert_array_equal(slide.read(0, 0, 50, 60, MPP), painted(1)[:50, :60])


def test_a_spatialdata_image_is_read_and_needs_its_resolution(tmp_path: Path) -> None:
    from spatialdata import SpatialData
    from spatialdata.models import Image2DModel

    from pathexplain.errors import SlideError

    with warnings.catch_warnings():
        # ome-zarr 0.15 deprecates its own Scaler while it defines a default argument.
        warnings.simplefilter("ignore", DeprecationWarning)
        import ome_zarr.writer  # noqa: F401 - imported for the warning, once, here

    image = Image2DModel.parse(np.moveaxis(painted(1), -1, 0), dims="cyx", scale_factors=[2, 2])
    path = tmp_path / "store.zarr"
    SpatialData(images={"he": image}).write(path)
    with open_slide(path, mpp=MPP) as slide:
        assert len(slide.levels) == 3
        np.testing.assert_array_equal(slide.read(5 * MPP, 0, 50, 60, MPP), painted(1)[5:55, :60])
    with pytest.raises(SlideError, match="--mpp"):
        open_slide(path)
    SpatialData(images={"he": image, "ihc": image}).write(tmp_path / "two.zarr")
    with pytest.raises(SlideError, match=r"2 images .he, ihc."):
        open_slide(tmp_path / "two.zarr", mpp=MPP)
    with open_slide(tmp_path / "two.zarr" / "images" / "he", mpp=MPP, reader="zarr") as slide:
        assert slide.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "said"),
    [
        ((3, 40, 40), "cyx", "uint16", "16-bit"),
        ((5, 40, 40), "cyx", "uint8", "5 channels"),
        ((4, 40, 40), "zyx", "uint8", "4 in z"),
    ],
)
def test_what_ome_zarr_may_hold_and_is_not_read_is_named(
    tmp_path: Path, shape: tuple[int, ...], axes: str, dtype: str, said: str
) -> None:
    from pathexplain.errors import SlideError

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    described = {"axes": [{"name": name} for name in axes], "datasets": [{"path": "s0"}]}
    group.attrs["ome"] = {"multiscales": [described]}
    group.create_array("s0", shape=shape, dtype=dtype)
    with pytest.raises(SlideError, match=said):
        open_slide(tmp_path / "a.zarr", mpp=MPP)
    zarr.open_group(str(tmp_path / "empty.zarr"), mode="w")
    with pytest.raises(SlideError, match="holds no image"):
        open_slide(tmp_path / "empty.zarr", mpp=MPP)


class Scanned:
    """What OpenSlide shows of a slide of which only a part was scanned."""

    dimensions = (1600, 1200)
    level_dimensions = ((1600, 1200), (400, 300))
    level_downsamples = (1.0, 4.0)
    properties: ClassVar = {
        "openslide.bounds-x": "100",
        "openslide.bounds-y": "200",
        "openslide.bounds-width": "800",
        "openslide.bounds-height": "400",
    }

    def read_region(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> object:
        from PIL import Image

        x, y = corner
        factor = int(self.level_downsamples[level])
        rows = ((np.arange(size[1]) + 0.5) * factor + y)[:, None] / 8
        columns = ((np.arange(size[0]) + 0.5) * factor + x)[None] / 8
        planes = np.broadcast_arrays(rows, columns, 0, 255)
        return Image.fromarray(np.stack(planes, -1).astype(np.uint8), "RGBA")


@pytest.mark.parametrize("index", [0, 1])
def test_a_slide_is_the_part_that_was_scanned(index: int) -> None:
    bounds = _bounds(Scanned.properties, Scanned.dimensions)
    assert bounds == (200, 100, 400, 800)
    level = _level(Scanned(), index, bounds)
    factor = (1, 4)[index]
    assert level.shape == (400 // factor, 800 // factor)
    got = level.crop(16 // factor, 32 // factor, 8, 8)
    assert (got[0, 0, 0], got[0, 0, 1]) == ((216 + factor / 2) // 8, (132 + factor / 2) // 8)


def test_nonsense_bounds_are_ignored() -> None:
    assert _bounds({}, (10, 20)) == (0, 0, 20, 10)
    wrong = {**Scanned.properties, "openslide.bounds-x": "99999"}
    assert _bounds(wrong, Scanned.dimensions) == (0, 0, 1200, 1600)
