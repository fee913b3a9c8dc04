"""Functions that start a task at each call: signal handlers that may wait, and callbacks that GLib can always call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, overload

from gi.repository import GLib

from gleenlet._core import _native
from gleenlet._core._native import DONE
from gleenlet._core.task import Task, spawn

__all__ = ["callback", "green"]

P = ParamSpec("P")


@overload
def green(func: Callable[P, object], /) -> Callable[P, Any]: ...


@overload
def green(
    *,
    priority: int = GLib.PRIORITY_DEFAULT,
    when_busy: Literal["parallel", "drop", "queue", "restart"] = "parallel",
    returns: object = None,
) -> Callable[[Callable[P, object]], Callable[P, Any]]: ...


def green(
    func: Callable[..., Any] | None = None,
    /,
    *,
    priority: int = GLib.PRIORITY_DEFAULT,
    when_busy: Literal["parallel", "drop", "queue", "restart"] = "parallel",
    returns: object = None,
) -> Any:
    """Make a function that spawns `func` at each call: a signal handler, an action or a callback that may wait.

    Args:
        priority: the tasks' GLib priority.
        when_busy: what a call does while the last one still runs: "parallel" starts another task, "drop" does
            nothing, "queue" runs it after that, "restart" cancels the last one first. Methods count apart for
            each object.
        returns: what the caller gets at once: for signals that want an answer (`close-request`).

    Raises: ValueError: an unknown `when_busy`. TypeError: `func` cannot be called, or does not run when it is (a
        coroutine or generator function), or is a classmethod: `green` goes below that.

    >>> from gleenlet import run, sleep
    >>> greet = green(print)
    >>> greet("hello"); run(sleep, 0)
    hello
    """
    if when_busy not in ("parallel", "drop", "queue", "restart"):
        raise ValueError(f'when_busy must be "parallel", "drop", "queue" or "restart", not {when_busy!r}')
    if not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, such as GLib.PRIORITY_LOW, not {type(priority).__name__}")
    if func is None:
        return functools.partial(green, priority=priority, when_busy=when_busy, returns=returns)
    check_decorated("green", func)
    return _Green(func, priority, when_busy, returns).wrapper()


def check_decorated(decorator: str, func: object) -> None:
    """Refuse what is no function to run, or is a decorator's that goes above."""
    kind = type(func)
    above = (
        "@Gtk.Template.Callback()"
        if kind.__module__ == "gi._gtktemplate"
        else f"@{kind.__name__}"
        if isinstance(func, classmethod | staticmethod | property)
        else None
    )
    if above is not None:
        raise TypeError(f"{decorator}() is given what {above} makes: write {above} above and @{decorator} below it")
    if not callable(func):
        raise TypeError(f"{decorator}() needs a function, not {kind.__name__}")
    _native.check_runs(func)


class _Green:
    """What a green function remembers: who is busy."""

    def __init__(self, func: Callable[..., Any], priority: int, when_busy: str, returns: object) -> None:
        self.func = func
        self.priority = priority
        self.when_busy = when_busy
        self.returns = returns
        self.busy: dict[int, Task[Any]] = {}

    def wrapper(self) -> Callable[..., Any]:
        parallel = self.when_busy == "parallel"
        func, priority, returns = self.func, self.priority, self.returns
        in_class = "." in getattr(func, "__qualname__", "").rpartition("<locals>.")[2]

        @functools.wraps(func)
        def start(*args: Any, **kwargs: Any) -> Any:
            if parallel:
                spawn(func, *args, priority=priority, **kwargs)
            else:
                self.start_alone(id(args[0]) if in_class and args else 0, args, kwargs)
            return returns

        return start

    def start_alone(self, key: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        last = self.busy.get(key)
        if last is not None and not last.done():
            if self.when_busy == "drop":
                return
            if self.when_busy == "restart":
                last.cancel()
        task = spawn(self.after, last, args, kwargs, name=getattr(self.func, "__name__", None), priority=self.priority)
        self.busy[key] = task
        task.add_done_callback(functools.partial(self.forget, key))

    def after(self, last: Task[Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if last is not None:
            last.join()
        del last
        self.func(*args, **kwargs)

    def forget(self, key: int, task: Task[Any]) -> None:
        if self.busy.get(key) is task:
            del self.busy[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            task.hub.report_failure(error, task)


def callback(func: Callable[P, object], /) -> Callable[P, bool]:
    """Make a function that GLib can always call: it runs `func` at once as a task, up to its first wait.

    If `func` ends without waiting, GLib gets `bool(result)`; if it waits, GLib gets False and `func` goes on by
    itself. Where starting it here would be unsafe (inside a task, in a loop nested too deep) it is queued, as by
    `spawn`. An error is reported and GLib gets False: PyGObject's own rules for results never apply.

    Raises: TypeError: as `green`.

    >>> callback(lambda: ())(), callback(lambda: "again")()
    (False, True)
    """
    check_decorated("callback", func)

    @functools.wraps(func)
    def call(*args: P.args, **kwargs: P.kwargs) -> bool:
        task: Task[Any] = Task(func, args, kwargs, 0, None, False)
        task.start()
        if task.state != DONE:
            return False
        try:
            return bool(task.value)
        except BaseException as error:
            task.hub.report_failure(error, task)
            return False

    return call
