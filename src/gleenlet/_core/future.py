"""A task as a future of the running asyncio loop. Imports asyncio, so it is loaded where a task is awaited."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar, cast

from gleenlet._core import _native
from gleenlet._core.errors import GleenletError
from gleenlet._core.task import Task

__all__ = ["as_future", "own_loop"]

T = TypeVar("T")


def as_future(task: Task[T]) -> asyncio.Future[T]:
    """Return a future of the running asyncio loop that ends as the task does; `await task` is the same.

    Cancelling the future cancels the task; the future is cancelled once the task has ended.

    Raises:
        RuntimeError: no asyncio loop is running.
        GleenletError: the task belongs to another thread, or no GLib loop runs here to run the task.

    >>> from gleenlet import spawn
    >>> from gleenlet.asyncio import run
    >>> async def main(): return await as_future(spawn(max, 1, 2))
    >>> run(main())
    2
    """
    loop = own_loop(repr(task))
    if task.hub.thread != _native.get_ident():
        raise GleenletError(f"{task!r} belongs to another thread: wait for it there, or use from_thread()")
    return cast("asyncio.Future[T]", TaskFuture(task, loop))


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

    def __init__(self, task: Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.task = task
        task.add_done_callback(self._copy)

    def cancel(self, msg: Any | None = None) -> bool:
        return not self.done() and self.task.cancel(msg)

    def _copy(self, task: Task[Any]) -> None:
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
