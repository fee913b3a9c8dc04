"""Operations with raw greenlets, callbacks of the loop, loops in loops and emissions."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from gi.repository import GLib
from greenlet import getcurrent, greenlet
from tests.soak.chaos.program import Program, operation
from tests.soak.chaos.world import ChaosError, Counter, Here, Record

import gleenlet

EVERYWHERE = "task raw callback"
DEEPEST = 40  # raw greenlets that start each other; Python counts their frames together


def raw_greenlet(here: Here, program: Program, record: Record) -> tuple[greenlet, Here]:
    """Its end comes back as a value: a Cancelled that leaves a greenlet is returned to its parent, not raised."""
    world = here.world
    inside = Here(world, record, "raw", here.depth + 1)
    inside.scopes, inside.unsafe = here.scopes, here.unsafe

    def body() -> BaseException | None:
        try:
            inside.run(program)
        except (gleenlet.Cancelled, ChaosError) as error:
            return error
        return None

    raw = greenlet(body)
    if record.task is None:
        inside.raw = raw
    return raw, inside


def come_back(outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        raise outcome


@operation(1.5, "r")
def runs_raw(here: Here, program: Program) -> None:
    """Call a function on a greenlet of its own, as libraries do."""
    if here.world.hub.home is None:
        return  # a wait in it would come back here: no dispatch is under way, and so nobody else to go back to
    come_back(raw_greenlet(here, program, here.record)[0].switch())


@operation(0.7, "r", EVERYWHERE)
def makes_raw(here: Here, program: Program) -> None:
    """For another to start."""
    here.world.raws.append(raw_greenlet(here, program, here.record))


@operation(1, "n")
def starts_raw(here: Here, number: int) -> None:
    """Start one that perhaps another task has made; it comes back here."""
    raws = here.world.raws
    if raws and here.world.hub.home is not None and here.depth < DEEPEST:  # as in runs_raw
        raw, inside = raws.pop(number % len(raws))
        inside.depth = here.depth + 1
        inside.record, inside.scopes, inside.unsafe = here.record, here.scopes, here.unsafe  # now it is this one's
        inside.raw = raw if here.record.task is None else None
        raw.parent = getcurrent()
        come_back(raw.switch())


@operation(0.7, "n", EVERYWHERE)
def schedules_raw(here: Here, number: int) -> None:
    """Have the loop start one."""
    raws = here.world.raws
    if raws:
        raw, inside = raws.pop(number % len(raws))
        inside.record = Record(f"a greenlet of {inside.record.name}")  # which no task's cancellation reaches
        inside.record.checked = inside.unsafe = False
        inside.scopes, inside.raw = 0, raw
        gleenlet.schedule_switch(raw)


@operation(1, "", "raw")
def waits_to_be_scheduled(here: Here) -> None:
    current, scheduled = getcurrent(), [False]
    switching = here.world.switching
    if current in switching:
        return
    switching[current] = scheduled
    try:
        here.wait(lambda: not scheduled[0], here.world.hub.switch)
    finally:
        del switching[current]


@operation(2, "n", EVERYWHERE)
def schedules(here: Here, number: int) -> None:
    switching = here.world.switching
    if not switching:
        return
    target = list(switching)[number % len(switching)]
    switching[target][0] = True
    if number % 3 == 0:
        gleenlet.schedule_throw(target, ChaosError("thrown"))
    else:
        gleenlet.schedule_switch(target, *range(number % 3))


@operation(1, "", "task")
def yields_by_hand(here: Here) -> None:
    """greenlet's own switch() lets the loop turn, and the task goes on in the next pass."""
    parent = getcurrent().parent
    if parent is not None and parent is here.world.hub.home:  # else the loop that turns is another greenlet's
        here.wait(None, parent.switch)


@operation(0.3, "n", "task")
def has_a_greenlet_started_by_another(here: Here, number: int) -> None:
    """Two greenlets of one task wait at once, and the first is over first; then the task is cancelled."""
    first, second = gleenlet.Event(), gleenlet.Event()
    raws: list[greenlet] = []
    consumers: list[greenlet] = []

    def produce() -> None:
        try:
            second.wait()
        except gleenlet.Cancelled:
            pass  # its end would go to its parent, which waits
        consumers[0].switch(number)

    def make() -> None:
        raws.append(greenlet(produce))
        first.wait()
        gleenlet.sleep(1000)

    def consume() -> Any:
        consumers.append(getcurrent())
        return raws.pop().switch()

    maker = gleenlet.spawn(make)
    consumer: gleenlet.Task[Any] | None = None
    try:
        here.wait(None, gleenlet.sleep, 0)
        if not raws:  # a trace function has failed as it began
            return
        consumer = gleenlet.spawn(consume)
        here.wait(None, gleenlet.sleep, 0)
        first.set()
        here.wait(None, gleenlet.sleep, 0)
        second.set()
        if here.wait(None, consumer.result) != number:
            here.world.fault("a greenlet brought another item")
    finally:
        first.set()
        second.set()
        maker.cancel()
        if consumer is not None:
            consumer.cancel()
    here.wait(None, gleenlet.sleep, 0)
    here.wait(None, gleenlet.sleep, 0)
    if not maker.done() and not here.world.over:
        here.world.fault("a task with two greenlets was cancelled and waits on")


# ---- callbacks of the loop ----


@operation(1.5, "nc", EVERYWHERE)
def has_a_callback_called(here: Here, number: int, program: Program) -> None:
    """By GLib itself, soon or in a while."""
    world = here.world
    world.timed += 1

    def callback(*_: object) -> bool:
        world.timed -= 1
        call_back(here, program)
        return False

    source = GLib.idle_source_new() if number % 2 else GLib.timeout_source_new(number % 3)
    source.set_priority((GLib.PRIORITY_DEFAULT_IDLE, GLib.PRIORITY_DEFAULT, -50)[number % 3])
    source.set_callback(callback)
    source.attach(world.context)


def call_back(here: Here, program: Program) -> None:
    """Run operations below a C callback: none may wait, and what is raised on purpose ends here."""
    record = Record(f"a callback of {here.record.name}")
    record.checked = False
    try:
        Here(here.world, record, "callback", here.depth + 1).run(program)
    except ChaosError:
        pass
    except gleenlet.Cancelled:
        here.world.delivered(record)


@operation(0.5, "", "callback")
def waits_where_it_cannot(here: Here) -> None:
    for wait in (lambda: gleenlet.sleep(0.0001), gleenlet.Event().wait, here.world.hub.switch):
        try:
            wait()
        except gleenlet.Cancelled:
            here.world.delivered(here.record)
        except gleenlet.UnsafeSwitchError as error:
            if "callback" not in str(error):
                here.world.fault(f"the error names no callback: {error}")
        else:
            here.world.fault("a callback waited")


@operation(0.7, "nc", "callback")
def runs_a_loop(here: Here, number: int, program: Program) -> None:
    """A dialog: a loop in a callback, up to six deep."""
    world = here.world
    if world.loops >= 6 or world.depth:
        return
    world.loops += 1
    loop = GLib.MainLoop.new(None, False)
    GLib.timeout_add(1 + number % 2, lambda: loop.quit())
    GLib.timeout_add(0, lambda: call_back(here, program))
    try:
        GLib.MainLoop.run(loop)
    finally:
        world.loops -= 1


@operation(0.7, "r", "callback")
def starts_raw_in_callback(here: Here, program: Program) -> None:
    """By hand, so it begins above frames of the loop, and is held while a deeper loop runs."""
    record = Record(f"a greenlet of {here.record.name}")
    record.checked = False
    raw_greenlet(here, program, record)[0].switch()


@operation(0.7, "c", "raw")
def runs_a_loop_in_raw(here: Here, program: Program) -> None:
    world = here.world
    if here.record.task is not None or world.loops >= 6 or world.depth or gleenlet.current_task() is not None:
        return
    world.loops += 1
    loop = GLib.MainLoop.new(None, False)
    for _ in range(2):
        GLib.idle_add(lambda: call_back(here, program))
    GLib.idle_add(lambda: call_back(here, [["waits_where_it_cannot"]]) or loop.quit())
    try:
        GLib.MainLoop.run(loop)
    finally:
        world.loops -= 1


@operation(0.15, "n", "task")
def runs_a_loop_in_task(here: Here, number: int) -> None:
    """All tasks wait meanwhile, and a warning says so once there is one that could go on."""
    world = here.world
    if world.loops or world.depth or world.hub.complained:
        return
    sleeper = gleenlet.spawn(gleenlet.sleep, 0.003)
    here.wait(None, gleenlet.sleep, 0)  # it sleeps now, and is not among what is ready
    if world.loops or sleeper.done() or world.hub.complained:  # others have run meanwhile
        return
    world.loops += 1
    loop = GLib.MainLoop.new(None, False)
    GLib.timeout_add(15, loop.quit)
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            GLib.MainLoop.run(loop)
    finally:
        world.loops -= 1
    if not sleeper.cancelling() and not any(warning.category is RuntimeWarning for warning in seen):
        world.fault("no warning of a main loop inside a task")


@operation(0.7, "c", EVERYWHERE)
def emits(here: Here, program: Program) -> None:
    """A handler runs below the emission, whoever emits."""
    counter = Counter()
    counter.connect("counted", lambda *_: call_back(here, program))
    counter.emit("counted", 1)


@operation(0.3, "s")
def runs_below_builtins(here: Here, program: Program) -> None:
    """Plain builtins may be switched away from."""
    sorted([1, 0], key=lambda n: (here.run(program) if n else None) or n)


@operation(0.1, "nc", "task")
def runs_outside(here: Here, number: int, program: Program) -> None:
    """What would block all tasks, in a callback instead."""
    world = here.world
    if world.loops >= 4 or world.depth:
        return

    def run() -> int:
        world.loops += 1
        world.timed += 1
        call_back(here, program)  # before: a loop in it would see the timeout, and quit() before run() does nothing
        loop = GLib.MainLoop.new(None, False)
        GLib.timeout_add(1, loop.quit)
        GLib.MainLoop.run(loop)
        world.loops -= 1
        world.timed -= 1
        return number

    if here.wait(None, gleenlet.run_outside, run) != number:
        world.fault("run_outside() gave another result")


@operation(0.1, "", "task")
def runs_a_cooperative_loop(here: Here) -> None:
    """A loop that a task runs is a wait of that task."""
    if threading.current_thread() is not threading.main_thread() or here.world.loops:
        return
    with gleenlet.cooperative_loops():
        loop = GLib.MainLoop()
        GLib.timeout_add(1, lambda: loop.quit())
        here.wait(None, loop.run)
