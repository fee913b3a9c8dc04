"""Time and waiters: what is refused, in which order deadlines fire, which outcome wins."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject
from greenlet import greenlet

from gleenlet import (
    Cancelled,
    GleenletError,
    get_hub,
    run,
    sleep,
    spawn,
    wait_readable,
)
from gleenlet._core import Waiter
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


# ---- time ----


@pytest.mark.parametrize("bad", [-1, -0.001, math.nan, -math.inf])
def test_negative_and_nan_times_are_refused(bad: float) -> None:
    r, w = os.pipe()
    try:
        for call in (lambda: sleep(bad), lambda: Waiter(bad), lambda: wait_readable(r, bad)):
            with pytest.raises(ValueError, match="must be 0 or more seconds"):
                call()
    finally:
        os.close(r)
        os.close(w)
    with pytest.raises(ValueError):
        get_hub().call_later(bad, print)
    with pytest.raises(ValueError):
        get_hub().call_at(math.nan, print)


@pytest.mark.parametrize("bad", ["1", None, [], object()])
def test_times_of_another_type_are_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        sleep(bad)


@pytest.mark.parametrize("forever", [math.inf, 1e300, 10**400])
def test_endless_times_have_no_end(forever: float) -> None:
    before = get_hub()._timers
    task = spawn(sleep, forever)
    settle()
    assert get_hub()._timers == before
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()


def test_timers_fire_in_order_and_cancelled_ones_do_not() -> None:
    hub = get_hub()
    now = hub.time()
    log: list[int] = []
    handles = [hub.call_at(now + 0.001 * (i % 7), log.append, i) for i in range(50)]
    for i in range(0, 50, 3):
        handles[i].cancel()
    assert handles[0].cancelled()
    assert handles[1].when() == pytest.approx(now + 0.001)
    after = Waiter()
    hub.call_at(now + 0.007, after.wake)
    after.wait()
    assert log == sorted((i for i in range(50) if i % 3), key=lambda i: (i % 7, i))
    handles[1].cancel()  # too late, and no matter


def test_deadline_in_the_past_is_due_at_once() -> None:
    log: list[str] = []
    get_hub().call_at(0, log.append, "past")
    get_hub().call_at(-math.inf, log.append, "long past")
    settle()
    assert sorted(log) == ["long past", "past"]


def test_timeout_of_a_wait() -> None:
    with pytest.raises(TimeoutError):
        Waiter(0).wait()
    with pytest.raises(TimeoutError):
        spawn(Waiter(0.001).wait).result()


# ---- Waiter ----


def test_first_outcome_wins() -> None:
    waiter = Waiter()
    assert not waiter.done
    assert waiter.wake("first")
    assert not waiter.wake("second")
    assert not waiter.throw(ValueError)
    assert waiter.done
    assert waiter.woken
    assert waiter.wait() == "first"
    thrown = Waiter(5)
    assert thrown.throw(ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        thrown.wait()


def test_waiter_refuses_bad_use() -> None:
    waiter = Waiter()
    task = spawn(waiter.wait)
    settle()
    with pytest.raises(GleenletError, match="another task already waits"):
        waiter.wait()
    with pytest.raises(TypeError):
        waiter.throw("no exception")  # type: ignore[arg-type]
    for bad in ((1, 2), ()):
        with pytest.raises(TypeError):
            Waiter(*bad, wrong=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        waiter.wake(1, 2)  # type: ignore[call-arg]
    waiter.wake()
    assert task.result() is None


def test_cancel_overrides_a_wake_up_not_yet_taken() -> None:
    waiter = Waiter()
    task = spawn(waiter.wait)
    settle()
    waiter.wake("value")
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert waiter.woken


# ---- wake_threadsafe: another thread, which cannot fail to tell ----


@pytest.mark.parametrize("where", ["task", "top level"])
def test_another_thread_wakes_who_waits_or_will_wait(where: str) -> None:
    def main() -> list[Any]:
        early, waiter = Waiter(), Waiter(1e6)
        assert early.wake_threadsafe()
        assert not early.wake_threadsafe()
        assert early.woken
        assert early.wait() is None
        assert not early.wake_threadsafe()
        told: list[Any] = []
        thread = threading.Thread(target=lambda: told.append(waiter.wake_threadsafe()))
        thread.start()
        told.append(waiter.wait())
        thread.join()
        return told

    assert (spawn(main).result() if where == "task" else main()) == [True, None]


def test_what_comes_before_the_loop_has_heard_of_the_other_thread() -> None:
    hub = get_hub()

    def main() -> None:
        hub.set_clock(100)
        waiters = [Waiter(1), Waiter(), Waiter()]
        expires, is_cancelled, is_spared = tasks = [spawn(waiter.wait) for waiter in waiters]
        sleep(0)
        is_spared.interrupt(Cancelled())
        for waiter in waiters:
            assert waiter.wake_threadsafe()
        assert not waiters[0].done
        hub.set_clock(102)
        is_cancelled.cancel()
        is_spared.take_back(Cancelled)
        for task in tasks:
            task.join()
        assert isinstance(expires.exception(), TimeoutError)
        assert is_cancelled.cancelled()
        assert is_spared.result() is None
        assert all(waiter.woken for waiter in waiters)

    try:
        run(main)
    finally:
        hub.set_clock(None)


def test_another_thread_is_told_that_it_is_too_late() -> None:
    waiter, gone = Waiter(0), list[Waiter]()
    with pytest.raises(TimeoutError):
        waiter.wait()
    assert not waiter.wake_threadsafe()
    assert not waiter.woken

    def other() -> None:
        context = GLib.MainContext()
        context.push_thread_default()
        try:
            gone.append(Waiter())
            get_hub()._close()
        finally:
            context.pop_thread_default()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert not gone[0].wake_threadsafe()


# ---- resume: whoever waits runs inside the callback ----


def waits_twice(log: list[Any], waiter: Waiter) -> None:
    log.append(waiter.wait())
    sleep(0)
    log.append("later")


def test_resumed_waiter_runs_up_to_its_next_wait_inside_the_callback() -> None:
    log: list[Any] = []
    waiter = Waiter(10)
    task = spawn(waits_twice, log, waiter)
    settle()

    def callback() -> None:
        log.append(waiter.resume("resumed"))
        log.append(waiter.resume("again"))

    get_hub().call_soon(callback)
    settle()
    assert log == ["resumed", True, False, "later"]
    assert task.done()


def test_resume_inside_an_emission_moves_none_of_its_frames() -> None:
    log: list[Any] = []
    waiters = [Waiter() for _ in range(50)]
    tasks = [spawn(waits_twice, log, waiter) for waiter in waiters]
    settle()
    store = Gio.ListStore.new(GObject.Object)
    store.connect("items-changed", lambda _, place, *__: waiters[place].resume(place))
    for _ in range(50):
        store.append(GObject.Object())
    settle()
    assert log == [*range(50), *["later"] * 50]
    assert all(task.done() for task in tasks)


def test_resume_in_a_task_or_for_who_drives_the_loop_only_wakes() -> None:
    log: list[Any] = []
    waiter = Waiter()
    spawn(waits_twice, log, waiter)
    assert spawn(lambda: (waiter.resume("woken"), list(log))).result() == (True, [])
    settle()
    assert log == ["woken", "later"]

    driven = Waiter()
    get_hub().call_soon(driven.resume, "driven")
    assert driven.wait() == "driven"


def test_resumed_waiter_that_fails_or_is_cancelled_meanwhile() -> None:
    failing, cancelled = Waiter(), Waiter()
    fails = spawn(lambda: 1 // failing.wait())
    ends = spawn(cancelled.wait)
    settle()
    get_hub().call_soon(lambda: (failing.resume(0), ends.cancel(), cancelled.resume(0)))
    assert isinstance(fails.exception(), ZeroDivisionError)
    with pytest.raises(Cancelled):
        ends.result()


def test_raw_greenlet_that_does_not_fit_a_nested_loop_goes_on_after_it() -> None:
    log: list[Any] = []
    waiter = Waiter()
    listener = greenlet(waits_twice)

    def nested() -> None:
        waiter.resume("raw")
        log.append("nested")

    def outer() -> None:
        get_hub().call_soon(nested)
        while "nested" not in log:
            GLib.MainContext.default().iteration(True)
        log.append("outer")

    get_hub().call_soon(listener.switch, log, waiter)  # its stack begins between the two loops
    get_hub().call_soon(outer)
    settle()
    assert log == ["nested", "outer", "raw", "later"]
    assert listener.dead
