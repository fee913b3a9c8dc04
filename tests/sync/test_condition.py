"""Conditions. Tasks log what they did; the whole order is compared.

After `settle()` all tasks wait or have ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from gleenlet import (
    Condition,
    Lock,
    RLock,
    UnsafeSwitchError,
    get_hub,
    spawn,
)
from inside import both_orders, settle, start

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


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


def test_wait_in_a_callback_is_refused_though_the_lock_has_gone_to_another() -> None:
    condition = Condition()
    condition.acquire()
    task = spawn(condition.acquire)
    settle()
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            condition.wait()
        except UnsafeSwitchError as error:
            errors.append(error)

    get_hub().call_soon(callback)
    settle()
    assert len(errors) == 1
    assert task.done()
    assert "waiters" not in repr(condition)
    condition.release()
    assert not condition.locked()
