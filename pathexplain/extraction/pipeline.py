"""Tiles through reading, the network and measuring, which overlap in time, in bounded memory.

Not for what the three do. Reading and measuring have a thread each; compiled code, decoders and
the network let other threads run. Tiles are measured in their order, so results do not depend on
timing.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

__all__ = ["run_tiles"]

AHEAD = 2
"""Tiles that are read ahead, and tiles that wait to be measured."""

Tile = TypeVar("Tile")
Pixels = TypeVar("Pixels")
Found = TypeVar("Found")


def run_tiles(
    tiles: Sequence[Tile],
    *,
    read: Callable[[Tile], Pixels],
    segment: Callable[[Tile, Pixels], Found],
    take: Callable[[Tile, Pixels, Found], None],
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, float]:
    """Read, segment and measure every tile.

    Parameters
    ----------
    tiles : sequence
    read, segment, take : callable
        The three steps; `segment` runs in the calling thread, the others in one thread each.
    done : callable
        Called with the number of tiles measured so far.

    Returns
    -------
    dict of str to float
        Processor seconds of `read`, `segment` and `take` in their own threads, wall seconds that
        `segment` took (`segment_wall`) and of everything (`wall`).

    Raises
    ------
    Exception
        The first that a step raises; steps not begun are dropped.

    Examples
    --------
    >>> seen = []
    >>> spent = run_tiles(
    ...     [1, 2],
    ...     read=lambda tile: tile * 10,
    ...     segment=lambda tile, pixels: pixels + tile,
    ...     take=lambda tile, pixels, found: seen.append((tile, pixels, found)),
    ... )
    >>> seen, sorted(spent)
    ([(1, 10, 11), (2, 20, 22)], ['read', 'segment', 'segment_wall', 'take', 'wall'])
    """
    spent = dict.fromkeys(("read", "segment", "segment_wall", "take", "wall"), 0.0)
    started = time.perf_counter()
    reader = ThreadPoolExecutor(1, thread_name_prefix="read")
    taker = ThreadPoolExecutor(1, thread_name_prefix="measure")

    def timed_read(tile: Tile) -> Pixels:
        begun = time.thread_time()
        pixels = read(tile)
        spent["read"] += time.thread_time() - begun
        return pixels

    def timed_take(tile: Tile, pixels: Pixels, found: Found) -> None:
        begun = time.thread_time()
        take(tile, pixels, found)
        spent["take"] += time.thread_time() - begun

    try:
        reading: deque[Future[Pixels]] = deque(
            reader.submit(timed_read, tile) for tile in tiles[:AHEAD]
        )
        taking: deque[Future[None]] = deque()
        n_taken = 0
        for index, tile in enumerate(tiles):
            pixels = reading.popleft().result()
            if index + AHEAD < len(tiles):
                reading.append(reader.submit(timed_read, tiles[index + AHEAD]))
            begun, wall = time.thread_time(), time.perf_counter()
            found = segment(tile, pixels)
            spent["segment"] += time.thread_time() - begun
            spent["segment_wall"] += time.perf_counter() - wall
            taking.append(taker.submit(timed_take, tile, pixels, found))
            while len(taking) > AHEAD or (taking and index + 1 == len(tiles)):
                taking.popleft().result()
                n_taken += 1
                done(n_taken)
    finally:
        reader.shutdown(cancel_futures=True)
        taker.shutdown(cancel_futures=True)
    spent["wall"] = time.perf_counter() - started
    return spent
