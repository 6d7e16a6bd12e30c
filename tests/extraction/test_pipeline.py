"""Tiles through their three steps: order, overlap and failures, with steps of plain Python."""

import threading

import pytest

from pathexplain.extraction.pipeline import AHEAD, run_tiles


def test_tiles_are_measured_in_order_however_long_the_network_takes():
    released = threading.Event()
    taken = []

    def segment(tile, pixels):
        if tile == 0:
            assert released.wait(10)
        elif tile == 1:
            released.set()
        return pixels + tile

    def take(tile, pixels, found):
        taken.append((tile, pixels, found))

    counts = []
    run_tiles(
        range(9), read=lambda t: 10 * t, segment=segment, take=take, done=counts.append, lanes=2
    )
    assert taken == [(t, 10 * t, 11 * t) for t in range(9)]
    assert counts == list(range(1, 10))


def test_as_many_tiles_are_in_the_network_as_there_are_lanes():
    together = threading.Barrier(2, timeout=10)
    spent = run_tiles(
        range(6),
        read=lambda t: t,
        segment=lambda _, pixels: together.wait() * 0 + pixels,
        take=lambda *_: None,
        lanes=2,
    )
    assert 0 < spent["segment_wall"] <= spent["wall"]


def test_few_tiles_are_read_ahead_of_a_slow_step():
    read, least = [], []

    def take(tile, pixels, found):
        del pixels, found
        least.append(len(read) - tile)

    run_tiles(range(40), read=read.append, segment=lambda t, _: t, take=take, lanes=2)
    assert max(least) <= AHEAD + 2


@pytest.mark.parametrize("broken", ["read", "segment", "take"])
def test_the_first_failure_of_a_step_is_passed_on_and_stops_the_rest(broken):
    begun = []

    def step(name):
        def work(tile, *_):
            begun.append((name, tile))
            if name == broken and tile >= 3:
                message = f"{name} {tile}"
                raise OSError(message)
            return tile

        return work

    with pytest.raises(OSError, match=f"{broken} 3"):
        run_tiles(
            range(500), read=step("read"), segment=step("segment"), take=step("take"), lanes=2
        )
    assert max(tile for _, tile in begun) < 20
