"""Tests with gleenlet.gevent, each in a child process: gevent has one hub and patches the standard library.

What is never late fails on a stalled machine, so a test waits `until` something is there, however long that takes.
What is lost never comes: then the child is ended, as every child that takes too long, and says where it stands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ParamSpec

import gevent
import gevent.event
import gevent.os
import gevent.queue
import gevent.socket
from gi.repository import GLib, GObject

from child import in_child

P = ParamSpec("P")

INSTALL = "import gleenlet.gevent; gleenlet.gevent.install()"
# gevent as it is, polled from a GLib timeout: the usual way to have both.
PLAIN = "import gleenlet.gevent; gleenlet.gevent.install = lambda: None"

loop = GLib.MainLoop()
began = time.monotonic()


def in_gevent(early: str = "", **options: Any) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """As `in_child`, with gleenlet.gevent installed; `early` runs before gevent is imported, and may undo that."""
    return in_child(first=f"{early}\n{INSTALL}", **options)


def check(seconds: float, since: float | None = None) -> None:
    """So long at least, from `since` or the child's begin on; how late it may be is the machine's affair."""
    assert time.monotonic() - (since or began) >= seconds


def until(condition: Callable[[], object]) -> None:
    while not condition():
        gevent.sleep(0.002)


def forked(work: Callable[[], object]) -> int:
    """The exit status of a forked child. gevent misses the end of one that ends before fork() has returned here."""
    reader, writer = os.pipe()
    pid = gevent.os.fork()
    if not pid:
        os.read(reader, 1)
        work()
    os.write(writer, b"x")
    return os.waitstatus_to_exitcode(gevent.os.waitpid(pid, 0)[1])


def turns_of(loop_runs: Callable[[GLib.MainContext], object], ticks: int = 10) -> int:
    """How often a loop turns until it has ticked; asleep it turns for ticks alone."""
    context, turns = GLib.MainContext.default(), 0
    seen: list[int] = []
    tick = GLib.timeout_add(10, lambda: seen.append(1) or True, priority=GLib.PRIORITY_HIGH)  # type: ignore[call-arg]
    while len(seen) < ticks:
        loop_runs(context)
        turns += 1
    GLib.source_remove(tick)
    return turns


def poll_gevent() -> None:
    """What is done where gleenlet.gevent is not installed."""
    GLib.timeout_add(1, lambda: gevent.sleep(0.0005) or True)


class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)
    __gsignals__ = {"open": (GObject.SignalFlags.RUN_LAST, None, (int,))}  # noqa: RUF012


def spin() -> None:
    while True:
        gevent.sleep(0)
