"""Groups and waits refuse another thread at once; from_thread and call_soon_threadsafe are the way in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from gleenlet import (
    BoundedSemaphore,
    Condition,
    Event,
    GleenletError,
    Lock,
    Queue,
    RLock,
    Semaphore,
    TaskGroup,
    as_completed,
    from_thread,
    get_hub,
    sleep,
    spawn,
    timeout,
    to_thread,
    wait,
)
from inside import FOREVER, in_task, used_in_another_thread


def refused(use: Callable[[], object]) -> str:
    """What the error says that `use` raises in another thread."""
    error = used_in_another_thread(use)
    assert isinstance(error, GleenletError), error
    return str(error)


@pytest.mark.parametrize("make", [Lock, RLock, Condition, Semaphore, BoundedSemaphore])
def test_with_is_refused_as_acquire_is(make: Callable[[], Lock | RLock | Condition | Semaphore]) -> None:
    primitive = make()
    primitive.acquire()
    assert f"this {make.__name__ if make is not Condition else 'Lock'} belongs" in refused(primitive.__enter__)
    assert "from_thread()" in refused(lambda: primitive.__exit__(None, None, None))
    assert primitive.locked()
    primitive.release()


def test_the_thread_of_a_condition_is_its_locks() -> None:
    condition = Condition()
    with condition:
        for use in (condition.wait, condition.notify, condition.notify_all, lambda: condition.wait_for(int)):
            assert "this Condition belongs to another thread" in refused(use)
        condition.notify()


@in_task
def test_a_group_takes_no_task_of_another_thread() -> None:
    with TaskGroup() as group:
        assert "this TaskGroup belongs to another thread" in refused(lambda: group.spawn(int))
        assert "tasks=" not in repr(group)


@in_task
def test_a_limit_is_not_moved_from_another_thread() -> None:
    with timeout(FOREVER) as limit:
        when = limit.when()
        assert "another thread" in refused(lambda: limit.reschedule(0))
        task = spawn(int)
        task.join()
    assert not limit.expired()
    assert when is not None


@in_task
def test_tasks_of_another_thread_are_not_waited_for() -> None:
    event = Event()
    task = spawn(event.wait)
    done = spawn(int)
    done.join()
    for use in (
        task.hub.must_yield,
        task.join,
        task.result,
        task.cancel,
        lambda: wait([task]),
        lambda: list(as_completed([task])),
    ):
        assert "another thread" in refused(use)
    assert not task.cancelling()
    refused_nothing: list[object] = []
    worker = threading.Thread(target=lambda: refused_nothing.append((done.result(), wait([done])[0] == {done})))
    worker.start()
    worker.join()
    assert refused_nothing == [(0, True)]  # what has ended, anybody may look at
    event.set()
    assert task.result()


@in_task
def test_call_soon_threadsafe_and_from_thread_are_the_ways_in() -> None:
    event, queue, lock = Event(), Queue[int](1), Lock()
    hub = get_hub()
    queue.put(1)

    def locked() -> bool:
        with lock:
            return lock.locked()

    def work() -> tuple[int, bool]:
        hub.call_soon_threadsafe(event.set)
        return from_thread(queue.get), from_thread(locked)

    assert to_thread(work) == (1, True)
    assert event.wait()


def test_a_task_takes_callbacks_from_its_own_thread_only() -> None:
    task = spawn(sleep, FOREVER)
    assert "another thread" in refused(lambda: task.add_done_callback(print))
    assert not task.callbacks
    task.cancel()
    assert task.join()


def test_a_cancellation_is_taken_back_in_the_tasks_own_thread_only() -> None:
    task = spawn(sleep, FOREVER)
    task.cancel()
    assert "another thread" in refused(task.uncancel)
    assert task.cancelling() == 1
    assert task.join()
    assert task.cancelled()


def test_what_a_hub_watches_and_tells_is_changed_in_its_own_thread_only() -> None:
    hub, (reader, writer) = get_hub(), os.pipe()
    hub.watch(reader, int)
    assert "another thread" in refused(lambda: hub.unwatch(reader))
    assert "another thread" in refused(lambda: hub.set_turn(None, None))
    hub.unwatch(reader)
    os.close(reader)
    os.close(writer)
