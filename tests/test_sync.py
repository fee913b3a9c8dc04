"""Events, locks, conditions and semaphores: tasks log what they did; the whole order is compared.

After `settle()` all tasks wait or have ended.
"""

from __future__ import annotations

import threading
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
from inside import both_orders, in_task, settle, start

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


# ---- Lock ----


def test_lock_goes_first_come_first_served() -> None:
    lock, log = Lock(), list[str]()

    def user(name: str) -> None:
        for turn in "12":
            with lock:
                log.append(name + turn)
                sleep(0)

    for task in [spawn(user, name) for name in "abc"]:
        task.join()
    assert log == ["a1", "b1", "c1", "a2", "b2", "c2"]


def test_newcomer_does_not_overtake_who_was_handed_the_lock() -> None:
    lock, log = Lock(), list[str]()
    lock.acquire()
    start(log, "waiter", lock.acquire)
    settle()
    lock.release()
    assert not lock.locked()

    newcomer = start(log, "main", lock.acquire)
    settle()

    assert log == ["waiter"]
    assert lock.locked()
    lock.release()
    newcomer.join()
    assert log == ["waiter", "main"]


@either_order
def test_cancelled_lock_waiter_passes_the_lock_on(turned: bool) -> None:
    lock, log = Lock(), list[str]()
    lock.acquire()
    task = start(log, "a", lock.acquire)
    start(log, "b", lock.acquire)
    start(log, "c", lock.acquire)
    settle()
    both_orders(lock.release, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    lock.release()
    settle()
    assert log == ["a Cancelled", "b", "c"]
    lock.release()
    assert not lock.locked()


@either_order
def test_lock_is_free_when_the_only_waiter_was_cancelled(turned: bool) -> None:
    lock, log = Lock(), list[str]()
    lock.acquire()
    task = start(log, "a", lock.acquire)
    settle()
    both_orders(lock.release, task.cancel, turned)
    settle()
    assert log == ["a Cancelled"]
    assert not lock.locked()
    with lock:
        pass


@pytest.mark.parametrize("turned", [False, True])
def test_newcomer_gets_the_lock_whose_waiter_is_cancelled_on_its_way(turned: bool) -> None:
    lock, log = Lock(), list[str]()
    lock.acquire()
    task = start(log, "a", lock.acquire)
    settle()
    both_orders(lock.release, task.cancel, turned)
    lock.acquire()  # at once, or when the cancelled one has passed it on
    assert lock.locked()
    lock.release()
    assert not lock.locked()


def test_release_of_a_free_lock_is_refused() -> None:
    with pytest.raises(GleenletError, match="not acquired"):
        Lock().release()
    lock = Lock()
    with lock:
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()
        lock.acquire()


def test_lock_says_its_state() -> None:
    lock = Lock()
    assert repr(lock).endswith("[unlocked]>")
    with lock:
        task = spawn(lock.acquire)
        settle()
        assert repr(lock).endswith("[locked, waiters:1]>")
    task.join()
    assert repr(lock).endswith("[locked]>")


# ---- RLock ----


def test_rlock_is_its_owners_until_the_last_release() -> None:
    lock, log = RLock(), list[str]()

    def other() -> None:
        with lock:
            log.append("other")

    with lock:
        with lock:
            task = spawn(other)
            settle()
        settle()
        assert lock.locked()
        assert log == []
    task.join()
    assert log == ["other"]
    assert not lock.locked()


def test_rlock_is_released_by_its_owner_only() -> None:
    lock = RLock()
    with pytest.raises(RuntimeError, match="not acquired"):
        lock.release()
    with lock, pytest.raises(GleenletError, match="owner"):
        spawn(lock.release).result()


def test_rlock_knows_tasks_that_share_a_greenlet_apart() -> None:
    lock = RLock()
    first = spawn(lock.acquire)
    first.join()
    second = spawn(lock.acquire)  # likely on the first one's greenlet
    settle()
    assert not second.done()
    second.cancel()


def test_rlock_counts_each_raw_greenlet_for_itself() -> None:
    lock, log = RLock(), list[str]()

    def user(name: str) -> None:
        with lock:
            log.append(name)
            sleep(0)
            log.append(name)

    schedule_switch(greenlet(user), "a")
    schedule_switch(greenlet(user), "b")
    sleep(0.001)
    assert log == ["a", "a", "b", "b"]


@either_order
def test_cancelled_rlock_waiter_passes_the_lock_on(turned: bool) -> None:
    lock, log = RLock(), list[str]()
    lock.acquire()
    task = start(log, "a", lock.acquire)
    start(log, "b", lock.acquire)
    settle()
    both_orders(lock.release, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]


# ---- Condition ----


@pytest.mark.parametrize("make", [Lock, RLock])
def test_notify_wakes_as_many_as_asked_in_their_order(make: Callable[[], Lock | RLock]) -> None:
    condition, log = Condition(make()), list[str]()

    def waits(name: str) -> None:
        with condition:
            assert condition.wait()
            log.append(name)

    for name in "abcde":
        spawn(waits, name)
    settle()
    with condition:
        condition.notify()
        settle()
        assert log == []  # they need the lock
    settle()
    assert log == ["a"]
    with condition:
        condition.notify(2)
    settle()
    assert log == ["a", "b", "c"]
    with condition:
        condition.notify_all()
        condition.notify_all()
    settle()
    assert log == ["a", "b", "c", "d", "e"]
    assert not condition.locked()


def test_wait_for_waits_until_its_predicate_is_true() -> None:
    condition, items = Condition(), list[int]()

    def consumer() -> list[int]:
        with condition:
            return condition.wait_for(lambda: items[1:])

    task = spawn(consumer)
    for item in (1, 2):
        settle()
        assert not task.done()
        with condition:
            items.append(item)
            condition.notify()
    assert task.result() == [2]


def test_condition_needs_its_lock() -> None:
    condition = Condition()
    for use in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError, match="un-acquired"):
            use()
    with pytest.raises(TypeError, match="RLock"):
        Condition(threading.Lock())  # type: ignore[arg-type]


def test_condition_with_an_rlock_lets_go_of_it_altogether() -> None:
    condition = Condition(RLock())

    def waits() -> None:
        with condition, condition:
            condition.wait()
            condition.release()
            condition.acquire()

    task = spawn(waits)
    settle()
    with condition:
        condition.notify()
    task.result()
    assert not condition.locked()


def test_two_conditions_share_a_lock() -> None:
    lock = Lock()
    one, other = Condition(lock), Condition(lock)
    with one:
        assert other.locked()
        other.notify()


@either_order
def test_cancelled_condition_waiter_passes_the_notification_on(turned: bool) -> None:
    condition, log = Condition(), list[str]()

    def waits() -> None:
        with condition:
            condition.wait()

    task = start(log, "a", waits)
    start(log, "b", waits)
    settle()
    with condition:
        both_orders(condition.notify, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    assert not condition.locked()
    assert "waiters" not in repr(condition)


def test_notification_is_passed_on_when_cancelled_while_taking_the_lock_again() -> None:
    condition, log = Condition(), list[str]()

    def waits() -> None:
        with condition:
            condition.wait()

    task = start(log, "a", waits)
    start(log, "b", waits)
    settle()
    with condition:
        condition.notify()
        settle()  # now it waits for the lock
        task.cancel()
        settle()
        assert log == []  # it must have the lock before it can leave
    settle()
    assert log == ["a Cancelled", "b"]
    assert not condition.locked()


def test_cancelled_condition_waiter_notifies_nobody_by_itself() -> None:
    condition, log = Condition(), list[str]()

    def waits() -> None:
        with condition:
            condition.wait()

    task = start(log, "a", waits)
    other = start(log, "b", waits)
    settle()
    task.cancel()
    settle()
    assert log == ["a Cancelled"]
    other.cancel()


# ---- Semaphore ----


def test_semaphore_lets_so_many_in() -> None:
    semaphore, log = Semaphore(2), list[str]()
    for name in "abcd":
        start(log, name, semaphore.acquire)
    settle()
    assert log == ["a", "b"]
    assert semaphore.locked()
    semaphore.release()
    semaphore.release()
    settle()
    assert log == ["a", "b", "c", "d"]
    semaphore.release()
    assert not semaphore.locked()
    assert repr(semaphore).endswith("[unlocked, value:1]>")


def test_semaphore_starts_at_zero_or_more() -> None:
    assert Semaphore(0).locked()
    with pytest.raises(ValueError, match="-1"):
        Semaphore(-1)


def test_who_releases_and_acquires_again_stands_in_line() -> None:
    semaphore, log = Semaphore(1), list[str]()

    def first() -> None:
        semaphore.acquire()
        log.append("1")

    def second() -> None:
        semaphore.acquire()
        log.append("2")
        semaphore.release()
        semaphore.acquire()
        log.append("4")

    def third() -> None:
        semaphore.acquire()
        log.append("3")

    tasks = [spawn(first), spawn(second), spawn(third)]
    settle()
    semaphore.release()
    semaphore.release()
    for task in tasks:
        task.join()
    assert log == ["1", "2", "3", "4"]


def test_woken_waiter_wakes_those_who_had_to_queue_behind_it() -> None:
    semaphore, log = Semaphore(0), list[str]()
    start(log, "a", semaphore.acquire)
    settle()
    for _ in range(3):
        semaphore.release()
    assert semaphore.locked()  # for newcomers, until "a" has run
    start(log, "b", semaphore.acquire)
    start(log, "c", semaphore.acquire)
    settle()
    assert log == ["a", "b", "c"]
    assert semaphore.locked()


@either_order
def test_cancelled_semaphore_waiter_passes_its_unit_on(turned: bool) -> None:
    semaphore, log = Semaphore(0), list[str]()
    task = start(log, "a", semaphore.acquire)
    for name in "bc":
        start(log, name, semaphore.acquire)
    settle()
    both_orders(semaphore.release, task.cancel, turned)
    settle()
    assert log == ["a Cancelled", "b"]
    semaphore.release()
    settle()
    assert log == ["a Cancelled", "b", "c"]
    assert semaphore.locked()


@either_order
def test_unit_of_a_cancelled_semaphore_waiter_is_not_lost(turned: bool) -> None:
    semaphore = Semaphore(0)
    task = spawn(semaphore.acquire)
    settle()
    both_orders(semaphore.release, task.cancel, turned)
    task.join()
    semaphore.acquire()
    assert semaphore.locked()


def test_bounded_semaphore_refuses_one_release_too_many() -> None:
    semaphore = BoundedSemaphore(1)
    with semaphore:
        pass
    with pytest.raises(ValueError, match="too many"):
        semaphore.release()


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


def used_in_another_thread(use: Callable[[], object]) -> BaseException | None:
    errors: list[BaseException | None] = []

    def thread() -> None:
        try:
            use()
        except BaseException as error:
            errors.append(error)
        else:
            errors.append(None)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    return errors[0]


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
