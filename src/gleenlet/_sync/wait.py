"""wait and as_completed: several tasks at once. Cancels none; knows only how a task tells of its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from gleenlet._core import Task, Waiter, time_left

__all__ = ["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION", "as_completed", "wait"]

T = TypeVar("T")

FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"
ALL_COMPLETED = "ALL_COMPLETED"

_ENOUGH: dict[str, Callable[[Task[Any]], bool]] = {
    FIRST_COMPLETED: lambda _: True,
    FIRST_EXCEPTION: lambda task: not task.cancelled() and task.exception() is not None,
    ALL_COMPLETED: lambda _: False,
}
"""Is the end of this task enough? That of the last one is in any case."""


def wait(
    tasks: Iterable[Task[T]], timeout: float | None = None, return_when: str = ALL_COMPLETED
) -> tuple[set[Task[T]], set[Task[T]]]:
    """Wait until tasks have ended; none is cancelled, and no failure of theirs is raised.

    Args:
        timeout: seconds, None for no limit.
        return_when: FIRST_COMPLETED, FIRST_EXCEPTION or ALL_COMPLETED.

    Returns: two sets: those that have ended, and the others.
    Raises: ValueError: no tasks, an unknown `return_when`, a negative `timeout`. TypeError: not tasks.
        Cancelled, UnsafeSwitchError: as in `sleep`.

    >>> from gleenlet import spawn
    >>> done, pending = wait([spawn(int)])
    >>> len(done), len(pending)
    (1, 0)
    """
    if return_when not in tuple(_ENOUGH):
        raise ValueError(f"Invalid return_when value: {return_when!r}")
    everything = _tasks(tasks, "wait")
    if not everything:
        raise ValueError("Set of Tasks is empty: wait() needs one at least")
    deadline = Waiter(timeout).deadline  # refuses bad input
    enough = _ENOUGH[return_when]
    for task in _ended(everything, deadline, enough):
        if enough(task):
            break
    done = {task for task in everything if task.done()}
    return done, set(everything) - done


def as_completed(tasks: Iterable[Task[T]], timeout: float | None = None) -> Iterator[Task[T]]:
    """Iterate over tasks in the order in which they end; each step waits for the next one.

    Args:
        timeout: seconds for all of them together, from this call; None for no limit.

    Returns: the iterator; what it gives has ended: ask it for its `result()`.
    Raises: TypeError: not tasks. ValueError: `timeout` is negative or NaN. By a step: TimeoutError: they did
        not all end within `timeout` seconds. Cancelled, UnsafeSwitchError: as in `sleep`.

    >>> from gleenlet import spawn
    >>> [task.result() for task in as_completed([spawn(int), spawn(str)])]
    [0, '']
    """
    deadline = Waiter(timeout).deadline  # refuses bad input at once
    return _ended(_tasks(tasks, "as_completed"), deadline)


def _ended(
    tasks: list[Task[T]], deadline: float | None, enough: Callable[[Task[T]], bool] | None = None
) -> Iterator[Task[T]]:
    """Give the tasks in the order in which they end.

    Args:
        enough: which of them is waited for, if not for each; the others are given with it, or with the last one, and
            the deadline is the end. Without, it is a TimeoutError.
    """
    finished: list[Task[T]] = []
    running: set[Task[T]] = set()
    waiter: Waiter | None = None
    process = os.getpid()

    def ended(task: Task[T]) -> None:
        if task in running:
            running.remove(task)
            finished.append(task)
            if waiter is not None and (enough is None or not running or enough(task)):
                waiter.wake()

    for task in tasks:
        if task.done():
            finished.append(task)
        else:
            running.add(task)
            task.add_done_callback(ended)
    try:
        for step in range(len(tasks)):
            while step >= len(finished):
                if process != (process := os.getpid()):  # forked meanwhile: what was the parent's has ended untold
                    for task in tasks:
                        if task.done():
                            ended(task)
                    continue
                waiter = Waiter(time_left(deadline), tasks, "tasks")
                if waiter.wait(True):
                    if enough is not None:
                        return
                    if step >= len(finished):
                        raise TimeoutError
            yield finished[step]
    finally:
        for task in tasks:
            task.drop_callback(ended)


def _tasks(tasks: Iterable[Task[T]], who: str) -> list[Task[T]]:
    """Each once, in the order given."""
    if isinstance(tasks, Task):
        raise TypeError(f"{who}() needs a list or another iterable of tasks, not one task")
    if not isinstance(tasks, Iterable):
        raise TypeError(f"{who}() needs a list or another iterable of tasks, not {type(tasks).__name__}")
    everything = list(dict.fromkeys(tasks))
    for task in everything:
        if not isinstance(task, Task):
            raise TypeError(f"{who}() needs tasks, not {type(task).__name__}: start functions with spawn()")
        if task.done():
            task.join()  # its failure is asked for
        else:
            task.hub.check_thread()
    return everything
