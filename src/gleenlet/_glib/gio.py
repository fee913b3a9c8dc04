"""`call`: wait for a Gio-style asynchronous operation. The binding of its arguments is introspect.py's."""

from __future__ import annotations

import contextlib
import importlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gio, GLib, GObject

from gleenlet._core import Cancelled, Waiter
from gleenlet._glib.introspect import operation_of, read

CANCEL_GRACE = 2.0  # seconds that a cancelled task waits for its operation to end

# What `proxy.Method` of a Gio.DBusProxy is.
MethodOfProxy = getattr(importlib.import_module("gi.overrides.Gio"), "_DBusProxyMethodCall", None)

new_cancellable: Callable[[], Gio.Cancellable] = Gio.Cancellable.new


def call(
    function: Callable[..., object],
    /,
    *args: Any,
    cancellable: Gio.Cancellable | None = None,
    finish: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Start an asynchronous operation, wait for its end and return what its finish function returns.

    Args:
        function: any method, constructor or static function with an `*_async`/`*_finish` pair; or a method of a
            Gio.DBusProxy by its name on the bus, with the arguments that this takes: call(proxy.Echo, "(i)", 4).
        args: its arguments in the C order, less io_priority, cancellable, callback and user data.
            io_priority may stand in its place too.
        cancellable: cancels this operation too; GLib.Error with Gio.IOErrorEnum.CANCELLED is raised then.
        finish: the finish function, needed only where neither GIRepository nor its name tells it.
        kwargs: arguments by name; `io_priority` is GLib.PRIORITY_DEFAULT if left out.

    Raises:
        TypeError: `function` is not asynchronous, has no known finish function, or the arguments do not fit.
        GLib.Error: the operation failed.
        Cancelled: the task was cancelled. The operation was cancelled too and has ended; one that has not
            ended after 2 seconds, or at a second cancel, is left alone and its result dropped.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: the one whose context runs the task.

    >>> from gi.repository import Gio
    >>> root = Gio.File.new_for_path("/")
    >>> call(root.query_info_async, "standard::name", Gio.FileQueryInfoFlags.NONE).get_name()
    '/'
    """
    if type(function) is MethodOfProxy:
        return call_method(function, args, cancellable, **kwargs)
    operation = operation_of(function) if finish is None else read(function, finish)
    if cancellable is not None and not operation.cancellable:
        raise TypeError(f"{operation.name} takes no cancellable")
    if cancellable is not None and not isinstance(cancellable, Gio.Cancellable):
        raise TypeError(f"cancellable must be a Gio.Cancellable, not {type(cancellable).__name__}")
    end = operation.finish
    own = new_cancellable()
    waiter = Waiter(None, function, "Gio")
    outcome: tuple[Any, Any] | None = None
    abandoned = False
    kept: Sequence[Any] = ()

    def done(source: Any, result: Any, *_: Any) -> None:
        nonlocal outcome, kept
        kept = ()  # until here the operation may read the memory it was given, cancelled or not
        outcome = source, result
        if abandoned:
            drop(end, source, result)
        else:
            waiter.wake()

    # PyGObject drops `done` when it has called it, and also when it had no memory for that.
    dropped = weakref.ref(done, lambda _: outcome is None and waiter.throw(MemoryError))
    follower = 0 if cancellable is None else follow(cancellable, own)
    try:
        if len(args) == operation.simple and not kwargs and function is not operation.unbound:
            function(*args, *operation.tail, own, done)
        else:
            kept = operation.arrange(function, args, kwargs, own)
            function(*kept, done)
        del done
        try:
            waiter.wait()
        except BaseException as reason:
            own.cancel()
            if outcome is None and operation.cancellable and isinstance(reason, Cancelled):
                waiter = Waiter(CANCEL_GRACE, None, "cancelled operation")
                with contextlib.suppress(TimeoutError, Cancelled, MemoryError):
                    waiter.wait()
            abandoned = True
            if outcome is not None:
                drop(end, *outcome)
            raise
    finally:
        del dropped
        if cancellable is not None:
            GObject.Object.disconnect(cancellable, follower)
    return end(*outcome)  # type: ignore[misc]  # woken by nobody but `done`


def drop(finish: Callable[[Any, Any], Any], source: Any, result: Any) -> None:
    """Finish an operation that nobody waits for: its GTask owns the result, an error included, until then."""
    with contextlib.suppress(Exception):
        finish(source, result)


def follow(leader: Gio.Cancellable, own: Gio.Cancellable) -> int:
    """Cancel `own` when `leader` is, or at once if it was already; returns the handler."""
    handler: int = GObject.Object.connect(leader, "cancelled", lambda _: own.cancel())
    if leader.is_cancelled():
        own.cancel()
    return handler


def call_method(
    method: Any,
    args: tuple[Any, ...],
    cancellable: Gio.Cancellable | None,
    flags: Gio.DBusCallFlags = Gio.DBusCallFlags.NONE,
) -> Any:
    """`proxy.Method("(i)", 4)` of PyGObject, without its wait: the result, a tuple of several, None of none.

    It has no limit of its own unless the proxy was given one: `timeout()` limits it.
    """
    signature, *values = args or ("()",)
    if not isinstance(signature, str):
        raise TypeError(f"the arguments' signature comes first: call(proxy.{method.method_name}, '(i)', 4)")
    proxy = method.dbus_proxy
    own_limit = proxy.get_default_timeout()
    limit = GLib.MAXINT if own_limit < 0 else own_limit
    parameters = GLib.Variant(signature, tuple(values))
    results = call(proxy.call, method.method_name, parameters, flags, limit, cancellable=cancellable).unpack()
    return results if len(results) > 1 else results[0] if results else None
