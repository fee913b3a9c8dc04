"""Operations on tasks: spawning, joining, cancelling, limits, groups."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from tests.soak.chaos.program import Program, operation
from tests.soak.chaos.world import ChaosError, Here, Record

import gleenlet
from gleenlet import GleenletError

EVERYWHERE = "task raw callback"


def some_record(here: Here, number: int) -> Record | None:
    """One with a task, the last ones mostly."""
    records = [record for record in here.world.records[-12:] if record.task is not None]
    return records[number % len(records)] if records else None


@operation(8)
def yields(here: Here) -> None:
    here.wait(None, gleenlet.sleep, 0)


@operation(2, "n")
def sleeps(here: Here, number: int) -> None:
    here.wait(None, gleenlet.sleep, number * 3e-7)


@operation(4, "k", EVERYWHERE)
def spawns(here: Here, program: Program) -> None:
    here.world.spawn(program, here.depth)


@operation(0.5, "nk", EVERYWHERE)
def spawns_with_priority(here: Here, number: int, program: Program) -> None:
    here.world.spawn(program, here.depth, priority=(-100, 100, 200, 300)[number % 4], name="with a priority")


@operation(2, "ns", EVERYWHERE)
def repeats(here: Here, number: int, program: Program) -> None:
    for _ in range(2 + number % 8 if len(program) < 4 else 2):
        here.run(program)


@operation(1.5, "n", EVERYWHERE)
def cancels(here: Here, number: int) -> None:
    record = some_record(here, number)
    if record is None or record.task is None:
        return
    done = record.task.done()
    record.cancelled = True
    if record.task.cancel(*("because",) * (number % 2)) is done:
        here.world.fault(f"cancel() of {record.name} says {not done}, which is done: {done}")
    record.undelivered = not done


@operation(1, "nn", EVERYWHERE)
def joins(here: Here, number: int, limit: int) -> None:
    record = some_record(here, number)
    if record is None or record.task is None:
        return
    task = record.task
    if task is gleenlet.current_task() and not task.done():
        try:
            task.join()
        except GleenletError:
            return
        here.world.fault("a task waited for itself")
    if limit % 2:
        ended = here.wait(None, task.join, limit * 1e-7)
        if ended is not task.done():
            here.world.fault(f"join() says {ended}, the task {task.done()}")
    else:
        here.wait(lambda: not task.done(), task.join)


@operation(1, "n", EVERYWHERE)
def asks_for_results(here: Here, number: int) -> None:
    record = some_record(here, number)
    if record is None or record.task is None or record.task is gleenlet.current_task():
        return
    task = record.task
    try:
        result = here.wait(lambda: not task.done(), task.result)
    except gleenlet.Cancelled:
        if not task.cancelled() or here.record.cancelled or here.scopes:
            raise
    except ChaosError:
        if task.done() and task.exception() is None:
            raise
    else:
        if result != id(record):
            here.world.fault(f"the result of {record.name} is another task's")


class LooksLikeAnything:
    """A callback that says it equals any other, as a proxy's may."""

    def __init__(self, func: Callable[[gleenlet.Task[Any]], None]) -> None:
        self.func = func

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, task: gleenlet.Task[Any]) -> None:
        self.func(task)


@operation(1, "n", EVERYWHERE)
def adds_done_callback(here: Here, number: int) -> None:
    world, record = here.world, some_record(here, number)
    if record is None or record.task is None:
        return
    key = len(world.callbacks)
    world.callbacks[key] = 1

    def called(task: gleenlet.Task[Any]) -> None:
        world.callbacks[key] -= 1
        if task is not record.task or not task.done() or world.callbacks[key] < 0:
            world.fault(f"done callback of {record.name} called for {task!r}, {1 - world.callbacks[key]} times")

    record.lookalikes |= number % 3 == 0
    record.task.add_done_callback(LooksLikeAnything(called) if number % 3 == 0 else called)
    if number % 5 == 1 and not record.task.done() and not record.lookalikes:
        if record.task.remove_done_callback(called) != 1:
            world.fault("a done callback could not be called off")
        else:
            world.callbacks[key] = 0


@operation(0.3)
def fails(here: Here) -> None:
    raise ChaosError("on purpose")


@operation(1.5, "s")
def attempts(here: Here, program: Program) -> None:
    try:
        here.run(program)
    except ChaosError:
        pass


@operation(0.5, "s")
def swallows_cancellations(here: Here, program: Program) -> None:
    try:
        here.run(program)
    except gleenlet.Cancelled:
        if here.scopes or here.place != "task":  # it may be the block's
            raise
        task = here.record.task
        if task is not None and task.cancelling():
            task.uncancel()


@operation(0.3, "n", EVERYWHERE)
def looks_at_tasks(here: Here, number: int) -> None:
    record = some_record(here, number)
    if record is None or record.task is None:
        return
    task = record.task
    repr(task)
    task.print_stack(file=io.StringIO())
    if task.done() and not task.name:
        here.world.fault("a task without a name")
    if (task in here.world.hub.tasks()) is task.done():
        here.world.fault(f"{task!r} is among the hub's tasks: {not task.done()}")
    if here.place == "task" and gleenlet.current_task() is not here.record.task:
        here.world.fault(f"current_task() is {gleenlet.current_task()!r}, not {here.record.task!r}")


# ---- limits ----


@operation(1.5, "ns", "task")
def limits_time(here: Here, number: int, program: Program) -> None:
    seconds = (0, 1e-5, 3e-4, None)[number % 4]
    limit = (
        gleenlet.timeout(seconds)
        if number % 3
        else gleenlet.timeout_at(None if seconds is None else here.world.hub.time() + seconds)
    )
    here.scopes += 1
    try:
        with limit:
            here.run(program)
            if seconds is None and number % 5 == 0:
                limit.reschedule(here.world.hub.time())
    except TimeoutError:
        if not limit.expired():
            raise
    finally:
        here.scopes -= 1
    if not isinstance(limit, gleenlet.Timeout) or (limit.expired() and limit.when() is None):
        here.world.fault(f"{limit!r} is no limit, or has expired without a deadline")


@operation(1.5, "ns", "task")
def moves_on(here: Here, number: int, program: Program) -> None:
    here.scopes += 1
    try:
        with gleenlet.move_on_after((0, 1e-5, 3e-4, None)[number % 4]) as limit:
            here.run(program)
    finally:
        here.scopes -= 1
    if not isinstance(limit, gleenlet.MoveOn) or (limit.expired() and limit.when() is None):
        here.world.fault("a limit without a deadline has expired")


@operation(0.7, "s", "task")
def shields(here: Here, program: Program) -> None:
    here.record.shields += 1
    try:
        with gleenlet.shield():
            here.run(program)
    finally:
        here.record.shields -= 1


@operation(1, "nkks", "task")
def groups(here: Here, number: int, one: Program, other: Program, program: Program) -> None:
    world = here.world
    children: list[Record] = []
    here.scopes += 1
    group = gleenlet.TaskGroup()

    def leave(error: BaseException | None) -> None:
        here.operation = "groups"  # no more what ran in it last
        here.wait(
            lambda: any(child.task is not None and not child.task.done() for child in children),
            group.__exit__,
            type(error) if error is not None else None,
            error,
            None,
        )

    try:
        group.__enter__()
        try:
            for child_program in (one, other)[: 1 + number % 2]:
                record = world.new_record()
                record.cancelled = True  # a sibling may fail
                record.task = group.spawn(world.body, record, child_program, "task", here.depth + 1)
                children.append(record)
            here.run(program)
        except BaseException as error:
            leave(error)
            raise
        leave(None)
    except BaseExceptionGroup as failures:
        if failures.split(ChaosError)[1] is not None:
            raise RuntimeError("a group failed with other errors than its tasks'") from failures
        if number % 3 == 0:
            raise ChaosError("a group failed") from None
    finally:
        here.scopes -= 1
    for child in children:
        if child.task is None or not child.task.done():
            world.fault(f"{child.name} has outlived its group")


# ---- several tasks ----


@operation(0.7, "nn")
def waits_for_tasks(here: Here, number: int, limit: int) -> None:
    tasks = [record.task for record in here.world.records[-4:] if record.task and record is not here.record]
    tasks = [task for task in tasks if task is not gleenlet.current_task()]
    if not tasks:
        return
    when = (gleenlet.FIRST_COMPLETED, gleenlet.FIRST_EXCEPTION, gleenlet.ALL_COMPLETED)[number % 3]
    seconds = limit * 1e-7 if limit % 2 else None

    def may_wait() -> bool:
        done = [task for task in tasks if task.done()]
        return not done if when == gleenlet.FIRST_COMPLETED else len(done) < len(tasks)

    done, pending = here.wait(may_wait if seconds is None else None, gleenlet.wait, tasks, seconds, when)
    if {*done, *pending} != set(tasks) or done & pending:
        here.world.fault("wait() gave other tasks than it was given")
    if seconds is None and when == gleenlet.ALL_COMPLETED and pending:
        here.world.fault("wait() did not wait for all")


@operation(0.5, "n")
def takes_tasks_as_completed(here: Here, number: int) -> None:
    tasks = [record.task for record in here.world.records[-3:] if record.task and record is not here.record]
    tasks = [task for task in tasks if task is not gleenlet.current_task()]
    steps = gleenlet.as_completed(tasks, number * 1e-7 if number % 2 else None)
    seen: list[object] = []

    def may_wait() -> bool:
        return len(seen) <= sum(task.done() for task in tasks) < len(set(tasks))

    try:
        while (task := here.wait(None if number % 2 else may_wait, next, steps, None)) is not None:
            seen.append(task)
            if not task.done():
                here.world.fault("as_completed() gave a task that runs")
    except TimeoutError:
        if not number % 2:
            raise
    if len(set(seen)) != len(seen):
        here.world.fault("as_completed() gave a task twice")


# ---- functions that become tasks, and calls by the loop ----


@operation(0.7, "nk", EVERYWHERE)
def calls_green(here: Here, number: int, program: Program) -> None:
    world, record = here.world, here.world.new_record()
    ran = []

    def handler() -> None:
        if world.over:
            return
        ran.append(1)
        Here(world, record, "green", here.depth + 1).run([])
        here_inside = Here(world, record, "raw", here.depth + 1)
        try:
            here_inside.run(program)
        except ChaosError:
            pass

    record.checked = False
    record.cancelled = True
    when_busy = ("parallel", "drop", "queue", "restart")[number % 4]
    make: Any = gleenlet.green
    start = make(when_busy=when_busy, returns=number)(handler)
    for _ in range(1 + number % 3):
        if start() != number:
            world.fault("a green function returned something else")
    if when_busy == "drop":
        world.at_end.append(lambda: len(ran) > 1 and world.fault("a busy green function that drops calls ran twice"))


@operation(0.7, "nk", EVERYWHERE)
def calls_callback(here: Here, number: int, program: Program) -> None:
    world, record = here.world, here.world.new_record()
    record.cancelled, record.checked = True, False

    def func() -> object:
        if not world.over:
            try:
                Here(world, record, "raw", here.depth + 1).run(program)
            except ChaosError:
                pass
        return () if number % 2 else number

    if gleenlet.callback(func)() not in (True, False):
        world.fault("a callback returned something else than a bool")


@operation(0.7, "n", EVERYWHERE)
def has_the_loop_call(here: Here, number: int) -> None:
    world, called = here.world, []
    seconds = number * 3e-7

    def call() -> None:
        called.append(1)
        if number % 4:
            world.timed -= 1
        if len(called) > 1 or not number % 4:
            world.fault("the loop called what was called off, or twice")

    hub = world.hub
    handle = hub.call_soon(call) if number % 3 == 0 else hub.call_later(seconds, call)
    if number % 4:
        world.timed += 1
        world.at_end.append(lambda: called or world.fault("the loop did not call a function"))
    else:
        handle.cancel()
        if not handle.cancelled():
            world.fault("a cancelled handle says it is not")
