"""All primitives between tasks, raw greenlets and gevent's greenlets, also when one is stopped while it waits."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from greenlet import GreenletExit, greenlet

pytest.importorskip("gevent")

import gevent

from gleenlet import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    GleenletError,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    RLock,
    Semaphore,
    Task,
    run,
    schedule_switch,
    schedule_throw,
    shutdown,
    sleep,
    spawn,
    to_thread,
)
from inside_gevent import in_gevent

MUTEXES: list[Any] = [Lock, RLock, Condition, Semaphore, BoundedSemaphore]
QUEUES: list[Any] = [Queue, LifoQueue, PriorityQueue]
KINDS = ["task", "raw", "gevent", "task", "gevent", "raw", "raw", "task", "task"]  # each after and before each other

DRIVERS: dict[str, Callable[[Callable[[], None]], object]] = {
    "a task": run,
    "a greenlet of gevent's": lambda main: gevent.spawn(main).get(),
    "the top level": lambda main: main(),
}


def start(kind: str, func: Callable[..., object], *args: object) -> Any:
    if kind == "task":
        return spawn(func, *args)
    if kind == "gevent":
        return gevent.spawn(func, *args)
    raw = greenlet(func)
    schedule_switch(raw, *args)
    return raw


def ended(who: Any) -> bool:
    return bool(who.done() if isinstance(who, Task) else who.dead)


def stop(who: Any) -> None:
    if isinstance(who, Task):
        who.cancel()
    elif isinstance(who, gevent.Greenlet):
        who.kill(block=False)
    else:
        schedule_throw(who, GreenletExit)


def until(condition: Callable[[], object]) -> None:
    while not condition():
        sleep(0)


def until_there_are(count: int, log: list[Any]) -> None:
    until(lambda: len(log) == count)


def waiting(primitive: object) -> int:
    shown = repr(primitive)
    if isinstance(primitive, Barrier):
        return primitive.n_waiting
    if isinstance(primitive, Queue):
        return sum(map(int, re.findall(r"_(?:getters|putters).([0-9]+)", shown)))
    return int(shown.partition("waiters:")[2].rstrip("]>") or 0)


def start_all(wait: Callable[[int], object], primitive: object, kinds: list[str] = KINDS) -> list[Any]:
    crowd: list[Any] = []
    for number, kind in enumerate(kinds):
        crowd.append(start(kind, wait, number))
        until(lambda: waiting(primitive) == len(crowd))
    return crowd


def line_of(mutex: Any) -> object:
    return mutex._lock if isinstance(mutex, Condition) else mutex


def join_all(crowd: list[Any]) -> None:
    until(lambda: all(map(ended, crowd)))


@in_gevent(warns="")
@pytest.mark.parametrize("driver", DRIVERS)
def test_all_kinds_wait_in_one_line(driver: str) -> None:
    """Driven by a task, by a greenlet of gevent's and by the top level."""

    def mutex(make: Any) -> None:
        primitive, log, inside = make(), [], []

        def user(number: Any) -> None:
            with primitive:
                inside.append(number)
                log.append(number)
                sleep(0)
                assert inside == [number]
                inside.clear()

        with primitive:
            crowd = start_all(user, line_of(primitive))
        join_all(crowd)
        assert log == list(range(len(KINDS))), (make, log)
        assert waiting(line_of(primitive)) == 0
        with primitive:
            pass

    def event() -> None:
        primitive, log = Event(), []
        crowd = start_all(lambda number: log.append(primitive.wait() and number), primitive)
        primitive.set()
        join_all(crowd)
        assert sorted(log) == list(range(len(KINDS))), log

    def notifications() -> None:
        condition, log = Condition(), []

        def waits(number: Any) -> None:
            with condition:
                condition.wait()
                log.append(number)

        crowd: list[Any] = []
        for number, kind in enumerate(KINDS):
            crowd.append(start(kind, waits, number))
            until(lambda: waiting(condition) == len(crowd) and not condition.locked())
        for number in range(len(KINDS)):
            with condition:
                condition.notify()
            until_there_are(number + 1, log)
        join_all(crowd)
        assert log == list(range(len(KINDS))), log

    def barrier() -> None:
        primitive, log = Barrier(len(KINDS) + 1), []
        crowd = start_all(lambda number: log.append((number, primitive.wait())), primitive)
        assert primitive.wait() == len(KINDS)
        join_all(crowd)
        assert sorted(log) == [(number, number) for number in range(len(KINDS))], log

    def getters(make: Any) -> None:
        queue, log = make(), []
        crowd = start_all(lambda number: log.append((number, queue.get())), queue)
        for number in range(len(KINDS)):
            queue.put(number)
            until_there_are(number + 1, log)
        join_all(crowd)
        assert log == [(number, number) for number in range(len(KINDS))], (make, log)

    def putters(make: Any) -> None:
        queue = make(1)
        queue.put(-1)
        crowd = start_all(queue.put, queue)
        got: list[Any] = []
        for number in range(-1, len(KINDS)):
            got.append(queue.get())
            until(queue.full if number < len(KINDS) - 1 else queue.empty)
        join_all(crowd)
        assert got == list(range(-1, len(KINDS))), (make, got)

    def joiners(make: Any) -> None:
        queue = make()
        queue.put(1)
        begun: list[Any] = []

        def joins(number: Any) -> None:
            begun.append(number)
            queue.join()

        crowd = [start(kind, joins, 0) for kind in KINDS]
        until(lambda: len(begun) == len(KINDS))
        queue.get()
        queue.task_done()
        join_all(crowd)

    def main() -> None:
        for make in MUTEXES:
            mutex(make)
        event()
        notifications()
        barrier()
        for make in QUEUES:
            getters(make)
            putters(make)
            joiners(make)

    DRIVERS[driver](main)
    shutdown()


@in_gevent(warns="")
@pytest.mark.parametrize("victim", ["task", "raw", "gevent"])
def test_who_is_stopped_while_it_waits_passes_on_what_was_its(victim: str) -> None:
    """Stopped before it is woken, just before and just after: the next one gets it, and nothing is left behind."""

    def stopped_before(who: Any, wake: Callable[[], object]) -> None:
        stop(who)
        join_all([who])
        wake()

    def stopped_just_before(who: Any, wake: Callable[[], object]) -> None:
        stop(who)
        wake()

    def stopped_just_after(who: Any, wake: Callable[[], object]) -> None:
        wake()
        stop(who)

    def logged(wait: Any, log: list[int]) -> Callable[[int], object]:
        return lambda number: (wait(), log.append(number))

    def each(primitive: Any, wait: Any, prepare: Any, wake: Any, check: Any) -> None:
        for race in (stopped_before, stopped_just_before, stopped_just_after):
            for other in ("task", "raw", "gevent"):
                log: list[int] = []
                prepare()
                crowd = start_all(logged(wait, log), primitive, [victim, other])
                race(crowd[0], wake)
                check(log)
                for who in crowd:
                    if not ended(who):
                        stop(who)
                join_all(crowd)
                assert waiting(primitive) == 0, primitive

    def next_has_it(log: Any) -> None:
        # Woken first, the victim may have gone through before it was stopped: then there is nothing to pass on.
        until(lambda: log)
        sleep(0)
        assert log in ([1], [0], [0, 1]), log

    def mutex(make: Any) -> None:
        lock = make()

        def user() -> None:
            with lock:
                pass

        def both_or_one(log: Any) -> None:
            until(lambda: 1 in log)
            assert not lock.locked(), lock

        each(line_of(lock), user, lock.acquire, lock.release, both_or_one)
        with lock:
            pass

    def event() -> None:
        primitive = Event()
        each(primitive, primitive.wait, primitive.clear, primitive.set, lambda log: until(lambda: 1 in log))

    def notifications() -> None:
        condition = Condition()

        def waits() -> None:
            with condition:
                condition.wait()

        def notify() -> None:
            condition.acquire()
            condition.notify()
            condition.release()

        def check(log: Any) -> None:
            next_has_it(log)
            until(lambda: not condition.locked())

        each(condition, waits, lambda: None, notify, check)

    def barrier() -> None:
        primitive = Barrier(2)

        def two(late: bool) -> None:
            one = start(victim, primitive.wait)
            until(lambda: primitive.n_waiting == 1)
            if late:  # stopped in the iteration in which the other comes
                other = start("task", primitive.wait)
                stop(one)
            else:
                stop(one)
                join_all([one])
                assert primitive.n_waiting == 0
                other = start("task", primitive.wait)
            until(lambda: ended(other) or (ended(one) and primitive.n_waiting == 1))
            if not ended(other):
                primitive.wait()
            join_all([one, other])
            assert primitive.n_waiting == 0, primitive
            assert not primitive._inside.promised, primitive

        two(late=False)
        two(late=True)

    def getters(make: Any) -> None:
        queue = make()

        def empty() -> None:
            while not queue.empty():
                queue.get_nowait()

        each(queue, queue.get, empty, lambda: queue.put(1), next_has_it)
        empty()
        queue.put(2)
        assert queue.get() == 2

    def putters(make: Any) -> None:
        queue = make(1)

        def fill() -> None:
            while not queue.empty():
                queue.get_nowait()
                sleep(0)
            queue.put(0)

        each(queue, lambda: queue.put(1), fill, queue.get, next_has_it)

    def main() -> None:
        for make in MUTEXES:
            if make is not RLock:  # its owner alone may release it
                mutex(make)
        event()
        notifications()
        barrier()
        for make in QUEUES:
            getters(make)
            putters(make)

    run(main)
    shutdown()


@in_gevent(warns="")
def test_a_gevent_timeout_in_a_task_that_waits_in_line_is_no_wake_up() -> None:
    def times_out(wait: Any) -> Any:
        try:
            with gevent.Timeout(0.001):
                wait()
        except gevent.Timeout:
            return True

    def mutex(make: Any) -> None:
        lock, log = make(), []

        def last() -> None:
            with lock:
                log.append("last")

        with lock:
            impatient = start("task", times_out, lock.acquire)
            patient = start("task", last)
            assert impatient.result()
            until(lambda: waiting(line_of(lock)) == 1)
            assert lock.locked(), make
            assert not log, make
        patient.join()

    def queues(make: Any) -> None:
        queue = make(1)
        assert spawn(times_out, queue.get).result()
        queue.put(1)
        assert spawn(times_out, lambda: queue.put(2)).result()
        assert spawn(times_out, queue.join).result()
        assert queue.full()
        assert queue.get() == 1
        assert queue.empty()

    def main() -> None:
        for make in MUTEXES:
            mutex(make)
        for make in QUEUES:
            queues(make)
        assert spawn(times_out, Event().wait).result()
        condition = Condition()
        condition.acquire()
        condition.release()

        def waits() -> None:
            with condition:
                condition.wait()

        assert spawn(times_out, waits).result()
        assert not condition.locked()
        assert not waiting(condition)
        barrier = Barrier(2)
        assert spawn(times_out, barrier.wait).result()
        assert barrier.n_waiting == 0
        assert not barrier._inside.promised

        # to_thread goes at once, it does not wait for its thread; join() tells its own end of time from another's.
        go_on = threading.Event()
        assert spawn(times_out, lambda: to_thread(go_on.wait)).result()
        go_on.set()

        def joins() -> Any:
            try:
                with gevent.Timeout(0.001, TimeoutError("of gevent")):
                    spawn(sleep, 5).join(5)
            except TimeoutError as error:
                return str(error)

        assert spawn(joins).result() == "of gevent"

    run(main)
    shutdown()


@in_gevent(warns="")
def test_a_switch_by_hand_from_the_guest_ends_no_wait() -> None:
    """It raises, as without gevent: otherwise two would have the lock."""

    def main() -> None:
        lock = Lock()

        def waits() -> Any:
            try:
                lock.acquire()
            except GleenletError as error:
                return str(error)

        with lock:
            task = spawn(waits)
            until(lambda: waiting(lock) == 1)
            assert task.greenlet is not None
            gevent.get_hub().loop.run_callback(task.greenlet.switch, "by hand")
            assert "by hand" in task.result()
            assert lock.locked()
            assert not waiting(lock)

    run(main)
    shutdown()
