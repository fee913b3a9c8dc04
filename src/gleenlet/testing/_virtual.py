"""A clock that stands while anything runs, and jumps to the next deadline when everything waits.

Two GLib sources do it. The one before all others freezes GLib's own timeouts, which count real time: it takes their
ready time away and keeps when they are due on our clock. The one behind all others is dispatched when nothing else is
ready: it moves the clock, unless something real is under way (see _holds.py), and has what is due by then go off.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from gi.repository import GLib

from gleenlet import GleenletError, Task, current_task, get_hub
from gleenlet._core import check_span, get_ident
from gleenlet.debug import format_tasks
from gleenlet.testing._gevent import GeventTimers
from gleenlet.testing._holds import Holds
from gleenlet.testing._sources import Sources, glib, interval_us, name_of, sources_here
from gleenlet.testing._tape import draw

__all__ = ["START", "Clock", "Deadlock", "virtual_time"]

START = 1000.0  # what the clock shows at first: the same in each run
FIRST, LAST = -(2**31), 2**31 - 1  # priorities
JUMPS_IN_VAIN = 10_000  # to timeouts of GLib's that go off again and again while no task runs
POLL_MS = 10  # how often what holds the clock is looked at again: a thread's end wakes no loop


class Deadlock(GleenletError, RuntimeError):
    """Nothing can ever happen again: everything waits for something that only the program could bring."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\n{format_tasks().rstrip()}")


class Before(GLib.Source):
    """Asked before all other sources: freezes what is new."""

    clock: Clock

    def prepare(self) -> tuple[bool, int]:
        self.clock._freeze()
        return False, -1

    def check(self) -> bool:
        return False

    def dispatch(self, _callback: object, _args: object) -> bool:
        self.clock._nothing_ready()
        return True


class Behind(Before):
    """Dispatched when nothing else is ready."""

    def prepare(self) -> tuple[bool, int]:
        clock = self.clock
        if clock._resting == 1:  # GLib sleeps in this iteration; in the next something has happened, or time is over
            clock._resting = 2
            return False, POLL_MS
        clock._resting = 0
        return True, 0


class Clock:
    """What `virtual_time` gives: the hub's time, which moves by jumps.

    Made by `virtual_time`; never by hand.
    """

    def __init__(self, patience: float, limit: float) -> None:
        self._hub = get_hub()
        self._owner: Task[Any] | None = current_task()
        self._patience, self._limit = patience, limit
        self._now = START
        self._due: dict[int, float] = {}  # GLib's sources by id: when they are due here
        self._fired: set[int] = set()  # of these: they have been told to go off
        self._sources: Sources = sources_here()
        self._gevent = GeventTimers(self._hub)
        self._holds = Holds(self._hub, self._gevent)
        self._raised: dict[int, int] = {}  # and these had that priority before
        self._resting = 0
        self._still_since: float | None = None  # on the real clock: since then nothing has happened
        self._steps = -1
        self._jumps = 0  # since a task ran or had a time limit
        self.failure: Deadlock | None = None
        self._before, self._behind = Before(), Behind()
        self._undo = contextlib.ExitStack()

    @property
    def elapsed(self) -> float:
        """Seconds on this clock since the block began."""
        return round(self._now - START, 9)

    def time(self) -> float:
        """Return what the clock shows, as `time.monotonic()` and `Hub.time()` do meanwhile."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock by hand; what is due by then runs in the loop's next pass. Does not wait.

        Raises: ValueError: `seconds` is negative or NaN.
        """
        check_span(seconds)
        self._freeze()
        self._move(self._now + seconds)

    @contextlib.contextmanager
    def hold(self, reason: str) -> Iterator[None]:
        """Keep the clock from jumping in this block: something real is under way that it cannot see.

        Args:
            reason: for the message if it never ends.
        """
        self._holds.by_hand.append(reason)
        try:
            yield
        finally:
            self._holds.by_hand.remove(reason)

    # ---- the two sources ----

    def _freeze(self) -> None:
        """Take the ready times of GLib's sources that are new, or have armed themselves again."""
        library, now_us = glib(), None
        if self._raised:
            self._lower()
        found = self._sources.look()
        for number, source in found.items():
            ready = library.g_source_get_ready_time(source)
            if ready < 0 or (number in self._fired and ready == 0):
                if ready < 0:
                    self._fired.discard(number)
                continue
            interval = interval_us(source)
            if interval is None or number in self._due:
                now_us = now_us or library.g_get_monotonic_time()
                if ready <= now_us and interval is None:
                    continue  # it is to go off at once
            self._fired.discard(number)
            after = interval if interval is not None else ready - now_us
            self._due[number] = self._now + after / 1e6
            library.g_source_set_ready_time(source, -1)
        for number in self._due.keys() - found.keys():
            del self._due[number]
        self._fired &= found.keys()
        self._sources.let_go()

    def _next(self) -> float | None:
        """When the next thing is due: a timer of the hub's or a source of GLib's."""
        first = self._hub.next_deadline()
        times = [when for when in (first, *self._due.values()) if when is not None]
        return min(times) if times else None

    def _move(self, when: float) -> None:
        now = self._now = max(when, self._now)
        sources = [number for number, due in self._due.items() if due <= now]
        if sources:
            # Of what is due at one moment, sources of GLib's and the hub, an explorer may say who is first: 0 leaves it
            # to GLib. A source that is first goes before the hub too; the others are looked at again when all is quiet.
            first = self._hub.next_deadline()
            hub_due = first is not None and first <= now
            choice = draw(len(sources) + hub_due + 1) if len(sources) + hub_due > 1 else 0
            if choice > len(sources):
                sources = []
            elif choice:
                sources = [sources[choice - 1]]
        self._hub.set_clock(now)
        for number in sources:
            del self._due[number]
            source = self._sources.find(number)
            if source is not None:
                self._fired.add(number)
                if choice:
                    self._raised[number] = glib().g_source_get_priority(source)
                    glib().g_source_set_priority(source, self._raised[number] - 1)
                glib().g_source_set_ready_time(source, 0)
        self._sources.let_go()

    def _lower(self) -> None:
        """Give the sources that were to be first, and have been, the priority back that they had before."""
        for number, priority in list(self._raised.items()):
            source = self._sources.find(number)
            if source is None or glib().g_source_get_ready_time(source) != 0:
                del self._raised[number]
                if source is not None:
                    glib().g_source_set_priority(source, priority)

    def _nothing_ready(self) -> None:
        """Called by GLib when no other source is ready."""
        still = self._steps == self._hub.steps
        self._steps = self._hub.steps
        real = _monotonic()
        if not still or self._still_since is None:
            self._still_since = real
        waited = real - self._still_since
        holds = self._holds.list()
        when = None if holds else self._next()
        if when is not None and not self._in_vain(still, waited):
            if self._hub.next_deadline() is not None or not still:
                self._still_since = None
            self._move(when)
            return
        self._resting = 1
        if not self._hub.tasks():
            if not holds or waited >= self._limit:
                self._gevent.give_up()
            return  # a loop without tasks may wait for the world
        if holds and waited >= self._limit:
            self._fail(f"nothing has happened for {self._limit} real seconds. The clock stands because of {holds}")
        elif not holds and waited >= (self._patience if self._may_be_woken() else 0):
            self._fail("deadlock: nothing is ready, and no time limit, timeout or running operation will change that")

    def _in_vain(self, still: bool, waited: float) -> bool:
        """Have only timeouts of GLib's gone off for very long, over and over, and no task has run?"""
        if not still or self._hub.next_deadline() is not None or not self._hub.tasks():
            self._jumps = 0
            return False
        self._jumps += 1
        if self._jumps < JUMPS_IN_VAIN or waited < (self._patience if self._may_be_woken() else 0):
            return False
        self._jumps = 0
        names = sorted({name_of(source) for number in self._due if (source := self._sources.find(number))})
        self._fail(f"deadlock: no task runs, and only timeouts of GLib's go off again and again: {', '.join(names)}")
        return True

    def jump(self) -> None:
        """Seam: go to the next deadline, whatever holds the clock."""
        when = self._next()
        if when is not None:
            self._move(when)

    def _may_be_woken(self) -> bool:
        """Is there anybody else: another thread, of GLib's maybe, or a source that waits for a descriptor?"""
        return len(os.listdir("/proc/self/task")) > 1

    def _fail(self, reason: str) -> None:
        """Raise where somebody gets it: in the task whose block this is, in who drives the loop, or in every task."""
        self._still_since = None
        if self.failure is not None:
            return
        self.failure = Deadlock(reason)
        if self._owner is not None and not self._owner.done():
            self._owner.interrupt(self.failure, True)
        elif not self._hub.raise_in_driver(self.failure):
            for task in self._hub.tasks():
                task.interrupt(self.failure, True)

    # ---- begin and end ----

    def _begin(self) -> None:
        for source, priority in ((self._before, FIRST), (self._behind, LAST)):
            source.clock = self
            source.set_priority(priority)
            source.set_can_recurse(True)
            source.attach(GLib.MainContext.ref_thread_default())
        self._undo.enter_context(self._holds.watch())
        self._undo.enter_context(self._gevent.given())
        self._freeze()
        self._hub.set_clock(self._now)

    def restart(self) -> None:
        """Seam: show the first moment again; each run of an explorer begins with it."""
        self._due = {number: due - self._now + START for number, due in self._due.items()}
        self._now = START
        self._still_since = None
        self.failure = None
        self._hub.set_clock(START)

    def _end(self) -> None:
        for source in (self._before, self._behind):
            source.destroy()
            del source.clock
        self._lower()
        self._undo.close()
        if not self._hub.closed:
            self._hub.set_clock(None)
        now_us = glib().g_get_monotonic_time()
        for number, due in self._due.items():
            frozen = self._sources.find(number)
            if frozen is not None:
                glib().g_source_set_ready_time(frozen, now_us + int((due - self._now) * 1e6))
        self._sources.let_go()


_monotonic, _sleep = time.monotonic, time.sleep
_clocks: dict[int, Clock] = {}
"""By thread."""


def _virtual_monotonic() -> float:
    clock = _clocks.get(get_ident())
    return _monotonic() if clock is None else clock._now


def _virtual_sleep(seconds: Any, /) -> None:
    """As the real one, it stops everything in this thread for so long: only the clock moves."""
    clock = _clocks.get(get_ident())
    if clock is None:
        _sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        clock.advance(seconds)


@contextlib.contextmanager
def virtual_time(*, patience: float = 1.0, limit: float = 30.0) -> Iterator[Clock]:
    """Let time stand for this thread's loop while anything runs, and jump when everything waits.

    It jumps to the next deadline of a task or of GLib's own timeouts, when nothing is ready and nothing real is under
    way: descriptors, threads, Gio operations, D-Bus calls and GStreamer hold it. `time.monotonic()` and `time.sleep()`
    follow it in this thread; so does asyncio in a task. What starts at one moment has equal deadlines.

    Args:
        patience: real seconds in which nothing happens, before what looks like a deadlock is one; where the process has
            no other thread it is certain at once.
        limit: real seconds that the world outside may let us wait for it.

    Raises: Deadlock: in the task whose block it is, or from `run()` if it is in none: everything waits, and nothing is
        due. GleenletError: this thread has a virtual clock already.
    Thread: the hub's own.

    >>> from gleenlet import run, sleep
    >>> with virtual_time() as clock:
    ...     run(sleep, 3600)
    ...     clock.elapsed
    3600.0
    """
    thread = get_ident()
    if thread in _clocks:
        raise GleenletError("virtual_time() is in use in this thread already: its clock is one for all")
    clock = Clock(patience, limit)
    clock._begin()
    if not _clocks:
        time.monotonic = _virtual_monotonic
        if time.sleep is _sleep:  # gevent's, where it has patched it, follows the clock by itself
            time.sleep = _virtual_sleep
    _clocks[thread] = clock
    try:
        yield clock
    finally:
        del _clocks[thread]
        if not _clocks:
            time.monotonic = _monotonic
            if time.sleep is _virtual_sleep:
                time.sleep = _sleep
        clock._end()
