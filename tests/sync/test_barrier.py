"""Barriers: who is let go, who is not, and what breaks them."""

from __future__ import annotations

import threading

import pytest

from gleenlet import Barrier, BrokenBarrierError, get_hub, spawn
from inside import both_orders, settle, start

either_order = pytest.mark.parametrize("turned", [False, True], ids=["woken first", "cancelled first"])


def test_barrier_lets_go_when_all_have_come() -> None:
    barrier, log = Barrier(3), list[int]()
    for _ in range(2):
        spawn(lambda: log.append(barrier.wait()))
    settle()
    assert (log, barrier.n_waiting, barrier.parties) == ([], 2, 3)
    assert "filling, waiters:2/3" in repr(barrier)
    with barrier as index:
        assert index == 2
        assert "draining" in repr(barrier)
    settle()
    assert log == [0, 1]
    assert barrier.n_waiting == 0


def test_barrier_is_for_one_at_least() -> None:
    with pytest.raises(ValueError, match="parties"):
        Barrier(0)
    assert Barrier(1).wait() == 0


def test_who_comes_while_a_barrier_drains_belongs_to_the_next_round() -> None:
    barrier, log = Barrier(2), list[str]()
    start(log, "a", barrier.wait)
    settle()
    barrier.wait()
    late = start(log, "late", barrier.wait)
    settle()
    assert log == ["a"]
    assert barrier.n_waiting == 1
    barrier.wait()
    late.join()
    assert log == ["a", "late"]


def test_who_comes_before_those_let_go_have_left_waits_until_they_have() -> None:
    barrier, log = Barrier(2), list[str]()
    start(log, "a", barrier.wait)
    settle()
    barrier.wait()
    start(log, "late", barrier.wait)
    assert barrier.wait() == 1  # "a" has to leave first
    settle()
    assert log == ["a", "late"]


def test_cancelled_while_a_barrier_drains_leaves_nothing_behind() -> None:
    barrier, log = Barrier(2), list[str]()
    start(log, "a", barrier.wait)
    settle()
    barrier.wait()
    early = spawn(barrier.wait, priority=-100)  # comes before "a" has left
    spawn(early.cancel, priority=-100)
    settle()
    assert early.cancelled()
    assert log == ["a"]
    assert barrier.n_waiting == 0


@either_order
def test_cancelled_party_counts_only_if_all_had_come_before(turned: bool) -> None:
    barrier, log = Barrier(3), list[str]()
    task = start(log, "a", barrier.wait)
    start(log, "b", barrier.wait)
    settle()
    both_orders(lambda: start(log, "c", barrier.wait), lambda: None, turned)
    if turned:
        task.cancel()
        settle()
        assert log == ["a Cancelled"]
        assert barrier.n_waiting == 2
        barrier.wait()
        settle()
        assert log == ["a Cancelled", "b", "c"]
    else:
        get_hub().call_soon(task.cancel)  # runs after "c" has come, before "a" goes on
        settle()
        assert log == ["c", "a Cancelled", "b"]


def test_indices_are_in_order_of_arrival_after_a_cancellation() -> None:
    barrier, log = Barrier(2), list[int]()
    task = spawn(barrier.wait)
    settle()
    task.cancel()
    settle()
    spawn(lambda: log.append(barrier.wait()))
    settle()
    assert barrier.wait() == 1
    settle()
    assert log == [0]


def test_who_was_cancelled_but_has_not_gone_on_yet_takes_no_place() -> None:
    barrier, log = Barrier(2), list[int]()
    slow = spawn(barrier.wait, priority=100)
    settle()
    slow.cancel()
    for _ in range(2):
        spawn(lambda: log.append(barrier.wait()))
    settle()
    assert slow.cancelled()
    assert sorted(log) == [0, 1]


def test_nor_does_who_goes_on_to_wait_as_that_is_taken_back() -> None:
    barrier, log = Barrier(2), list[int]()
    slow = spawn(barrier.wait, priority=100)
    settle()

    def main() -> None:
        slow.cancel()
        others = [spawn(barrier.wait, priority=-100) for _ in range(2)]
        log.extend(task.result() for task in others)
        assert barrier.n_waiting == 0
        slow.uncancel()
        assert barrier.n_waiting == 1

    spawn(main, priority=-100).result()
    assert barrier.wait() == 1
    assert slow.result() == 0
    assert log == [0, 1]


def test_reset_breaks_the_wait_of_who_is_there() -> None:
    barrier, log = Barrier(3), list[str]()
    start(log, "a", barrier.wait)
    start(log, "b", barrier.wait)
    settle()
    barrier.reset()
    settle()
    assert log == ["a BrokenBarrierError", "b BrokenBarrierError"]
    assert not barrier.broken


def test_reset_while_it_drains_breaks_the_wait_of_who_has_not_left() -> None:
    barrier, log = Barrier(3), list[str]()
    start(log, "a", barrier.wait)
    start(log, "b", barrier.wait)
    settle()
    barrier.wait()
    barrier.reset()
    start(log, "c", barrier.wait)
    settle()
    assert log == ["a BrokenBarrierError", "b BrokenBarrierError"]
    assert barrier.n_waiting == 1
    barrier.abort()
    settle()


def test_abort_breaks_it_for_good() -> None:
    barrier, log = Barrier(2), list[str]()
    start(log, "inside", barrier.wait)
    settle()
    barrier.wait()
    start(log, "outside", barrier.wait)
    get_hub().call_soon(barrier.abort)
    settle()
    assert "outside BrokenBarrierError" in log
    assert barrier.broken
    assert "broken" in repr(barrier)
    with pytest.raises(BrokenBarrierError):
        barrier.wait()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    start(log, "again", barrier.wait)
    settle()
    assert barrier.wait() == 1
