"""Wait for the processes this one started and for the signals it gets. Knows no GObject."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from gi import _ossighelper  # type: ignore[attr-defined]  # not in the stubs

from gleenlet._core import Waiter, sleep
from gleenlet._errors import GleenletError
from gleenlet._hub import get_hub, wait_readable
from gleenlet._wakeup import signals_wake

# ---- children ----


class Process(Protocol):
    """What subprocess.Popen has."""

    pid: int

    def poll(self) -> int | None: ...


class Child:
    """A child that tasks wait for: the first who sees its end reaps it and leaves its status here."""

    __slots__ = ("status", "waiting")

    def __init__(self) -> None:
        self.status: int | None = None
        self.waiting = 0


children: dict[int, Child] = {}


def wait_child(pid: int | Process, timeout: float | None = None) -> int:
    """Wait until a child process ends, reap it and return its exit status as `subprocess` gives it.

    Args:
        pid: the child's process id, or its subprocess.Popen, which has its `returncode` then; the bare id
            of a Popen's would take the status away from it. For a Gio.Subprocess: call(child.wait_async).
        timeout: seconds, None for no limit. The child goes on; wait again, or kill it.

    Returns:
        The exit status, or -N for a child that signal N ended. A child that has ended already is no error.

    Raises:
        ChildProcessError: no child of this process has this id, or somebody else has reaped it.
        ValueError: `timeout` is negative or NaN, or `pid` is not positive.
        TimeoutError: the child still runs after `timeout` seconds.
        Cancelled: the task was cancelled; the child goes on.
        UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: any that has a hub.

    >>> wait_child(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ))
    3
    """
    Waiter(timeout)  # refuses bad input before anything is registered
    deadline = None if timeout is None else get_hub().time() + timeout
    number = pid if isinstance(pid, int) else pid.pid
    if number <= 0:
        raise ValueError(f"pid must be that of one process, not {number}")
    child = children.setdefault(number, Child())
    child.waiting += 1
    end: int | None = None
    pause = 0.001
    try:
        while child.status is None:
            child.status = reap(number) if isinstance(pid, int) else pid.poll()
            if child.status is not None:
                break
            left = None if deadline is None else max(0.0, deadline - get_hub().time())
            if end is None:
                end = open_pidfd(number)
            if end is not None:
                wait_readable(end, left)
            elif left == 0:
                raise TimeoutError(f"process {number} still runs after {timeout} seconds")
            else:
                sleep(pause if left is None else min(pause, left))
                pause = min(2 * pause, 0.05)
        return child.status
    finally:
        if end is not None:
            os.close(end)
        child.waiting -= 1
        if not child.waiting:
            del children[number]


def reap(pid: int) -> int | None:
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        raise ChildProcessError(
            errno.ECHILD,
            f"process {pid} is no child of this one, or its status was taken by somebody else: "
            "for a subprocess.Popen pass the Popen itself, for a Gio.Subprocess use call(child.wait_async)",
        ) from None
    return os.waitstatus_to_exitcode(status) if ended else None


def open_pidfd(pid: int) -> int | None:
    """A descriptor that is readable once `pid` has ended; None where there is none (Linux before 5.3)."""
    try:
        return os.pidfd_open(pid)
    except AttributeError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise


# ---- Unix signals ----
#
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

    >>> from gleenlet import spawn
    >>> task = spawn(os.kill, os.getpid(), signal.SIGUSR1)
    >>> wait_unix_signal(signal.SIGUSR1)
    """
    waiter = Waiter(timeout)
    if threading.current_thread() is not threading.main_thread():
        raise GleenletError("wait_unix_signal() works in the main thread only: Python runs signal handlers there")
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
