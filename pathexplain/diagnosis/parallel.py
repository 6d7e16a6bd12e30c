"""Independent tasks on several processes, with the same answers whatever their number.

Linear algebra runs on one thread in every task, here and in workers: with more, sums round
otherwise and the last digits would depend on how many processes there are.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["in_parallel", "stream"]

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def in_parallel(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    *,
    jobs: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Return the answers in the order of the tasks.

    Parameters
    ----------
    function : callable of one task, importable by name
    tasks : sequence
    jobs : int
        Processes; 1 stays in this one.
    progress : callable, optional
        Called with how many are done and how many there are.

    Examples
    --------
    >>> in_parallel(abs, [-2, 1], jobs=1)
    [2, 1]
    """
    answers = []
    for answer in stream(function, tasks, jobs=jobs):
        answers.append(answer)
        if progress is not None:
            progress(len(answers), len(tasks))
    return answers


def stream(
    function: Callable[[Task], Answer], tasks: Sequence[Task], *, jobs: int
) -> Iterator[Answer]:
    """Yield the answers one by one, in the order of the tasks; what is not asked for is dropped.

    Parameters as in `in_parallel`.
    """
    if jobs == 1 or len(tasks) < 2:  # noqa: PLR2004 - one task needs no other process
        for task in tasks:
            yield _alone(function, task)
        return
    run = Parallel(n_jobs=jobs, return_as="generator", max_nbytes="1M")
    yield from run(delayed(_alone)(function, task) for task in tasks)


def _alone(function: Callable[[Task], Answer], task: Task) -> Answer:
    """Call the function with one thread for linear algebra."""
    with _thread_pools().limit(limits=1):
        return function(task)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """Find the libraries with threads once; looking for them takes longer than a small task."""
    return ThreadpoolController()
