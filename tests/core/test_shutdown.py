"""shutdown(), and what is said of tasks that the program's end abandons."""

from __future__ import annotations

import pytest
from gi.repository import GLib

import gleenlet
from child import in_child
from gleenlet import Event, UnsafeSwitchError, get_hub, run, shutdown, sleep, spawn


@in_child(says="a is cleaned up\nb is cleaned up\n[]")
def test_everything_is_cancelled_and_may_still_wait() -> None:
    def work(name: str) -> None:
        try:
            sleep(1000)
        finally:
            sleep(0.001)
            print(name, "is cleaned up")

    spawn(work, "a"), spawn(work, "b")
    run(sleep, 0)
    print(shutdown())


@in_child(says="never ran")
def test_what_has_not_begun_never_runs() -> None:
    spawn(print, "runs")
    assert shutdown() == []
    print("never ran")


@in_child()
def test_the_task_that_calls_it_goes_on() -> None:
    def main() -> str:
        spawn(sleep, 1000)
        assert shutdown() == []
        sleep(0.001)
        return "went on"

    assert run(main) == "went on"


@in_child()
def test_a_task_that_starts_meanwhile_is_cancelled_too() -> None:
    log: list[str] = []

    def second() -> None:
        try:
            sleep(1000)
        except gleenlet.Cancelled:
            log.append("second")
            raise

    def first() -> None:
        try:
            sleep(1000)
        finally:
            spawn(second)
            sleep(0)

    spawn(first)
    run(sleep, 0)
    assert shutdown() == []
    assert log in (["second"], [])  # cancelled at its wait, or before its start


@in_child()
def test_what_does_not_end_is_named_and_returned() -> None:
    gate = Event()

    def stubborn() -> str:
        while True:
            try:
                gate.wait()
                return "ended at last"
            except gleenlet.Cancelled:
                pass

    task = spawn(stubborn, name="stubborn")
    run(sleep, 0)
    with pytest.warns(RuntimeWarning, match=r"still running after 0.01 s of shutdown\(\): <Task 'stubborn' waiting"):
        assert shutdown(0.01) == [task]
    gate.set()
    assert task.result() == "ended at last"


@in_child(warns="...ValueError: on the way...(in <Task 'fails' failed>)...")
def test_a_failure_on_the_way_is_reported() -> None:
    def fails() -> None:
        try:
            sleep(1000)
        finally:
            raise ValueError("on the way")

    task = spawn(fails, name="fails")
    run(sleep, 0)
    del task
    assert shutdown() == []


@in_child()
def test_it_is_refused_in_a_callback_of_the_loop_and_cancels_nothing() -> None:
    errors: list[Exception] = []

    def callback() -> None:
        try:
            shutdown()
        except UnsafeSwitchError as error:
            errors.append(error)
        loop.quit()

    loop = GLib.MainLoop()
    task = spawn(sleep, 1000)
    sleep(0)
    new = spawn(int)
    get_hub().call_soon(callback)
    loop.run()
    assert "shutdown" in str(errors[0])
    assert new.result() == 0
    assert not task.done()
    assert not task.cancelling()
    task.cancel()
    task.join()


@pytest.mark.parametrize(
    ("bad", "error"), [(-1, ValueError), (float("nan"), ValueError), ("x", TypeError), (None, TypeError)]
)
def test_a_bad_grace_is_refused_and_cancels_nothing(bad: float, error: type[Exception]) -> None:
    task = spawn(int)
    with pytest.raises(error, match="grace must be"):
        shutdown(bad)
    assert task.result() == 0


@in_child(warns="...RuntimeWarning: tasks that the program's end abandons...: <Task 'lost' waiting for timer>; call...")
def test_abandoned_tasks_are_named_at_the_programs_end() -> None:
    spawn(sleep, 1000, name="lost")
    run(sleep, 0)


@in_child(warns="...<Task 'lost' waiting for timer>, ... and 15 more; call shutdown() before...")
def test_of_many_abandoned_tasks_some_are_named() -> None:
    for _ in range(25):
        spawn(sleep, 1000, name="lost")
    run(sleep, 0)


@in_child(warns="", env={"PYTHONWARNINGS": "ignore"})
def test_the_warning_can_be_turned_off() -> None:
    spawn(sleep, 1000)
    run(sleep, 0)


@in_child(warns="")
def test_nothing_is_said_where_nothing_is_left() -> None:
    spawn(sleep, 1000)
    run(sleep, 0)
    shutdown()
