"""Tasks: results, failures, cancellation, contexts."""

from __future__ import annotations

import contextvars
import io
import sys
from typing import Any

import pytest
from greenlet import GreenletExit, getcurrent, greenlet

from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Task,
    current_task,
    get_hub,
    sleep,
    spawn,
)
from inside import fail, settle, unfinished

pytestmark = pytest.mark.usefixtures("no_task_left")


# ---- results ----


def test_spawn_queues_and_passes_arguments() -> None:
    log: list[Any] = []

    def work(*args: object, **kwargs: object) -> str:
        log.append((args, kwargs))
        return "result"

    task = spawn(work, 1, name="worker", two=2)
    assert log == []
    assert (task.done(), repr(task)) == (False, "<Task 'worker' new>")
    assert task.result() == "result"
    assert log == [((1,), {"two": 2})]
    assert (task.done(), task.cancelled(), task.exception()) == (True, False, None)
    assert task.result(timeout=0) == "result"
    assert task.join()


def test_a_tasks_name_is_given_or_its_functions_with_a_number() -> None:
    task = spawn(sleep, 0)
    assert task.name.startswith("sleep-")
    task.name = "other"
    assert task.name == "other"
    assert spawn(contextvars.ContextVar("x", default=1).get, name="given").name == "given"
    while unfinished():
        sleep(0)


def test_failure_somebody_waits_for_is_raised_there(capsys: pytest.CaptureFixture[str]) -> None:
    error = ValueError("x")
    task = spawn(fail, error)
    with pytest.raises(ValueError, match="x") as caught:
        task.result()
    assert caught.value is error
    assert task.exception() is error
    assert "failed" in repr(task)
    assert capsys.readouterr().err == ""


def test_failure_nobody_waits_for_is_reported_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    spawn(fail, ValueError("lonely"), name="unlucky")
    settle()
    err = capsys.readouterr().err
    assert "ValueError: lonely" in err
    assert "unlucky" in err
    assert "Traceback" in err


def test_waiting_for_a_task_in_vain_ends_at_its_timeout() -> None:
    task = spawn(sleep, 10)
    assert not task.join(timeout=0.001)
    for wait in (task.result, task.exception):
        with pytest.raises(TimeoutError, match="has not ended within"):
            wait(timeout=0)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError):
            task.join(bad)
    assert task.callbacks == []
    task.cancel()
    assert task.join()


def test_task_that_raises_timeout_error_while_joined() -> None:
    task = spawn(lambda: (sleep(0.001), fail(TimeoutError("its own"))))
    with pytest.raises(TimeoutError, match="its own"):
        task.result(timeout=10)


def test_task_cannot_wait_for_itself() -> None:
    def work() -> None:
        task.join()

    task = spawn(work)
    with pytest.raises(GleenletError, match="wait for itself"):
        task.result()


def test_bad_arguments_of_spawn() -> None:
    for bad in (3, None, "print"):
        with pytest.raises(TypeError, match="function"):
            spawn(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        spawn(print, priority="high")  # type: ignore[arg-type]


def test_done_callbacks_run_in_the_loop() -> None:
    log: list[Any] = []
    task = spawn(int)
    task.add_done_callback(log.append)
    task.add_done_callback(print)
    assert task.remove_done_callback(print) == 1
    assert task.remove_done_callback(print) == 0
    task.join()
    settle()
    task.add_done_callback(log.append)
    assert log == [task]
    settle()
    assert log == [task, task]
    with pytest.raises(TypeError):
        task.add_done_callback(3)  # type: ignore[arg-type]


def test_done_callback_counts_as_waiting_for_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[BaseException | None] = []
    spawn(fail, ValueError()).add_done_callback(lambda task: seen.append(task.exception()))
    settle()
    assert [type(error) for error in seen] == [ValueError]
    assert capsys.readouterr().err == ""


def test_print_stack() -> None:
    def deep() -> None:
        sleep(10)

    def own() -> str:
        out = io.StringIO()
        current = current_task()
        assert current
        current.print_stack(file=out)
        return out.getvalue()

    task = spawn(deep)
    settle()
    out = io.StringIO()
    task.print_stack(file=out)
    assert "in deep" in out.getvalue()
    assert "waiting" in out.getvalue()
    task.cancel()
    task.join()
    assert "in own" in spawn(own).result()


# ---- cancellation ----


def test_cancel_reaches_the_wait() -> None:
    log: list[str] = []

    def work() -> None:
        try:
            sleep(10)
        except Cancelled as error:
            log.append(str(error))
            raise
        finally:
            log.append("finally")

    task = spawn(work)
    settle()
    assert task.cancel("why")
    with pytest.raises(Cancelled, match="why"):
        task.result()
    with pytest.raises(Cancelled):
        task.exception()
    assert (task.cancelled(), task.cancelling(), log) == (True, 1, ["why", "finally"])
    assert not task.cancel()
    assert "cancelled" in repr(task)


def test_task_cancelled_before_its_start_never_runs() -> None:
    log: list[int] = []
    task = spawn(log.append, 1)
    task.cancel()
    assert task.join()
    assert (log, task.cancelled()) == ([], True)


def test_task_cancels_itself() -> None:
    def goes_on() -> None:
        current = current_task()
        assert current
        current.cancel()
        sleep(0)

    def ends() -> None:
        current = current_task()
        assert current
        current.cancel()

    for func in (goes_on, ends):
        task = spawn(func)
        task.join()
        assert task.cancelled()


def test_cancel_twice_and_uncancel() -> None:
    log: list[int] = []

    def work() -> str:
        current = current_task()
        assert current
        for _ in range(2):
            try:
                sleep(10)
            except Cancelled:
                log.append(current.cancelling())
        log.append(current.uncancel())
        log.append(current.uncancel())
        log.append(current.uncancel())
        return "went on"

    task = spawn(work)
    settle()
    task.cancel()
    settle()
    task.cancel()
    assert task.result() == "went on"
    assert log == [1, 2, 1, 0, 0]


def test_uncancel_takes_back_what_was_not_yet_raised() -> None:
    def work() -> str:
        current = current_task()
        assert current
        current.cancel()
        current.uncancel()
        sleep(0)
        return "not cancelled"

    assert spawn(work).result() == "not cancelled"


def test_swallowed_cancellation_lets_the_task_go_on() -> None:
    def work() -> str:
        try:
            sleep(10)
        except Cancelled:
            pass
        sleep(0)
        return "result"

    task = spawn(work)
    settle()
    task.cancel()
    assert task.result() == "result"
    assert not task.cancelled()


def test_cancelling_the_one_who_waits_leaves_the_other_alone() -> None:
    gate = Event()
    other = spawn(gate.wait)
    waits = spawn(other.result)
    settle()
    waits.cancel()
    waits.join()
    assert waits.cancelled()
    gate.set()
    assert other.result() is True


def test_except_exception_does_not_see_it_and_greenlet_exit_counts() -> None:
    assert issubclass(Cancelled, GreenletExit)
    task = spawn(fail, GreenletExit())
    task.join()
    assert task.cancelled()
    with pytest.raises(Cancelled):
        task.result()


def test_cancel_in_the_very_iteration_of_the_timeout() -> None:
    task = spawn(sleep, 0)
    other = spawn(task.cancel)
    task.join()
    other.join()
    assert task.done()


# ---- what one task leaves to the next ----


def test_each_task_has_a_context_of_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("outer")

    def work(value: str) -> tuple[str, str]:
        before = variable.get()
        variable.set(value)
        sleep(0)
        return before, variable.get()

    tasks = [spawn(work, str(i)) for i in range(3)]
    assert [task.result() for task in tasks] == [("outer", str(i)) for i in range(3)]
    assert variable.get() == "outer"


def test_nothing_of_a_task_is_visible_to_the_next_on_its_greenlet() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("v")

    def first() -> greenlet:
        variable.set(1)
        try:
            raise ValueError
        except ValueError:
            pass
        return getcurrent()

    def second() -> tuple[greenlet, Any, Any]:
        return getcurrent(), variable.get(None), sys.exc_info()

    used = spawn(first).result()
    assert spawn(second).result() == (used, None, (None, None, None))
    assert spawn(first).greenlet is None
    while unfinished():
        sleep(0)


def test_current_task() -> None:
    assert current_task() is None
    task: Task[Any] = spawn(lambda: (current_task() is task, greenlet(current_task).switch() is task))
    assert task.result() == (True, True)


def test_a_crowd_leaves_a_bounded_pool() -> None:
    tasks = [spawn(sleep, 0) for _ in range(3000)]
    for task in tasks:
        task.join()
    assert 0 < get_hub()._pooled <= 1000
