"""Timeouts and shields: who is cancelled when, what is raised, and that nothing is lost."""

from __future__ import annotations

import pytest

from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    TaskGroup,
    get_hub,
    move_on_after,
    shield,
    sleep,
    spawn,
    timeout,
    timeout_at,
)
from inside import FOREVER, crash, crash_when_cancelled, in_task, me, settle

on_a_clock_that_jumps = pytest.mark.usefixtures("virtual_time")  # exact, on a busy machine too

# ---- timeout ----


@on_a_clock_that_jumps
@in_task
def test_timeout_raises_when_time_is_up() -> None:
    for limit in (timeout(0.001), timeout(0), timeout(-11), timeout_at(get_hub().time() + 0.001)):
        when = limit.when()
        with pytest.raises(TimeoutError) as caught:
            with limit as entered:
                assert entered is limit
                sleep(FOREVER)
        assert isinstance(caught.value.__cause__, Cancelled)
        assert limit.expired()
        assert limit.when() == when
        assert me().cancelling() == 0
    sleep(0)


@in_task
def test_timeout_of_zero_ends_even_a_yield() -> None:
    with pytest.raises(TimeoutError), timeout(0):
        sleep(0)


@in_task
def test_timeout_that_is_not_reached_does_nothing() -> None:
    for limit in (timeout(FOREVER), timeout(None), timeout_at(None), timeout(float("inf"))):
        with limit:
            sleep(0)
        assert not limit.expired()
    assert get_hub()._timers == 0


@on_a_clock_that_jumps
@in_task
def test_outer_of_two_equal_timeouts_raises() -> None:
    log = []
    deadline = get_hub().time() + 0.001
    with pytest.raises(TimeoutError):
        with timeout_at(deadline) as outer:
            try:
                with timeout_at(deadline) as inner:
                    sleep(FOREVER)
            except Cancelled:
                log.append("inner was cancelled")
                raise
    assert log == ["inner was cancelled"]
    assert outer.expired()
    assert inner.expired()


@on_a_clock_that_jumps
@in_task
def test_inner_timeout_leaves_the_outer_one_in_force() -> None:
    with pytest.raises(TimeoutError), timeout(0.01):
        with pytest.raises(TimeoutError), timeout(0.001):
            sleep(FOREVER)
        sleep(FOREVER)


@in_task
def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), timeout(FOREVER) as limit:
        raise KeyError
    assert not limit.expired()


@on_a_clock_that_jumps
@in_task
def test_error_raised_on_the_way_out_shows_the_timeout_in_its_context() -> None:
    with pytest.raises(ZeroDivisionError) as caught, timeout(0.001):
        try:
            sleep(FOREVER)
        finally:
            1 / 0  # noqa: B018
    why = caught.value.__context__
    assert isinstance(why, TimeoutError)
    assert isinstance(why.__cause__, Cancelled)


@on_a_clock_that_jumps
@in_task
def test_the_timeout_stands_between_the_cancellation_and_all_that_came_of_it() -> None:
    with pytest.raises(KeyError) as caught, timeout(0.001):
        try:
            sleep(FOREVER)
        except Cancelled:
            try:
                raise ValueError
            except ValueError:
                raise KeyError  # noqa: B904
    assert isinstance(caught.value.__context__, ValueError)
    assert isinstance(caught.value.__context__.__context__, TimeoutError)
    with pytest.raises(KeyError) as caught, timeout(0):
        with pytest.raises(Cancelled):
            sleep(0)
        raise KeyError  # has nothing to do with it
    assert caught.value.__context__ is None


@on_a_clock_that_jumps
@in_task
def test_failures_of_a_group_show_the_timeout_in_their_context() -> None:
    with pytest.raises(ExceptionGroup) as caught, timeout(0.001), TaskGroup() as group:
        group.spawn(crash_when_cancelled)
        try:
            raise ValueError
        finally:
            sleep(FOREVER)
    why = caught.value.exceptions[0].__context__
    assert isinstance(why, TimeoutError)
    assert isinstance(why.__cause__, Cancelled)


@in_task
def test_cancellation_from_elsewhere_is_not_a_timeout() -> None:
    with pytest.raises(Cancelled), timeout(FOREVER) as limit:
        me().cancel()
        sleep(FOREVER)
    assert not limit.expired()
    me().uncancel()


def test_cancellation_and_timeout_in_the_same_iteration() -> None:
    for turned in (False, True):
        limits = []

        def main() -> None:
            with timeout(FOREVER) as limit:
                limits.append(limit)  # noqa: B023
                sleep(FOREVER)

        task = spawn(main)
        settle()
        hub = get_hub()
        if turned:
            hub.call_soon(task.cancel)
        limits[0].reschedule(hub.time())
        if not turned:
            hub.call_soon(task.cancel)
        task.join()
        assert task.cancelled()  # the cancellation is not lost
        assert limits[0].expired()
        assert task.cancelling() == 1


@in_task
def test_result_that_comes_before_the_deadline_is_overridden_in_the_same_iteration() -> None:
    event = Event()
    hub = get_hub()
    with pytest.raises(TimeoutError), timeout(FOREVER) as limit:
        hub.call_soon(event.set)
        hub.call_soon(limit.reschedule, 0)
        event.wait()
        sleep(0)


@on_a_clock_that_jumps
@in_task
def test_deadline_can_be_moved() -> None:
    with timeout(FOREVER) as limit:
        when = limit.when()
        assert when is not None
        limit.reschedule(when + 20)
        assert limit.when() == when + 20
        limit.reschedule(None)
        assert limit.when() is None
        assert "when=None" in repr(limit)
        assert get_hub()._timers == 0
    with pytest.raises(TimeoutError), timeout(None) as limit:
        limit.reschedule(get_hub().time() + 0.001)
        sleep(FOREVER)


@in_task
def test_deadline_is_a_number() -> None:
    with timeout(None) as limit, pytest.raises(ValueError, match="nan"):
        limit.reschedule(float("nan"))


@in_task
def test_timeout_is_used_in_its_block_only() -> None:
    limit = timeout(FOREVER)
    assert repr(limit) == "<Timeout [created]>"
    with pytest.raises(RuntimeError, match="has not been entered"):
        limit.reschedule(0)
    with limit:
        with pytest.raises(RuntimeError, match="already been entered"), limit:
            pass
    with pytest.raises(RuntimeError, match="finished"):
        limit.reschedule(0)
    with timeout(0) as limit:
        with pytest.raises(Cancelled):
            sleep(FOREVER)
        with pytest.raises(RuntimeError, match="expiring"):
            limit.reschedule(0)
    with pytest.raises(RuntimeError, match="expired"):
        limit.reschedule(0)


def test_timeout_needs_a_number() -> None:
    with pytest.raises(ValueError, match="nan"):
        timeout(float("nan"))
    with pytest.raises(TypeError):
        timeout("1")  # type: ignore[arg-type]
    assert get_hub()._timers == 0


@in_task
def test_timeout_in_the_clean_up_of_a_cancelled_task() -> None:
    me().cancel()
    with pytest.raises(Cancelled):
        sleep(FOREVER)
    with pytest.raises(TimeoutError), timeout(0):
        sleep(FOREVER)
    with pytest.raises(Cancelled), timeout(FOREVER):
        me().cancel()
        sleep(FOREVER)
    assert me().cancelling() == 2
    me().uncancel()
    assert me().uncancel() == 0


@in_task
def test_timeout_without_a_wait_after_the_deadline_is_quiet() -> None:
    limit = timeout(0)
    with limit:
        with pytest.raises(Cancelled):
            sleep(0)
    assert limit.expired()
    assert me().cancelling() == 0
    sleep(0)


# ---- move_on_after ----


@on_a_clock_that_jumps
@in_task
def test_move_on_after_leaves_quietly() -> None:
    with move_on_after(0.001) as limit:
        sleep(FOREVER)
    assert limit.expired()
    with move_on_after(FOREVER) as limit:
        sleep(0)
    assert not limit.expired()
    sleep(0)


@on_a_clock_that_jumps
@in_task
def test_move_on_after_lets_errors_and_foreign_cancellations_pass() -> None:
    with pytest.raises(KeyError), move_on_after(0.001):
        try:
            sleep(FOREVER)
        finally:
            raise KeyError
    with pytest.raises(Cancelled), move_on_after(FOREVER):
        me().cancel()
        sleep(0)
    me().uncancel()


@on_a_clock_that_jumps
@in_task
def test_move_on_after_around_a_group_cancels_its_tasks() -> None:
    with move_on_after(0.001) as limit, TaskGroup() as group:
        task = group.spawn(sleep, FOREVER)
    assert limit.expired()
    assert task.cancelled()


# ---- shield ----


def test_shield_puts_a_cancellation_off() -> None:
    log = []
    event = Event()

    def main() -> None:
        with shield():
            event.wait()
            log.append("shielded")
        log.append("left")
        sleep(0)
        log.append("not reached")

    task = spawn(main)
    settle()
    task.cancel()
    settle()
    assert not task.done()
    event.set()
    task.join()
    assert log == ["shielded", "left"]
    assert task.cancelled()


def test_shields_add_up() -> None:
    log = []

    def main() -> None:
        with shield():
            with shield():
                sleep(0)
                me().cancel()
            sleep(0)
            log.append("still shielded")
        sleep(0)
        log.append("not reached")

    task = spawn(main)
    task.join()
    assert log == ["still shielded"]
    assert task.cancelled()


def test_timeout_inside_a_shield_works_and_knows_its_own_cancellation() -> None:
    log = []

    def main() -> None:
        try:
            sleep(FOREVER)
        finally:
            with shield():
                me().cancel()
                with move_on_after(0.001) as limit:
                    sleep(FOREVER)
                log.append(f"moved on {limit.expired()}")
                with pytest.raises(TimeoutError), timeout(0.001):
                    sleep(FOREVER)
                sleep(0)
                log.append("cleaned up")

    task = spawn(main)
    settle()
    task.cancel()
    task.join()
    assert log == ["moved on True", "cleaned up"]
    assert task.cancelled()
    assert task.cancelling() == 2


@on_a_clock_that_jumps
@in_task
def test_timeout_around_a_shield_strikes_after_it() -> None:
    log = []
    with pytest.raises(TimeoutError), timeout(0.001):
        with shield():
            sleep(0.005)
            log.append("shielded")
        sleep(0)
        log.append("not reached")
    assert log == ["shielded"]


@on_a_clock_that_jumps
@in_task
def test_timeout_between_two_shields_strikes_when_the_inner_one_is_left() -> None:
    log = []
    with shield():
        with pytest.raises(TimeoutError), timeout(0.001):
            with shield():
                sleep(0.005)
                log.append("shielded")
            log.append("not reached")
        sleep(0)
    assert log == ["shielded"]


@on_a_clock_that_jumps
@in_task
def test_error_that_leaves_an_inner_shield_comes_before_the_time_that_was_up() -> None:
    with shield():
        with pytest.raises(KeyError), timeout(0.001):
            with shield():
                sleep(0.005)
                raise KeyError


@on_a_clock_that_jumps
@in_task
def test_outer_of_two_equal_timeouts_in_a_shield_raises() -> None:
    deadline = get_hub().time() + 0.001
    with shield():
        with pytest.raises(TimeoutError), timeout_at(deadline) as outer, timeout_at(deadline) as inner:
            sleep(FOREVER)
        sleep(0)
    assert (outer.expired(), inner.expired()) == (True, True)


@in_task
def test_group_inside_a_shield_ends_its_block_when_a_task_fails() -> None:
    with shield():
        me().cancel()
        with pytest.raises(ExceptionGroup), TaskGroup() as group:
            group.spawn(crash)
            sleep(FOREVER)
        sleep(0)
    with pytest.raises(Cancelled):
        sleep(0)
    me().uncancel()


def test_shield_outside_a_task_does_nothing() -> None:
    with shield():
        settle()


@in_task
def test_shield_is_entered_once() -> None:
    block = shield()
    with block, pytest.raises(GleenletError, match="already been entered"), block:
        pass
