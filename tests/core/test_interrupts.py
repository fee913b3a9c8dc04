"""schedule_throw at a raw greenlet that waits in line: it passes on what it was woken for, and only that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from greenlet import GreenletExit, greenlet

from gleenlet import (
    Condition,
    Event,
    GleenletError,
    Lock,
    Queue,
    RLock,
    Semaphore,
    get_hub,
    schedule_switch,
    schedule_throw,
    spawn,
)
from gleenlet._core import Waiter
from inside import settle, start


def stopped(wait: Callable[[], object]) -> tuple[greenlet, list[str]]:
    """A raw greenlet that waits, and what it says at its end."""
    log: list[str] = []

    def waits() -> None:
        try:
            wait()
        except GreenletExit:
            log.append("stopped")
        else:
            log.append("got it")

    raw = greenlet(waits)
    schedule_switch(raw)
    settle()
    assert log == []
    return raw, log


@pytest.mark.parametrize("make", [Lock, RLock, Condition, Semaphore])
def test_who_is_stopped_in_line_for_a_held_lock_does_not_free_it(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()
    raw, log = stopped(lock.acquire)
    schedule_throw(raw, GreenletExit)
    settle()
    assert log == ["stopped"]
    assert lock.locked()
    lock.release()
    assert not lock.locked()


@pytest.mark.parametrize("make", [Lock, Semaphore])
def test_who_is_stopped_on_the_way_to_its_lock_passes_it_on(make: Callable[[], Any]) -> None:
    lock, others = make(), list[str]()
    lock.acquire()
    raw, log = stopped(lock.acquire)
    start(others, "next", lock.acquire)
    settle()
    lock.release()
    schedule_throw(raw, GreenletExit)
    settle()
    assert (log, others) == (["stopped"], ["next"])
    assert lock.locked()


def test_who_is_stopped_in_line_for_an_item_takes_no_other() -> None:
    queue: Queue[int] = Queue()
    raw, log = stopped(queue.get)
    schedule_throw(raw, GreenletExit)
    settle()
    assert log == ["stopped"]
    queue.put(1)
    assert queue.qsize() == 1
    assert queue.get_nowait() == 1


def test_who_is_stopped_before_its_notification_passes_none_on() -> None:
    condition, others = Condition(), list[str]()

    def waits() -> None:
        with condition:
            condition.wait()

    raw, log = stopped(waits)
    other = start(others, "other", waits)
    settle()
    schedule_throw(raw, GreenletExit)
    settle()
    assert (log, others) == (["stopped"], [])
    other.cancel()


def test_a_throw_comes_through_after_a_wake_up() -> None:
    event = Event()
    raw, log = stopped(event.wait)
    event.set()
    schedule_throw(raw, GreenletExit)
    settle()
    assert log == ["stopped"]


def test_an_interrupt_is_no_wake_up() -> None:
    waiter = Waiter()
    waiter.interrupt(ValueError("x"))
    assert (waiter.done, waiter.woken) == (True, False)
    assert waiter.wake("lost"), "which is told, so that whoever was given something passes it on"
    assert not waiter.wake()
    with pytest.raises(ValueError, match="x"):
        waiter.wait()
    assert not waiter.interrupt(ValueError)
    woken = Waiter()
    assert woken.wake("value")
    assert woken.interrupt(ValueError)
    assert woken.woken
    with pytest.raises(ValueError):
        woken.wait()
    with pytest.raises(TypeError, match="an exception is needed"):
        woken.interrupt("none")  # type: ignore[arg-type]


def test_who_says_what_the_end_of_the_time_returns_tells_it_from_a_timeout_error_of_another() -> None:
    waiter = Waiter(5)
    get_hub().call_soon(waiter.throw, TimeoutError)
    with pytest.raises(TimeoutError):
        waiter.wait("late")
    assert Waiter(0).wait("late") == "late"
    with pytest.raises(TimeoutError):
        Waiter(0).wait()


def test_a_waiter_is_for_one_wait() -> None:
    waiter = Waiter()
    waiter.wake("once")
    assert waiter.wait() == "once"
    with pytest.raises(GleenletError, match="make a Waiter for each wait"):
        waiter.wait()


def test_a_task_may_throw_at_a_raw_greenlet_in_line() -> None:
    lock = Lock()
    lock.acquire()
    raw, log = stopped(lock.acquire)
    spawn(schedule_throw, raw, GreenletExit).join()
    settle()
    assert log == ["stopped"]
    assert lock.locked()
