"""to_thread and from_thread: blocking functions out of the loop's thread, and other threads into it.

The threads are daemons of one pool, or those of an executor that is given. This file knows of tasks and the hub's
`call_soon_threadsafe` only.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, ParamSpec, TypeVar, cast, overload

from gi.repository import GLib

from gleenlet._core import Cancelled, GleenletError, Hub, Task, Waiter, get_hub, get_ident, in_its_thread, spawn
from gleenlet._sync.daemons import do_elsewhere
from gleenlet._sync.work import Work

__all__ = ["from_thread", "to_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_came_from: contextvars.ContextVar[Hub | None] = contextvars.ContextVar("gleenlet.to_thread", default=None)
"""In a function that `to_thread` runs: the hub that called it."""


@overload
def to_thread(func: Callable[..., T], /, *args: Any, executor: Executor | None, **kwargs: Any) -> T: ...
@overload
def to_thread(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
def to_thread(  # type: ignore[misc]  # `executor` cannot be passed on: the keyword is ours
    func: Callable[..., T], /, *args: Any, executor: Executor | None = None, **kwargs: Any
) -> T:
    """Run `func(*args, **kwargs)` in a thread of its own and wait for it, as `asyncio.to_thread`.

    Args:
        executor: whose threads to use: one with a single thread for an SQLite connection, say. By default ours:
            at most 32 run (fewer with less than 28 processors), others wait for one. `func` gets no argument
            of this name.

    It sees the caller's context variables. A cancelled caller goes at once: what has not begun is called off;
    what runs goes on, its result is dropped, its exception is reported, unless it is Cancelled. The program's end
    waits for none of them: they are daemon threads.

    Returns: its result. Raises: its exception. TypeError: the executor is none, or has processes: for those there
    is `wait_future`. concurrent.futures.CancelledError: the executor was shut down with `cancel_futures=True`.
    Cancelled, UnsafeSwitchError: as in `sleep`.
    Thread: any; `func` must use neither GTK nor anything else of this one: `from_thread` brings it back here.

    >>> to_thread(pow, 2, 10)
    1024
    """
    if not callable(func):
        raise TypeError(f"to_thread() needs a function, not {type(func).__name__}")
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(f"to_thread() needs an executor with submit(), not {type(executor).__name__}")
    processes = sys.modules.get("concurrent.futures.process")
    if processes is not None and isinstance(executor, processes.ProcessPoolExecutor):
        raise TypeError("to_thread() needs an executor with threads: write wait_future(executor.submit(func)) here")
    waiter = Waiter(None, func, "thread")
    hub = get_hub()
    context = contextvars.copy_context()
    context.run(_came_from.set, hub)
    call = functools.partial(context.run, func, *args, **kwargs)

    def late(error: BaseException) -> None:
        if not isinstance(error, Cancelled):  # what it ran in a loop was cancelled, and so it ends as it was to
            in_its_thread(hub, hub.report, error, f"in to_thread({func!r}), whose caller has gone")

    if executor is None:
        return cast(T, do_elsewhere(call, waiter, late).wait())

    def over(future: Future[None]) -> None:  # in the thread
        # By the executor's shutdown(cancel_futures=True), else nobody waits; or it is the executor's own error.
        error = CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            in_its_thread(hub, waiter.throw, error)

    work = Work(call, waiter, late)
    future = executor.submit(work.run)
    future.add_done_callback(over)
    try:
        return cast(T, work.wait())
    finally:
        future.cancel()


def from_thread(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `func(*args, **kwargs)` as a task on the loop's thread, and wait here for it.

    The loop is the one whose task called `to_thread`; in any other thread the one of GLib's default context.
    `func` sees this thread's context variables. While no loop runs there, it waits.

    Returns: its result. Raises: its exception; GleenletError: this is the loop's own thread.
    Thread: any but the loop's.

    >>> from gleenlet import current_task
    >>> to_thread(from_thread, lambda: current_task() is not None)
    True
    """
    hub = _came_from.get()
    main_context = GLib.MainContext.default()
    if (
        get_ident() == hub.thread
        if hub is not None
        else main_context.is_owner() or threading.current_thread() is threading.main_thread()
    ):
        raise GleenletError(
            "from_thread() was called on the loop's own thread, where waiting for the loop would never end: "
            "call the function as it is, or start it with spawn()"
        )
    future: Future[T] = Future()

    def ended() -> None:
        if not future.done():
            future.set_exception(GleenletError("the loop's thread or context has ended: nobody runs the function"))

    context = contextvars.copy_context()
    context.run(_came_from.set, None)

    def over(task: Task[T]) -> None:
        if future.done():
            return
        try:
            future.set_result(task.result())
        except BaseException as error:
            future.set_exception(error)

    def begin() -> Task[T]:
        return spawn(functools.partial(func, *args, **kwargs), name=getattr(func, "__name__", None))

    def start() -> None:
        try:
            context.run(begin).add_done_callback(over)
        except BaseException as error:
            future.set_exception(error)

    if hub is not None:
        hub.farewells[ended] = None
        try:
            hub.call_soon_threadsafe(start)
            return future.result()
        finally:
            hub.farewells.pop(ended, None)
    else:
        source = GLib.Idle()
        source.set_priority(GLib.PRIORITY_DEFAULT)
        source.set_callback(lambda *_: start() is not None)  # PyGObject 3.58 gives it no argument, others None
        source.attach(main_context)
    return future.result()
