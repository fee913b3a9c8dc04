"""A test as a task, with a limit in real seconds whatever clock the test is under."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gleenlet import GleenletError, Task, current_task, get_hub, run
from gleenlet.debug import format_tasks

__all__ = ["TestTimeout", "run_limited"]


class TestTimeout(GleenletError, TimeoutError):
    """A test was not over in time. Its text is the tree of tasks."""

    __test__ = False  # pytest: no test, whatever its name


def run_limited(func: Callable[[], object], limit: float = 0) -> None:
    """Run `func()` as a task; raise in it when `limit` real seconds are over.

    Args:
        limit: seconds on the real clock; 0: no limit.

    Raises: what it raises; TestTimeout.
    Thread: the hub's own, outside tasks.

    >>> run_limited(lambda: print("hello"), limit=60)
    hello
    """
    hub = get_hub()
    main: list[Task[object] | None] = []

    def expire() -> None:
        task = main[0] if main else None
        if task is not None and not task.done():
            task._interrupt(TestTimeout(f"not over after {limit:g} real seconds\n{format_tasks()}"), True)

    def body() -> object:
        main.append(current_task())
        return func()

    if not limit > 0:
        run(body)
        return
    timer = threading.Timer(limit, hub.call_soon_threadsafe, (expire,))  # no timer of the hub's: its clock may stand
    timer.daemon = True
    timer.start()
    try:
        run(body)
    finally:
        timer.cancel()
        timer.join()
