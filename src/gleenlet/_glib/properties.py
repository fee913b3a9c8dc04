"""Wait for a property of a GObject. Connects and queues; knows no greenlet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GObject

from gleenlet._core import Waiter, time_left
from gleenlet._glib.connection import Connection, check_emitter, from_any_thread, gone_error

__all__ = ["wait_property"]


def wait_property(
    obj: GObject.Object,
    name: str,
    predicate: Callable[[Any], object] = bool,
    timeout: float | None = None,
) -> Any:
    """Wait until `predicate` holds for a property of `obj`, no time if it does already; return its value.

    Args:
        obj: the object, kept alive meanwhile.
        name: the property's, as for `obj.get_property`.
        predicate: called here in the task, now and after each change; what it raises is raised here.
        timeout: seconds, None for no limit.

    The value is looked at when the task runs, so the predicate holds when this returns; a value that came and
    went between two looks is not seen. For every change use `signals(obj, "notify::name")`.

    Raises:
        TypeError: `obj` has no such property, or one that cannot be read.
        ValueError: `timeout` is negative or NaN.
        TimeoutError: the predicate did not hold within `timeout` seconds.
        GleenletError: `obj` was disposed and will not change any more.
        Cancelled: the task was cancelled; the handler is gone.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: the one whose context runs the task; the change may come from any.

    >>> from gi.repository import Gio
    >>> from gleenlet import spawn
    >>> action = Gio.SimpleAction.new("save", None)
    >>> task = spawn(action.set_enabled, False)
    >>> wait_property(action, "enabled", lambda enabled: not enabled)
    False
    """
    waiter = Waiter(timeout, obj, f"property {name}")
    check_emitter(obj)
    if not isinstance(name, str):
        raise TypeError(f'name must be a property\'s name, such as "title", not {type(name).__name__}')
    if not callable(predicate):
        raise TypeError(f"predicate must be a function of the property's value, not {type(predicate).__name__}")
    deadline = waiter.deadline
    signal = f"notify::{name.replace('_', '-')}"

    def look_again() -> None:
        waiter.wake()  # the waiter of this round

    def give_up() -> None:
        waiter.throw(gone_error(obj, signal))

    value = obj.get_property(name)
    if predicate(value):
        return value
    wake = from_any_thread(look_again)
    connection = Connection(obj, signal, lambda *_: wake(), from_any_thread(give_up))
    try:
        while not predicate(value := obj.get_property(name)):  # it may have changed before the handler came
            waiter.wait()
            waiter = Waiter(time_left(deadline), obj, f"property {name}")
    finally:
        connection.close()
    return value
