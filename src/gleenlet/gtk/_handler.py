"""Handlers that may wait, owned by their object: their tasks end with it, and being connected keeps it from no end."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, ParamSpec, overload

from gi.repository import Gio, GLib, GObject

from gleenlet import Task, sleep
from gleenlet._core import check_decorated, check_span
from gleenlet.gtk._ends import gtk, has_ended, is_widget
from gleenlet.gtk._lifetimes import OwnedTask, run_after, spawn_owned

__all__ = ["BoundHandler", "Handler", "debounced", "handler"]

P = ParamSpec("P")
Policy = Literal["parallel", "drop", "queue", "restart"]
OnError = Callable[[Any, Exception], object]

HOLDING = ("activate", "open", "command-line")
"""Signals of an application that hold it until their handlers have ended: there may be no window yet."""


@overload
def handler(func: Callable[P, object], /) -> Handler[P]: ...
@overload
def handler(
    *,
    when_busy: Policy = "parallel",
    returns: object = None,
    on_error: OnError | None = None,
    priority: int = GLib.PRIORITY_DEFAULT,
) -> Callable[[Callable[P, object]], Handler[P]]: ...
def handler(
    func: Any = None,
    /,
    *,
    when_busy: Policy = "parallel",
    returns: object = None,
    on_error: OnError | None = None,
    priority: int = GLib.PRIORITY_DEFAULT,
) -> Any:
    """Make a signal handler that may wait: each call starts a task, which ends with the handler's object.

    That is the first argument where it is a widget or an application, as `self` in a method of one; else the
    emitter; the application for what has no end of its own, as an action. A method is connected without
    keeping its widget alive: `button.connect("clicked", self.on_clicked)`. It may stand above or below
    `@Gtk.Template.Callback()`, and be a virtual function: `do_activate`. On an application's `activate`,
    `open` and `command-line` it holds the application until it ends.

    Args:
        when_busy: what a call does while the last one still runs, as for `gleenlet.green`: "parallel", "drop",
            "queue" or "restart". Methods count apart for each object.
        returns: what the emitter gets at once: True for `close-request` means that the window stays.
        on_error: called with the first argument and the exception if `func` fails, in the task: it may wait.
            The failure is not reported then.
        priority: the tasks' GLib priority.

    Returns: the handler. It has `running` and `cancel()`; a method's have them for each object.
    Raises: TypeError: `func` cannot be called, or does not run when it is: a coroutine or generator function.
        ValueError: an unknown `when_busy`.

    >>> import gi; gi.require_version("Gtk", "4.0")
    >>> from gi.repository import Gtk
    >>> from gleenlet import run, sleep
    >>> @handler(when_busy="drop")
    ... def on_clicked(button):
    ...     sleep(0.01)
    ...     print("done")
    >>> window = Gtk.Window(child=Gtk.Button())
    >>> _ = window.get_child().connect("clicked", on_clicked)
    >>> window.get_child().emit("clicked"); on_clicked.running
    True
    >>> run(sleep, 0.02)
    done
    >>> window.destroy()
    """
    if when_busy not in ("parallel", "drop", "queue", "restart"):
        raise ValueError(f'when_busy must be "parallel", "drop", "queue" or "restart", not {when_busy!r}')
    if on_error is not None and not callable(on_error):
        raise TypeError(f"on_error must be a function of an object and an exception, not {on_error!r}")
    make = functools.partial(decorate, when_busy=when_busy, returns=returns, on_error=on_error, priority=priority)
    return make if func is None else make(func)


def debounced(
    seconds: float, *, returns: object = None, on_error: OnError | None = None
) -> Callable[[Callable[P, object]], Handler[P]]:
    """Make a handler, as `handler` does, that runs when it was not called for so many seconds.

    For what comes in bursts, as the keystrokes of a search. It runs with the arguments of the last call; a call
    while it runs cancels it and starts the time again.

    Args:
        seconds: how long it has to be quiet.
        returns, on_error: as for `handler`.

    Raises: ValueError: `seconds` is negative or NaN.

    >>> from gleenlet import run, sleep
    >>> search = debounced(0.01)(print)
    >>> for word in ("h", "he", "hello"): search(word)
    >>> run(sleep, 0.05)
    hello
    """
    check_span(seconds)
    return functools.partial(decorate, when_busy="restart", returns=returns, on_error=on_error, delay=seconds)


def decorate(func: Any, **options: Any) -> Any:
    if type(func).__name__ == "CallThing" and hasattr(func, "_func"):
        # What Gtk.Template.Callback() leaves in the class until Gtk.Template takes the function out.
        func = copy.copy(func)
        func._func = decorate(func._func, **options)
        return func
    check_decorated("handler", func)
    return Handler(func, **options)


class Running:
    """The tasks that calls of a handler have started, for one object or for all."""

    @property
    def running(self) -> bool:
        """Whether a call has been made that has not ended.

        >>> handler(print).running
        False
        """
        return any(not task.done() for task in self._tasks())

    def cancel(self) -> bool:
        """Cancel what runs, and what waits for its turn.

        Returns: False if nothing does.

        >>> handler(print).cancel()
        False
        """
        running = [task for task in self._tasks() if not task.done()]
        for task in running:
            task.cancel()
        return bool(running)

    def _tasks(self) -> Iterable[Task[Any]]:
        raise NotImplementedError


class Handler(Running, Generic[P]):
    """A function whose calls start tasks; made by `handler` and `debounced`."""

    def __init__(
        self,
        func: Callable[P, object],
        *,
        when_busy: Policy,
        returns: object,
        on_error: OnError | None,
        priority: int = GLib.PRIORITY_DEFAULT,
        delay: float = 0,
    ) -> None:
        functools.update_wrapper(self, func)
        if getattr(func, "__name__", "") in ("do_startup", "do_shutdown"):
            raise TypeError(f"{func.__qualname__} has to run at once, and a handler does not: start a task in it")
        self._func = func
        self._when_busy = when_busy
        self._returns = returns
        self._on_error = on_error
        self._priority = priority
        self._delay = delay
        self._in_class = False
        self._busy: dict[int, list[OwnedTask[None]]] = {}  # by the id of the object, which its tasks hold

    def __set_name__(self, _cls: type, _name: str) -> None:
        self._in_class = True

    @overload
    def __get__(self, obj: None, cls: type) -> Handler[P]: ...
    @overload
    def __get__(self, obj: object, cls: type) -> BoundHandler: ...
    def __get__(self, obj: Any, cls: type | None = None) -> Any:
        return self if obj is None else BoundHandler(self, obj)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        # GObject calls a virtual function with its object, past __get__.
        return self._start(id(args[0]) if self._in_class and args else 0, args, kwargs)

    def _tasks(self) -> list[OwnedTask[None]]:
        return [task for tasks in self._busy.values() for task in tasks]

    def _start(self, key: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        owner = owner_of(args)
        busy = self._busy.get(key, [])
        if (busy and self._when_busy == "drop") or (owner is not None and has_ended(owner)):
            return self._returns
        if self._when_busy == "restart":
            for task in busy:
                task.cancel()
        earlier = [] if self._when_busy == "parallel" else list(busy)
        task = spawn_owned(
            owner,
            run_after,
            (earlier, self._run, *args),
            kwargs,
            name=getattr(self._func, "__name__", None),
            priority=self._priority,
            hold=is_held(owner),
        )
        self._busy.setdefault(key, busy).append(task)
        task.at_end.append(functools.partial(self._forget, key, task))
        return self._returns

    def _run(self, *args: Any, **kwargs: Any) -> None:
        if self._delay:
            sleep(self._delay)
        try:
            self._func(*args, **kwargs)
        except Exception as error:
            if self._on_error is None:
                raise
            self._on_error(args[0] if args else None, error)

    def _forget(self, key: int, task: OwnedTask[None]) -> None:
        busy = self._busy[key]
        busy.remove(task)
        if not busy:
            del self._busy[key]


class BoundHandler(Running):
    """A handler of one object, which it does not keep alive if that is a widget or an application."""

    def __init__(self, handler: Handler[Any], obj: Any) -> None:
        self._handler = handler
        self._key = id(obj)
        self._obj: Callable[[], Any] = obj.weak_ref() if has_end(obj) else lambda: obj

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        obj = self._obj()
        if obj is None:
            return self._handler._returns
        return self._handler._start(id(obj), (obj, *args), kwargs)

    def __eq__(self, other: object) -> bool:  # for disconnect_by_func()
        if not isinstance(other, BoundHandler):
            return NotImplemented
        return self._handler is other._handler and self._obj() is other._obj()

    def __hash__(self) -> int:
        return hash((self._handler, self._key))

    @property
    def __name__(self) -> str:
        return getattr(self._handler, "__name__", "handler")

    def _tasks(self) -> list[OwnedTask[None]]:
        return list(self._handler._busy.get(id(self._obj()), ()))


def has_end(obj: object) -> bool:
    return is_widget(obj) or isinstance(obj, Gio.Application)


def owner_of(args: tuple[Any, ...]) -> Any:
    """Whom a call belongs to: `self` or the emitter, whichever has an end and is first; else the application."""
    Gtk = gtk()
    for obj in args[:2]:
        if has_end(obj):
            return obj
        if Gtk is not None and isinstance(obj, Gtk.EventController):
            return obj.get_widget()
        if Gtk is not None and isinstance(obj, Gtk.NativeDialog) and obj.get_transient_for() is not None:
            return obj.get_transient_for()
    return Gio.Application.get_default()


def is_held(owner: object) -> bool:
    """Whether a handler of one of the HOLDING signals is being called."""
    if not isinstance(owner, Gio.Application):
        return False
    emission: Any = GObject.signal_get_invocation_hint(owner)
    return emission is not None and GObject.signal_name(emission.signal_id) in HOLDING
