"""Tasks: results, failures, cancellation, contexts, green functions, callbacks, run and Ctrl-C."""

from __future__ import annotations

import contextvars
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import GLib, GObject
from greenlet import GreenletExit, getcurrent, greenlet

from child import run_script
from gleenlet import (
    Cancelled,
    GleenletError,
    Task,
    UnsafeSwitchError,
    callback,
    current_task,
    get_hub,
    green,
    run,
    sleep,
    spawn,
)
from gleenlet._core import Waiter

older: set[Task[Any]] = set()  # what other tests keep running: asyncio's background loop, say


def unfinished() -> list[Task[Any]]:
    return [task for task in get_hub().tasks() if task not in older]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    older.clear()
    older.update(get_hub().tasks())
    yield
    assert unfinished() == []


class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)
    __gsignals__ = {"close-request": (GObject.SignalFlags.RUN_LAST, bool, ())}  # noqa: RUF012


def fail(error: BaseException) -> None:
    raise error


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


def test_names() -> None:
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
    task = spawn(fail, ValueError("lonely"), name="unlucky")
    sleep(0)
    err = capsys.readouterr().err
    assert "ValueError: lonely" in err
    assert "unlucky" in err
    assert "Traceback" in err
    assert task.done()


def test_waiting_in_vain() -> None:
    task = spawn(sleep, 10)
    assert not task.join(timeout=0.001)
    for wait in (task.result, task.exception):
        with pytest.raises(TimeoutError, match="has not ended within"):
            wait(timeout=0)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError):
            task.join(bad)
    assert task._callbacks == []
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
    sleep(0)
    task.add_done_callback(log.append)
    assert log == [task]
    sleep(0)
    assert log == [task, task]
    with pytest.raises(TypeError):
        task.add_done_callback(3)  # type: ignore[arg-type]


def test_done_callback_counts_as_waiting_for_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[BaseException | None] = []
    spawn(fail, ValueError()).add_done_callback(lambda task: seen.append(task.exception()))
    sleep(0)
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
    sleep(0)
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
    sleep(0)
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
    sleep(0)
    task.cancel()
    sleep(0)
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
    sleep(0)
    task.cancel()
    assert task.result() == "result"
    assert not task.cancelled()


def test_cancelling_the_one_who_waits_leaves_the_other_alone() -> None:
    other = spawn(lambda: sleep(0.005) or "other")
    waits = spawn(other.result)
    sleep(0)
    waits.cancel()
    waits.join()
    assert waits.cancelled()
    assert other.result() == "other"


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


# ---- green ----


def test_green_handler_may_wait_and_answers_at_once() -> None:
    log: list[str] = []

    @green(returns=True, priority=GLib.PRIORITY_LOW)
    def on_close(_: Counter) -> None:
        sleep(0)
        log.append("closed")
        current = current_task()
        assert current
        log.append(str(current.priority))

    counter = Counter()
    counter.connect("close-request", on_close)
    assert counter.emit("close-request") is True
    assert log == []
    while unfinished():
        sleep(0)
    assert log == ["closed", "300"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("parallel", ["start 0", "start 1", "start 2", "end 0", "end 1", "end 2"]),
        ("drop", ["start 0", "end 0"]),
        ("queue", ["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]),
        ("restart", ["start 0", "cancelled 0", "start 2", "end 2"]),
    ],
)
def test_when_busy(policy: Any, expected: list[str]) -> None:
    log: list[str] = []

    @green(when_busy=policy)
    def work(i: int) -> None:
        log.append(f"start {i}")
        try:
            sleep(0.005)
        except Cancelled:
            log.append(f"cancelled {i}")
            raise
        log.append(f"end {i}")

    work(0)
    sleep(0)
    work(1)
    work(2)
    while unfinished():
        sleep(0.001)
    sleep(0)
    assert log == expected


def test_methods_are_busy_for_each_object_apart() -> None:
    class Thing:
        def __init__(self) -> None:
            self.count = 0

        @green(when_busy="drop")
        def work(self) -> None:
            self.count += 1
            sleep(0.001)

    one, other = Thing(), Thing()
    for thing in (one, one, other):
        thing.work()
    while unfinished():
        sleep(0.001)
    sleep(0)
    assert (one.count, other.count) == (1, 1)


def test_failure_of_a_green_function_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    for policy in ("parallel", "queue"):
        green(when_busy=policy)(fail)(ValueError("green"))
        while unfinished():
            sleep(0)
        sleep(0)
        assert "ValueError: green" in capsys.readouterr().err


def test_green_refuses_bad_use() -> None:
    with pytest.raises(ValueError, match="when_busy must be"):
        green(when_busy="sometimes")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="function"):
        green(3)  # type: ignore[call-overload]


# ---- callback ----


def test_callback_gives_a_bool_or_false() -> None:
    log: list[str] = []

    def waits() -> bool:
        log.append("at once")
        sleep(0)
        log.append("later")
        return True

    assert [callback(lambda v=v: v)() for v in ((), (1,), None, 1, "")] == [False, True, False, True, False]
    assert callback(waits)() is False
    assert log == ["at once"]
    while unfinished():
        sleep(0)
    assert log == ["at once", "later"]


def test_callback_reports_errors(capsys: pytest.CaptureFixture[str]) -> None:
    class NoBool:
        def __bool__(self) -> bool:
            raise ArithmeticError

    assert callback(lambda: 1 / 0)() is False
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert callback(NoBool)() is False
    assert "ArithmeticError" in capsys.readouterr().err
    with pytest.raises(TypeError):
        callback(3)  # type: ignore[arg-type]


def test_callback_inside_an_emission_and_inside_a_task() -> None:
    log: list[str] = []

    def on_notify(counter: Counter, _: object) -> None:
        log.append(f"start {counter.value}")
        sleep(0)
        log.append(f"end {counter.value}")

    counter = Counter()
    counter.connect("notify::value", callback(on_notify))
    counter.value = 1
    assert log == ["start 1"]
    while unfinished():
        sleep(0)
    seen = spawn(lambda: (setattr(counter, "value", 2), list(log))).result()[1]
    assert seen == ["start 1", "end 1"]  # on a task's stack: queued
    while unfinished():
        sleep(0)
    assert log == ["start 1", "end 1", "start 2", "end 2"]


def test_task_is_started_once() -> None:
    task: Task[None] = Task(print, (), {}, 0, None, False)
    task._start()
    with pytest.raises(GleenletError, match="started before"):
        task._start()


# ---- run ----


def test_run_returns_and_raises() -> None:
    assert run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        run(sys.exit, 3)


def test_run_in_a_running_loop_is_refused() -> None:
    with pytest.raises(GleenletError, match=r"spawn\(\)"):
        run(run, print)
    errors: list[BaseException] = []

    def idle() -> None:
        try:
            run(print)
        except GleenletError as error:
            errors.append(error)

    GLib.idle_add(idle)
    sleep(0)
    assert len(errors) == 1


def test_exit_in_another_task_ends_run() -> None:
    def main() -> None:
        spawn(sys.exit, 3)
        sleep(10)

    with pytest.raises(SystemExit):
        run(main)
    sleep(0)


def test_exit_in_a_task_under_an_application_ends_the_program() -> None:
    outcome = run_script(
        "import sys\nfrom gi.repository import GLib\nfrom gleenlet import *\n"
        "spawn(sys.exit, 3)\nGLib.timeout_add(5000, print, 'still here')\nGLib.MainLoop().run()"
    )
    assert (outcome.status, outcome.stdout) == (3, ""), outcome


CTRL_C = """
import os, signal, sys
from gleenlet import *

def main():
    try:
        print("ready", flush=True)
        sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        raise
    finally:
        sleep(0.001)
        print("finally", flush=True)

try:
    run(main)
except KeyboardInterrupt:
    restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("raised", restored, get_hub().tasks(), flush=True)
"""


def test_ctrl_c_ends_run_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "interrupted\nfinally\nraised True []\n")


def test_ctrl_c_while_main_computes_and_twice() -> None:
    def computes() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass
        pytest.fail("not interrupted")

    with pytest.raises(KeyboardInterrupt):
        run(computes)

    def stubborn() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(stubborn)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_another_task_goes_to_main() -> None:
    log: list[str] = []

    def other() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sleep(0)
        log.append("other went on")

    def main() -> None:
        task = spawn(other)
        try:
            sleep(10)
        except KeyboardInterrupt:
            log.append("main interrupted")
            task.join()
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert log == ["main interrupted", "other went on"]


def test_somebody_elses_handler_is_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        run(lambda: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_error_in_the_driver_cancels_main() -> None:
    def main() -> None:
        try:
            sleep(10)
        finally:
            log.append("ended")

    log: list[str] = []
    get_hub().call_later(0.001, sys.exit, 1)
    with pytest.raises(SystemExit):
        run(main)
    sleep(0)
    assert log == ["ended"]


def test_unsafe_switch_error_is_a_runtime_error_naming_itself() -> None:
    assert UnsafeSwitchError.__module__ == "gleenlet"
    waiter = Waiter()
    waiter.throw(UnsafeSwitchError)
    with pytest.raises(RuntimeError):
        waiter.wait()
