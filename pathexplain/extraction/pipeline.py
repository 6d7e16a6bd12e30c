"""Tiles through reading, the network and measuring, which overlap in time, in bounded memory.

Not for what the three do. Reading and measuring have a thread each, the network one or more;
compiled code, decoders and the network let other threads run. Tiles are measured in their order, so
results do not depend on timing.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

__all__ = ["run_tiles"]

AHEAD = 3
"""Tiles that are read ahead or wait to be measured, beside those in the network."""

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
    lanes: int = 1,
) -> dict[str, float]:
    """Read, segment and measure every tile.

    Parameters
    ----------
    tiles : sequence
    read, segment, take : callable
        The three steps, each in threads of its own.
    done : callable
        Called with the number of tiles measured so far, in the calling thread.
    lanes : int
        Tiles that `segment` is called for at the same time.

    Returns
    -------
    dict of str to float
        Processor seconds of `read`, `segment` and `take` in their own threads, wall seconds in
        which any tile was in `segment` (`segment_wall`), and of everything (`wall`).

    Raises
    ------
    Exception
        The first that a step raises, in the order of tiles; steps not begun are dropped.

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
    started = time.perf_counter()
    clocks = {name: _Clock() for name in ("read", "segment", "take")}
    reader = ThreadPoolExecutor(1, thread_name_prefix="read")
    network = ThreadPoolExecutor(lanes, thread_name_prefix="segment")
    taker = ThreadPoolExecutor(1, thread_name_prefix="measure")

    def read_one(tile: Tile) -> Pixels:
        with clocks["read"]:
            return read(tile)

    def segment_one(tile: Tile, reading: Future[Pixels]) -> Found:
        pixels = reading.result()
        with clocks["segment"]:
            return segment(tile, pixels)

    def take_one(tile: Tile, reading: Future[Pixels], segmenting: Future[Found]) -> None:
        found = segmenting.result()
        with clocks["take"]:
            take(tile, reading.result(), found)

    try:
        under_way: deque[Future[None]] = deque()
        for index, tile in enumerate(tiles):
            reading = reader.submit(read_one, tile)
            segmenting = network.submit(segment_one, tile, reading)
            under_way.append(taker.submit(take_one, tile, reading, segmenting))
            while len(under_way) >= AHEAD + lanes or (under_way and index + 1 == len(tiles)):
                under_way.popleft().result()
                done(index + 1 - len(under_way))
    finally:
        for pool in (reader, network, taker):
            pool.shutdown(cancel_futures=True)
    return {
        **{name: clock.thread_s for name, clock in clocks.items()},
        "segment_wall": clocks["segment"].wall_s,
        "wall": time.perf_counter() - started,
    }


class _Clock:
    """Processor seconds of the threads within, and wall seconds in which there was any."""

    def __init__(self) -> None:
        self.thread_s = self.wall_s = 0.0
        self._lock, self._within, self._since = Lock(), 0, 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._since = time.perf_counter()
            self._within += 1
            self.thread_s -= time.thread_time()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            self.thread_s += time.thread_time()
            if not self._within:
                self.wall_s += time.perf_counter() - self._since
