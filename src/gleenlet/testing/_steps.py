"""Steps of a test: wait until all others wait, take turns, say what must switch and what must not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gi.repository import GLib

from gleenlet import Condition, get_hub
from gleenlet._core import Waiter

__all__ = [
    "Sequencer",
    "assert_no_switches",
    "assert_switches",
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
