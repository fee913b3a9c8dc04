"""Operations on locks, queues, and all that tasks wait for each other with."""

from __future__ import annotations

from typing import Any

from tests.soak.chaos.program import Program, operation
from tests.soak.chaos.world import Here

import gleenlet

EVERYWHERE = "task raw callback"


@operation(1.5, "n")
def waits_for_event(here: Here, number: int) -> None:
    event = here.world.events[number % 3]
    here.wait(lambda: not event.is_set(), event.wait)


@operation(2, "n", EVERYWHERE)
def sets_event(here: Here, number: int) -> None:
    here.world.events[number % 3].set()


@operation(1, "n", EVERYWHERE)
def clears_event(here: Here, number: int) -> None:
    here.world.events[number % 3].clear()


@operation(3, "ns")
def locks(here: Here, number: int, program: Program) -> None:
    lock = here.world.locks[number % 2]
    here.wait_in_line(lock, lock.locked, lock.acquire)
    key = ("lock", number % 2)
    owners = here.world.locals
    if owners.get(key):
        here.world.fault(f"{here} got a lock that {owners[key]} has")
    owners[key] = here
    try:
        here.run(program)
    finally:
        owners[key] = None
        lock.release()


@operation(1, "s", "task")
def locks_again(here: Here, program: Program) -> None:
    lock = here.world.rlock
    here.wait(lock.locked, lock.acquire)
    try:
        with lock:
            here.run(program)
    finally:
        lock.release()


@operation(1.5, "ns")
def takes_semaphore(here: Here, number: int, program: Program) -> None:
    semaphore = here.world.semaphores[number % 2]
    here.wait_in_line(semaphore, semaphore.locked, semaphore.acquire)
    key = ("semaphore", number % 2)
    inside = here.world.locals
    inside[key] = inside.get(key, 0) + 1
    if inside[key] > 1 + number % 2:
        here.world.fault(f"{inside[key]} hold a semaphore of {1 + number % 2}")
    try:
        here.run(program)
    finally:
        inside[key] -= 1
        semaphore.release()


@operation(1, "s")
def waits_for_condition(here: Here, program: Program) -> None:
    condition = here.world.condition
    waiting = here.world.locals.setdefault("waiting", {})
    here.wait(condition.locked, condition.acquire)
    mine = [False]  # was everybody notified meanwhile?
    waiting[id(mine)] = mine
    try:
        if (
            not here.record.shields
        ):  # there it would have to end soon, but must get the lock back, which another may keep
            here.wait(lambda: not mine[0] or condition.locked(), condition.wait)
        here.run(program)
    finally:
        del waiting[id(mine)]
        condition.release()


@operation(1.5, "n")
def notifies_condition(here: Here, number: int) -> None:
    condition = here.world.condition
    here.wait(condition.locked, condition.acquire)
    with_all = number % 2
    if with_all:
        condition.notify_all()
        for mine in here.world.locals.get("waiting", {}).values():
            mine[0] = True
    else:
        condition.notify(1 + number % 3)
    condition.release()


@operation(0.7)
def waits_at_barrier(here: Here) -> None:
    barrier = here.world.barrier
    try:
        index = here.wait(lambda: barrier.n_waiting < barrier.parties, barrier.wait)
    except gleenlet.BrokenBarrierError:
        return
    if not 0 <= index < 2:
        here.world.fault(f"a barrier's place {index}")


@operation(0.2, "n", EVERYWHERE)
def resets_barrier(here: Here, number: int) -> None:
    here.world.barrier.reset()


# ---- queues: what is got was put, and once ----


def new_item(here: Here) -> tuple[int, int]:
    world = here.world
    world.items += 1
    item = (world.items * 7919 % 1000, world.items)
    world.inside.add(world.items)
    return item


def got(here: Here, item: Any, queue: gleenlet.Queue[Any]) -> None:
    if item[1] not in here.world.inside:
        here.world.fault(f"item {item} was got twice")
    here.world.inside.discard(item[1])
    queue.task_done()


@operation(2, "n")
def puts(here: Here, number: int) -> None:
    queue = here.world.queues[number % 3]
    try:
        here.wait_in_line(("put", queue), lambda: queue.full(), queue.put, new_item(here))
    except gleenlet.QueueShutDown:
        if not here.world.over:
            raise


@operation(2, "n")
def gets(here: Here, number: int) -> None:
    queue = here.world.queues[number % 3]
    try:
        got(here, here.wait_in_line(queue, queue.empty, queue.get), queue)
    except gleenlet.QueueShutDown:
        if not here.world.over:
            raise


@operation(1.5, "n", EVERYWHERE)
def puts_nowait(here: Here, number: int) -> None:
    queue = here.world.queues[number % 3]
    full = queue.full()
    try:
        queue.put_nowait(new_item(here))
    except gleenlet.QueueFull:
        if not full:
            raise
    else:
        if full:
            here.world.fault("a full queue took an item")


@operation(1.5, "n", EVERYWHERE)
def gets_nowait(here: Here, number: int) -> None:
    queue = here.world.queues[number % 3]
    empty = queue.empty()
    try:
        got(here, queue.get_nowait(), queue)
    except gleenlet.QueueEmpty:
        if not empty:
            raise


@operation(0.3, "n")
def joins_queue(here: Here, number: int) -> None:
    queue = here.world.queues[number % 3]
    here.wait(lambda: queue._unfinished > 0, queue.join)
    repr(queue)
