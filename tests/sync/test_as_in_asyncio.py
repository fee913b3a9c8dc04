"""What CPython's tests of asyncio pin and no other file here does, as blocking code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gleenlet import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Cancelled,
    Condition,
    Event,
    GleenletError,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    RLock,
    Semaphore,
    Task,
    TaskGroup,
    sleep,
    spawn,
    timeout,
)
from inside import both_orders, in_task, settle, start

on_a_clock_that_jumps = pytest.mark.usefixtures("virtual_time")  # exact, on a busy machine too

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])
each_queue = pytest.mark.parametrize("make", [Queue, LifoQueue, PriorityQueue])


@pytest.mark.parametrize("make", [Event, Lock, RLock, Condition, Semaphore, BoundedSemaphore, Barrier, Queue])
def test_there_is_no_loop_to_give(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError):
        make(loop=None)


@pytest.mark.parametrize("make", [Event, Lock, RLock])
def test_event_and_locks_take_nothing(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError):
        make(1)


def test_primitives_can_be_subclassed_and_extended() -> None:
    class Named(Lock):
        def __init__(self, name: str) -> None:
            self.name = name

    lock = Named("mine")
    with lock:
        assert (lock.name, lock.locked()) == ("mine", True)


# ---- Condition ----


def test_a_predicate_that_is_true_needs_no_lock() -> None:
    condition = Condition()
    assert condition.wait_for(lambda: [1]) == [1]
    with pytest.raises(GleenletError, match="un-acquired"):
        condition.wait_for(lambda: False)


def test_more_may_be_notified_than_wait() -> None:
    condition, log = Condition(), list[str]()

    def waits() -> None:
        with condition:
            condition.wait()

    start(log, "a", waits)
    settle()
    with condition:
        condition.notify(1000)
        condition.notify(0)
    settle()
    assert log == ["a"]
    with condition:
        condition.notify()  # nobody: it is not kept for who comes later
    late = start(log, "late", waits)
    settle()
    assert log == ["a"]
    late.cancel()


@on_a_clock_that_jumps
@in_task
def test_the_lock_is_held_after_a_timeout_in_wait() -> None:
    condition = Condition()
    with condition:
        with pytest.raises(TimeoutError), timeout(0.001):
            condition.wait()
        assert condition.locked()
    assert not condition.locked()


@pytest.mark.parametrize("notified", [False, True])
def test_wait_raises_the_very_cancellation_that_came(notified: bool) -> None:
    condition, seen = Condition(), list[BaseException]()

    def waits() -> None:
        with condition:
            try:
                condition.wait()
            except Cancelled as error:
                seen.append(error)
                raise

    task = spawn(waits)
    settle()
    condition.acquire()
    if notified:
        condition.notify()
        settle()  # now it waits for the lock
    task.cancel("it")
    condition.release()
    with pytest.raises(Cancelled, match="it") as caught:
        task.result()
    assert [caught.value] == seen
    assert not condition.locked()


@pytest.mark.parametrize("relocking", [False, True])
@either_order
def test_an_item_of_a_cancelled_consumer_is_taken_by_the_other(turned: bool, relocking: bool) -> None:
    condition, items, log = Condition(), list[int](), list[str]()

    def consumer() -> None:
        with condition:
            condition.wait_for(lambda: items)
            items.pop()

    first = start(log, "first", consumer)
    start(log, "second", consumer)
    settle()
    condition.acquire()

    def produce() -> None:
        items.append(1)
        condition.notify()
        if relocking:
            settle()

    both_orders(produce, first.cancel, turned)
    condition.release()
    settle()
    assert log == ["first Cancelled", "second"]
    assert items == []


# ---- Barrier ----


def test_a_barrier_serves_round_after_round() -> None:
    barrier, rounds = Barrier(3), list[tuple[int, int]]()

    def party() -> None:
        for number in range(4):
            with barrier as index:
                rounds.append((number, index))

    tasks = [spawn(party) for _ in range(3)]
    for task in tasks:
        task.join()
    assert [number for number, _ in rounds] == sorted(number for number, _ in rounds)  # nobody is a round ahead
    assert sorted(rounds) == [(number, index) for number in range(4) for index in range(3)]
    assert barrier.n_waiting == 0


def test_reset_and_abort_with_nobody_there() -> None:
    barrier = Barrier(1)
    barrier.reset()
    assert not barrier.broken
    assert barrier.wait() == 0
    barrier.abort()
    assert barrier.broken
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert barrier.wait() == 0


def test_who_was_broken_off_may_wait_again() -> None:
    barrier, log = Barrier(3), list[str]()

    def party() -> None:
        try:
            barrier.wait()
        except BrokenBarrierError:
            log.append("broken")
            barrier.wait()
            log.append("through")

    tasks = [spawn(party), spawn(party)]
    settle()
    barrier.reset()
    settle()
    assert (log, barrier.n_waiting) == (["broken"] * 2, 2)
    barrier.wait()
    for task in tasks:
        task.join()
    assert log == ["broken"] * 2 + ["through"] * 2


def test_abort_breaks_those_let_go_and_those_at_the_door_and_reset_mends_it() -> None:
    barrier, log = Barrier(3), list[str]()
    for name in "ab":
        start(log, name, barrier.wait)
    settle()
    barrier.wait()
    door = spawn(barrier.wait, priority=-100)  # at the door before "a" and "b" have left
    spawn(barrier.abort, priority=-100)
    settle()
    assert log == ["a BrokenBarrierError", "b BrokenBarrierError"]
    with pytest.raises(BrokenBarrierError):
        door.result()
    assert (barrier.broken, barrier.n_waiting) == (True, 0)
    assert "broken" in repr(barrier)
    barrier.reset()
    for name in "cd":
        start(log, name, barrier.wait)
    settle()
    barrier.wait()
    settle()
    assert log[2:] == ["c", "d"]


@either_order
def test_reset_or_abort_in_the_iteration_of_a_cancellation(turned: bool) -> None:
    for strike in ("reset", "abort"):
        barrier, log = Barrier(3), list[str]()
        task = start(log, "a", barrier.wait)
        start(log, "b", barrier.wait)
        settle()
        both_orders(getattr(barrier, strike), task.cancel, turned)
        settle()
        assert log == ["a Cancelled", "b BrokenBarrierError"]
        barrier.reset()
        for name in "cd":
            start(log, name, barrier.wait)
        settle()
        assert barrier.wait() == 2
        settle()
        assert log[2:] == ["c", "d"]


# ---- queues ----


@each_queue
def test_items_pass_through_room_for_one(make: Callable[[int], Queue[int]]) -> None:
    queue, got = make(1), list[int]()

    def produce() -> None:
        for item in range(20):
            queue.put(item)

    def consume() -> None:
        for _ in range(10):
            got.append(queue.get())

    tasks: list[Task[None]] = [spawn(consume), spawn(produce), spawn(consume)]
    for task in tasks:
        task.join()
    assert got == list(range(20))
    assert (queue.empty(), "_getters" in repr(queue), "_putters" in repr(queue)) == (True, False, False)


@each_queue
def test_putters_go_on_when_get_nowait_empties_the_queue(make: Callable[[int], Queue[int]]) -> None:
    queue = make(2)
    tasks = [spawn(queue.put, item) for item in range(4)]
    settle()
    assert {queue.get_nowait(), queue.get_nowait()} == {0, 1}
    with pytest.raises(QueueFull):
        queue.put_nowait(4)  # both places are promised
    for task in tasks:
        task.join()
    assert {queue.get(), queue.get()} == {2, 3}


@each_queue
def test_workers_and_join(make: Callable[[], Queue[int]]) -> None:
    queue, done = make(), list[int]()

    def worker() -> None:
        while (item := queue.get()) < 100:
            done.append(item)
            queue.task_done()

    for item in range(100):
        queue.put_nowait(item)
    workers = [spawn(worker), spawn(worker)]
    queue.join()
    assert sorted(done) == list(range(100))
    queue.put(100)
    queue.put(100)
    for task in workers:
        task.join()
    assert "tasks=2" in repr(queue)


@each_queue
def test_task_done_is_not_called_more_often_than_put(make: Callable[[], Queue[int]]) -> None:
    queue = make()
    queue.join()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()
    queue.put_nowait(1)
    queue.task_done()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()
    assert queue.get() == 1  # task_done() has nothing to do with get()


@each_queue
@either_order
def test_item_of_a_cancelled_getter_goes_to_the_next_whatever_the_queue(
    make: Callable[[], Queue[int]], turned: bool
) -> None:
    queue, log = make(), list[str]()
    task = start(log, "a", queue.get)
    start(log, "b", queue.get)
    settle()
    both_orders(lambda: queue.put_nowait(1), task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    with pytest.raises(QueueEmpty):
        queue.get_nowait()


@each_queue
@either_order
def test_place_of_a_cancelled_putter_goes_to_the_next_whatever_the_queue(
    make: Callable[[int], Queue[int]], turned: bool
) -> None:
    queue, log = make(1), list[str]()
    queue.put(0)
    task = start(log, "a", lambda: queue.put(1))
    start(log, "b", lambda: queue.put(2))
    settle()
    both_orders(queue.get_nowait, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    assert queue.get_nowait() == 2


@each_queue
@either_order
def test_cancelled_join_leaves_the_others_alone(make: Callable[[], Queue[int]], turned: bool) -> None:
    queue, log = make(), list[str]()
    queue.put(0)
    task = start(log, "a", queue.join)
    start(log, "b", queue.join)
    settle()
    both_orders(queue.task_done, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    queue.join()


@each_queue
@either_order
def test_shutdown_in_the_iteration_of_a_cancellation(make: Callable[[int], Queue[int]], turned: bool) -> None:
    queue, log = make(1), list[str]()
    getter = start(log, "get", queue.get)
    start(log, "get too", queue.get)
    settle()
    both_orders(queue.shutdown, getter.cancel, turned)
    settle()
    assert log == ["get Cancelled", "get too QueueShutDown"]
    queue, log = make(1), []
    queue.put(0)
    putter = start(log, "put", lambda: queue.put(1))
    start(log, "put too", lambda: queue.put(2))
    settle()
    both_orders(queue.shutdown, putter.cancel, turned)
    settle()
    assert log == ["put Cancelled", "put too QueueShutDown"]
    assert queue.get() == 0


@each_queue
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown(make: Callable[[int], Queue[int]], immediate: bool) -> None:
    queue, log = make(1), list[str]()
    queue.put(0)
    start(log, "join", queue.join)
    start(log, "put", lambda: queue.put(1))
    settle()
    queue.shutdown(immediate)
    settle()
    assert sorted(log) == (["join"] if immediate else []) + ["put QueueShutDown"]
    assert "shutdown" in repr(queue)
    uses: list[Callable[[], Any]] = [lambda: queue.put(2), lambda: queue.put_nowait(2)]
    if immediate:
        assert queue.empty()
        with pytest.raises(ValueError):
            queue.task_done()
    else:
        assert queue.get() == 0
        queue.task_done()
        settle()
        assert log[-1] == "join"
    queue.shutdown()  # again: nothing
    for use in (*uses, queue.get, queue.get_nowait):
        with pytest.raises(QueueShutDown):
            use()
    queue.join()


@each_queue
def test_immediate_shutdown_leaves_what_is_being_worked_on(make: Callable[[], Queue[int]]) -> None:
    queue, log = make(), list[str]()
    queue.put(0)
    queue.put(1)
    queue.get()
    start(log, "join", queue.join)
    settle()
    queue.shutdown(immediate=True)
    settle()
    assert log == []
    queue.task_done()
    settle()
    assert log == ["join"]
    with pytest.raises(ValueError):
        queue.task_done()


def test_a_queue_says_what_it_is() -> None:
    queue: Queue[int] = Queue(2)
    assert str(queue) == "<Queue maxsize=2>"
    assert hex(id(queue)) in repr(queue)
    queue.put(1)
    assert str(queue) == "<Queue maxsize=2 _queue=[1] tasks=1>"
    queue.shutdown()
    assert str(queue) == "<Queue maxsize=2 _queue=[1] tasks=1 shutdown>"


# ---- groups ----


@in_task
def test_a_group_keeps_no_task_that_has_ended() -> None:
    go_on = Event()
    with TaskGroup() as group:
        tasks = [group.spawn(go_on.wait) for _ in range(3)]
        assert "tasks=3" in repr(group)
        go_on.set()
        for task in tasks:
            task.join()
        while "tasks=" in repr(group):
            sleep(0)


@in_task
def test_children_go_on_spawning_until_one_fails() -> None:
    born, enough = [0], Event()

    def hydra(group: TaskGroup) -> None:
        born[0] += 1
        if born[0] >= 10:
            enough.set()
        sleep(0)
        for _ in range(2):
            group.spawn(hydra, group)

    def hercules() -> None:
        enough.wait()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught, TaskGroup() as group:
        group.spawn(hydra, group)
        group.spawn(hercules)
    assert {type(error) for error in caught.value.exceptions} <= {ZeroDivisionError, GleenletError}
    assert any(isinstance(error, ZeroDivisionError) for error in caught.value.exceptions)
    assert born[0] >= 10
