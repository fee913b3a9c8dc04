"""asyncio's private names, each declared once, how `await_` starts a coroutine by them, and what the kits read of them.

asyncio promises none of them; a test asks each Python that we support whether it has them all.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from asyncio import unix_events
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any

from gleenlet._core import Waiter, unpatched

__all__ = ["EpollSelector", "FirstStep", "SelectorEventLoop", "awaited", "in_order_of", "never_mind", "no_handler"]

if TYPE_CHECKING:

    class SelectorEventLoop(asyncio.SelectorEventLoop):
        _ready: deque[asyncio.Handle]  # what runs in the next iteration
        _scheduled: list[asyncio.TimerHandle]  # a heap
        _stopping: bool
        _debug: bool
        _closed: bool
        _thread_id: int | None  # of who runs it
        _task_factory: Any
        _signal_handlers: dict[int, asyncio.Handle]
        _csock: Any  # what signals are written to
        _ssock: Any  # its other end, which the loop reads
        _asyncgen_firstiter_hook: Callable[..., None]
        _asyncgen_finalizer_hook: Callable[..., None]

        def _check_closed(self) -> None: ...
        def _check_running(self) -> None: ...
        def _handle_signal(self, sig: int) -> None: ...
        def _process_self_data(self, data: bytes) -> None: ...
        def _run_once(self) -> None: ...

    class EpollSelector(selectors.EpollSelector):
        _selector: select.epoll
        _fd_to_key: dict[int, selectors.SelectorKey]

    class Handle(asyncio.Handle):
        _cancelled: bool
        _source_traceback: Any

        def _run(self) -> None: ...

    class TimerHandle(asyncio.TimerHandle):
        _when: float

    class Task(asyncio.Task[Any]):
        _log_destroy_pending: bool  # else its end without a result is a message
        _fut_waiter: Any  # the future that it awaits

else:
    SelectorEventLoop = asyncio.SelectorEventLoop
    # gevent's monkey patching takes it away, as it waits without gevent; this one does so in a task's time.
    EpollSelector = unpatched("selectors", "EpollSelector")

no_handler: Callable[..., None] = unix_events._sighandler_noop  # type: ignore[attr-defined]  # what add_signal_handler sets


def never_mind(task: Any) -> None:
    """No message if it goes before it has ended."""
    task._log_destroy_pending = False


def awaited(task: Any) -> Any:
    """The future that a task of asyncio's awaits, or None."""
    return task._fut_waiter


@contextmanager
def in_order_of(choose: Callable[[list[Any]], int]) -> Iterator[None]:
    """Have all loops ask which of the callbacks that are ready at the beginning of an iteration is next: its index."""
    loops: Any = asyncio.BaseEventLoop
    run_once = loops._run_once

    def ordered(loop: Any) -> None:
        ready = loop._ready
        for done in range(len(ready) - 1) if isinstance(ready, deque) else ():
            place = done + choose(list(ready)[done:])
            handle = ready[place]
            del ready[place]
            ready.insert(done, handle)
        run_once(loop)

    loops._run_once = ordered
    try:
        yield
    finally:
        loops._run_once = run_once


class FirstStep:
    """What `await_` puts into the loop's queue where `create_task` has a Handle, at two thirds of the cost.

    A new task has `loop.call_soon` run its first step; for that moment this is `call_soon`.
    """

    __slots__ = ("awaitable", "context", "step", "task", "waiter")

    _cancelled = False  # what the loop asks a Handle for

    def __init__(self, loop: Any, awaitable: Awaitable[Any], waiter: Waiter) -> None:
        self.awaitable = awaitable
        self.waiter = waiter
        loop.call_soon = self.capture
        try:
            self.task = asyncio.Task(self.deliver(), loop=loop)
        finally:
            del loop.call_soon
        loop._ready.append(self)

    def capture(self, step: Callable[[], object], context: Context) -> None:
        self.step = step
        self.context = context

    async def deliver(self) -> Any:
        """Wake who waits: a done-callback of the task would do it one iteration later."""
        try:
            result = await self.awaitable
        except GeneratorExit:  # dropped with its loop: nobody waits any more
            raise
        except BaseException:
            self.waiter.wake()
            raise
        self.waiter.wake()
        return result

    def _run(self) -> None:
        self.context.run(self.step)
        if self.task.cancelled():  # maybe before its start
            if asyncio.iscoroutine(self.awaitable):
                self.awaitable.close()
            self.waiter.wake()
