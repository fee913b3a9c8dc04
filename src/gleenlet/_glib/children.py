"""Wait for the processes this one started. Knows no GObject."""

from __future__ import annotations

import _thread
import errno
import os
from typing import Protocol

from gleenlet._core import Waiter, sleep, time_left
from gleenlet._glib.descriptors import wait_readable

__all__ = ["wait_child"]


class Process(Protocol):
    """What subprocess.Popen has."""

    pid: int

    def poll(self) -> int | None: ...


reaping = _thread.allocate_lock()
"""Held while a status is asked for, which only one is told, and left for the others: threads may wait for one child."""


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

    >>> import os
    >>> wait_child(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ))
    3
    """
    deadline = Waiter(timeout).deadline  # refuses bad input before anything is registered
    number = pid if isinstance(pid, int) else getattr(pid, "pid", None)
    if not isinstance(number, int):
        raise TypeError(f"pid must be a process's id or its subprocess.Popen, not {type(pid).__name__}")
    if not 0 < number < 1 << 31:
        raise ValueError(f"pid must be that of one process, not {number}")
    with reaping:
        child = children.setdefault(number, Child())
        child.waiting += 1
    end: int | None = None
    pause = 0.001
    try:
        while child.status is None:
            with reaping:
                if child.status is None:
                    child.status = reap(number) if isinstance(pid, int) else pid.poll()
            if child.status is not None:
                break
            left = time_left(deadline)
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
        with reaping:
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
