"""DICOM slides: all files of a series are one slide, read by OpenSlide."""

import numpy as np

from pathexplain.extraction.inputs import find_slides
from pathexplain.prompts import Prompt, PromptSet
from pathexplain.slides import open_slide
from tests.slides.dicom_files import write_level


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
