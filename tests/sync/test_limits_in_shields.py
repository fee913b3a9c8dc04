"""A limit in a shield that expires while its task runs a switch of its own: it is told at the next wait."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from gleenlet import Cancelled, MoveOn, TaskGroup, Timeout, get_hub, move_on_after, shield, sleep, timeout
from inside import FOREVER, crash, in_task, me


def give_way_until(condition: Callable[[], bool]) -> None:
    """As an adapter that was not written for gleenlet does: by greenlet's own switch."""
    while not condition():
        home = get_hub().home
        assert home is not None
        home.switch()


@in_task
def test_a_limit_in_a_shield_reaches_the_next_wait() -> None:
    with shield():
        with pytest.raises(TimeoutError), timeout(0.001) as limit:
            give_way_until(limit.expired)
            sleep(FOREVER)
        sleep(0)


@in_task
def test_a_failed_group_in_a_shield_reaches_the_next_wait() -> None:
    with shield(), pytest.raises(ExceptionGroup), TaskGroup() as group:
        task = group.spawn(crash)
        give_way_until(lambda: task.done() and "cancelling" in repr(group))
        sleep(FOREVER)
    sleep(0)


@in_task
def test_of_two_the_outer_one_raises_and_nothing_is_left_over() -> None:
    limits = list[Timeout]()
    with shield():
        with pytest.raises(TimeoutError), timeout(0) as outer:
            limits.append(outer)
            with timeout(0) as inner:
                limits.append(inner)
                give_way_until(lambda: all(limit.expired() for limit in limits))
                sleep(FOREVER)
        sleep(0)
    sleep(0)


@pytest.mark.parametrize("limited", [timeout, move_on_after])
@in_task
def test_without_a_wait_it_is_quiet(limited: Callable[[float], Timeout | MoveOn]) -> None:
    with shield():
        with limited(0) as outer, limited(0) as inner:
            give_way_until(lambda: outer.expired() and inner.expired())
        sleep(0)
    assert me().guard is None
    sleep(0)


@in_task
def test_a_cancellation_from_outside_is_still_put_off() -> None:
    block: AbstractContextManager[object] = shield()
    with block:
        me().cancel()
        with move_on_after(0) as limit:
            give_way_until(limit.expired)
            sleep(FOREVER)
        sleep(0)
    me().uncancel()
    sleep(0)


@in_task
def test_a_limit_strikes_at_once_again_when_an_inner_shield_is_left() -> None:
    with shield(), pytest.raises(TimeoutError), timeout(0.001):
        with shield():
            pass
        sleep(FOREVER)


@in_task
def test_what_an_inner_shield_put_off_is_told_once() -> None:
    reached_end = False
    with shield(), move_on_after(0) as limit:
        with pytest.raises(Cancelled), shield():
            while not limit.expired():
                sleep(0)
        with shield():
            pass
        sleep(0)
        reached_end = True
    assert limit.expired()
    assert reached_end
