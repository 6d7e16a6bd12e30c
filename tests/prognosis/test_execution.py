"""Long work: the same result for any number of processes, after any interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.execution import Execution, spawn_seed

if TYPE_CHECKING:
    from pathlib import Path


def square(x: float) -> dict[str, float]:
    return {"value": x**2, "missing": float("nan")}


def stop_at_three(x: float) -> dict[str, float]:
    if x == 3:
        raise KeyboardInterrupt
    return square(x)


PIECES = [(float(x),) for x in range(6)]


def test_processes_change_nothing() -> None:
    def squared(x: float) -> dict[str, float]:  # local: another process cannot import the tests
        return {"value": x**2}

    alone = [one["value"] for one in Execution().run("s", squared, PIECES)]
    together = [one["value"] for one in Execution(jobs=2).run("s", squared, PIECES)]
    assert alone == together == [0, 1, 4, 9, 16, 25]


def test_stopped_work_is_resumed_without_loss(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    kept = Execution(folder=tmp_path, key="k", progress=lambda *now: seen.append(now))
    with pytest.raises(KeyboardInterrupt):
        kept.run("s", stop_at_three, PIECES)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text() + '\n[3, {"val')  # cut short while writing
    seen.clear()
    resumed = kept.run("s", square, PIECES)
    assert [one["value"] for one in resumed] == [0, 1, 4, 9, 16, 25]
    assert [now[1] for now in seen] == [3, 4, 5, 6]
    assert all(one["missing"] != one["missing"] for one in resumed)
    assert [one["value"] for one in kept.run("s", square, PIECES)][3] == 9


def test_pieces_of_other_data_or_options_are_not_taken(tmp_path: Path) -> None:
    Execution(folder=tmp_path, key="one").run("s", square, PIECES)
    other = Execution(folder=tmp_path, key="two").run("s", lambda x: {"value": -x}, PIECES)
    assert other[2] == {"value": -2}


def test_seeds_of_pieces_differ() -> None:
    assert (
        len({spawn_seed(seed, step, k) for seed in (0, 1) for step in (1, 2) for k in range(9)})
        == 36
    )


def test_no_processes_are_refused() -> None:
    with pytest.raises(CohortError, match="jobs is 0"):
        Execution(jobs=0)
