"""The paper's cutting rule, as the laws that it states."""

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pathexplain.segmentor.datasets.cutting import windows

SIDES = st.integers(1, 9000)


@settings(max_examples=40)
@given(SIDES, SIDES)
def test_nothing_is_cut_up_to_1500_px(height: int, width: int) -> None:
    found = windows((height, width))
    if max(height, width) <= 1500:
        (window,) = found
        assert (window.y_px, window.x_px) == (slice(0, height), slice(0, width))
    else:
        assert len(found) == math.ceil(height / 1024) * math.ceil(width / 1024)


@given(st.integers(1501, 20000))
def test_windows_are_1024_px_overlap_evenly_and_reach_the_end(side: int) -> None:
    found = [window.x_px for window in windows((1024, side))]
    n_windows = math.ceil(side / 1024)
    assert len(found) == n_windows
    assert all(window.stop - window.start == 1024 for window in found)
    assert (found[0].start, found[-1].stop) == (0, side)
    overlaps = [a.stop - b.start for a, b in itertools.pairwise(found)]
    exact = (1024 * n_windows - side) / (n_windows - 1)
    assert all(abs(overlap - exact) <= 1 for overlap in overlaps)


@settings(max_examples=30)
@given(st.integers(1, 3500), st.integers(1, 3500))
def test_every_pixel_is_in_a_window(height: int, width: int) -> None:
    seen = np.zeros((height, width), bool)
    for window in windows((height, width)):
        seen[window.y_px, window.x_px] = True
    assert seen.all()
