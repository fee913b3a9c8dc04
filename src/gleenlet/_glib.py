"""Wait for what a GObject emits: signals and properties. Connects and queues; knows no greenlet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self

from gi.repository import GObject

from gleenlet._core import Waiter, get_ident
from gleenlet._errors import GleenletError
from gleenlet._hub import get_hub

WhenFull = Literal["raise", "drop_oldest", "drop_newest"]


def wait_signal(
    obj: GObject.Object, signal: str, timeout: float | None = None, *, returns: Any = None
) -> tuple[Any, ...]:
    """Wait until `obj` emits `signal` and return the emission's arguments, without `obj`.

    Args:
        obj: the emitter, kept alive meanwhile.
        signal: its name, with a detail if wanted: "clicked", "notify::title".
        timeout: seconds, None for no limit.
        returns: what the emitter gets from the handler, for signals that ask: True for "close-request".

    Raises:
        TypeError: `obj` has no such signal, or no such property behind "notify::".
        ValueError: `timeout` is negative or NaN.
        TimeoutError: no emission within `timeout` seconds.
        GleenletError: `obj` was disposed meanwhile and will not emit any more. (Whether it was disposed
            before, GObject does not tell.)
        Cancelled: the task was cancelled; the handler is gone.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: the one whose context runs the task; the emission may come from any.

    >>> from gi.repository import Gio
    >>> from gleenlet import spawn
    >>> store = Gio.ListStore.new(GObject.Object)
    >>> task = spawn(store.append, GObject.Object())
    >>> wait_signal(store, "items-changed")
    (0, 0, 1)
    """
    waiter = Waiter(timeout)  # refuses bad input before anything is registered
    wake, throw = from_any_thread(waiter.wake), from_any_thread(waiter.throw)

    def emitted(_: GObject.Object, *args: Any) -> Any:
        # The emission's node lies on this C stack (GLib, gobject/gsignal.c,
        # emission_push): queue the task, never switch to it from here.
        wake(args)
        return returns

    connection = Connection(obj, signal, emitted, lambda: throw(gone_error(obj, signal)))
    try:
        return waiter.wait()  # type: ignore[no-any-return]  # what `emitted` gave
    finally:
        connection.close()


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
    waiter = Waiter(timeout)
    hub = get_hub()
    deadline = None if timeout is None else hub.time() + timeout
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
            waiter = Waiter(None if deadline is None else max(0.0, deadline - hub.time()))
    finally:
        connection.close()
    return value


class signals:
    """Every emission of `signal` by `obj`, in order: a context manager that is iterated over.

    Args:
        obj: the emitter, not kept alive in the block: when it is disposed the iteration ends, after what
            came before.
        signal: its name, with a detail if wanted: "clicked", "notify::title".
        limit: how many emissions may wait for the next step. One more, and `when_full` decides:
        when_full: "raise" GleenletError after the waiting ones, "drop_oldest" or "drop_newest".
        returns: what the emitter gets from the handler, for signals that ask: True for "close-request".

    Each step waits for the next emission and gives its arguments, without `obj`. None is lost between two
    steps. `dropped` counts what `when_full` let go. The handler is there from `with` to the block's end.

    Raises:
        TypeError: `obj` has no such signal, or no such property behind "notify::".
        ValueError: `limit` is less than 1, or `when_full` none of the three.
        GleenletError: iterated outside `with`, or by two tasks at once; or `limit` was passed.
        Cancelled: the task was cancelled while it waited for a step.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: the one whose context runs the task; emissions may come from any.

    >>> from gi.repository import Gio
    >>> store = Gio.ListStore.new(GObject.Object)
    >>> with signals(store, "items-changed") as changes:
    ...     store.append(GObject.Object())
    ...     store.remove(0)
    ...     next(changes), next(changes)
    ((0, 0, 1), (0, 1, 0))
    """

    def __init__(
        self,
        obj: GObject.Object,
        signal: str,
        *,
        limit: int = 10_000,
        when_full: WhenFull = "raise",
        returns: Any = None,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if when_full not in ("raise", "drop_oldest", "drop_newest"):
            raise ValueError(f'when_full must be "raise", "drop_oldest" or "drop_newest", not {when_full!r}')
        check(obj, signal)
        self.dropped = 0
        self.signal = signal
        self._limit, self._when_full, self._returns = limit, when_full, returns
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._waiter: Waiter | None = None
        self._ended = False
        self._overrun: str | None = None
        self._emitter: GObject.Object | None = obj
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        obj, self._emitter = self._emitter, None  # from here on it may go
        if obj is None:
            raise GleenletError(f"signals({self.signal!r}) was used before: make one for each `with`")
        put = from_any_thread(self._put)
        returns = self._returns

        def emitted(_: GObject.Object, *args: Any) -> Any:
            put(args)  # queues only: see wait_signal
            return returns

        self._connection = Connection(obj, self.signal, emitted, from_any_thread(self._end))
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._waiting.clear()
        self._end()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, ...]:
        if self._connection is None and not self._ended:
            raise GleenletError(
                f"signals({self.signal!r}) was iterated outside its block. "
                f"Write: with signals(obj, {self.signal!r}) as emissions: for args in emissions: ..."
            )
        while not self._waiting:
            if self._overrun is not None:
                raise GleenletError(self._overrun)
            if self._ended:
                raise StopIteration
            if self._waiter is not None:
                raise GleenletError(f"a task waits for {self.signal!r} here: give each its own signals()")
            self._waiter = Waiter()
            try:
                self._waiter.wait()
            finally:
                self._waiter = None
        return self._waiting.popleft()

    def _put(self, args: tuple[Any, ...]) -> None:
        if self._overrun is not None:
            return
        if len(self._waiting) >= self._limit:
            if self._when_full == "raise":
                self._overrun = (
                    f"more than {self._limit} emissions of {self.signal!r} waited for the loop's next step: "
                    'take them faster, or say when_full="drop_oldest"'
                )
                return
            self.dropped += 1
            if self._when_full == "drop_newest":
                return
            self._waiting.popleft()
        self._waiting.append(args)
        if self._waiter is not None:
            self._waiter.wake()

    def _end(self) -> None:
        self._ended = True
        if self._waiter is not None:
            self._waiter.wake()


def from_any_thread(function: Callable[..., object]) -> Callable[..., None]:
    """`function` for callbacks that may come from another thread: run on this thread's hub then."""
    hub, owner = get_hub(), get_ident()

    def run(*args: Any) -> None:
        if get_ident() == owner:
            function(*args)
        else:
            hub.call_soon_threadsafe(function, *args)

    return run


class Connection:
    """A connected handler and a look-out for the emitter's end, dropped together by `close`.

    Disposing an object drops its handlers without a word: who waits would wait for ever without `gone`.
    """

    __slots__ = ("emitter", "id")

    def __init__(
        self, obj: GObject.Object, signal: str, emitted: Callable[..., Any], gone: Callable[[], object]
    ) -> None:
        check(obj, signal)
        self.id: int = obj.connect(signal, emitted)
        self.emitter = weak_ref(obj, gone)

    def close(self) -> None:
        obj = self.emitter()
        if obj is None:
            return  # disposed: its handlers went with it
        self.emitter.unref()
        if obj.handler_is_connected(self.id):
            obj.disconnect(self.id)


def weak_ref(obj: GObject.Object, gone: Callable[[], object]) -> Any:
    """GObject's own weak reference, as the Python wrapper may go first. `gone` is called at dispose."""
    return obj.weak_ref(gone)


def check(obj: GObject.Object, signal: str) -> None:
    """Refuse what GObject would connect although it cannot be emitted; unknown signals it refuses itself."""
    name, _, detail = signal.partition("::")
    if name == "notify" and detail:
        found = obj.find_property(detail)
        if found is None:
            raise TypeError(f"{obj!r} has no property {detail!r}, so {signal!r} is never emitted")
        if found.name != detail:
            raise TypeError(f'{signal!r} is never emitted: write "notify::{found.name}"')


def gone_error(obj: GObject.Object, signal: str) -> GleenletError:
    return GleenletError(f"{obj!r} was disposed: {signal!r} will not be emitted any more")
