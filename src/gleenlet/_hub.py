"""One Hub per thread and context: deadlines, descriptors, and resuming greenlets from the loop.

Whoever dispatches the context's sources drives the hub; it has no greenlet and no start-up call of its own.
This file knows nothing of tasks but that they are `_core.Job`s.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
import time
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Protocol

from gi.repository import GLib
from greenlet import getcurrent, greenlet

from gleenlet import _core, _slabs
from gleenlet._core import Handle, Waiter, sleep, wait_fd
from gleenlet._errors import GleenletError, UnsafeSwitchError
from gleenlet._wakeup import restart_in_child, signals_wake

__all__ = [
    "Handle",
    "Hub",
    "Waiter",
    "get_hub",
    "schedule_switch",
    "schedule_throw",
    "sleep",
    "wait_readable",
    "wait_writable",
]

_PACKAGE = os.path.dirname(__file__)


class Hub(_core.Hub):
    """The adapter between greenlets and one GLib main context, on one thread.

    Made by `get_hub()`; never by hand.

    >>> hub = get_hub()
    >>> hub is get_hub()
    True
    """

    stack_reserve: ClassVar[int] = 0
    """Bytes of a thread's stack kept for the loop's own frames, above every task; 0: an eighth of the
    stack, between 64 KiB and 1 MiB. Set it before the thread's first use of gleenlet."""

    def __init__(self) -> None:
        super().__init__(self.stack_reserve)
        self._stack_chunk = _slabs.SMALL if _slabs.install() else 0
        self.context: GLib.MainContext = GLib.MainContext.ref_thread_default()
        self._switches: dict[greenlet, Waiter] = {}
        self._drivers = 0
        self._fatal: BaseException | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.tasks())} tasks"
        return f"<gleenlet.Hub of thread {self.thread}, {state}>"

    def time(self) -> float:
        """Return the hub's clock in seconds: `time.monotonic()`."""
        return time.monotonic()

    def call_soon(self, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` in its next pass, outside any task: it must not block.

        Returns: a handle whose `cancel()` calls it off.
        Thread: the hub's own.

        >>> from gleenlet import run
        >>> get_hub().call_soon(print, "soon") and run(sleep, 0)
        soon
        """
        self._check_thread()
        return self._call(func, args, None)

    def call_soon_threadsafe(self, func: Callable[..., Any], /, *args: Any) -> Handle:
        """As `call_soon`, from any thread: wakes the loop up.

        >>> import threading
        >>> from gleenlet import run
        >>> thread = threading.Thread(target=get_hub().call_soon_threadsafe, args=(print, "hello"))
        >>> thread.start(); thread.join(); run(sleep, 0)
        hello
        """
        return self._call(func, args, None)

    def call_later(self, seconds: float, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` in so many seconds.

        Raises: ValueError: `seconds` is negative or NaN.

        >>> from gleenlet import run
        >>> get_hub().call_later(0.001, print, "later") and run(sleep, 0.01)
        later
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must be 0 or more seconds, not {seconds!r}")
        return self._call(func, args, self.time() + seconds)

    def call_at(self, deadline: float, func: Callable[..., Any], /, *args: Any) -> Handle:
        """Have the loop call `func(*args)` when `time()` reaches `deadline`; at once if it has.

        >>> from gleenlet import run
        >>> hub = get_hub()
        >>> hub.call_at(hub.time(), print, "now") and run(sleep, 0.001)
        now
        """
        return self._call(func, args, deadline)

    def switch(self) -> Any:
        """Suspend the current greenlet until somebody calls `schedule_switch` or `schedule_throw` for it.

        Returns: what was given to `schedule_switch`: None, one value, or a tuple of them.
        Raises: what was given to `schedule_throw`; UnsafeSwitchError: a GLib callback is on the stack here.

        >>> task_greenlet = getcurrent()
        >>> get_hub().call_soon(schedule_switch, task_greenlet, "hello") and get_hub().switch()
        'hello'
        """
        current = getcurrent()
        waiter = self._switches[current] = Waiter()
        try:
            return waiter.wait()
        finally:
            del self._switches[current]

    def _check_thread(self) -> None:
        if _core.get_ident() != self.thread:
            raise GleenletError(
                "this hub belongs to another thread: use Hub.call_soon_threadsafe() or from_thread() "
                "to enter it from here"
            )

    # ---- called by _core ----

    def _block(self, waiter: Waiter) -> bool:
        """Block where a plain switch is not allowed: drive the loop (False), go back by hand (True), or refuse."""
        current = getcurrent()
        depth = _core.main_depth()
        ours = _core.runs_tasks(current)
        if not depth and not ours and self._home is None:
            self._drive(waiter)
            return False
        if self._home is None and current.parent is not None and _core.callback_depth() <= depth:
            # Somebody else switched to this greenlet in a GLib callback, and every C callback on the stack is
            # one of the loop's dispatches: going back to him moves nothing that he did not move himself.
            return True
        raise UnsafeSwitchError(_explain(in_task=current is not self._home and self._home is not None))

    def _drive(self, waiter: Waiter) -> None:
        deadline = self.time() + 1
        while not self.context.acquire():
            # A thread of GLib's has it for the time of one callback (g_main_context_invoke); who runs a loop keeps it.
            if self.time() > deadline:
                raise GleenletError(
                    "this thread cannot drive the main context: another thread runs it; use from_thread() to enter it"
                )
            GLib.usleep(1000)
        self._drivers += 1
        if self._crossing is not None:
            self._crossing(self._outside)  # plain callbacks see asyncio's loop from the first iteration on
        try:
            # What is ready already needs no sleep, and so no descriptor for signals, which costs more than a turn.
            if not self._iterate(waiter, False):
                with signals_wake(self):
                    self._iterate(waiter, True)
        finally:
            self._drivers -= 1
            if self._crossing is not None and not self._drivers:
                self._crossing(None)
            self.context.release()

    def _iterate(self, waiter: Waiter, may_sleep: bool) -> bool:
        iterate = super(GLib.MainContext, self.context).iteration  # type: ignore[misc]  # the override takes thrice as long
        while waiter.queued or not waiter.done:
            dispatched = iterate(may_sleep)
            if self._fatal is not None:
                fatal, self._fatal = self._fatal, None
                raise fatal
            if not dispatched and not may_sleep:
                return False
        return True

    def _report(self, exception: BaseException, what: object) -> None:
        if isinstance(exception, SystemExit | KeyboardInterrupt) and self._drivers:
            self._fatal = exception
            return
        if isinstance(exception, SystemExit):
            # PyGObject ends the process when a source's callback raises it, whoever runs the loop.
            source = GLib.Idle()
            source.set_priority(GLib.PRIORITY_DEFAULT)
            source.set_callback(_raise, exception)
            source.attach(self.context)
            return
        self.report(exception, f"in {what!r}")

    def report(self, exception: BaseException, context: str) -> None:
        """Report an exception that nobody waits for, through `sys.excepthook`, as PyGObject does."""
        try:
            exception.add_note(f"({context})")
            sys.excepthook(type(exception), exception, exception.__traceback__)
        except BaseException as error:
            print(
                f"gleenlet: {type(exception).__name__} {context} cannot be printed: {type(error).__name__}",
                file=sys.stderr,
            )

    def _complain(self, foreign: bool) -> None:
        if foreign:
            text = (
                "tasks of one thread wait for a main context that another thread now runs; start them from that "
                "thread, with from_thread() or Hub.call_soon_threadsafe()"
            )
        else:
            text = (
                f"a main loop runs inside a task ({_where()[1]}): tasks wait until it ends; "
                "start what opens it outside, or use green() for what it calls"
            )
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def _where() -> tuple[str, str]:
    """Name the gleenlet function that the user called, and the user's line that is to blame."""
    frame = sys._getframe(1)
    called = "the call"
    while frame.f_back and (frame.f_code.co_filename.startswith(_PACKAGE) or _is_gi(frame)):
        called = frame.f_code.co_name
        frame = frame.f_back
    site = user = frame
    while frame.f_back:
        # A frame of PyGObject's overrides under us is the loop's: what it called is the callback.
        if _is_gi(frame.f_back):
            site = frame
            break
        frame = frame.f_back
    place = f"{site.f_code.co_qualname} ({site.f_code.co_filename}:{site.f_lineno})"
    if site is not user:
        place += f", at {user.f_code.co_filename}:{user.f_lineno}"
    return called, place


def _is_gi(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("gi.")


def _explain(in_task: bool) -> str:
    called, place = _where()
    called = "blocking" if called.startswith("_") else f"{called}()"
    if in_task:
        return (
            f"{called} in a callback that C code makes inside a task: {place}. Switching away here would move C "
            "frames that are still in use, GObject's running emission for one. Start a task for what has to wait: "
            "connect green(handler) instead of handler, or call spawn(func)."
        )
    return (
        f"{called} in a callback of the main loop: {place}. Only tasks may wait. "
        "Start one: connect green(handler) instead of handler, or call spawn(func)."
    )


def _raise(exception: BaseException) -> None:
    raise exception


def _hubs() -> dict[int, Hub]:
    """This thread's hubs, by the address of their context."""
    hubs: dict[int, Hub] = _core.thread_dict().setdefault("gleenlet", {})
    return hubs


def get_hub() -> Hub:
    """Return the hub of this thread and its thread-default context, made at first use.

    Raises: GleenletError: this thread's stack is too small, or it is used up too far already.
    Thread: any; each has its own.

    >>> get_hub() is get_hub()
    True
    """
    context, hubs = _core.current_context(), _hubs()
    hub = hubs.get(context)
    if hub is None or hub.closed:
        hub = hubs[context] = Hub()
    return hub


_core.on_missing_hub(get_hub)


class HasFileno(Protocol):
    """A socket, file or anything else with a descriptor."""

    def fileno(self) -> int:
        """Return the descriptor."""


def wait_readable(file: int | HasFileno, timeout: float | None = None) -> None:
    """Wait until a descriptor can be read without blocking, or is at its end.

    Args:
        file: a descriptor, or an object with `fileno()`. Keep it open meanwhile; several tasks may wait
            for one, all wake up.
        timeout: seconds, None for no limit.

    Raises:
        ValueError: it is closed or cannot be polled (a regular file); `timeout` is negative or NaN.
        TimeoutError: not ready within `timeout` seconds.
        OSError: EBADF: its number was given to another file meanwhile.
        Cancelled, UnsafeSwitchError: as in `sleep`.

    Thread: any; it blocks the caller's task, or drives the loop at top level.

    >>> import socket
    >>> one, other = socket.socketpair()
    >>> _ = one.send(b"x"); wait_readable(other)
    >>> one.close(); other.close()
    """
    wait_fd(file, select.EPOLLIN, timeout)


def wait_writable(file: int | HasFileno, timeout: float | None = None) -> None:
    """Wait until a descriptor can be written without blocking; as `wait_readable`.

    >>> import socket
    >>> one, other = socket.socketpair()
    >>> wait_writable(one)
    >>> one.close(); other.close()
    """
    wait_fd(file, select.EPOLLOUT, timeout)


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

    >>> from gleenlet import run
    >>> schedule_switch(greenlet(print), "from the loop"); run(sleep, 0)
    from the loop
    """
    hub = get_hub()
    waiter = _refuse(hub, target, "schedule_switch")
    if target in hub._switches:
        _resume(hub, target, args, kwargs)
    elif target is getcurrent():
        hub.call_soon(_resume, hub, target, args, kwargs)
    elif waiter is not None or _core.runs_tasks(target):
        raise GleenletError(
            "schedule_switch(): this greenlet is a task or waits for something else already; wake it where it "
            "waits, cancel it, or have it wait in get_hub().switch()"
        )
    else:
        hub._switch_later(target, args, kwargs, None)


def _resume(hub: Hub, target: greenlet, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    waiter = hub._switches.get(target)
    if waiter is not None:
        waiter.wake(None if not args else args[0] if len(args) == 1 else args)
    elif not target.dead:
        hub._switch_later(target, args, kwargs, None)


def schedule_throw(target: greenlet, exception: BaseException | type[BaseException], /) -> None:
    """Raise `exception` in a greenlet from the loop: at its wait, or where it switched away.

    Raises: as `schedule_switch`; TypeError: not an exception.

    >>> def waits():
    ...     try:
    ...         get_hub().switch()
    ...     except ValueError as error:
    ...         print("caught", error)
    >>> from gleenlet import run
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
    waiter = _refuse(hub, target, "schedule_throw")
    if target in hub._switches:
        waiter = hub._switches[target]
    if waiter is not None:
        waiter.interrupt(exception)
        return
    if _core.runs_tasks(target):
        raise GleenletError("schedule_throw(): this greenlet is a task's: use Task.cancel()")
    hub._switch_later(target, (), {}, exception)


def _refuse(hub: Hub, target: greenlet, name: str) -> Waiter | None:
    if not isinstance(target, greenlet):
        raise TypeError(f"{name}() needs a greenlet, not {type(target).__name__}; for a function use spawn()")
    if target.dead:
        raise GleenletError(f"{name}(): {target!r} is dead: it has returned or raised")
    current = getcurrent()
    if _root(target) is not _root(current):
        raise GleenletError(f"{name}(): {target!r} belongs to another thread: use that thread's hub")
    if target not in hub._switches and (
        target is hub._home
        or (target is current and hub._home is None)
        or (_core.main_depth() and hub._home is None and target in _ancestors(current))
    ):
        raise GleenletError(
            f"{name}(): {target!r} runs the loop or is running right now, so it cannot be resumed from the loop; "
            "to let the loop run use sleep(0), to wait for a switch use get_hub().switch()"
        )
    return hub._foreign.get(target)


def _ancestors(current: greenlet) -> list[greenlet]:
    result = []
    parent = current.parent
    while parent is not None:
        result.append(parent)
        parent = parent.parent
    return result


def _root(current: greenlet) -> greenlet:
    return ([current, *_ancestors(current)])[-1]


@atexit.register
def _close_all() -> None:
    """What still waits when the interpreter exits is abandoned, as daemon threads are."""
    for hub in _hubs().values():
        hub._close()


def _forget_in_child() -> None:
    for hub in _hubs().values():
        hub._forget_descriptors()
    restart_in_child()


os.register_at_fork(after_in_child=_forget_in_child)
