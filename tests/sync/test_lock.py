"""Lock and RLock. Tasks log what they did; the whole order is compared.

After `settle()` all tasks wait or have ended.
"""

from __future__ import annotations

import pytest
from greenlet import greenlet

from gleenlet import (
    GleenletError,
    Lock,
    RLock,
    schedule_switch,
    sleep,
    spawn,
)
from inside import both_orders, settle, start

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


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
    settle()
    assert log == ["a", "a", "b", "b"]


def test_rlock_says_its_state() -> None:
    lock = RLock()
    assert repr(lock).endswith("[unlocked]>")
    with lock, lock:
        assert "locked, owner:" in repr(lock)
        assert repr(lock).endswith("depth:2]>")


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
