"""Queues: tasks put and get; what came out, and in which order, is compared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gleenlet import (
    Cancelled,
    GleenletError,
    LifoQueue,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    Task,
    spawn,
)
from inside import both_orders, settle

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


def outcome(task: Task[Any]) -> object:
    """Its result, or the type of its exception."""
    try:
        return task.result()
    except BaseException as error:
        return type(error)


@pytest.mark.parametrize(("make", "order"), [(Queue, [2, 1, 3]), (LifoQueue, [3, 1, 2]), (PriorityQueue, [1, 2, 3])])
def test_each_queue_has_its_order(make: Callable[[], Queue[int]], order: list[int]) -> None:
    queue = make()
    for item in (2, 1, 3):
        queue.put(item)
    assert queue.qsize() == 3
    assert [queue.get() for _ in range(3)] == order
    assert queue.empty()


def test_get_waits_for_an_item() -> None:
    queue: Queue[str] = Queue()
    task = spawn(queue.get)
    settle()
    assert not task.done()
    queue.put("x")
    assert task.result() == "x"


def test_put_waits_for_a_place() -> None:
    queue: Queue[int] = Queue(1)
    queue.put(1)
    task = spawn(queue.put, 2)
    settle()
    assert queue.full()
    assert not task.done()
    assert queue.get() == 1
    task.result()
    assert queue.get() == 2


def test_nowait_calls_raise_instead_of_waiting() -> None:
    queue: Queue[int] = Queue(maxsize=1)
    with pytest.raises(QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(1)
    with pytest.raises(QueueFull):
        queue.put_nowait(2)
    assert queue.get_nowait() == 1
    assert queue.maxsize == 1


def test_sizes_need_not_be_whole_and_zero_is_no_limit() -> None:
    queue: Queue[int] = Queue(1.3)
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert queue.full()
    for size in (0, -1):
        queue = Queue(size)
        for item in range(100):
            queue.put_nowait(item)
        assert not queue.full()


def test_getters_are_served_first_come_first_served() -> None:
    queue: Queue[int] = Queue()
    tasks = [spawn(queue.get) for _ in range(3)]
    settle()
    for item in range(3):
        queue.put(item)
    newcomer = spawn(queue.get)
    queue.put(3)
    assert [task.result() for task in [*tasks, newcomer]] == [0, 1, 2, 3]


def test_putters_are_served_first_come_first_served() -> None:
    queue: Queue[int] = Queue(1)
    queue.put(0)
    tasks = [spawn(queue.put, item) for item in (1, 2)]
    settle()
    assert queue.get() == 0
    newcomer = spawn(queue.put, 3)
    assert [queue.get() for _ in range(3)] == [1, 2, 3]
    for task in [*tasks, newcomer]:
        task.result()


def test_item_promised_to_a_getter_is_not_given_to_a_newcomer() -> None:
    queue: Queue[int] = Queue()
    task = spawn(queue.get)
    settle()
    queue.put(1)
    assert queue.qsize() == 0
    assert queue.empty()
    with pytest.raises(QueueEmpty):
        queue.get_nowait()
    queue.put(2)
    assert queue.qsize() == 1
    newcomer = spawn(queue.get)  # may not take what is promised, though it could
    assert (task.result(), newcomer.result()) == (1, 2)


def test_place_promised_to_a_putter_is_not_given_to_a_newcomer() -> None:
    queue: Queue[int] = Queue(1)
    queue.put(1)
    task = spawn(queue.put, 2)
    settle()
    queue.get()
    assert queue.full()
    with pytest.raises(QueueFull):
        queue.put_nowait(3)
    task.result()
    assert queue.get() == 2


@either_order
def test_item_of_a_cancelled_getter_goes_to_the_next(turned: bool) -> None:
    queue: Queue[str] = Queue()
    first, second = spawn(queue.get), spawn(queue.get)
    settle()
    both_orders(lambda: queue.put("x"), first.cancel, turned)
    assert outcome(first) is Cancelled
    assert second.result() == "x"


@either_order
def test_item_of_a_cancelled_getter_stays_in_its_place(turned: bool) -> None:
    queue: Queue[int] = Queue()
    first = spawn(queue.get)
    settle()

    def put() -> None:
        queue.put(1)
        queue.put(2)

    both_orders(put, first.cancel, turned)
    first.join()
    assert [queue.get(), queue.get()] == [1, 2]


@either_order
def test_place_of_a_cancelled_putter_goes_to_the_next(turned: bool) -> None:
    queue: Queue[int] = Queue(1)
    queue.put(0)
    first, second = spawn(queue.put, 1), spawn(queue.put, 2)
    settle()
    both_orders(queue.get_nowait, first.cancel, turned)
    assert outcome(first) is Cancelled
    second.result()
    assert queue.get() == 2
    assert queue.empty()


@either_order
def test_place_of_a_cancelled_putter_is_not_lost(turned: bool) -> None:
    queue: Queue[int] = Queue(1)
    queue.put(0)
    task = spawn(queue.put, 1)
    settle()
    both_orders(queue.get_nowait, task.cancel, turned)
    task.join()
    queue.put_nowait(2)
    assert queue.get_nowait() == 2


def test_cancelled_waiters_leave_nothing_behind() -> None:
    queue: Queue[int] = Queue(1)
    getter = spawn(queue.get)
    settle()
    assert "_getters[1]" in repr(queue)
    getter.cancel()
    getter.join()
    queue.put(1)
    putter = spawn(queue.put, 2)
    joiner = spawn(queue.join)
    settle()
    assert "_putters[1]" in repr(queue)
    putter.cancel()
    joiner.cancel()
    settle()
    assert str(queue) == "<Queue maxsize=1 _queue=[1] tasks=1>"


def test_item_that_cannot_be_compared_is_refused_and_its_place_goes_to_the_next() -> None:
    queue: PriorityQueue[Any] = PriorityQueue(2)
    queue.put(1)
    queue.put(2)
    wrong, right = spawn(queue.put, "x"), spawn(queue.put, 3)
    settle()
    assert queue.get() == 1
    assert outcome(wrong) is TypeError
    right.result()
    assert [queue.get(), queue.get()] == [2, 3]


def test_item_that_cannot_be_compared_is_refused_at_once() -> None:
    queue: PriorityQueue[Any] = PriorityQueue(2)
    queue.put(1)
    with pytest.raises(TypeError):
        queue.put_nowait("x")
    assert queue.qsize() == 1
    queue.put_nowait(2)
    assert queue.full()


# ---- task_done, join ----


def test_join_waits_until_all_work_is_done() -> None:
    queue: Queue[int] = Queue()
    queue.join()
    for item in range(2):
        queue.put(item)
    joiners = [spawn(queue.join) for _ in range(2)]
    for _ in range(2):
        queue.get()
        settle()
        assert not any(task.done() for task in joiners)
        queue.task_done()
    for task in joiners:
        task.result()
    with pytest.raises(ValueError, match="too many"):
        queue.task_done()


# ---- shutdown ----


def test_shut_down_queue_gives_what_it_has_and_takes_nothing() -> None:
    queue: Queue[int] = Queue()
    queue.put(1)
    queue.shutdown()
    for put in (queue.put, queue.put_nowait):
        with pytest.raises(QueueShutDown):
            put(2)
    assert queue.get() == 1
    for get in (queue.get, queue.get_nowait):
        with pytest.raises(QueueShutDown):
            get()
    assert "shutdown" in str(queue)
    queue.task_done()
    queue.join()


def test_shutdown_wakes_all_who_wait() -> None:
    empty: Queue[int] = Queue()
    full: Queue[int] = Queue(1)
    full.put(0)
    tasks: list[Task[Any]] = [spawn(empty.get), spawn(empty.get)]
    tasks += [spawn(full.put, 1), spawn(full.put, 2)]
    settle()
    empty.shutdown()
    full.shutdown()
    assert [outcome(task) for task in tasks] == [QueueShutDown] * 4
    assert full.get() == 0


def test_getter_with_a_promised_item_gets_it_though_the_queue_is_shut_down() -> None:
    queue: Queue[int] = Queue()
    first, second = spawn(queue.get), spawn(queue.get)
    settle()
    queue.put(1)
    queue.shutdown()
    late = spawn(queue.get)
    assert [outcome(task) for task in (first, second, late)] == [1, QueueShutDown, QueueShutDown]


def test_item_of_a_cancelled_getter_is_there_for_the_next_after_a_shutdown() -> None:
    queue: Queue[int] = Queue()
    first = spawn(queue.get)
    settle()
    queue.put(1)
    queue.shutdown()
    first.cancel()
    assert queue.get() == 1
    with pytest.raises(QueueShutDown):
        queue.get()


def test_putter_with_a_promised_place_is_refused_after_a_shutdown() -> None:
    queue: Queue[int] = Queue(1)
    queue.put(0)
    task = spawn(queue.put, 1)
    settle()
    queue.get()
    queue.shutdown()
    assert outcome(task) is QueueShutDown
    with pytest.raises(QueueShutDown):
        queue.get()


def test_immediate_shutdown_drops_what_is_there() -> None:
    queue: Queue[int] = Queue(2)
    getter = spawn(queue.get)
    settle()
    queue.put(1)
    queue.put(2)
    joiner = spawn(queue.join)
    settle()
    assert getter.result() == 1
    waiting = spawn(queue.put, 3), spawn(queue.put, 4)
    settle()
    queue.shutdown(immediate=True)
    assert queue.empty()
    assert [outcome(task) for task in waiting] == [None, QueueShutDown]
    assert not joiner.done()
    queue.task_done()
    settle()
    assert joiner.done()


def test_immediate_shutdown_of_an_empty_queue() -> None:
    queue: Queue[int] = Queue()
    queue.shutdown(immediate=True)
    queue.join()
    with pytest.raises(QueueShutDown):
        queue.get_nowait()


def test_immediate_shutdown_takes_a_promised_item_away() -> None:
    queue: Queue[int] = Queue()
    task = spawn(queue.get)
    settle()
    queue.put(1)
    queue.shutdown(immediate=True)
    assert outcome(task) is QueueShutDown
    assert queue.qsize() == 0
    queue.join()


# ---- threads, types ----


def test_use_in_another_thread_is_refused() -> None:
    queue: Queue[int] = Queue()
    queue.put(0)
    errors = []

    def thread() -> None:
        for use in (
            *(lambda: queue.put(1), lambda: queue.put_nowait(1), queue.get, queue.get_nowait),
            *(queue.join, queue.task_done, queue.shutdown),
        ):
            try:
                use()
            except GleenletError as error:
                errors.append(error)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    assert len(errors) == 7
    assert queue.get() == 0


def test_queues_can_be_subscripted() -> None:
    assert Queue[int](3).maxsize == 3
    assert LifoQueue[int]().empty()
