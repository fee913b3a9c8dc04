"""Wait for what a GObject emits: signals and properties. Connects and queues; knows no greenlet."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Literal, Self

from gi.repository import GObject

from gleenlet._core import GleenletError, Waiter
from gleenlet._glib.connection import Connection, check, from_any_thread, gone_error

__all__ = ["signals", "wait_signal"]

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

    >>> from gi.repository import Gio, GObject
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

    >>> from gi.repository import Gio, GObject
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
