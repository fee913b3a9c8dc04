"""Have Unix signals end the poll of a sleeping loop: the one descriptor that Python's C signal handler writes to.

Python runs a signal's handler between two of its instructions, and a loop that sleeps in poll() runs none. The
signal interrupts poll(), but one that comes just before it does not. So the C handler also writes a byte to a pipe
that the hub polls. There is one such descriptor in a process: whoever had set one gets what is written copied, and
has it back afterwards. PyGObject sets one for the time of GLib.MainLoop.run and Gtk.Application.run.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

from gleenlet._core._native import Hub

__all__ = ["SignalListener", "lend", "restart_in_child", "signals_wake", "take_back"]


class Wakeup:
    """The pipe, and which hubs it wakes up."""

    def __init__(self) -> None:
        self.reader = self.writer = -1
        self.former = -1
        self.former_is: tuple[int, int] | None = None
        self.users: dict[Hub, int] = {}
        self.listeners: list[Callable[[bytes], object]] = []

    def hold(self, hub: Hub) -> None:
        first = not self.users
        self.users[hub] = self.users.get(hub, 0) + 1
        if first:
            self.install()
        if self.users[hub] == 1:
            hub.watch(self.reader, self.forward)

    def release(self, hub: Hub) -> None:
        """Undo `hold`, also one that Ctrl-C has cut short, or that found no free descriptor."""
        self.users[hub] = self.users.get(hub, 1) - 1
        if self.users[hub]:
            return
        del self.users[hub]
        if self.reader < 0:
            return
        hub.unwatch(self.reader)
        if not self.users:
            self.uninstall()

    def install(self) -> None:
        if self.reader < 0:
            # Never closed: whoever has set a descriptor over ours restores ours, perhaps when nobody waits.
            self.reader, self.writer = new_pipe()
        self.former = signal.set_wakeup_fd(self.writer, warn_on_full_buffer=False)
        if self.former == self.writer:
            self.former = -1
        self.former_is = identity(self.former)

    def uninstall(self) -> None:
        self.forward()
        replace((self.writer,), self.former if self.former_is_open() else -1)

    def forward(self) -> None:
        """Take what the C handler has written, and give it to whoever had the descriptor before."""
        try:
            numbers = os.read(self.reader, 4096)
            for listener in tuple(self.listeners):
                listener(numbers)
            if self.former_is_open():
                os.write(self.former, numbers)
        except OSError:
            pass  # nothing there, or theirs is full or has gone

    def former_is_open(self) -> bool:
        """PyGObject closes its own when its loop ends, and the number may be another file's by then."""
        return self.former_is is not None and identity(self.former) == self.former_is


def identity(fd: int) -> tuple[int, int] | None:
    """What tells whether a descriptor is still the same file; None if it is closed."""
    if fd < 0:
        return None
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def replace(fds: Container[int], successor: int) -> None:
    """Set another descriptor for signals in place of one of `fds`; what somebody else has set meanwhile stays."""
    current = signal.set_wakeup_fd(-1)
    fd = successor if current in fds else current
    signal.set_wakeup_fd(fd if identity(fd) else -1, warn_on_full_buffer=False)


wakeup = Wakeup()


@contextmanager
def signals_wake(hub: Hub) -> Iterator[None]:
    """Have signals wake `hub`, whoever drives it; nothing in threads other than the main one, which gets none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        wakeup.hold(hub)
        yield
    finally:
        wakeup.release(hub)


class SignalListener:
    """Have `heard(numbers)` called by the loop with the numbers of the signals that came, until `close`."""

    def __init__(self, hub: Hub, heard: Callable[[bytes], object]) -> None:
        self.hub, self.heard = hub, heard
        self.hears = threading.current_thread() is threading.main_thread()
        if self.hears:
            wakeup.listeners.append(heard)
            wakeup.hold(hub)

    def look(self) -> None:
        """Hear at once of the signals that came up to now."""
        if self.hears:
            wakeup.forward()

    def close(self) -> None:
        if self.hears:
            self.hears = False
            wakeup.listeners.remove(self.heard)
            wakeup.release(self.hub)


_lent: list[tuple[weakref.ref[Any], int]] = []
"""To which tasks, and what was set before."""


def lend(task: Any) -> None:
    """No descriptor is set any more: a loop that takes the whole thread begins in `task`, and wants to set its own."""
    if threading.current_thread() is threading.main_thread():
        _lent.append((weakref.ref(task), signal.set_wakeup_fd(-1)))


def take_back(task: Any) -> None:
    """That loop has ended: what was set before it is set again, unless somebody else has set one."""
    if _lent and _lent[-1][0]() is task:
        _, fd = _lent.pop()
        replace((-1,), fd)


def new_pipe() -> tuple[int, int]:
    """Its ends do not block, and no program that is started inherits them."""
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return ends


def restart_in_child() -> None:
    """Give a forked child a pipe of its own; its hubs' descriptors are forgotten by now."""
    if wakeup.reader < 0:
        return
    # Under the same numbers: PyGObject's loops put back the descriptor that was set when they began.
    try:
        own = new_pipe()
    except OSError:  # no descriptor is free: then it gets the numbers of the two that are closed here
        os.close(wakeup.reader)
        os.close(wakeup.writer)
        wakeup.reader, wakeup.writer = new_pipe()
    else:
        for end, parents in zip(own, (wakeup.reader, wakeup.writer), strict=True):
            os.dup2(end, parents, inheritable=False)
            os.close(end)
    # From Python 3.12 on asyncio's own hook takes away what was set, whose ever it was.
    replace((wakeup.writer, -1) if wakeup.users else (wakeup.writer,), wakeup.writer)
    for hub in wakeup.users:
        if hub.thread == threading.get_ident():  # no other thread lives on in the child
            hub.watch(wakeup.reader, wakeup.forward)
