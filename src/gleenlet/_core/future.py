"""A task as a future of the running asyncio loop. Imports asyncio, so it is loaded where a task is awaited.

It stands below the task, and knows it by what it does.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from gleenlet._core import _native
from gleenlet._core.errors import GleenletError

__all__ = ["future_of", "own_loop"]


def future_of(task: Any) -> asyncio.Future[Any]:
    """What `gleenlet.asyncio.as_future` returns, which says how it ends."""
    loop = own_loop(repr(task))
    if task.hub.thread != _native.get_ident():
        raise GleenletError(f"{task!r} belongs to another thread: wait for it there, or use from_thread()")
    return TaskFuture(task, loop)


def own_loop(what: str) -> asyncio.AbstractEventLoop:
    """The running asyncio loop, if tasks run while it waits: in a task, then, it is one that suspends that task."""
    loop = asyncio.get_running_loop()
    around = _native.current_task()
    if not _native.main_depth() or (around is not None and around.guard is None):
        raise GleenletError(
            f"{what} cannot run: {type(loop).__name__} does not let GLib's loop run meanwhile. "
            "Start the coroutine with gleenlet.asyncio.run() instead of asyncio.run(), "
            "or call gleenlet.asyncio.install() before"
        )
    return loop


class TaskFuture(asyncio.Future[Any]):
    """Ends as the task does; like asyncio's Task, it is cancelled once the task has ended by that."""

    def __init__(self, task: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.task = task
        task.add_done_callback(self._copy)

    def cancel(self, msg: Any | None = None) -> bool:
        return not self.done() and bool(self.task.cancel(msg))

    def _copy(self, task: Any) -> None:
        if self._loop.is_closed() or self.done():
            return
        if task.cancelled():
            super().cancel(*cast(BaseException, task.value).args[:1])
        elif task.exception() is None:
            self.set_result(task.result())
        elif isinstance(error := task.ended_by(), StopIteration):
            wrapped = RuntimeError("the task raised StopIteration")
            wrapped.__cause__ = error
            self.set_exception(wrapped)
        else:
            self.set_exception(error)
