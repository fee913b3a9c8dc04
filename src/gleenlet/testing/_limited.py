"""A test as a task, with a limit in real seconds whatever clock the test is under."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gleenlet import GleenletError, current_task, get_hub, run
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

    def limited() -> None:
        task = current_task()
        assert task is not None

        def expire() -> None:
            if not task.done():
                task.interrupt(TestTimeout(f"not over after {limit:g} real seconds\n{format_tasks()}"), True)

        timer = threading.Timer(limit, hub.call_soon_threadsafe, (expire,))  # none of the hub's: its clock may stand
        timer.daemon = True
        timer.start()
        try:
            func()
        finally:
            timer.cancel()
            timer.join()

    run(limited if limit > 0 else func)
