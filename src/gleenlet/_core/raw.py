"""Greenlets that are not ours: resumed from the loop, never from where one calls (deferred mode)."""

from __future__ import annotations

from typing import Any, TypeGuard

from greenlet import getcurrent, greenlet

from gleenlet._core import _native
from gleenlet._core._native import Waiter
from gleenlet._core.errors import GleenletError
from gleenlet._core.hub import SWITCH, Hub, get_hub

__all__ = ["schedule_switch", "schedule_throw"]


def schedule_switch(target: greenlet, /, *args: Any, **kwargs: Any) -> None:
    """Resume a raw greenlet from the loop, with the arguments of its `switch()`; never from here.

    A greenlet that has not started is born at the stack floor, its parent the loop's greenlet. One that
    somebody else started may begin above frames of the loop: it is resumed only from a loop that runs
    above it, and waits while a nested loop runs. For the current greenlet call this, then
    `get_hub().switch()`.

    Raises:
        TypeError: not a greenlet.
        GleenletError: it is dead, of another thread, the greenlet that runs the loop, or a task that waits
            for something else.

    >>> from greenlet import greenlet
    >>> from gleenlet import run, sleep
    >>> schedule_switch(greenlet(print), "from the loop"); run(sleep, 0)
    from the loop
    """
    hub = get_hub()
    waiter = _check(hub, target, "schedule_switch")
    if _in_switch(waiter):
        _wake(waiter, args)
    elif target is getcurrent():
        hub.call_soon(_resume, hub, target, args, kwargs)
    elif waiter is not None or _native.runs_tasks(target):
        raise GleenletError(
            "schedule_switch(): this greenlet is a task or waits for something else already; wake it where it "
            "waits, cancel it, or have it wait in get_hub().switch()"
        )
    else:
        hub.switch_later(target, args, kwargs)


def _resume(hub: Hub, target: greenlet, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    waiter = hub.waiter_of(target)
    if _in_switch(waiter):
        _wake(waiter, args)
    elif not target.dead:
        hub.switch_later(target, args, kwargs)


def _wake(waiter: Waiter, args: tuple[Any, ...]) -> None:
    waiter.wake(None if not args else args[0] if len(args) == 1 else args)


def schedule_throw(target: greenlet, exception: BaseException | type[BaseException], /) -> None:
    """Raise `exception` in a greenlet from the loop: at its wait, or where it switched away.

    Raises: as `schedule_switch`; TypeError: not an exception.

    >>> def waits():
    ...     try:
    ...         get_hub().switch()
    ...     except ValueError as error:
    ...         print("caught", error)
    >>> from greenlet import greenlet
    >>> from gleenlet import get_hub, run, sleep
    >>> target = greenlet(waits)
    >>> schedule_switch(target); run(sleep, 0)
    >>> schedule_throw(target, ValueError("it")); run(sleep, 0)
    caught it
    """
    if not (
        isinstance(exception, BaseException) or (isinstance(exception, type) and issubclass(exception, BaseException))
    ):
        raise TypeError(f"schedule_throw() needs an exception, not {type(exception).__name__}")
    hub = get_hub()
    waiter = _check(hub, target, "schedule_throw")
    task = _native.runs_tasks(target)
    if waiter is not None and (not task or _in_switch(waiter)):
        waiter.interrupt(exception)
    elif task:
        raise GleenletError("schedule_throw(): this greenlet is a task's: use Task.cancel()")
    else:
        hub.switch_later(target, exception, {})


def _in_switch(waiter: Waiter | None) -> TypeGuard[Waiter]:
    """Is it a wait in `Hub.switch()`?"""
    return waiter is not None and waiter.verb == SWITCH


def _check(hub: Hub, target: greenlet, name: str) -> Waiter | None:
    """Refuse what cannot be resumed; return what it waits in."""
    if not isinstance(target, greenlet):
        raise TypeError(f"{name}() needs a greenlet, not {type(target).__name__}; for a function use spawn()")
    if target.dead:
        raise GleenletError(f"{name}(): {target!r} is dead: it has returned or raised")
    current = getcurrent()
    if _lineage(target)[-1] is not _lineage(current)[-1]:
        raise GleenletError(f"{name}(): {target!r} belongs to another thread: use that thread's hub")
    waiter = hub.waiter_of(target)
    if not _in_switch(waiter) and (
        target is hub.home
        or (hub.home is None and target in (_lineage(current) if _native.main_depth() else (current,)))
    ):
        raise GleenletError(
            f"{name}(): {target!r} runs the loop or is running right now, so it cannot be resumed from the loop; "
            "to let the loop run use sleep(0), to wait for a switch use get_hub().switch()"
        )
    return waiter


def _lineage(one: greenlet | None) -> list[greenlet]:
    """A greenlet, its parent, and so on to its thread's main one."""
    lineage = []
    while one is not None:
        lineage.append(one)
        one = one.parent
    return lineage
