"""Semaphores. Tasks log what they did; the whole order is compared.

After `settle()` all tasks wait or have ended.
"""

from __future__ import annotations

import pytest

from gleenlet import (
    BoundedSemaphore,
    Semaphore,
    get_hub,
    spawn,
)
from inside import both_orders, settle, start

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


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


def test_what_is_released_while_a_unit_is_handed_out_is_not_lost() -> None:
    semaphore, hub = Semaphore(0), get_hub()
    task = spawn(semaphore.acquire)
    settle()

    def releases(_event: int, _item: object) -> None:  # as a finalizer may, or a signal's handler
        semaphore.release()

    hub.observe(releases)
    semaphore.release()
    hub.unobserve(releases)
    task.join()
    assert not semaphore.locked()  # one for the task, one is left
    semaphore.acquire()
    assert semaphore.locked()
