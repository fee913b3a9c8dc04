"""A profiler that knows tasks: it looks at each loop's stack now and then, and counts what it sees.

A task's stack is its own, so what others do while it waits is not counted for it, as profilers do that measure from
call to return.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, Self

from gleenlet._core import all_hubs, check_span
from gleenlet.debug._record import Frame
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._text import quoted

__all__ = ["Profile", "ProfileLine", "profile"]


LOOPS = ("run", "main", "iteration", "_drive")  # what runs a loop, in gleenlet and PyGObject


class ProfileLine(NamedTuple):
    """One function, in one task."""

    task: str
    """The task's name; "": a callback."""
    function: str
    file: str
    own: float
    """Seconds that it ran itself."""
    total: float
    """Seconds that it ran, or what it has called did."""


def profile(interval: float = 0.002) -> Profile:
    """Find out which functions take the time, and in which task: `with profile() as profile: ...; print(profile)`.

    Args:
        interval: seconds between two looks.

    Raises: ValueError: `interval` is not above 0.
    Thread: any; the loops of all threads are looked at, by a thread of its own.

    >>> with profile() as found:
    ...     pass
    >>> found.lines()
    []
    """
    check_span(interval, "interval", above=True)
    return Profile(interval)


def runs_loop(frame: Frame) -> bool:
    """The loop sleeps, or is at its own work: no Python is below what runs it."""
    return frame.ours and frame.function.rpartition(".")[2] in LOOPS


class Profile:
    """What `profile` returns; `str()` of it is a table."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._own = defaultdict[tuple[str, str, str], float](float)
        self._total = defaultdict[tuple[str, str, str], float](float)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gleenlet.profile", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def lines(self) -> list[ProfileLine]:
        """Return what was seen so far, by own time. Thread: any."""
        found = [ProfileLine(*key, self._own.get(key, 0.0), total) for key, total in list(self._total.items())]
        return sorted(found, key=lambda line: (-line.own, -line.total))

    def __str__(self) -> str:
        rows = [f"{'own s':>8} {'total s':>8}  task, function"]
        for line in self.lines()[:40]:
            where = quoted(f"{line.task or '(callback)'}: {line.function} ({line.file})")
            rows.append(f"{line.own:8.3f} {line.total:8.3f}  {where}")
        return "\n".join(rows)

    def _run(self) -> None:
        stacks, last = Stacks(), time.monotonic()
        while not self._stop.wait(self._interval):
            now = time.monotonic()
            threads = sys._current_frames()
            for hub in all_hubs():
                task = hub.running
                stack = stacks.read(threads.get(hub.thread))
                if stack and (task is not None or not runs_loop(stack[0])):
                    self._count("" if task is None else task.name, stack, now - last)
                del task
            last = now

    def _count(self, task: str, stack: Iterable[Frame], seconds: float) -> None:
        keys = [(task, frame.function, frame.file) for frame in stack]
        self._own[keys[0]] += seconds
        for key in set(keys):  # once, where it calls itself
            self._total[key] += seconds
