"""Events, and who waits where. Tasks log what they did; the whole order is compared.

After `settle()` all tasks wait or have ended.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from greenlet import greenlet

from gleenlet import (
    Barrier,
    BoundedSemaphore,
    Cancelled,
    Condition,
    Event,
    GleenletError,
    Lock,
    RLock,
    Semaphore,
    UnsafeSwitchError,
    get_hub,
    run,
    schedule_switch,
    sleep,
    spawn,
)
from inside import both_orders, in_task, settle, start, used_in_another_thread

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


# ---- Event ----


def test_event_wakes_all_who_wait_in_their_order() -> None:
    event, log = Event(), list[str]()
    for name in "abc":
        start(log, name, event.wait)
    settle()
    assert log == []
    assert "waiters:3" in repr(event)

    event.set()
    settle()

    assert log == ["a", "b", "c"]
    assert event.is_set()
    assert event.wait()
    assert "[set]" in repr(event)


def test_who_was_woken_returns_though_the_event_is_cleared_again() -> None:
    event, log = Event(), list[str]()
    start(log, "early", event.wait)
    settle()
    event.set()
    event.clear()
    start(log, "late", event.wait)
    settle()
    assert log == ["early"]
    event.set()
    settle()
    assert log == ["early", "late"]


@either_order
def test_cancelled_event_waiter_leaves_the_others_alone(turned: bool) -> None:
    event, log = Event(), list[str]()
    task = start(log, "a", event.wait)
    start(log, "b", event.wait)
    settle()
    both_orders(event.set, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    assert "waiters" not in repr(event)


def test_cancelled_event_waiter_leaves_nothing_behind() -> None:
    event = Event()
    task = spawn(event.wait)
    settle()
    task.cancel()
    task.join()
    assert "waiters" not in repr(event)


# ---- who waits, and where ----


def test_raw_greenlets_and_top_level_wait_as_tasks_do() -> None:
    event, lock, log = Event(), Lock(), list[str]()

    def raw(name: str) -> None:
        event.wait()
        with lock:
            log.append(name)

    schedule_switch(greenlet(raw), "raw")
    task = spawn(raw, "task")
    settle()
    get_hub().call_soon(event.set)
    event.wait()
    task.join()
    settle()
    assert sorted(log) == ["raw", "task"]


@in_task
def test_priority_does_not_let_a_task_overtake_in_line() -> None:
    lock, log = Lock(), list[str]()

    def user(name: str) -> None:
        with lock:
            log.append(name)

    with lock:
        slow = spawn(user, "first", priority=200)
        slow_started = Event()
        spawn(slow_started.set, priority=200)
        slow_started.wait()
        fast = spawn(user, "second", priority=-100)
        sleep(0)
    for task in (slow, fast):
        task.join()
    assert log == ["first", "second"]


def test_blocking_in_a_callback_is_refused_and_leaves_nothing_behind() -> None:
    lock, event = Lock(), Event()
    lock.acquire()
    errors: list[BaseException] = []

    def callback() -> None:
        for wait in (lock.acquire, event.wait):
            try:
                wait()
            except UnsafeSwitchError as error:
                errors.append(error)

    get_hub().call_soon(callback)
    settle()
    assert len(errors) == 2
    assert "waiters" not in repr(lock) + repr(event)
    lock.release()
    assert not lock.locked()


def uses() -> list[Callable[[], object]]:
    """Every method that changes anything, of objects that this thread has used."""
    event, lock, rlock, condition = Event(), Lock(), RLock(), Condition()
    semaphore, bounded, barrier = Semaphore(3), BoundedSemaphore(3), Barrier(2)
    event.clear()
    condition.acquire()
    condition.notify()
    for one in (lock, rlock, semaphore, bounded):
        one.acquire()
    barrier.reset()
    return [
        *(event.set, event.clear, event.wait),
        *(lock.acquire, lock.release, lock.__enter__, lock.__exit__),
        *(rlock.acquire, rlock.release),
        *(condition.acquire, condition.release, condition.wait, condition.notify, condition.notify_all),
        *(semaphore.acquire, semaphore.release, bounded.acquire, bounded.release),
        *(barrier.wait, barrier.reset, barrier.abort),
    ]


@pytest.mark.parametrize("use", uses(), ids=lambda use: use.__qualname__)
def test_use_in_another_thread_is_refused(use: Callable[[], object]) -> None:
    error = used_in_another_thread(use)
    assert isinstance(error, GleenletError)
    assert "another thread" in str(error)


def test_what_nobody_has_used_yet_belongs_to_the_first_thread_that_does() -> None:
    lock = Lock()
    assert used_in_another_thread(lambda: run(lock.acquire)) is None
    with pytest.raises(GleenletError, match="another thread"):
        lock.release()


def test_a_wait_that_was_cancelled_before_it_began_does_not_begin() -> None:
    event, log = Event(), list[str]()

    def waits() -> None:
        task.cancel()
        event.wait()

    task = start(log, "a", waits)
    with pytest.raises(Cancelled):
        task.result()
    assert "waiters" not in repr(event)
