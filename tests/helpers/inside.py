"""What tests of waits share: being a task, starting one that logs, two things in either order, another thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec

from gi.repository import GLib
from hypothesis import settings
from hypothesis import strategies as st

from gleenlet import Task, current_task, get_hub, run, sleep, spawn

P = ParamSpec("P")

FOREVER = 1e6
LIMITS = settings(max_examples=100, stateful_step_count=30, deadline=None, database=None, derandomize=True)
picks = st.integers(0, 10)

older: set[Task[Any]] = set()  # what other tests keep running: asyncio's background loop, say


def unfinished() -> list[Task[Any]]:
    return [task for task in get_hub().tasks() if task not in older]


def in_task(test: Callable[P, None]) -> Callable[P, None]:
    """For what needs a task: groups and timeouts."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test, *args, **kwargs)

    return wrapper


def settle() -> None:
    """Let everything run until all tasks wait or have ended; from outside any task.

    `sleep(0)` may come back earlier on a busy machine: what the loop has passed over for 10 ms is served first.
    """
    context = GLib.MainContext.default()
    for _ in range(100_000):
        if not context.iteration(False):
            return
    raise AssertionError("the loop does not come to rest: something is always ready")


def both_orders(first: Callable[[], object], second: Callable[[], object], turned: bool) -> None:
    """Do both with nothing in between, or the other way round."""
    if turned:
        first, second = second, first
    first()
    second()


def start(log: list[str], name: str, wait: Callable[[], object]) -> Task[None]:
    """A task that waits, and logs its name and how that ended."""

    def waits() -> None:
        try:
            wait()
        except BaseException as error:
            log.append(f"{name} {type(error).__name__}")
            raise
        log.append(name)

    return spawn(waits, name=name)


def me() -> Task[Any]:
    task = current_task()
    assert task is not None
    return task


def fail(error: BaseException) -> None:
    raise error


def crash(error: BaseException | type[BaseException] = ZeroDivisionError) -> None:
    raise error


def crash_when_cancelled(error: type[BaseException] = ZeroDivisionError) -> None:
    try:
        sleep(FOREVER)
    finally:
        raise error


def kinds(group: BaseExceptionGroup[BaseException]) -> list[str]:
    return sorted(type(error).__name__ for error in group.exceptions)


def used_in_another_thread(use: Callable[[], object]) -> BaseException | None:
    """What `use` raises in another thread; None if nothing."""
    errors: list[BaseException | None] = []

    def thread() -> None:
        try:
            use()
        except BaseException as error:
            errors.append(error)
        else:
            errors.append(None)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    return errors[0]
