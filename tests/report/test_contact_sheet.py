"""Contact sheets of planted examples: who is on them, in which colours, and how large."""

import numpy as np
import pytest
from PIL import Image

from pathexplain.report.contact_sheet import (
    CAPTION_PX,
    CELL_PX,
    FOUND_COLOR,
    MOST_BYTES,
    TRUTH_COLOR,
    cell,
    write_sheets,
)
from pathexplain.segmentor.assessment.examples import Choice, Example


def example(rank, dice, *, source="glas", name="gland", structure="tissue", side=200):
    rng = np.random.default_rng(0)
    image = rng.integers(150, 230, (side, side, 3), np.uint8)
    truth, found = np.zeros((side, side), np.int32), np.zeros((side, side), np.int32)
    truth[20:60, 20:60], found[30:70, 30:70] = 1, 1
    choice = Choice(source, name, rank, 0, f"{source}.png", dice)
    return Example(choice, image, truth, found, 0.5, structure)


def has_color(picture, color):
    return (np.asarray(picture) == color).all(axis=-1).any()


def test_a_sheet_for_each_source_and_the_failures_worst_first(tmp_path):
    examples = [
        example(rank, dice, source=source)
        for source in ("glas", "tnbc")
        for rank, dice in (("best", 0.9), ("median", 0.5), ("worst", 0.1))
    ]
    paths = write_sheets(tmp_path / "new", examples)
    assert [path.name for path in paths] == ["sheet-glas.png", "sheet-tnbc.png", "failures.jpg"]
    with Image.open(paths[0]) as picture:
        assert picture.width > 3 * CELL_PX
        assert picture.height > CELL_PX + CAPTION_PX
        assert has_color(picture, TRUTH_COLOR)
        assert has_color(picture, FOUND_COLOR)
    assert write_sheets(tmp_path / "none", []) == ()


def test_failures_stay_small_whatever_they_show(tmp_path):
    examples = [example("worst", i / 26, name=f"class {i}", side=240) for i in range(26)]
    *_, failures = write_sheets(tmp_path, examples)
    assert failures.stat().st_size < MOST_BYTES


def test_nuclei_are_shown_where_truth_and_mask_differ_most():
    made = example("worst", 0.3, structure="nuclei", side=900)
    far = made.found.copy()
    far[:], far[800:830, 820:850] = made.truth, 1
    made.image[800:830, 820:850] = (255, 0, 0)
    far_made = Example(made.choice, made.image, made.truth, far, made.mpp, made.structure)
    shown = cell(far_made, side_px=300, words="worst")
    assert shown.shape == (300 + CAPTION_PX, 300, 3)
    assert has_color(shown, FOUND_COLOR)
    assert has_color(shown, (255, 0, 0))
    assert not has_color(shown, TRUTH_COLOR)
    whole = Example(made.choice, made.image, made.truth, far, made.mpp, "tissue")
    assert has_color(cell(whole, side_px=300, words="worst"), FOUND_COLOR)


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (20, 20)])
def test_any_shape_fits_its_cell(shape):
    blank = np.zeros(shape, np.int32)
    made = example("best", 1.0)
    odd = Example(made.choice, np.zeros((*shape, 3), np.uint8), blank, blank, 0.5, "nuclei")
    shown = cell(odd, side_px=120, words="best")
    assert shown.shape[1] == 120
    assert shown.shape[0] <= 120 + CAPTION_PX
