"""The flight recorder: what all loops of the process did in the last seconds. The keeping is in C, see recorder.h.

There is one `Tape` for all who record at the same time: it keeps the longest time, in the most memory, that one of them
asks for. A hub is told in its own thread to write on it; one that is made meanwhile is told as it is made.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, BinaryIO

from gleenlet import Hub, Task
from gleenlet._core import all_hubs, check_span, get_ident, in_its_thread, new_hubs
from gleenlet.debug import _recorder
from gleenlet.debug._frames import watch_frames
from gleenlet.debug._hubs import UntilStopped, in_all_hubs
from gleenlet.debug._record import TaskRecord
from gleenlet.debug._recorder import Event, Tape
from gleenlet.debug._traces import Names, format_of, write

__all__ = ["Event", "Recorder", "count_up", "mark", "record"]

PART = 65536  # events that are read at a time
COUNTED = ("number", "spawned_at", "switches", "time_running", "time_ready", "time_waiting")

_active: list[Recorder] = []
_tape: Tape | None = None  # there is one while somebody records
_loops: dict[int, tuple[str, int]] = {}  # the name of its thread and the system's number of it, by the loop's number
_frames = ExitStack()


def record(seconds: float = 10.0, megabytes: float = 64.0) -> Recorder:
    """Take down what the tasks of all loops do: spawned, began to run, waits, woken by whom, cancelled, ended.

    Args:
        seconds: how long back to keep it.
        megabytes: the most memory for it, 24 bytes an event: the oldest is dropped before.

    Returns: what shows it, and stops it: its `stop()`, or the end of a `with` block. Several may record at a time.
    Raises: ValueError: `seconds` or `megabytes` is not above 0.
    Thread: any; a loop in another thread begins to be recorded at its next turn.

    >>> from gleenlet import run, sleep, spawn
    >>> with record() as recorder:
    ...     run(lambda: spawn(sleep, 0, name="load").result())
    >>> load = next(event.task for event in recorder.events() if event.text == "load")
    >>> [event.kind for event in recorder.events() if event.task == load]
    ['spawn', 'begin', 'yield', 'begin', 'end']
    """
    for name, number in (("seconds", seconds), ("megabytes", megabytes)):
        check_span(number, name, unit="", above=True)
    return Recorder(seconds, megabytes)


class Recorder(UntilStopped):
    """What was taken down, and goes on being taken down until `stop()`; made by `record`."""

    def __init__(self, seconds: float, megabytes: float) -> None:
        self._seconds = seconds
        self._megabytes = megabytes
        self.tape = start(self)
        self.first = self.tape.count  # the number of the first event after its beginning

    def stop(self) -> None:
        """Take down no more for this one; what there is can still be read. Thread: any."""
        if self in _active:
            _active.remove(self)
            stop()

    def events(self, first: int = 0) -> Iterator[Event]:
        """Iterate over the events kept, oldest first, from this number on.

        Each is a tuple with names: `number` (consecutive over all loops: whoever comes back asks from the last one plus
        1 on, and a gap tells that some were dropped), `time` in seconds on the clock of `time.monotonic()`, `kind`,
        `loop` (a number, see `loops`), `task` (a number, 0: the loop itself), `by`, `text` and `outcome`. By kind:

            spawn    `task` was made, by task `by` (0: in a callback); `text` is its name
            begin    `task` runs on, until its next wait or end; 0: the loop calls `text`
            yield    `task` lets others run, and is ready again
            wait     `task` waits for `text`; `by` is the task that it waits for, if it is one
            wake     the wait is over: by the doing of task `by` (0: a callback, a timer); it runs when its turn comes
            cancel   task `by` (0: a callback) cancels it
            end      it is over: `outcome` is "done", "failed" or "cancelled"; `text` is its name
            home     the thread is the loop's again
            stall    the watchdog reports: stuck for `by` microseconds at `text`
            frame    a window was drawn, which took `by` microseconds

        Thread: any; what happens after the call is not in it.
        """
        end = self.tape.count
        while seen := self.tape.read(first, min(PART, end - first)) if first < end else []:
            yield from seen
            first = seen[-1].number + 1

    def names(self) -> dict[int, str]:
        """Return the names of the unfinished tasks, and of those that events tell of, by the number in `Event.task`.

        A task without a name of its own has its function's, with its number.
        Thread: any.
        """
        found = self.tape.labels()
        for hub in all_hubs():
            found |= _recorder.names(self.tape, hub)
        return found

    def dump(self, file: str | os.PathLike[str]) -> None:
        """Write what is kept into a file, in the format that its name says: see `trace`. It goes on recording.

        Args:
            file: is written anew.

        Raises: ValueError: the file's name says no format. OSError: it cannot be written.
        Thread: any, also one that finds a loop stuck.
        """
        path = os.fspath(file)
        format_of(path)
        with open(path, "wb") as opened:
            self.write(opened, path, 0)

    def write(self, file: BinaryIO, path: str, first: int) -> int:
        """Seam: from an event on; return how many since then are no longer kept."""
        events = self.events(first)
        oldest = next(events, None)
        write(file, format_of(path), () if oldest is None else chain((oldest,), events), self._about())
        return 0 if oldest is None else oldest.number - first

    def _about(self) -> Names:
        clocks = {"monotonic": time.monotonic(), "boottime": time.clock_gettime(time.CLOCK_BOOTTIME)}
        clocks["realtime"] = time.time()
        return Names(os.path.basename(sys.argv[0]) or "python", os.getpid(), self.names(), dict(_loops), clocks)

    def loops(self) -> dict[int, str]:
        """Return the names of the loops' threads, by the number in `Event.loop`. Thread: any."""
        return {loop: name for loop, (name, _) in dict(_loops).items()}


def newest() -> Recorder | None:
    """Who has begun to record last, of those who record."""
    return _active[-1] if _active else None


def count_up(record: TaskRecord, task: Task[Any]) -> None:
    """Put into its record what was counted of a task, if somebody records. Thread: any."""
    counted = None if _tape is None else _recorder.tally(_tape, task)
    if counted is not None:
        for name, number in zip(COUNTED, counted, strict=True):
            setattr(record, name, number)


def mark(kind: int, hub: Hub, microseconds: int, text: str = "") -> None:
    """Take down what the core does not know, of whatever a hub does just now, if somebody records."""
    if _tape is not None:
        _recorder.mark(_tape, hub, kind, min(microseconds, 2**32 - 1), text)


def drawn(microseconds: int) -> None:
    for hub in all_hubs():
        if hub.thread == get_ident():
            mark(_recorder.FRAME, hub, microseconds)
            return


def start(recorder: Recorder) -> Tape:
    global _tape, _frames
    _active.append(recorder)
    tape = _tape
    if tape is None:
        tape = _tape = Tape()
        _frames = watch_frames(drawn)
        in_all_hubs(attach)
    keep()
    return tape


def stop() -> None:
    global _tape
    if _active:
        keep()
        return
    tape, _tape = _tape, None
    assert tape is not None
    tape.stop()
    _frames.close()
    new_hubs.remove(attach)
    for hub in all_hubs():
        in_its_thread(hub, _recorder.detach, tape, hub)


def keep() -> None:
    """What is kept is what the one who wants most of it wants."""
    assert _tape is not None
    _tape.keep(max(one._seconds for one in _active), max(one._megabytes for one in _active))


def attach(hub: Hub) -> None:
    tape = _tape
    if tape is not None:
        number = _recorder.attach(tape, hub)
        _loops[number] = (threading.current_thread().name, threading.get_native_id())
