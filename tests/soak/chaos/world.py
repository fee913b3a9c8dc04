"""What a random program lives in, and the model that says whether it lives well.

`World` holds the objects that operations share, `Record` what is known of one task, `Here` where an operation runs.
A wait is registered with a question: may it still last? When nothing is ready any more, all that still wait are asked.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from gi.repository import GLib, GObject
from greenlet import greenlet
from tests.soak.chaos.program import KINDS, Program

import gleenlet

__all__ = ["PATIENCE", "ChaosError", "Counter", "FaultFound", "Here", "Line", "Record", "World"]

T = TypeVar("T")

PATIENCE = float(os.environ.get("GLEENLET_CHAOS_PATIENCE", 8))  # seconds for what takes a millisecond

PASSED_OVER = 0.03  # seconds; no task that is ready waits that long, whatever else is dispatched


class FaultFound(BaseException):
    """gleenlet did what the model says it must not."""


class ChaosError(Exception):
    """Raised on purpose, by operations that fail."""


class Counter(GObject.Object):
    """Something that emits signals."""

    __gtype_name__ = "GleenletChaosCounter"
    count = GObject.Property(type=int, default=0)

    @GObject.Signal(arg_types=(int,))
    def counted(self, number: int) -> None:
        pass


class Record:
    """One task, or raw greenlet: run once, ended once, with the outcome that its end had."""

    __slots__ = ("begun", "cancelled", "checked", "ended", "lookalikes", "name", "shields", "task", "undelivered")

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: gleenlet.Task[Any] | None = None
        self.begun = self.ended = 0
        self.shields = 0  # how many it is in
        self.lookalikes = False  # has a callback that equals any other
        self.cancelled = False  # somebody has asked for it, at any time
        self.undelivered = False  # ... and no wait of it has raised it yet
        self.checked = True  # first come, first served holds for it: it has the usual priority, and fits everywhere


class Line:
    """Who came first to something that is given to whoever came first."""

    __slots__ = ("tickets",)

    def __init__(self) -> None:
        self.tickets: deque[Here] = deque()


class World:
    """One thread's part of a program."""

    def __init__(self, hub: gleenlet.Hub, depth: int = 0) -> None:
        self.hub = hub
        self.context: Any = GLib.MainContext.ref_thread_default()
        self.depth = depth  # of threads in threads
        self.operations = 0
        self.faults: list[str] = []
        self.over = False
        self.records: list[Record] = []
        self.waits: dict[int, tuple[Here, Callable[[], object] | None]] = {}
        self.wait_number = 0
        self.timed = 0  # how many waits and calls end by themselves
        self.loops = 0  # nested
        self.patience = PATIENCE
        self.in_child = False  # of a fork
        self.in_child_first: list[Callable[[], object]] = []  # what is called there
        self.events = [gleenlet.Event() for _ in range(3)]
        self.locks = [gleenlet.Lock() for _ in range(2)]
        self.rlock = gleenlet.RLock()
        self.condition = gleenlet.Condition()
        self.semaphores = [gleenlet.Semaphore(1), gleenlet.BoundedSemaphore(2)]
        self.queues: list[gleenlet.Queue[tuple[int, int]]] = [
            gleenlet.Queue(2),
            gleenlet.LifoQueue(3),
            gleenlet.PriorityQueue(),
        ]
        self.barrier = gleenlet.Barrier(2)
        self.lines: dict[int, Line] = {}
        self.items = 0
        self.inside: set[int] = set()  # items that are in a queue
        self.counter = Counter()
        self.emitted = 0
        self.raws: list[tuple[greenlet, Here]] = []  # not started yet
        self.switching: dict[greenlet, list[bool]] = {}  # raw greenlets in Hub.switch(): was each scheduled?
        self.callbacks: dict[int, int] = {}  # done callbacks: how often is each still due
        self.wakes: list[Callable[[], object]] = []
        self.at_end: list[Callable[[], object]] = []
        self.shelf: list[object] = []
        self.locals: dict[Any, Any] = {}

    def fault(self, text: str) -> None:
        """Note it: whoever drives the program says so at its end."""
        if len(self.faults) < 10:
            self.faults.append(text)

    def line(self, of: object) -> Line:
        found = self.lines.get(id(of))
        if found is None:
            found = self.lines[id(of)] = Line()
        return found

    # ---- tasks ----

    def body(self, record: Record, program: Program, place: str = "task", depth: int = 0) -> int:
        """What a task runs."""
        record.begun += 1
        if record.begun > 1:
            self.fault(f"{record.name} ran twice")
        try:
            Here(self, record, place, depth).run(program)
            return id(record)
        finally:
            record.ended += 1

    def spawn(self, program: Program, depth: int, **options: Any) -> Record:
        record = self.new_record()
        record.checked = not options.get("priority")
        record.task = gleenlet.spawn(self.body, record, program, "task", depth + 1, **options)
        return record

    def new_record(self) -> Record:
        record = Record(f"#{len(self.records)}")
        self.records.append(record)
        return record

    def delivered(self, record: Record) -> None:
        """A Cancelled was raised here: it was the task's, or that of whoever it waits for."""
        record.undelivered = False
        if (task := gleenlet.current_task()) is not None:
            for record in self.records:
                if record.task is task:
                    record.undelivered = False

    # ---- the end ----

    def leave_context(self) -> None:
        """It ends with its thread: the callbacks that are left in it refer to us, which no collector sees in GLib."""
        self.context = None

    def go_on_as_child(self) -> None:
        """In the child of a fork the loop turns until the task that forked has ended the process."""
        while self.in_child:
            super(GLib.MainContext, self.context).iteration(True)  # type: ignore[misc]

    def settle(self, drive: Callable[[], object] | None = None) -> None:
        """Let everything run until all that is left waits for somebody; outside any task."""
        iterate = super(GLib.MainContext, self.context).iteration  # type: ignore[misc]
        late: list[int] = []
        done = (0, 0, 0)
        watchdog = GLib.timeout_source_new(int(1000 * self.patience))
        progress = (-1, -1)

        def look(*_: object) -> bool:
            nonlocal progress
            before, progress = progress, (self.operations, self.wait_number)
            if before == progress:
                late.append(1)
            return not late

        watchdog.set_callback(look)
        watchdog.attach(self.context)
        while not late:
            if drive is not None:
                drive()
            self.go_on_as_child()
            # Nothing is ready: GLib has said so twice, as it looks again where what it polls has changed meanwhile. Or
            # nobody has gone on for a while, as beside gevent something is always dispatched.
            quiet, nothing, since = 0, 0, time.monotonic()
            while nothing < 2 and (quiet < 60 or time.monotonic() - since < PASSED_OVER):
                nothing = 0 if iterate(False) else nothing + 1
                seen, done = done, (len(self.waits), self.operations, self.timed)
                quiet += 1
                if seen != done:
                    quiet, nothing, since = 0, 0, time.monotonic()
                self.go_on_as_child()
            if self.timed <= 0:
                break
            iterate(True)
            self.go_on_as_child()
        watchdog.destroy()
        if late:
            waits = [here for here, may_wait in self.waits.values() if may_wait is None or here.record.shields]
            self.fault(f"{self.timed} things that end by themselves do not, among them {waits}")
            self.timed, self.patience = 0, 0.01

    def check_waits(self) -> None:
        """Nothing is ready: nobody may wait for what has come, and no cancellation may be under way."""
        for here, may_wait in list(self.waits.values()):
            task = here.record.task
            busy = here.operation == "groups" or (here.operation == "waits_for_condition" and self.condition.locked())
            if (
                here.record.undelivered
                and not here.record.shields
                and not busy
                and task is not None
                and not task.done()
            ):
                self.fault(f"{here} was cancelled and waits on")
            elif may_wait is not None and not may_wait():
                self.fault(f"{here}: a lost wake-up")

    def release(self) -> None:
        """Wake up and cancel all."""
        self.over = True
        for queue in self.queues:
            queue.shutdown(immediate=True)
        self.barrier.abort()
        for target in {*self.switching, *(here.raw for here, _ in self.waits.values() if here.raw is not None)}:
            if not target.dead:
                gleenlet.schedule_throw(target, ChaosError)
        for record in self.records:
            record.cancelled = True
        for task in self.hub.tasks():
            task.cancel()
        for event in self.events:
            event.set()
        for wake in self.wakes:  # in a shield no cancellation reaches them
            wake()
        self.emitted += 1
        self.counter.emit("counted", self.emitted)
        gleenlet.spawn(self.wake_all)

    def wake_all(self) -> None:
        with self.condition:
            self.condition.notify_all()
        for number in range(4):
            self.counter.count = number
            gleenlet.sleep(0)
            gleenlet.sleep(0)

    def end(self, drive: Callable[[], object] | None = None) -> None:
        """Bring the program to its end, and compare all with the model."""
        self.settle(drive)
        self.check_waits()
        for _ in range(10):  # who was in a shield, or swallowed it, may wait once more
            self.release()
            self.settle()
            if not self.waits and not self.hub.tasks():
                break
        for record in self.records:
            self.check_end(record)
        for number, due in self.callbacks.items():
            if due > 0:
                self.fault(f"done callback {number} was not called")
        gc.set_threshold(700, 10, 10)  # what comes now takes long enough
        for last in self.at_end:
            last()
        self.raws.clear()
        self.shelf.clear()

    def check_end(self, record: Record) -> None:
        task = record.task
        if task is None:
            return
        if not task.done():
            waits = [here.operation for here, _ in self.waits.values() if here.record is record]
            self.fault(f"{record.name} {task!r} does not end: begun {record.begun}, ended {record.ended}, in {waits}")
        elif task.cancelled():
            if not record.cancelled:
                self.fault(f"{record.name} was cancelled by nobody")
        elif record.begun != 1 or record.ended != 1:
            if not isinstance(task.exception(), ChaosError):
                self.fault(f"{record.name} {task!r}: begun {record.begun}, ended {record.ended}: {task.exception()!r}")
        elif (error := task.exception()) is not None:
            if not isinstance(error, ChaosError):
                self.fault(f"{record.name} failed: {''.join(traceback.format_exception(error))}")
        elif task.result() != id(record):
            self.fault(f"{record.name} has the result of another task")

    def check_hub(self) -> None:
        """Nothing is left of the program."""
        self.settle()
        gc.collect()
        self.settle()
        if tasks := self.hub.tasks():
            self.fault(f"left in the hub: {tasks}")
        for name in ("_timers", "_held"):
            if left := getattr(self.hub, name, 0):
                self.fault(f"left in the hub: {name} = {left}, of {gc.get_referents(self.hub)}")


class Here:
    """Where an operation runs: in which task, raw greenlet or callback, how deep, in which blocks."""

    __slots__ = ("depth", "operation", "place", "raw", "record", "scopes", "unsafe", "world")

    def __init__(self, world: World, record: Record, place: str, depth: int) -> None:
        self.world = world
        self.record = record
        self.place = place
        self.depth = depth
        self.operation = "begins"
        self.raw: greenlet | None = None  # one that belongs to no task
        self.scopes = 0
        self.unsafe = place == "callback"

    def __repr__(self) -> str:
        return f"{self.record.name} in {self.place}: {self.operation}"

    def run(self, program: Program) -> None:
        """Carry out operations one after the other; who comes here from nowhere else says what may be raised."""
        world = self.world
        for made in program:
            if world.over:
                return
            world.operations += 1
            self.operation = made[0]
            try:
                KINDS[made[0]].function(self, *made[1:])
            except (gleenlet.Cancelled, ChaosError):
                raise
            except gleenlet.UnsafeSwitchError:
                if not self.unsafe:
                    world.fault(f"{self}: {traceback.format_exc()}")
            except Exception:
                world.fault(f"{self}: {traceback.format_exc()}")

    def wait(self, may_wait: Callable[[], object] | None, func: Callable[..., T], *args: Any) -> T:
        """Call what may block. None: it ends by itself, however long that takes."""
        world = self.world
        world.wait_number = number = world.wait_number + 1
        world.waits[number] = self, may_wait
        shielded = self.record.shields and may_wait is not None and gleenlet.current_task() is not None
        shielded = shielded and self.operation != "groups"  # whose tasks end in their own time
        if may_wait is None or shielded:
            world.timed += 1
        try:
            if shielded:
                return shortly(func, *args)  # no cancellation ends it
            return func(*args)
        except gleenlet.Cancelled:
            world.delivered(self.record)
            raise
        finally:
            del world.waits[number]
            if may_wait is None or shielded:
                world.timed -= 1

    def wait_in_line(self, of: object, may_wait: Callable[[], object], func: Callable[..., T], *args: Any) -> T:
        """As `wait`, for what is given to whoever came first."""
        tickets = self.world.line(of).tickets
        ticket = Here(self.world, self.record, self.place, self.depth)
        ticket.scopes = self.scopes
        tickets.append(ticket)
        try:
            result = self.wait(may_wait, func, *args)
            if not self.doubtful() and not self.world.over:
                for other in tickets:
                    if other is ticket:
                        break
                    if not other.doubtful():
                        self.world.fault(f"{self} was served before {other}, who came first")
            return result
        finally:
            tickets.remove(ticket)

    def doubtful(self) -> bool:
        """It may have left the line, or be served later for a reason."""
        record = self.record
        return record.cancelled or self.scopes > 0 or not record.checked


def shortly(func: Callable[..., T], *args: Any) -> T:
    try:
        with gleenlet.timeout(0.0005) as limit:
            return func(*args)
    except TimeoutError:
        if not limit.expired():
            raise
    raise ChaosError("it took too long")


def report_unraisable(what: Any) -> None:
    """What a `__del__` raises on purpose is expected; all else is printed, which the driver takes for a fault."""
    if not isinstance(what.exc_value, gleenlet.UnsafeSwitchError | ChaosError):
        sys.__unraisablehook__(what)
