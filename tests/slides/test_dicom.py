"""DICOM slides: all files of a series are one slide, read by OpenSlide.

The files are written element by element: PS3.10 header, JPEG tiles.
"""

import struct
from io import BytesIO

import numpy as np
from PIL import Image

from pathexplain.extraction.inputs import find_slides
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.slides import open_slide

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
LONG = {"OB", "SQ", "UT"}


def element(tag, vr, value):
    """One data element, explicit VR, little endian."""
    if isinstance(value, str):
        value = value.encode()
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    elif isinstance(value, int):
        value = struct.pack("<I" if vr == "UL" else "<H", value)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    size = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return head + size + value


def sequence(tag, *items):
    """A sequence of items, each the bytes of its elements."""
    packed = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return element(tag, "SQ", packed)


def frames(image, tile):
    """Encapsulated JPEG tiles, row by row; an empty offset table first."""
    height, width = image.shape[:2]
    parts = [struct.pack("<HHI", 0xFFFE, 0xE000, 0)]
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            stream = BytesIO()
            block = image[top : top + tile, left : left + tile]
            Image.fromarray(block).save(stream, "JPEG", quality=95, subsampling=0)
            data = stream.getvalue() + b"\0" * (len(stream.getvalue()) % 2)
            parts.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data)
    pixel_data = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return pixel_data + b"".join(parts) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), len(parts) - 1


def write_level(path, image, *, series, instance, mpp, tile=64):
    """Write one level of a slide; sides of `image` (H, W, 3) uint8 are multiples of `tile`."""
    pixels, n_frames = frames(np.asarray(image), tile)
    height, width = image.shape[:2]
    spacing = element(0x00280030, "DS", f"{mpp / 1000:.7f}\\{mpp / 1000:.7f}")
    body = [
        element(0x00080008, "CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        element(0x00080016, "UI", WHOLE_SLIDE),
        element(0x00080018, "UI", f"{series}.{instance}"),
        element(0x00080060, "CS", "SM"),
        element(0x0020000D, "UI", f"{series}.99"),
        element(0x0020000E, "UI", series),
        element(0x00200013, "IS", str(instance)),
        element(0x00209311, "CS", "TILED_FULL"),
        element(0x00280002, "US", 3),
        element(0x00280004, "CS", "YBR_FULL_422"),
        element(0x00280006, "US", 0),
        element(0x00280008, "IS", str(n_frames)),
        element(0x00280010, "US", tile),
        element(0x00280011, "US", tile),
        element(0x00280100, "US", 8),
        element(0x00280101, "US", 8),
        element(0x00280102, "US", 7),
        element(0x00280103, "US", 0),
        element(0x00480006, "UL", width),
        element(0x00480007, "UL", height),
        sequence(0x52009229, sequence(0x00289110, spacing)),
        pixels,
    ]
    meta = [
        element(0x00020001, "OB", b"\0\1"),
        element(0x00020002, "UI", WHOLE_SLIDE),
        element(0x00020003, "UI", f"{series}.{instance}"),
        element(0x00020010, "UI", JPEG_BASELINE),
        element(0x00020012, "UI", "1.2.3.4"),
    ]
    length = element(0x00020000, "UL", sum(map(len, meta)))
    path.write_bytes(b"\0" * 128 + b"DICM" + length + b"".join(meta) + b"".join(body))


def painted(side):
    """Red grows downwards, green to the right."""
    ramp = np.linspace(40, 220, side)
    planes = np.broadcast_arrays(ramp[:, None], ramp[None, :], np.float64(128))
    return np.stack(planes, axis=2).astype(np.uint8)


def write_slide(folder, name, series):
    image = painted(256)
    half = image.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    write_level(folder / f"{name}_1.dcm", image, series=series, instance=1, mpp=0.25)
    write_level(folder / f"{name}_2.dcm", half, series=series, instance=2, mpp=0.5)
    return image


def test_a_series_is_one_slide_whichever_of_its_files_is_opened(tmp_path):
    image = write_slide(tmp_path, "a", "1.2.3.4.5")
    for number in (1, 2):
        with open_slide(tmp_path / f"a_{number}.dcm") as slide:
            assert slide.shape == (256, 256)
            assert slide.mpp == 0.25
            assert len(slide.levels) == 2
            seen = slide.read(0.0, 0.0, 256, 256, 0.25)
            assert np.abs(seen.astype(int) - image).max() < 12


def test_a_folder_lists_each_series_once(tmp_path):
    write_slide(tmp_path, "a", "1.2.3.4.5")
    write_slide(tmp_path, "b", "1.2.3.4.6")
    (tmp_path / "broken.dcm").write_bytes(b"DICM")
    prompts = PromptSet(version=1, mpp=0.5, prompts=(Prompt(name="a", text="a", kind="region"),))
    assert list(find_slides(tmp_path, prompts=prompts)) == ["a_1", "b_1", "broken"]
