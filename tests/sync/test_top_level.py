"""timeout, move_on_after and shield at top level, where the wait itself drives the loop."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from gi.repository import GLib

from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Lock,
    Queue,
    TaskGroup,
    get_hub,
    green,
    move_on_after,
    shield,
    sleep,
    spawn,
    timeout,
    timeout_at,
)
from gleenlet._core import Waiter
from inside import FOREVER, settle

on_a_clock_that_jumps = pytest.mark.usefixtures("virtual_time")  # exact, on a busy machine too

pytestmark = pytest.mark.usefixtures("nothing_left")


def turn() -> None:
    """The loop runs by itself, while nobody waits here."""
    over: list[bool] = []
    GLib.timeout_add(3, lambda: over.append(True))
    while not over:
        GLib.MainContext.default().iteration(True)


@on_a_clock_that_jumps
@pytest.mark.parametrize(
    "wait",
    [
        lambda: sleep(FOREVER),
        lambda: Event().wait(),
        lambda: Queue[int]().get(),
        lambda: spawn(sleep, 0.05).join(),
        lambda: Waiter(FOREVER).wait(),
    ],
    ids=["sleep", "Event", "Queue", "join", "Waiter"],
)
def test_a_limit_cuts_a_wait_short(wait: Any) -> None:
    with pytest.raises(TimeoutError):
        with timeout(0.001) as limit:
            wait()
    assert limit.expired()
    with move_on_after(0.001) as quiet:
        wait()
        raise AssertionError("not reached")
    assert quiet.expired()
    sleep(0)
    sleep(0.06)  # for the task of join()


@on_a_clock_that_jumps
def test_a_limit_that_is_not_reached_does_nothing() -> None:
    for limit in (timeout(FOREVER), timeout(None), timeout_at(None), move_on_after(FOREVER)):
        with limit:
            sleep(0.001)
        assert not limit.expired()


def test_a_limit_in_the_past_ends_the_block_at_its_first_wait() -> None:
    with move_on_after(-1) as limit:
        sleep(FOREVER)
    assert limit.expired()


@on_a_clock_that_jumps
def test_nested_limits_end_each_their_own_block() -> None:
    log = []
    with pytest.raises(TimeoutError):
        with timeout(None) as limit:
            with move_on_after(0.001):
                sleep(FOREVER)
            log.append("inner")
            limit.reschedule(get_hub().time() + 0.001)
            sleep(FOREVER)
    assert log == ["inner"]
    deadline = get_hub().time() + 0.001
    with pytest.raises(TimeoutError):
        with timeout_at(deadline) as outer, timeout_at(deadline):
            sleep(FOREVER)
    assert outer.expired()


def test_where_the_time_is_over_while_nobody_waits_the_next_wait_ends() -> None:
    with move_on_after(0.001) as limit:
        turn()
        assert limit.expired()
        sleep(FOREVER)
    with move_on_after(0.001) as limit:
        turn()
    assert limit.expired()
    sleep(0)  # nothing is left of it


def test_a_shield_puts_a_limit_off() -> None:
    log = []
    with move_on_after(0.001) as limit:
        with shield():
            sleep(0.003)
            log.append("saved")
        sleep(FOREVER)
        log.append("not reached")
    assert (log, limit.expired()) == (["saved"], True)
    with shield(), move_on_after(0.001) as limit:
        sleep(FOREVER)
    assert limit.expired()
    with shield(), move_on_after(0.001) as limit:
        turn()
        sleep(FOREVER)
    assert limit.expired()


def test_what_stands_in_line_leaves_it() -> None:
    lock = Lock()
    with lock:
        other = spawn(lock.acquire)
        settle()
        with move_on_after(0.001):
            lock.acquire()
    assert other.result() is True
    assert lock.locked()
    lock.release()


def test_a_wait_that_is_over_in_time_ends_there() -> None:
    with timeout(FOREVER):
        assert spawn(int, "3").result() == 3


@on_a_clock_that_jumps
def test_reschedule() -> None:
    with pytest.raises(TimeoutError):
        with timeout(None) as limit:
            limit.reschedule(get_hub().time() + 0.001)
            sleep(FOREVER)


@on_a_clock_that_jumps
def test_an_error_of_the_block_has_the_timeout_in_its_context() -> None:
    with pytest.raises(LookupError) as caught:
        with timeout(0.001):
            try:
                sleep(FOREVER)
            except Cancelled:
                raise LookupError from None
    assert isinstance(caught.value.__context__, TimeoutError)


def test_a_limit_works_in_a_thread_of_its_own() -> None:
    log: list[bool] = []

    def work() -> None:
        with move_on_after(0.001) as limit:
            sleep(FOREVER)
        log.append(limit.expired())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert log == [True]


def test_a_callback_of_the_loop_is_no_top_level() -> None:
    errors: list[BaseException] = []

    def callback() -> bool:
        try:
            timeout(1).__enter__()
        except GleenletError as error:
            errors.append(error)
        return False

    GLib.idle_add(callback)
    settle()
    assert "inside a task" in str(errors[0])


def test_a_group_still_needs_a_task() -> None:
    with pytest.raises(GleenletError, match="inside a task"), TaskGroup():
        pass


def test_a_green_function_called_in_a_thread_without_a_loop_is_named_with_the_cure() -> None:
    @green
    def show_progress() -> None: ...

    def call_it() -> None:
        thread = threading.Thread(target=show_progress)
        thread.start()
        thread.join()
        settle()

    with pytest.warns(RuntimeWarning, match=r"show_progress-\d+: spawned in a thread.*from_thread"):
        call_it()
