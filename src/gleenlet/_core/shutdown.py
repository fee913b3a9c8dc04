"""The end of a program: what its tasks still do is cancelled and waited for, or at least named."""

from __future__ import annotations

import atexit
import warnings
from typing import Any

from gleenlet._core import _native
from gleenlet._core._native import FAILED, Waiter
from gleenlet._core.errors import UnsafeSwitchError
from gleenlet._core.hub import get_hub
from gleenlet._core.numbers import check_span
from gleenlet._core.task import Task, current_task

__all__ = ["shutdown"]

MOST_NAMED = 10


def shutdown(grace: float = 5.0) -> list[Task[Any]]:
    """Cancel all tasks of this thread's loop and run it until they have ended, or `grace` is over.

    For the end of a program: after `app.run()`, or at the end of `run`'s main function. Each task is cancelled once,
    also one that starts meanwhile, so its `finally` blocks may wait. The task that calls this stays out of it. A
    failure on the way is reported as one that nobody waits for.

    Args:
        grace: seconds.

    Returns: the tasks that did not end, which a RuntimeWarning names too; they go on if the loop does.

    Raises:
        TypeError, ValueError: `grace` is no number, negative or NaN.
        Cancelled: the task that calls this was cancelled.
        UnsafeSwitchError: a GLib callback is on the stack here; nothing is cancelled.

    Thread: any; it ends the tasks of its own.

    >>> from gleenlet import run, sleep, spawn
    >>> def work():
    ...     try:
    ...         sleep(1000)
    ...     finally:
    ...         sleep(0.001)
    ...         print("cleaned up")
    >>> task = spawn(work); run(sleep, 0)
    >>> shutdown()
    cleaned up
    []
    """
    check_span(grace, "grace")
    hub, caller = get_hub(), current_task()
    deadline = hub.time() + grace
    cancelled: set[Task[Any]] = set()
    while tasks := [task for task in hub.tasks() if task is not caller]:
        for task in tasks:
            if task not in cancelled:
                cancelled.add(task)
                task.cancel()
        left = max(0.0, deadline - hub.time())
        try:
            ended = ends(tasks[0], left)
        except UnsafeSwitchError:
            for task in cancelled:  # none of them has heard of it yet
                task.uncancel()
            raise
        if not ended:
            tasks = [task for task in tasks if not task.done()]
            if left > 0 or not tasks:
                continue
            warnings.warn(f"still running after {grace} s of shutdown(): {named(tasks)}", RuntimeWarning, stacklevel=2)
            return tasks
    return []


def ends(task: Task[Any], seconds: float) -> bool:
    """Wait for a task without taking its failure from whom it is reported to."""
    ended = Waiter(seconds, task, "shutdown")

    def told(task: Task[Any]) -> None:
        ended.wake()
        if task.state == FAILED:
            task.hub.report_failure(task.value, task)

    if not task.done():
        task.add_done_callback(told)
        try:
            ended.wait(None)
        finally:
            task.remove_done_callback(told)
    return task.done()


def named(tasks: list[Task[Any]]) -> str:
    names = ", ".join(repr(task) for task in tasks[:MOST_NAMED])
    return names + (f" and {len(tasks) - MOST_NAMED} more" if len(tasks) > MOST_NAMED else "")


@atexit.register
def warn_of_abandoned() -> None:
    """What still waits when the interpreter exits is abandoned, as daemon threads are; say so, once."""
    abandoned = [
        task
        for hub in _native.hubs()
        if not hub.closed
        for task in hub.tasks()
        if not str(getattr(task.func, "__module__", "")).startswith("gleenlet.")  # asyncio's background loop
    ]
    if abandoned:
        warnings.warn(
            f"tasks that the program's end abandons, without their finally blocks: {named(abandoned)}; "
            "call shutdown() before",
            RuntimeWarning,
            stacklevel=1,
        )
