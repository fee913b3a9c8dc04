"""Wait for the Unix signals this process gets. Knows no GObject."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from gi import _ossighelper  # type: ignore[attr-defined]  # not in the stubs

from gleenlet._core import GleenletError, Waiter, get_hub, signals_wake

__all__ = ["wait_unix_signal"]

# GLib.unix_signal_add would take the C handler away from Python's. So these waits use a Python handler, which calls
# the one that was there before.

Handler = Callable[[int, FrameType | None], Any] | int


class Watch:
    """One signal that somebody waits for."""

    __slots__ = ("former", "waiters")

    def __init__(self, former: Handler) -> None:
        self.former = former
        self.waiters: list[Waiter] = []


watches: dict[int, Watch] = {}


def wait_unix_signal(signum: int, timeout: float | None = None) -> None:
    """Wait until the process gets the Unix signal `signum`.

    While a task waits, the signal's default action (ending the process, KeyboardInterrupt) is off; a Python
    handler that was there before is called as well, and it is back after the last wait.

    Args:
        signum: signal.SIGTERM, signal.SIGUSR1, ...
        timeout: seconds, None for no limit.

    Raises:
        ValueError: there is no such signal, it cannot be caught, or `timeout` is negative or NaN.
        GleenletError: not in the main thread, or a C library handles this signal (GLib.unix_signal_add).
        TimeoutError: the signal did not come within `timeout` seconds.
        Cancelled: the task was cancelled; the former handler is back.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: the main thread, where Python runs signal handlers.

    >>> import os, signal
    >>> from gleenlet import spawn
    >>> task = spawn(os.kill, os.getpid(), signal.SIGUSR1)
    >>> wait_unix_signal(signal.SIGUSR1)
    """
    waiter = Waiter(timeout, signum, "Unix signal")
    if threading.current_thread() is not threading.main_thread():
        raise GleenletError("wait_unix_signal() works in the main thread only: Python runs signal handlers there")
    if not isinstance(signum, int):
        raise TypeError(f"signum must be a signal's number, such as signal.SIGTERM, not {type(signum).__name__}")
    watch = watches.get(signum) or begin(signum)
    watch.waiters.append(waiter)
    try:
        with signals_wake(get_hub()):
            waiter.wait()
    finally:
        watch.waiters.remove(waiter)
        if not watch.waiters:
            finish(signum, watch)


def begin(signum: int) -> Watch:
    name = signal.Signals(signum).name  # ValueError where there is none
    former = signal.getsignal(signum)
    if former is None or (former is signal.SIG_DFL and c_handler(signum) > 0):
        raise GleenletError(f"{name} has a handler in C already (GLib.unix_signal_add?): it cannot be shared")
    try:
        signal.signal(signum, received)
    except OSError as error:
        raise ValueError(f"{name} cannot be caught") from error
    watch = watches[signum] = Watch(former)
    return watch


def finish(signum: int, watch: Watch) -> None:
    del watches[signum]
    if signal.getsignal(signum) is received:  # else somebody has set another one meanwhile: theirs stays
        signal.signal(signum, signal.default_int_handler if is_stale(watch.former) else watch.former)


def received(signum: int, frame: FrameType | None) -> None:
    watch = watches.get(signum)
    if watch is None:  # restored by somebody who took it for the former handler
        return
    for waiter in watch.waiters:
        waiter.wake()  # queues only
    if callable(watch.former) and not is_default(watch.former):
        watch.former(signum, frame)


def is_default(handler: Handler) -> bool:
    """Ctrl-C's default action: Python's, or PyGObject's, which quits the running loop to raise the same."""
    return handler is signal.default_int_handler or is_pygobjects(handler)


def is_pygobjects(handler: Handler) -> bool:
    return bool(getattr(handler, "__module__", None) == _ossighelper.__name__)


def is_stale(handler: Handler) -> bool:
    """PyGObject's handler for Ctrl-C after its loop has ended."""
    return is_pygobjects(handler) and not _ossighelper._callback_stack


def c_handler(signum: int) -> int:
    """What C has as the handler: 0 and 1 are the default action and none, -1 is unknown."""
    return int(_ossighelper.PyOS_getsig(signum))
