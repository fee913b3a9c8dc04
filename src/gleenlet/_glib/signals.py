"""Wait for what a GObject emits: signals and properties. Connects and queues; knows no greenlet."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, overload

from gi.repository import GObject

from gleenlet._core import GleenletError, Waiter, whole_number
from gleenlet._glib.connection import Connection, check, from_any_thread, gone_error

__all__ = ["signals", "wait_any_signal", "wait_signal"]

Pair = tuple[GObject.Object, str]
"""An emitter and the name of its signal."""

Emission = TypeVar("Emission")
WhenFull = Literal["raise", "drop_oldest", "drop_newest"]


def wait_signal(
    obj: GObject.Object, signal: str, timeout: float | None = None, *, returns: Any = None
) -> tuple[Any, ...]:
    """Wait until `obj` emits `signal` and return the emission's arguments, without `obj`.

    It is connected from the call on: `spawn(wait_signal, ...)` misses what is emitted before that task's turn.
    Where that may be, enter `signals` first.

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
    waiter = Waiter(timeout, obj, f"signal {signal}")  # refuses bad input before anything is registered
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


def wait_any_signal(*pairs: Pair, timeout: float | None = None, returns: Any = None) -> tuple[int, tuple[Any, ...]]:
    """Wait for the first emission of several signals: return which pair it was, from 0 on, and its arguments.

    Args:
        pairs: emitters, kept alive meanwhile, each with a signal's name: `(bus, "message::eos")`.
        timeout: seconds, None for no limit.
        returns: what each emitter gets from the handler.

    Raises: as `wait_signal`; GleenletError: all emitters were disposed meanwhile.
    Thread: the one whose context runs the task; emissions may come from any.

    >>> from gi.repository import Gio
    >>> from gleenlet import spawn
    >>> started, stopped = Gio.SimpleAction.new("start", None), Gio.SimpleAction.new("stop", None)
    >>> task = spawn(stopped.activate, None)
    >>> wait_any_signal((started, "activate"), (stopped, "activate"))
    (1, (None,))
    """
    check_pairs("wait_any_signal", pairs)
    waiter = Waiter(timeout, pairs, "signals")
    wake = from_any_thread(waiter.wake)
    connections = Connections()

    def emitted(index: int, _: GObject.Object, *args: Any) -> Any:
        wake((index, args))  # queues only: see wait_signal
        return returns

    try:
        connections.connect(pairs, emitted, lambda: waiter.throw(gone_error(*pairs[-1])))
        return waiter.wait()  # type: ignore[no-any-return]  # what `emitted` gave
    finally:
        connections.close()


class Connections:
    """Connections to several emitters, dropped together; the end of the last emitter is told, in this thread."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.left = 0

    def connect(self, pairs: tuple[Pair, ...], emitted: Callable[..., Any], gone: Callable[[], object]) -> None:
        """Have `emitted(index, obj, *args)` called; `close` afterwards, also where this raises."""

        def one_gone() -> None:
            self.left -= 1
            if not self.left:
                gone()

        self.left = len(pairs)
        told = from_any_thread(one_gone)
        for index, (obj, signal) in enumerate(pairs):
            self.connections.append(Connection(obj, signal, functools.partial(emitted, index), told))

    def close(self) -> None:
        while self.connections:
            self.connections.pop().close()


def check_pairs(name: str, pairs: tuple[Any, ...]) -> None:
    if not pairs:
        raise TypeError(f'{name}() needs one or more pairs: (obj, "signal"), ...')
    for pair in pairs:
        match pair:
            case (GObject.Object(), str()):
                check(*pair)
            case _:
                raise TypeError(f'{name}() needs an object and a signal\'s name, (obj, "signal"), not {pair!r}')


class signals(Generic[Emission]):
    """Every emission of `signal` by `obj`, in order: a context manager that is iterated over.

    With pairs, `signals((bus, "message::eos"), (bus, "message::error"))`, those of several signals: each step
    gives which pair it was, from 0 on, and the arguments.

    Args:
        obj: the emitter, not kept alive in the block: when it is disposed (of several: the last one) the iteration
            ends, after what came before.
        signal: its name, with a detail if wanted: "clicked", "notify::title".
        pairs: emitters, each with a signal's name.
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

    @overload
    def __init__(
        self: signals[tuple[Any, ...]],
        obj: GObject.Object,
        signal: str,
        /,
        *,
        limit: int = 10_000,
        when_full: WhenFull = "raise",
        returns: Any = None,
    ) -> None: ...

    @overload
    def __init__(
        self: signals[tuple[int, tuple[Any, ...]]],
        *pairs: Pair,
        limit: int = 10_000,
        when_full: WhenFull = "raise",
        returns: Any = None,
    ) -> None: ...

    def __init__(self, *pairs: Any, limit: int = 10_000, when_full: WhenFull = "raise", returns: Any = None) -> None:
        limit = whole_number(limit, "limit")
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        if when_full not in ("raise", "drop_oldest", "drop_newest"):
            raise ValueError(f'when_full must be "raise", "drop_oldest" or "drop_newest", not {when_full!r}')
        self._numbered = not (len(pairs) == 2 and not isinstance(pairs[0], tuple))
        self._pairs: tuple[Pair, ...] = pairs if self._numbered else (pairs,)
        check_pairs("signals", self._pairs)
        self.dropped = 0
        self.signal = ", ".join(signal for _, signal in self._pairs)
        self._limit, self._when_full, self._returns = limit, when_full, returns
        self._waiting: deque[Emission] = deque()
        self._waiter: Waiter | None = None
        self._ended = False
        self._overrun: str | None = None
        self._connections: Connections | None = None

    def __enter__(self) -> Self:
        pairs, self._pairs = self._pairs, ()  # from here on the emitters may go
        if not pairs:
            raise GleenletError(f"signals({self.signal!r}) was used before: make one for each `with`")
        put = from_any_thread(self._put)
        returns, numbered = self._returns, self._numbered

        def emitted(index: int, _: GObject.Object, *args: Any) -> Any:
            put((index, args) if numbered else args)  # queues only: see wait_signal
            return returns

        self._connections = Connections()
        try:
            self._connections.connect(pairs, emitted, self._end)
        except BaseException:
            self._connections.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._connections is not None:
            self._connections.close()
            self._connections = None
        self._waiting.clear()
        self._end()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Emission:
        if self._connections is None and not self._ended:
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
            self._waiter = Waiter(None, self, f"signal {self.signal}")
            try:
                self._waiter.wait()
            finally:
                self._waiter = None
        return self._waiting.popleft()

    def _put(self, emission: Emission) -> None:
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
        self._waiting.append(emission)
        if self._waiter is not None:
            self._waiter.wake()

    def _end(self) -> None:
        self._ended = True
        if self._waiter is not None:
            self._waiter.wake()
