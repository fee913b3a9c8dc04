"""Run a function where no task is on the stack. For functions that run a main loop of their own until they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from greenlet import getcurrent

from gleenlet._core import Waiter, get_hub

__all__ = ["run_outside"]

P = ParamSpec("P")
T = TypeVar("T")


def run_outside(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `func(*args, **kwargs)` in a callback of the loop, outside any task, and wait for it.

    For what runs a main loop until it returns (`dialog.run`, `app.run`): in a task that stops all tasks, in a
    callback they go on. Such loops are nested: one that began earlier returns after those that began later. `func`
    must not wait itself. A cancelled caller goes at once: what has not begun is called off; what runs goes on, its
    result is dropped, its exception is reported. Outside tasks `func` is called as it is.

    Returns: its result. Raises: its exception. TypeError: `func` cannot be called. Cancelled, UnsafeSwitchError: as
    in `sleep`.
    Thread: the hub's own.

    >>> from gi.repository import GLib
    >>> from gleenlet import run
    >>> loop = GLib.MainLoop()
    >>> GLib.idle_add(loop.quit) and run(run_outside, loop.run)
    """
    if not callable(func):
        raise TypeError(f"run_outside() needs a function, not {type(func).__name__}")
    hub = get_hub()
    if hub.home is None or getcurrent() is hub.home:
        return func(*args, **kwargs)
    waiter = Waiter()
    failure: BaseException | None = None

    def call() -> None:
        nonlocal failure
        if waiter.done:  # cancelled; the caller's turn comes after ours
            return
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            if waiter.throw(error):
                failure = error
            else:
                hub.report(error, gone)
        else:
            waiter.wake(result)

    gone = f"in run_outside({func!r}), whose caller was cancelled"
    handle = hub.call_soon(call)
    try:
        return cast(T, waiter.wait())
    except BaseException as raised:
        if failure is not None and failure is not raised:
            hub.report(failure, gone)
        raise
    finally:
        handle.cancel()
        failure = None  # its traceback leads here
