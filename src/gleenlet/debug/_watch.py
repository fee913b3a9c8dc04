"""Tell when a loop is stuck, while it is: a thread asks each loop to answer, and looks at its stack if it does not.

An answer is one call in the loop, some ten times a second. From half the threshold on the thread samples the stack that
does not answer, so that a report shows what went on, not only where it was at the end.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gleenlet import GleenletError, Hub
from gleenlet._core import all_hubs
from gleenlet.debug._hints import hint
from gleenlet.debug._record import Frame
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._text import quoted

__all__ = ["Stall", "Watch", "watch"]

SAMPLES = 4  # stacks in a report
PER_HOUR = 30  # reports

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

    @property
    def where(self) -> Frame | None:
        """The innermost line of the user's own code."""
        return next((frame for frame in self.stacks[-1] if not frame.ours), None)

    def __str__(self) -> str:
        doing = "a callback" if self.task is None else f"task {self.task!r}"
        lines = [f"gleenlet: the loop of {self.thread} has been stuck for {self.seconds:.1f} s, in {doing}"]
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
    Raises: ValueError: `seconds` is not above 0.
    Thread: any; the loops of all threads are watched.

    >>> import time
    >>> from gleenlet import run
    >>> stalls = []
    >>> def freeze():
    ...     while not stalls:
    ...         time.sleep(0.01)
    >>> with watch(0.05, stalls.append):
    ...     run(freeze)
    >>> stalls[0].where.function
    'freeze'
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, not {seconds!r}")
    return Watch(seconds, on_stall)


@dataclass
class Pulse:
    """What is known of one hub's loop."""

    hub: Hub
    asked: float = 0.0
    answered: bool = True
    reported: bool = False
    stacks: list[Stack] = field(default_factory=list)

    def answer(self) -> None:
        self.answered = True


class Watch:
    """A watchdog over the loops of the process; made by `watch`."""

    def __init__(self, seconds: float, on_stall: Callable[[Stall], object] | None) -> None:
        self._seconds = seconds
        self._on_stall = on_stall
        self._pulses: dict[int, Pulse] = {}
        self._places: set[object] = set()
        self._reports: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gleenlet.watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Thread: any."""
        self._stop.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            now = time.monotonic()
            hubs = {id(hub): hub for hub in all_hubs()}
            for gone in self._pulses.keys() - hubs.keys():
                del self._pulses[gone]
            for key, hub in hubs.items():
                self._look(self._pulses.setdefault(key, Pulse(hub)), now)
            hubs.clear()

    def _pause(self) -> float:
        """Until the next look: half the threshold; where a loop does not answer, a part of the other half."""
        waits = any(pulse.stacks and not pulse.reported for pulse in self._pulses.values())
        return self._seconds / 2 / (SAMPLES if waits else 1)

    def _look(self, pulse: Pulse, now: float) -> None:
        if pulse.answered:
            pulse.answered = pulse.reported = False
            pulse.stacks.clear()
            pulse.asked = now
            try:
                pulse.hub.call_soon_threadsafe(pulse.answer)
            except GleenletError:  # it has ended
                pass
            return
        if pulse.reported:
            return
        running = pulse.hub._running
        stack = tuple(Stacks().read(sys._current_frames().get(pulse.hub.thread)))
        if running is None and not any(frame.ours for frame in stack):
            pulse.asked = now  # no loop runs there: it is a program at other work
            pulse.stacks.clear()
            return
        if not pulse.stacks or pulse.stacks[-1] != stack:
            pulse.stacks = [*pulse.stacks, stack][-SAMPLES:]
        if now - pulse.asked >= self._seconds:
            pulse.reported = True
            self._report(pulse, None if running is None else running.name, now)

    def _report(self, pulse: Pulse, task: str | None, now: float) -> None:
        thread = next((one.name for one in threading.enumerate() if one.ident == pulse.hub.thread), "a thread")
        stall = Stall(now - pulse.asked, thread, task, tuple(pulse.stacks))
        self._reports = [time for time in self._reports if now - time < 3600]
        place = stall.where
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
