"""What went on in the last ten seconds: who ran when, how late the loop was, how many frames were drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

from gleenlet.debug._recorder import Event

__all__ = ["PART", "SECONDS", "Activity"]

SECONDS = 10.0
PART = 0.1  # seconds that are one step of the timeline
MOST = 20_000  # events that are looked at in one go: more would be work that shows


class Activity:
    """Sums up the recorder's events by parts of a second.

    >>> activity = Activity()
    >>> activity.add([Event((1, 5.0, "begin", 1, 7, 0, "load", "")), Event((2, 5.05, "home", 1, 0, 0, "", ""))])
    >>> activity.busiest(5.1), round(activity.ran[7][50], 3)
    ([7], 0.05)
    """

    def __init__(self) -> None:
        self.ran: dict[int, dict[int, float]] = {}
        """Seconds that a task ran for, by its number and the part."""
        self.frames: dict[int, int] = {}
        self.late: dict[int, float] = {}
        """The most seconds that the loop was late, by the part."""
        self.missed = 0
        """Events that were too many to look at."""
        self.next = 0
        """The number of the event to go on with."""
        self._running: dict[int, tuple[int, float]] = {}

    def add(self, events: Iterable[Event]) -> None:
        for number, time, kind, loop, task, _by, _text, _outcome in islice(events, MOST):
            if kind == "frame":
                part = int(time / PART)
                self.frames[part] = self.frames.get(part, 0) + 1
            elif kind in ("begin", "home", "end", "wait", "yield"):
                running = self._running.pop(loop, None)
                if running is not None:
                    self.count(running[0], running[1], time)
                if kind == "begin" and task:
                    self._running[loop] = (task, time)
            self.next = number + 1

    def count(self, task: int, begin: float, end: float) -> None:
        parts = self.ran.setdefault(task, {})
        for part in range(int(begin / PART), min(int(end / PART), int(begin / PART) + 200) + 1):
            inside = min(end, (part + 1) * PART) - max(begin, part * PART)
            parts[part] = parts.get(part, 0.0) + max(inside, 0.0)

    def was_late(self, now: float, seconds: float) -> None:
        part = int(now / PART)
        self.late[part] = max(self.late.get(part, 0.0), seconds)

    def skip_to(self, count: int) -> None:
        """Leave out what is too much: of `count` events so far only the newest are looked at."""
        if count - self.next > MOST:
            self.missed += count - MOST - self.next
            self.next = count - MOST
            self._running.clear()

    def forget(self, now: float) -> None:
        """Drop what is older than ten seconds."""
        oldest = int((now - SECONDS) / PART)
        kept: list[dict[int, float] | dict[int, int]] = [self.frames, self.late, *self.ran.values()]
        for parts in kept:
            for part in [part for part in parts if part < oldest]:
                del parts[part]
        for task in [task for task, parts in self.ran.items() if not parts]:
            del self.ran[task]

    def busiest(self, now: float, most: int = 8, leave_out: Collection[int] = ()) -> list[int]:
        """The numbers of the tasks that ran longest."""
        self.forget(now)
        tasks = [task for task in self.ran if task not in leave_out]
        return sorted(tasks, key=lambda task: -sum(self.ran[task].values()))[:most]
