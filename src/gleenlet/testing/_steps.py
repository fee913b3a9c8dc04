"""Steps of a test: wait until all others wait, take turns, say what must switch and what must not block."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from gi.repository import Gio, GLib

from gleenlet import Condition, GleenletError, get_hub
from gleenlet._core import Waiter, get_ident
from gleenlet.testing._places import place

__all__ = [
    "BlockingCall",
    "Sequencer",
    "assert_no_switches",
    "assert_switches",
    "forbid_blocking",
    "wait_all_tasks_blocked",
]

LAST_BUT_ONE = 2**31 - 2  # a virtual clock's source comes after this one


def wait_all_tasks_blocked() -> None:
    """Wait until nothing is ready in this loop: every other task waits, and GLib has nothing to dispatch.

    Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
    Thread: the hub's own.

    >>> from gleenlet import run, spawn
    >>> def main():
    ...     task = spawn(print, "first")
    ...     wait_all_tasks_blocked()
    ...     print("then")
    >>> run(main)
    first
    then
    """
    waiter = Waiter(None, None, "all tasks blocked")
    source = GLib.Idle()
    source.set_priority(LAST_BUT_ONE)
    source.set_callback(lambda *_: waiter.wake() and False)
    source.attach(GLib.MainContext.ref_thread_default())
    try:
        waiter.wait()
    finally:
        source.destroy()


class Sequencer:
    """Blocks in several tasks that run in the order of their numbers, from 0 on, each number once.

    >>> from gleenlet import run, spawn
    >>> order = Sequencer()
    >>> def say(number, word):
    ...     with order(number):
    ...         print(word)
    >>> def main():
    ...     for task in [spawn(say, 1, "world"), spawn(say, 0, "hello")]:
    ...         task.join()
    >>> run(main)
    hello
    world
    """

    def __init__(self) -> None:
        self._next = 0
        self._taken: set[int] = set()
        self._turn = Condition()
        self._broken = False

    @contextlib.contextmanager
    def __call__(self, number: int) -> Iterator[None]:
        """The block of this number: waits until those before are over.

        Raises: RuntimeError: the number was used before, or an earlier block was left before its turn.
        """
        if number in self._taken:
            raise RuntimeError(f"block {number} has had its turn: each number is used once")
        self._taken.add(number)
        try:
            with self._turn:
                self._turn.wait_for(lambda: self._broken or self._next == number)
        except BaseException:
            with self._turn:
                self._broken = True
                self._turn.notify_all()
            raise
        if self._broken:
            raise RuntimeError(f"block {number} will never have its turn: one before it was left while it waited")
        try:
            yield
        finally:
            with self._turn:
                self._next = number + 1
                self._turn.notify_all()


@contextlib.contextmanager
def assert_switches() -> Iterator[None]:
    """Fail unless the block lets something else run.

    Raises: AssertionError.

    >>> from gleenlet import run, sleep
    >>> def main():
    ...     with assert_switches():
    ...         sleep(0)
    >>> run(main)
    """
    hub = get_hub()
    before = hub.steps
    yield
    if hub.steps == before:
        raise AssertionError("nothing else has run in this block")


@contextlib.contextmanager
def assert_no_switches() -> Iterator[None]:
    """Fail if the block lets something else run.

    Raises: AssertionError.

    >>> with assert_no_switches():
    ...     pass
    """
    hub = get_hub()
    before = hub.steps
    yield
    if hub.steps != before:
        raise AssertionError(f"{hub.steps - before} other steps have run in this block")


class BlockingCall(GleenletError, RuntimeError):
    """A call that would stop the loop was made where `forbid_blocking` forbids it."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} at {place(3)} stops the loop, and every task with it: {instead}")


SOCKET = ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto")
WAIT_FIRST = "set the socket non-blocking and call wait_readable() or wait_writable(), or use gleenlet.gevent or Gio"


@contextlib.contextmanager
def forbid_blocking() -> Iterator[None]:
    """Have calls that would freeze the loop raise in this thread, with the line.

    `time.sleep`, sockets that block, `subprocess.Popen.wait` and synchronous D-Bus calls. Files are not looked at.

    Raises: BlockingCall: at such a call.

    >>> with forbid_blocking():
    ...     try:
    ...         time.sleep(1)
    ...     except BlockingCall as error:
    ...         print(error)
    time.sleep() at ... stops the loop, and every task with it: use gleenlet.sleep()
    """
    thread = get_ident()
    with contextlib.ExitStack() as undo:

        def forbid(owner: Any, name: str, what: str, instead: str, blocks: Callable[..., bool]) -> None:
            own = name in vars(owner)
            func = getattr(owner, name)

            def refuse(*args: Any, **kwargs: Any) -> Any:
                if get_ident() == thread and blocks(*args, **kwargs):
                    raise BlockingCall(what, instead)
                return func(*args, **kwargs)

            setattr(owner, name, refuse)
            undo.callback(*((setattr, owner, name, func) if own else (delattr, owner, name)))

        forbid(time, "sleep", "time.sleep()", "use gleenlet.sleep()", lambda seconds: seconds > 0)
        for name in SOCKET:
            forbid(socket.socket, name, f"socket.{name}()", WAIT_FIRST, lambda sock, *_, **__: sock.gettimeout() != 0)
        forbid(
            subprocess.Popen,
            "wait",
            "Popen.wait()",
            "use wait_child(popen)",
            lambda popen, timeout=None: timeout != 0 and popen.poll() is None,
        )
        for cls in (Gio.DBusConnection, Gio.DBusProxy):
            forbid(cls, "call_sync", f"{cls.__name__}.call_sync()", "use call(obj.call, ...)", lambda *_, **__: True)
        yield
