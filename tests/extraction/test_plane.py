"""A plane in chunks holds what an array holds, whatever was put aside in between."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from pathexplain.extraction.plane import SparsePlane


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_plane_is_an_array(tmp_path, channels):
    rng = np.random.default_rng(0)
    shape = (230, 310, *channels)
    truth = np.full(shape, 255, np.uint8)
    plane = SparsePlane(
        tmp_path / "a", shape=shape, dtype=np.uint8, fill=255, chunk_px=32, cache_bytes=1
    )
    for _ in range(60):
        y0, x0 = rng.integers(0, 200), rng.integers(0, 280)
        height, width = rng.integers(1, 31), rng.integers(1, 31)
        block = rng.integers(0, 256, (height, width, *channels)).astype(np.uint8)
        truth[y0 : y0 + height, x0 : x0 + width] = block
        plane.write(y0, x0, block)
        top, left = rng.integers(0, 200), rng.integers(0, 250)
        seen = plane.read(top, left, top + 30, left + 60)
        np.testing.assert_array_equal(seen, truth[top : top + 30, left : left + 60])
    plane.flush()
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "a"), mode="r")[:], truth)


def test_chunks_that_nobody_wrote_take_no_space(tmp_path):
    plane = SparsePlane(tmp_path / "a", shape=(10**6, 10**6), dtype=np.int32)
    plane.write(512 * 7, 512 * 9, np.zeros((2000, 2000), np.int32))
    assert plane.is_empty(0, 0, 10**6, 10**4)
    plane.write(512 * 7 + 3, 512 * 9 + 3, np.ones((2, 2), np.int32))
    assert not plane.is_empty(512 * 7, 512 * 9, 512 * 7 + 1, 512 * 9 + 1)
    plane.flush()
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 2
