"""Wake-ups that newcomers make necessary, and what cancelled waiters leave behind: nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gleenlet import Barrier, BoundedSemaphore, LifoQueue, PriorityQueue, Queue, Semaphore, spawn
from inside import settle, start

each_queue = pytest.mark.parametrize("make", [Queue, LifoQueue, PriorityQueue])


@each_queue
def test_woken_getter_wakes_who_had_to_queue_behind_it(make: Callable[[], Queue[int]]) -> None:
    queue, log = make(), list[str]()
    start(log, "a", queue.get)
    settle()

    def puts_and_gets() -> None:
        queue.put(1)
        queue.put(2)
        queue.get()  # one of the two is promised to "a", who goes first

    start(log, "b", puts_and_gets)
    settle()
    assert log == ["a", "b"]


@each_queue
def test_woken_getter_wakes_only_as_many_as_there_are_items(make: Callable[[], Queue[int]]) -> None:
    queue, log = make(), list[str]()
    start(log, "a", queue.get)
    start(log, "b", queue.get)
    settle()
    queue.put(1)
    settle()
    assert log == ["a"]
    assert queue.qsize() == 0
    queue.put(2)
    settle()
    assert log == ["a", "b"]
    queue.put(3)
    assert queue.qsize() == 1, "nothing is promised any more"


@each_queue
def test_woken_putter_wakes_who_had_to_queue_behind_it(make: Callable[[int], Queue[int]]) -> None:
    queue, log = make(2), list[str]()
    queue.put(0)
    queue.put(1)
    start(log, "a", lambda: queue.put(2))
    settle()

    def gets_and_puts() -> None:
        queue.get()
        queue.get()
        queue.put(3)  # one of the two places is promised to "a", who goes first

    start(log, "b", gets_and_puts)
    settle()
    assert log == ["a", "b"]
    assert queue.full()


@each_queue
def test_woken_putter_wakes_only_as_many_as_there_are_places(make: Callable[[int], Queue[int]]) -> None:
    queue, log = make(1), list[str]()
    queue.put(0)
    start(log, "a", lambda: queue.put(1))
    start(log, "b", lambda: queue.put(2))
    settle()
    queue.get()
    settle()
    assert log == ["a"]
    assert queue.full()
    queue.get()
    settle()
    assert log == ["a", "b"]
    queue.get()
    assert not queue.full(), "nothing is promised any more"


@each_queue
def test_cancelled_waiters_are_out_of_their_lines_at_once(make: Callable[[int], Queue[int]]) -> None:
    queue = make(1)
    getter = spawn(queue.get)
    settle()
    getter.cancel()
    settle()
    assert "_getters" not in repr(queue)
    queue.put(1)
    putter, joiner = spawn(queue.put, 2), spawn(queue.join)
    settle()
    assert "_putters[1]" in repr(queue)
    putter.cancel()
    joiner.cancel()
    settle()
    assert "_putters" not in repr(queue)
    queue.get()
    queue.task_done()
    queue.join()


def test_those_behind_a_cancelled_waiter_keep_their_order() -> None:
    queue, log = Queue[int](), list[str]()
    tasks = [start(log, name, queue.get) for name in "abcd"]
    settle()
    tasks[1].cancel()
    settle()
    for item in range(3):
        queue.put(item)
        settle()
    assert log == ["b Cancelled", "a", "c", "d"]


@pytest.mark.parametrize("make", [Semaphore, BoundedSemaphore])
def test_cancelled_acquirer_is_out_of_its_line_at_once(make: Callable[[], Semaphore]) -> None:
    semaphore, log = make(), list[str]()
    semaphore.acquire()
    task = start(log, "a", semaphore.acquire)
    start(log, "b", semaphore.acquire)
    settle()
    task.cancel()
    settle()
    assert "waiters:1" in repr(semaphore)
    semaphore.release()
    settle()
    assert log == ["a Cancelled", "b"]
    assert repr(semaphore).endswith("[locked]>")


def test_cancelled_party_is_out_of_its_line_at_once() -> None:
    barrier, left = Barrier(2), list[int]()
    party = spawn(barrier.wait)
    settle()
    party.cancel()
    settle()
    assert len(barrier._inside) == 0
    spawn(barrier.wait)
    settle()
    barrier.wait()
    door = spawn(barrier.wait, priority=-100)  # at the door: the one let go has not left yet

    def cancels() -> None:
        door.cancel()
        door.join()
        left.append(len(barrier._early))

    spawn(cancels, priority=-100)
    settle()
    assert left == [0]


def test_a_barrier_lets_one_round_leave_before_the_next_is_complete() -> None:
    barrier, log = Barrier(2), list[str]()
    spawn(barrier.wait)
    settle()
    barrier.wait()

    def party(name: str) -> None:
        barrier.wait()
        log.append(name)

    tasks = [spawn(party, name, priority=-100) for name in "abcd"]  # all at the door when the first round has left
    for task in tasks:
        task.join()
    assert sorted(log[:2]) == ["a", "b"]
    assert sorted(log[2:]) == ["c", "d"]


def test_item_that_cannot_be_compared_takes_no_place() -> None:
    queue, log = PriorityQueue[object](2), list[str]()
    queue.put(1)
    with pytest.raises(TypeError):
        queue.put_nowait("x")
    assert (queue.qsize(), queue.full()) == (1, False)
    start(log, "a", lambda: queue.put(2))
    settle()
    assert log == ["a"]
