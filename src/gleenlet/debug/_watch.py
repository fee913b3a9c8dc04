"""Tell when a loop is stuck, while it is: a thread looks whether each loop turns, and at its stack if it does not.

A loop is not asked: it counts its turns in C (`_recorder.Pulse`), and whether it sleeps. From half the threshold on the
thread samples the stack of one that does not, so that a report shows what went on, not only where it was at the end.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gleenlet import Hub
from gleenlet._core import all_hubs, check_span, in_its_thread
from gleenlet.debug._emission import emission
from gleenlet.debug._hints import hint
from gleenlet.debug._hubs import UntilStopped
from gleenlet.debug._record import Frame
from gleenlet.debug._recorder import STALL, Pulse
from gleenlet.debug._recording import mark
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._text import quoted

__all__ = ["Stall", "Watch", "watch"]

SAMPLES = 4  # stacks in a report
HOUR = 3600.0  # seconds
PER_HOUR = 30  # reports
CLOCK_STEP = time.clock_getres(6)  # CLOCK_MONOTONIC_COARSE: how late a turn may be thought to have begun

Stack = tuple[Frame, ...]


@dataclass(frozen=True)
class Stall:
    """One loop that does not turn; `str()` of it is the report.

    >>> frame = Frame("app.py", 7, "load", False)
    >>> print(Stall(0.1, "MainThread", "load", ((frame,),)))
    gleenlet: the loop of MainThread has been stuck for 0.1 s, in task 'load'
        load (app.py:7)
      To do something long beside the loop: to_thread(func)
    """

    seconds: float
    """How long it has been stuck when this was reported; it still is."""
    thread: str
    """The name of its thread."""
    task: str | None
    """The name of the task that runs; None: it is a callback."""
    stacks: tuple[Stack, ...]
    """Where it stood, innermost line first; the last one is the newest."""
    dispatched_by: tuple[str, ...] = ()
    """What the callback is called for: the signal, and GLib's sources whose dispatch goes on."""

    @property
    def where(self) -> Frame | None:
        """The innermost line of the user's own code."""
        return next((frame for frame in self.stacks[-1] if not frame.ours), None)

    def __str__(self) -> str:
        doing = "a callback" if self.task is None else f"task {self.task!r}"
        lines = [f"gleenlet: the loop of {self.thread} has been stuck for {self.seconds:.1f} s, in {doing}"]
        if self.dispatched_by:
            lines.append(quoted(f"  called for {'; '.join(self.dispatched_by)}"))
        for place, stack in enumerate(self.stacks):
            if place:
                lines.append("  then:")
            lines.extend(f"    {quoted(str(frame))}" for frame in stack)
        lines.append(f"  {hint(self.stacks[-1])}")
        return "\n".join(lines)


def watch(seconds: float = 0.1, on_stall: Callable[[Stall], object] | None = None) -> Watch:
    """Report when a loop does not turn for so long: while it is stuck, once for each place.

    Args:
        seconds: how long a callback, or a task between two waits, may take.
        on_stall: called with a `Stall` in the watchdog's thread, for logging; None: it is printed on `sys.stderr`.

    Returns: what stops it: its `stop()`, or the end of a `with` block.
    Raises: ValueError: `seconds` is not above 0. TypeError: it is no number, or `on_stall` cannot be called.
    Thread: any; the loops of all threads are watched.

    >>> import time
    >>> from gleenlet import run
    >>> stalls = []
    >>> def freeze():
    ...     while "freeze" not in str(stalls):
    ...         time.sleep(0.01)
    >>> with watch(0.05, stalls.append):
    ...     run(freeze)
    >>> stalls[-1].where.function
    'freeze'
    """
    check_span(seconds, above=True)
    if not callable(on_stall) and on_stall is not None:
        raise TypeError(f"on_stall must be a function of a Stall, not {type(on_stall).__name__}")
    return Watch(seconds, on_stall)


@dataclass
class Loop:
    """What is known of one hub's loop."""

    hub: Hub
    pulse: Pulse
    turn: int = 0
    reported: bool = False
    stacks: list[Stack] = field(default_factory=list)


class Watch(UntilStopped):
    """A watchdog over the loops of the process; made by `watch`."""

    def __init__(self, seconds: float, on_stall: Callable[[Stall], object] | None) -> None:
        self._seconds = seconds
        self._on_stall = on_stall
        self._loops: dict[int, Loop] = {}
        self._places: set[object] = set()
        self._reports: list[float] = []
        self._stop = threading.Event()
        for hub in all_hubs():
            self._know(hub)
        self._thread = threading.Thread(target=self._run, name="gleenlet.watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Thread: any."""
        self._stop.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            hubs = {id(hub): hub for hub in all_hubs()}
            for gone in self._loops.keys() - hubs.keys():
                self._loops.pop(gone).pulse.stop()
            next_look = math.inf
            for key, hub in hubs.items():
                self._know(hub)
                next_look = min(next_look, self._look(self._loops[key]))
            hubs.clear()
            pause = max(min(next_look - time.monotonic(), self._seconds / 2), 0.001)
        for loop in self._loops.values():
            loop.pulse.stop()
        self._loops.clear()

    def _know(self, hub: Hub) -> None:
        if id(hub) not in self._loops:
            self._loops[id(hub)] = Loop(hub, Pulse(hub))

    def _look(self, loop: Loop) -> float:
        """Look once; return when to look again at the latest."""
        awake = loop.pulse.awake()
        if awake is None or awake[0] != loop.turn:
            loop.turn = 0 if awake is None else awake[0]
            loop.reported = False
            loop.stacks.clear()
        if awake is None or loop.reported:
            return math.inf
        since, now = awake[1] + CLOCK_STEP, time.monotonic()
        if now < since + self._seconds / 2:
            return since + self._seconds / 2
        stack, signal, task = look_at(loop.hub)
        if task is None and not any(frame.ours for frame in stack):
            return math.inf  # no loop runs there: it is a program at other work
        if not loop.stacks or loop.stacks[-1] != stack:
            loop.stacks = [*loop.stacks, stack][-SAMPLES:]
        if now < since + self._seconds:
            return min(now + self._seconds / 2 / SAMPLES, since + self._seconds)
        loop.reported = True
        sources = [name for name in loop.pulse.dispatched() if not name.startswith("gleenlet")]
        dispatched_by = tuple(sources if signal is None else [signal, *sources])
        self._report(loop, task, now - since, dispatched_by)
        return math.inf

    def _report(self, loop: Loop, task: str | None, seconds: float, dispatched_by: tuple[str, ...] = ()) -> None:
        thread = next((one.name for one in threading.enumerate() if one.ident == loop.hub.thread), "a thread")
        stall = Stall(seconds, thread, task, tuple(loop.stacks), dispatched_by)
        place = stall.where
        mark(STALL, loop.hub, int(seconds * 1e6), str(place or ""))
        now = time.monotonic()
        self._reports = [time for time in self._reports if now - time < HOUR]
        if place in self._places or len(self._reports) >= PER_HOUR:
            return
        self._places.add(place)
        self._reports.append(now)
        try:
            if self._on_stall is None:
                print(stall, file=sys.stderr)
            else:
                self._on_stall(stall)
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)


def look_at(hub: Hub) -> tuple[Stack, str | None, str | None]:
    """Where the hub's thread stands, in which signal's handler, and in which task.

    What we hold keeps alive what is in it, and that may be let go of in the hub's own thread only.
    """
    held = [sys._current_frames().get(hub.thread), hub.running]
    try:
        return read(*held)
    finally:
        in_its_thread(hub, held.clear)


def read(frame: Any, task: Any) -> tuple[Stack, str | None, str | None]:
    return tuple(Stacks().read(frame)), emission(frame), None if task is None else task.name
