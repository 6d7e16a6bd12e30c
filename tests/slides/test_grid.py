"""Cores of a grid own every pixel exactly once, and halos stay inside the plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathexplain.errors import ConfigError
from pathexplain.slides import tile_grid

sides = st.integers(min_value=1, max_value=90)


@given(height=sides, width=sides, core=st.integers(1, 40), halo=st.integers(0, 30))
def test_cores_cover_the_plane_exactly_once(height: int, width: int, core: int, halo: int) -> None:
    owners = np.zeros((height, width), dtype=int)
    for tile in tile_grid((height, width), core_px=core, halo_px=halo):
        owners[tile.core_y0 : tile.core_y1, tile.core_x0 : tile.core_x1] += 1
    assert (owners == 1).all()


@given(height=sides, width=sides, core=st.integers(1, 40), halo=st.integers(0, 30))
def test_windows_hold_core_and_halo_up_to_the_edge(
    height: int, width: int, core: int, halo: int
) -> None:
    for tile in tile_grid((height, width), core_px=core, halo_px=halo):
        assert tile.y0 == max(tile.core_y0 - halo, 0)
        assert tile.x0 == max(tile.core_x0 - halo, 0)
        assert tile.y0 + tile.height == min(tile.core_y1 + halo, height)
        assert tile.x0 + tile.width == min(tile.core_x1 + halo, width)


@given(y=st.floats(0, 76.99), x=st.floats(0, 52.99))
def test_a_point_has_one_owner(y: float, x: float) -> None:
    tiles = tile_grid((77, 53), core_px=20, halo_px=7)
    assert sum(tile.owns(y, x) for tile in tiles) == 1


@pytest.mark.parametrize(
    ("shape", "core", "halo"), [((0, 5), 4, 0), ((5, 5), 0, 0), ((5, 5), 4, -1)]
)
def test_impossible_sizes_are_refused(shape: tuple[int, int], core: int, halo: int) -> None:
    with pytest.raises(ConfigError, match="tile grid"):
        tile_grid(shape, core_px=core, halo_px=halo)
