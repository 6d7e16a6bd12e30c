"""Every format reads to the same pixels and scale; what is broken or unsupported is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pathexplain.errors import SlideError
from pathexplain.slides import Slide, is_slide, open_slide, slide_name, working_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED = Path(__file__).parents[2] / "../shared/data/slides"
MPP = 0.25


def coordinates(height: int, width: int, factor: int = 1) -> NDArray[np.uint8]:
    """Red is y/8 and green x/8 of level 0 at the pixel center, blue tells the level."""
    y, x = (np.mgrid[:height, :width] + 0.5) * factor / 8
    return np.stack([y, x, np.full_like(y, 40 * np.log2(factor))], axis=-1).astype(np.uint8)


def write_pyramid(path: Path, *, ome: bool, compression: str | None = None) -> None:
    """Three levels; as SubIFDs (OME) or as plain pages marked reduced."""
    tiles: dict[str, Any] = {"tile": (128, 128), "compression": compression, "photometric": "rgb"}
    with tifffile.TiffWriter(path, ome=ome) as writer:
        size = {"PhysicalSizeX": MPP * 1e3, "PhysicalSizeXUnit": "nm"}
        size |= {"PhysicalSizeY": MPP * 1e3, "PhysicalSizeYUnit": "nm"}
        writer.write(
            coordinates(1600, 1200),
            subifds=2 if ome else None,
            metadata={"axes": "YXS", **size} if ome else None,
            resolution=(1e4 / MPP, 1e4 / MPP),
            resolutionunit="CENTIMETER",
            **tiles,
        )
        for factor in (2, 4):
            writer.write(
                coordinates(1600 // factor, 1200 // factor, factor),
                subfiletype=1,
                metadata=None,
                **tiles,
            )


def check_positions(slide: Slide) -> None:
    """Windows at many scales show the coordinates of their own pixel centers."""
    for ratio, y, x in [(1, 333, 77), (1.6, 200, 311), (2, 128, 64), (3.1, 17, 450), (4, 0, 0)]:
        got = slide.read(y * MPP, x * MPP, 60, 50, MPP * ratio).astype(float)
        want_y = (y + (np.arange(60) + 0.5) * ratio) / 8
        want_x = (x + (np.arange(50) + 0.5) * ratio) / 8
        # Painted values are rounded down, by half a step on average; JPEG adds noise.
        assert abs((got[..., 0] + 0.5 - want_y[:, None]).mean()) * 8 < 1
        assert abs((got[..., 1] + 0.5 - want_x[None]).mean()) * 8 < 1
        level = 2 if ratio >= 4 else 1 if ratio >= 2 else 0
        assert abs(np.median(got[..., 2]) - 40 * level) <= 2


@pytest.mark.parametrize("compression", [None, "deflate", "jpeg"])
@pytest.mark.parametrize("ome", [True, False])
def test_tiff_pyramids_read_at_the_right_place_from_the_right_level(
    tmp_path: Path, ome: bool, compression: str | None
) -> None:
    path = tmp_path / ("p.ome.tif" if ome else "p.tif")
    write_pyramid(path, ome=ome, compression=compression)
    with open_slide(path) as slide:
        assert (slide.slide_id, slide.shape, slide.mpp) == ("p", (1600, 1200), MPP)
        assert slide.source["mpp_source"] == ("ome-xml" if ome else "tiff resolution")
        assert [level.downsample for level in slide.levels] == [(1, 1), (2, 2), (4, 4)]
        check_positions(slide)


def test_an_aperio_file_reads_alike_through_openslide_and_tifffile(tmp_path: Path) -> None:
    path = tmp_path / "s.svs"
    with tifffile.TiffWriter(path) as writer:
        for factor in (1, 2, 4):
            writer.write(
                coordinates(1600 // factor, 1200 // factor, factor),
                tile=(256, 256),
                compression="jpeg",
                photometric="rgb",
                description="Aperio Image Library\r\n1200x1600|AppMag = 40|MPP = 0.2500",
                metadata=None,
            )
            if factor == 1:
                writer.write(coordinates(160, 120, 8), photometric="rgb", metadata=None)
    with open_slide(path) as slide:
        assert slide.source == {
            "reader": "openslide",
            "vendor": "aperio",
            "mpp_source": "openslide",
        }
        assert slide.mpp == MPP
        check_positions(slide)
        with open_slide(path, reader="tiff") as other:
            assert (other.source["mpp_source"], other.mpp) == ("aperio", MPP)
            ours = other.read(50.0, 60.0, 200, 100, MPP).astype(int)
        assert np.abs(slide.read(50.0, 60.0, 200, 100, MPP) - ours).max() <= 3


LAYOUTS: list[dict[str, Any]] = [
    {"rowsperstrip": 17},
    {"tile": (32, 48), "compression": "lzw"},
    {"tile": (32, 48), "planarconfig": "separate"},
    {"planarconfig": "separate", "compression": "deflate"},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tiff_layout_gives_the_same_pixels(tmp_path: Path, layout: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (123, 141, 3), dtype=np.uint8)
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in layout else pixels
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, stored, photometric="rgb", **layout)
    with open_slide(path, mpp=0.5) as slide:
        assert np.array_equal(slide.read(0, 0, 123, 141, 0.5), pixels)
        assert np.array_equal(slide.read(20.0, 30.0, 40, 50, 0.5), pixels[40:80, 60:110])


def test_three_planes_of_one_channel_are_rgb(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 60, 50), dtype=np.uint8)
    path = tmp_path / "c.ome.tiff"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "CYX"}, ome=True)
    with open_slide(path, mpp=1.0) as slide:
        assert np.array_equal(slide.read(0, 0, 60, 50, 1.0), np.moveaxis(pixels, 0, -1))


def test_gray_and_alpha_become_rgb_on_white(tmp_path: Path) -> None:
    gray = np.full((20, 30), 90, dtype=np.uint8)
    clear = np.zeros((20, 30, 4), dtype=np.uint8)
    clear[:, :15] = (10, 20, 30, 255)
    for suffix in (".png", ".tif"):
        for name, array in (("gray", gray), ("clear", clear)):
            path = tmp_path / f"{name}{suffix}"
            if suffix == ".png":
                Image.fromarray(array).save(path, dpi=(72, 72))
            else:
                extra = {"extrasamples": ["unassalpha"]} if array.ndim == 3 else {}
                photometric = "rgb" if array.ndim == 3 else "minisblack"
                tifffile.imwrite(path, array, photometric=photometric, **extra)
    for suffix in (".png", ".tif"):
        with open_slide(tmp_path / f"gray{suffix}", mpp=0.5) as slide:
            assert (slide.read(0, 0, 20, 30, 0.5) == 90).all()
        with open_slide(tmp_path / f"clear{suffix}", mpp=0.5) as slide:
            got = slide.read(0, 0, 20, 30, 0.5)
        assert (got[:, :15] == (10, 20, 30)).all()
        assert (got[:, 15:] == 255).all()


def write_plain(path: Path, array: NDArray[Any], **options: Any) -> Path:
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(path, array, **{"photometric": photometric, "metadata": None, **options})
    return path


RGB = np.zeros((40, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((20000, 20000), "CENTIMETER", 0.5),
        ((101600, 101600), "INCH", 0.25),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((20000, 20000), "NONE", None),
        ((1, 1), "CENTIMETER", None),
    ],
)
def test_resolution_tags_count_only_where_they_are_plausible(
    tmp_path: Path, resolution: tuple[int, int], unit: str, expected: float | None
) -> None:
    path = write_plain(tmp_path / "r.tif", RGB, resolution=resolution, resolutionunit=unit)
    if expected is None:
        with pytest.raises(SlideError, match="no mpp in the file; pass --mpp") as caught:
            open_slide(path)
        assert (caught.value.slide_id, caught.value.path) == ("r", str(path))
    else:
        with open_slide(path) as slide:
            assert slide.mpp == pytest.approx(expected)


def test_imagej_microns_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "i.tif"
    tifffile.imwrite(path, RGB, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    with open_slide(path) as slide:
        assert (slide.mpp, slide.source["mpp_source"]) == (0.25, "imagej")


def test_given_mpp_overrides_the_file(tmp_path: Path) -> None:
    path = write_plain(
        tmp_path / "o.tif", RGB, resolution=(20000, 30000), resolutionunit="CENTIMETER"
    )
    with pytest.raises(SlideError, match="not square"):
        open_slide(path)
    with open_slide(path, mpp=0.4, slide_id="named") as slide:
        assert (slide.mpp, slide.slide_id, slide.source["mpp_source"]) == (0.4, "named", "given")
        assert working_shape(slide, 0.8) == (20, 25)


def test_unsupported_pixels_are_refused_by_name(tmp_path: Path) -> None:
    deep = write_plain(tmp_path / "deep.tif", np.zeros((8, 8), dtype=np.uint16))
    ink = write_plain(
        tmp_path / "ink.tif", np.zeros((8, 8, 4), dtype=np.uint8), photometric="separated"
    )
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("CMYK", (8, 8)).save(tmp_path / "ink.jpg")
    cases = {deep: "16-bit", ink: "CMYK"}
    cases |= {tmp_path / "deep.png": "16-bit", tmp_path / "ink.jpg": "CMYK"}
    for path, word in cases.items():
        with pytest.raises(SlideError, match=f"{word}.*not supported; save .*{path.name}"):
            open_slide(path, mpp=0.5)


def test_unknown_suffix_reader_and_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(SlideError, match=r"no reader for suffix '.xyz'"):
        open_slide(tmp_path / "a.xyz")
    with pytest.raises(SlideError, match="no reader 'zeiss'"):
        open_slide(tmp_path / "a.svs", reader="zeiss")
    with pytest.raises(SlideError, match="no such file"):
        open_slide(tmp_path / "a.svs")
    Image.fromarray(RGB).save(tmp_path / "a.png", dpi=(50800, 50800))
    with pytest.raises(SlideError, match="no mpp in the file; pass --mpp"):
        open_slide(tmp_path / "a.png")
    assert is_slide("A.SVS")
    assert not is_slide("a.csv")
    assert slide_name("x/a.b.ome.tif") == "a.b"


def read_all(path: Path) -> None:
    with open_slide(path, mpp=0.5) as slide:
        slide.read(0, 0, *slide.shape, slide.mpp)


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".png", ".jpg", ".svs", ".ndpi"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_truncated_files_never_give_pixels(tmp_path: Path, suffix: str, kept: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix in {".png", ".jpg"}:
        noise = np.random.default_rng(2).integers(0, 256, (90, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(whole)
    else:
        write_pyramid(whole, ome=suffix == ".ome.tif", compression="jpeg")
    broken = tmp_path / f"broken{suffix}"
    content = whole.read_bytes()
    broken.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SlideError, match="broken"):
        read_all(broken)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared slides are not on this machine")
class TestRealSlides:
    def test_the_files_own_scale(self) -> None:
        with open_slide(SHARED / "CMU-1-Small-Region.svs") as slide:
            assert (slide.mpp, slide.shape) == (0.499, (2967, 2220))
        with pytest.raises(SlideError, match=r"tcga-cr-7395.*pass --mpp"):
            open_slide(SHARED / "tcga-cr-7395-01a-01-ts1.svs")

    def test_levels_agree_on_position(self) -> None:
        with open_slide(SHARED / "tcga-cr-7395-01a-01-ts1.svs", mpp=0.5) as slide:
            from_coarse = slide.read(1000.0, 1200.0, 300, 300, 1.0).astype(float).mean(axis=2)
            fine = slide.read(1000.0, 1200.0, 600, 600, 0.5).astype(float).mean(axis=2)
        from_fine = fine.reshape(300, 2, 300, 2).mean(axis=(1, 3))

        def match(dy: int, dx: int) -> float:
            moved = np.roll(from_fine, (dy, dx), axis=(0, 1))[5:-5, 5:-5]
            return float(np.corrcoef(moved.ravel(), from_coarse[5:-5, 5:-5].ravel())[0, 1])

        shifts = {(dy, dx): match(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
        assert max(shifts, key=lambda shift: shifts[shift]) == (0, 0)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_color_profile_is_named_and_pixels_stay_as_stored(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.full((64, 64, 3), (200, 120, 160), np.uint8)
    path = tmp_path / f"field{suffix}"
    Image.fromarray(pixels).save(path, icc_profile=profile)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.source["icc"] == "embedded, not applied"
        assert np.abs(slide.read(0, 0, 64, 64, 0.5).astype(int) - pixels).max() <= 3
