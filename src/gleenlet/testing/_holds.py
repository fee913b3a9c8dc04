"""What only the world outside can bring: while something waits for it, a virtual clock stands.

Descriptors, threads, children, Unix signals, Gio's operations, D-Bus and GStreamer. A lock, an event or a GObject
signal is for the program itself to bring, so who waits for these is, as Go's synctest says, durably blocked.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from gleenlet import Hub
from gleenlet._core import Waiter, what_it_waits_for
from gleenlet.testing._gevent import GeventTimers
from gleenlet.testing._undo import replaced

__all__ = ["Holds", "is_reply"]

FROM_OUTSIDE = (
    "readable",
    "writable",
    "thread",
    "future",
    "Gio",
    "cancelled operation",
    "Unix signal",
    "D-Bus",
    "GStreamer",
    "X event",
)
REPLIES = ("Gio", "D-Bus reply")
TOOLKITS = ("Gtk", "Adw")


class Holds:
    """Tells what is under way outside, for one hub."""

    def __init__(self, hub: Hub, gevent: GeventTimers) -> None:
        self.hub = hub
        self.gevent = gevent
        self.threads = set(threading.enumerate())
        self.futures: weakref.WeakSet[Future[Any]] = weakref.WeakSet()
        self.executors: weakref.WeakSet[Executor] = weakref.WeakSet()
        self.by_hand: list[str] = []

    def watch(self) -> contextlib.AbstractContextManager[None]:
        """Note what thread pools are given in a block: asyncio's executor and everybody's."""
        submit = ThreadPoolExecutor.submit

        def noted(executor: ThreadPoolExecutor, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = submit(executor, *args, **kwargs)
            self.futures.add(future)
            self.executors.add(executor)
            return future

        return replaced(ThreadPoolExecutor, "submit", noted)

    def list(self) -> list[str]:
        """What holds the clock, in words."""
        return [*self.by_hand, *self.waits(), *self.gevent.holds(), *self.work(), *self.live_threads()]

    def waits(self) -> Iterator[str]:
        for task in self.hub.tasks():
            waiter = task.waiter
            if waiter is not None and not waiter.done and from_outside(waiter):
                yield repr(task)
        for waiter in self.hub.foreign.values():
            if waiter.job is None and not waiter.done and from_outside(waiter):
                yield f"a greenlet that waits for {what_it_waits_for(waiter)}"

    def work(self) -> Iterator[str]:
        running = sum(not future.done() for future in self.futures)
        # A future is done before its callbacks tell of it; a pool's thread says that it is idle after them.
        busy = sum(is_busy(executor) for executor in self.executors)
        if running or busy:
            yield f"{max(running, busy)} functions in thread pools"

    def live_threads(self) -> Iterator[str]:
        known = self.threads
        new = [thread for thread in threading.enumerate() if thread not in known and not thread.daemon]
        if new:
            pools = {thread for executor in self.executors for thread in getattr(executor, "_threads", ())}
            yield from (f"thread {one.name!r}" for one in new if one not in pools and not is_pools(one))


def is_busy(executor: Any) -> bool:
    idle = getattr(getattr(executor, "_idle_semaphore", None), "_value", None)
    return idle is not None and idle < len(executor._threads)


def is_pools(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", "") == "concurrent.futures.thread"


def is_dialog(waiter: Waiter) -> bool:
    """Is it for a toolkit's own `_async` function, `Gtk.AlertDialog.choose` for one? A user brings that."""
    return getattr(waiter.on, "get_namespace", str)() in TOOLKITS


def is_reply(waiter: Waiter) -> bool:
    """Is it for a result of Gio's, or a reply of D-Bus?"""
    return (waiter.verb or "").startswith(REPLIES) and not is_dialog(waiter)


def from_outside(waiter: Waiter) -> bool:
    """Does it wait for something that the program itself cannot bring?"""
    if waiter.verb == "asyncio events":
        return bool(sys.modules["gleenlet.asyncio"].waits_outside(waiter.job))
    return (waiter.verb or "").startswith(FROM_OUTSIDE) and not is_dialog(waiter)
