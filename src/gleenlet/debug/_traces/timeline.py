"""Events as what a viewer draws: slices of time in rows, moments, and arrows from a wake-up to the run that it led to.

A task has a row, with all that it does: running, ready, waiting. So has a loop, with what its thread does: the tasks by
name, and the callbacks. Frames have a row of their own beside their loop's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from gleenlet.debug._recorder import Event

__all__ = ["FRAMES", "LOOP", "Item", "Names", "Row", "Writer", "nanoseconds", "timeline"]

LOOP = 0  # as in Event.task
FRAMES = -1


class Row(NamedTuple):
    loop: int
    task: int
    """LOOP or FRAMES where it is none."""


class Item(NamedTuple):
    """A slice or a moment."""

    row: Row
    begin: float
    end: float | None
    """None: it is a moment."""
    kind: str
    """"running", "ready", "waiting" of a task; "task", "callback" of a loop; "frame". A moment: "wakes", "spawns",
    "cancels" another task, or "stalled"."""
    text: str
    """waiting: for what; callback: which; stalled: where."""
    task: int
    """waiting: for which task; task: which one; a moment: whom."""
    arrow: int
    """The number of the arrow from a wake-up through "ready" to "running", 0: none."""

    @property
    def joint(self) -> int:
        """The number of the arrow that begins or ends here, 0: none."""
        return self.arrow if self.end is None or self.kind == "running" else 0


@dataclass
class Names:
    """What the numbers in events stand for, and who was recorded."""

    program: str
    pid: int
    tasks: dict[int, str]
    loops: dict[int, tuple[str, int]]
    """The name of its thread, and the system's number of that."""
    clocks: dict[str, float] = field(default_factory=dict)
    """What other clocks than the events' showed, in seconds, when that one showed "monotonic"."""

    def of(self, row: Row) -> str:
        if row.task > LOOP:
            return self.task(row.task)
        loop = self.thread(row.loop)[0]
        return loop if row.task == LOOP else f"frames of {loop}"

    def thread(self, loop: int) -> tuple[str, int]:
        """The name and number of a loop's thread."""
        return self.loops.get(loop, (f"loop {loop}", loop))

    def task(self, number: int) -> str:
        known = self.tasks.get(number)
        if known is not None:
            return known
        if number >= 1 << 31:  # as STRANGER in recorder.h
            return f"greenlet {number & 0x7FFFFFFF:x}" if number > 1 << 31 else "top level"
        return f"task #{number}" if number else "the loop"

    def waits_for(self, item: Item) -> str:
        return f"task {self.task(item.task)!r}" if item.task else item.text

    def title(self, item: Item) -> str:
        """What to write on it."""
        if item.kind == "task":
            return self.task(item.task)
        if item.kind == "waiting":
            return f"waiting for {self.waits_for(item)}"
        return item.text or (item.kind if item.end is not None else f"{item.kind} {self.task(item.task)!r}")


class Writer:
    """Writes items into a file as they come; each format is one of these."""

    def __init__(self, file: BinaryIO, names: Names) -> None:
        self.file = file
        self.names = names

    def add(self, item: Item) -> None:
        raise NotImplementedError

    def close(self) -> None: ...


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


@dataclass(slots=True)
class State:
    kind: str
    since: float
    text: str = ""
    task: int = 0
    arrow: int = 0


def timeline(events: Iterable[Event]) -> Iterator[Item]:
    """The items, each slice when it is over. What was going on before the first event is known from its next one on."""
    open: dict[Row, State] = {}
    last = 0.0
    arrows = 0

    def ended(row: Row, time: float) -> Iterator[Item]:
        state = open.pop(row, None)
        if state is not None:
            yield Item(row, state.since, time, state.kind, state.text, state.task, state.arrow)

    for event in events:
        last = time = event.time
        kind = event.kind
        row = Row(event.loop, event.task)
        loop = Row(event.loop, LOOP)
        if kind == "begin":
            before = open.get(row)
            yield from ended(loop, time)
            if row == loop:
                open[loop] = State("callback", time, event.text)
                continue
            yield from ended(row, time)
            open[loop] = State("task", time, task=event.task)
            open[row] = State("running", time, arrow=0 if before is None else before.arrow)
        elif kind in ("wait", "yield"):
            if row in open and open[row].kind == "running":
                yield from ended(loop, time)
            yield from ended(row, time)
            open[row] = State("ready", time) if kind == "yield" else State("waiting", time, event.text, event.by)
        elif kind in ("wake", "spawn"):
            arrows += 1
            yield from ended(row, time)
            open[row] = State("ready", time, arrow=arrows)
            yield Item(Row(event.loop, event.by), time, None, f"{kind}s", "", event.task, arrows)
        elif kind == "cancel":
            yield Item(Row(event.loop, event.by), time, None, "cancels", "", event.task, 0)
        elif kind == "end":
            yield from ended(row, time)
            yield from ended(loop, time)
        elif kind == "home":
            ran = Row(event.loop, open[loop].task) if loop in open else loop
            yield from ended(loop, time)
            if ran in open and open[ran].kind == "running":  # it has switched to the loop by hand
                yield from ended(ran, time)
                open[ran] = State("ready", time)
        elif kind == "stall":
            yield Item(row, time, None, "stalled", event.text, 0, 0)
        elif kind == "frame":
            frames = Row(event.loop, FRAMES)
            yield Item(frames, time - event.by / 1e6, time, "frame", "", 0, 0)
    for row in list(open):
        yield from ended(row, last)
