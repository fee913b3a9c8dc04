"""Threads: what goes out to one and comes back, and what a thread brings in."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import weakref
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from typing import cast

import pytest
from gi.repository import GLib

from child import in_child
from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Task,
    current_task,
    from_thread,
    get_hub,
    run,
    sleep,
    spawn,
    timeout,
    to_thread,
)
from gleenlet._core import Waiter
from gleenlet._sync import daemons
from gleenlet._sync.work import Work
from inside import FOREVER, settle

Errors = list[BaseException | None]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Errors:
    """The exceptions that nobody waited for."""
    errors: Errors = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _traceback: errors.append(error))
    return errors


def boom() -> None:
    raise ZeroDivisionError("boom")


class Gate:
    """A function for a thread that waits there until the test lets it go on."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()
        self.error = error

    def __call__(self) -> str:
        self.entered.set()
        self.open.wait()
        self.left.set()
        if self.error is not None:
            raise self.error
        return "through"

    def wait_until_entered(self) -> None:
        while not self.entered.is_set():
            sleep(0.001)


def wait_for(errors: Errors) -> None:
    while not errors:
        sleep(0.001)


# ---- to_thread ----


def test_to_thread_runs_elsewhere_and_gives_the_result_or_the_exception() -> None:
    assert to_thread(threading.get_ident) != threading.get_ident()
    assert to_thread(int, "ff", base=16) == 255
    with pytest.raises(ZeroDivisionError, match="boom"):
        to_thread(boom)


def test_loop_goes_on_meanwhile() -> None:
    gate = Gate()
    task = spawn(to_thread, gate)
    gate.wait_until_entered()
    assert spawn(int).result() == 0
    gate.open.set()
    assert task.result() == "through"


def test_to_thread_sees_the_callers_context_variables_and_keeps_its_own_changes() -> None:
    def change() -> str:
        before = variable.get()
        variable.set("thread's")
        return before

    def main() -> tuple[str, str]:
        variable.set("task's")
        return to_thread(change), variable.get()

    assert run(main) == ("task's", "task's")


def test_cancelled_caller_goes_at_once_and_the_result_is_dropped(
    reported: Errors,
) -> None:
    gate = Gate()
    task = spawn(to_thread, gate)
    gate.wait_until_entered()
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert not gate.left.is_set()
    gate.open.set()
    to_thread(gate.left.wait)
    sleep(0.001)
    assert reported == []


def test_exception_of_a_thread_whose_caller_has_gone_is_reported(
    reported: Errors,
) -> None:
    error = ValueError("late")
    gate = Gate(error)
    task = spawn(to_thread, gate)
    gate.wait_until_entered()
    task.cancel()
    task.join()
    assert reported == []
    gate.open.set()
    wait_for(reported)
    assert reported == [error]


def test_nor_is_a_cancellation_of_what_it_had_run_in_the_loop(reported: Errors) -> None:
    started, gone, tasks = Event(), threading.Event(), list[Task[None]]()

    def forever() -> None:
        tasks.append(cast("Task[None]", current_task()))
        started.set()
        sleep(1e6)

    def elsewhere() -> None:
        try:
            from_thread(forever)
        finally:
            gone.set()

    caller = spawn(to_thread, elsewhere)
    started.wait()
    caller.cancel()
    caller.join()
    tasks[0].cancel()
    to_thread(gone.wait)
    settle()
    to_thread(int)
    settle()
    assert reported == []


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_caller_cancelled_when_the_thread_has_just_ended(error: BaseException | None, reported: Errors) -> None:
    gate = Gate(error)
    task = spawn(to_thread, gate)
    gate.wait_until_entered()
    settle()
    gate.open.set()
    while not GLib.MainContext.default().pending():
        time.sleep(0.001)  # until the outcome is queued; nothing else is
    get_hub().call_soon(task.cancel)  # when it has woken the task, and before that runs
    task.join()
    assert task.cancelled()
    assert reported == ([] if error is None else [error])


def test_thread_may_outlive_the_hub_that_sent_it(
    reported: Errors, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "_pool", daemons.Pool())
    gate = Gate()

    def thread() -> None:
        context = GLib.MainContext()
        context.push_thread_default()
        try:
            run(lambda: (spawn(to_thread, gate), sleep(0)))
            gate.wait_until_entered()
            get_hub()._close()
        finally:
            context.pop_thread_default()

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    gate.open.set()
    while True not in daemons._pool.free:  # until the thread has nothing to do
        time.sleep(0.001)
    assert reported == []
    assert caplog.records == []


def test_what_has_not_begun_is_called_off() -> None:
    gates = [Gate() for _ in range(daemons.MAX_THREADS)]
    tasks = [spawn(to_thread, gate) for gate in gates]
    for gate in gates:
        gate.wait_until_entered()
    extra = Gate()
    task = spawn(to_thread, extra)
    settle()
    task.cancel()
    task.join()
    for gate in gates:
        gate.open.set()
    for other in tasks:
        assert other.result() == "through"
    assert to_thread(int) == 0
    assert not extra.entered.is_set()  # and no more threads than MAX_THREADS ran


def test_to_thread_under_a_timeout() -> None:
    gate = Gate()

    def main() -> None:
        with timeout(0.001):
            to_thread(gate)

    with pytest.raises(TimeoutError):
        run(main)
    gate.open.set()


# ---- from_thread ----


def test_from_thread_runs_a_task_on_the_loops_thread() -> None:
    def on_the_loop(number: int, *, more: int) -> tuple[int, bool, int]:
        sleep(0)
        return threading.get_ident(), current_task() is not None, number + more

    assert to_thread(lambda: from_thread(on_the_loop, 1, more=2)) == (threading.get_ident(), True, 3)


def test_from_thread_gives_the_exception_to_the_thread(reported: Errors) -> None:
    def thread() -> str:
        try:
            from_thread(boom)
        except ZeroDivisionError as error:
            return str(error)
        return "no error"

    assert to_thread(thread) == "boom"
    with pytest.raises(TypeError):
        to_thread(lambda: from_thread(3))  # type: ignore[arg-type,call-overload]
    settle()
    assert reported == []


def test_from_thread_sees_the_threads_context_variables() -> None:
    def thread() -> str:
        variable.set("thread's")
        return from_thread(variable.get)

    assert to_thread(thread) == "thread's"


def test_any_thread_may_enter_the_default_loop() -> None:
    results: list[int] = []
    worker = threading.Thread(target=lambda: results.append(from_thread(threading.get_ident)))
    worker.start()
    while not results:
        sleep(0.001)
    worker.join()
    assert results == [threading.get_ident()]


def test_thread_comes_back_to_the_loop_that_sent_it() -> None:
    def other_loop() -> bool:
        context = GLib.MainContext()
        context.push_thread_default()
        try:
            me = threading.get_ident()
            return run(lambda: to_thread(from_thread, threading.get_ident) == me)
        finally:
            context.pop_thread_default()

    results: list[bool] = []
    worker = threading.Thread(target=lambda: results.append(other_loop()))
    worker.start()
    worker.join()
    assert results == [True]


def test_from_thread_on_the_loops_own_thread_is_refused() -> None:
    with pytest.raises(GleenletError, match="own thread"):
        from_thread(int)
    with pytest.raises(RuntimeError, match="own thread"):
        run(from_thread, int)
    with pytest.raises(GleenletError, match="own thread"):
        to_thread(lambda: from_thread(from_thread, int))


def test_wait_of_a_thread_ends_when_its_task_is_cancelled() -> None:
    started = Event()

    def forever() -> None:
        tasks.append(current_task())
        started.set()
        sleep(1e6)

    tasks: list[object] = []
    task = spawn(to_thread, from_thread, forever)
    started.wait()
    tasks[0].cancel()  # type: ignore[attr-defined]
    with pytest.raises(Cancelled):
        task.result()


@in_child(says="the end")
@pytest.mark.parametrize("what", ["sleeps", "waits for the loop", "spins"])
def test_the_programs_end_waits_for_no_thread(what: str) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        while True:
            if what == "sleeps":
                time.sleep(1000)
            elif what == "waits for the loop":
                from_thread(sleep, 1000)

    def main() -> None:
        task = spawn(to_thread, work)
        while not begun.is_set():
            sleep(0.001)
        task.cancel()
        task.join()

    run(main)
    print("the end")


def test_the_pool_reuses_its_threads_and_keeps_nothing_of_what_they_ran() -> None:
    class Thing:
        pass

    def main() -> set[int]:
        seen = set()
        for _ in range(20):
            seen.add(to_thread(threading.get_ident))
        return seen

    assert len(run(main)) < 20
    thing = Thing()
    reference = weakref.ref(thing)
    assert run(to_thread, lambda one: one, thing) is thing
    del thing
    while reference() is not None:  # the thread lets go of it a little after it has told
        time.sleep(0.001)


@in_child()
def test_its_threads_are_daemons_with_names_that_debuggers_and_profilers_see() -> None:
    seen: list[str] = []
    threading.settrace(lambda frame, event, _: seen.append(f"{event} of {frame.f_code.co_name}"))
    threading.setprofile(lambda frame, event, _: seen.append(f"profiled {event} of {frame.f_code.co_name}"))

    def who() -> threading.Thread:
        return threading.current_thread()

    thread = run(to_thread, who)
    assert thread.name == "gleenlet_0"
    assert thread.daemon
    assert thread in threading.enumerate()
    assert {"call of who", "profiled call of who"} <= set(seen)


def test_a_thread_that_cannot_be_started_is_an_error_and_nothing_is_done_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    ran: list[int] = []
    monkeypatch.setattr(daemons, "_pool", daemons.Pool())
    monkeypatch.setattr(daemons, "native_start", lambda: no_thread)
    with pytest.raises(RuntimeError, match="can't start"):
        to_thread(ran.append, 1)
    monkeypatch.undo()
    to_thread(ran.append, 2)
    assert ran == [2]


@in_child(says="done", warns="...MemoryError...")
def test_what_fails_in_a_thread_of_the_pool_is_printed_and_does_not_end_it() -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    daemons.begin = no_memory
    pool = daemons.Pool()
    pool.free.extend([True, True])  # both go to this one, which is started so that coverage sees it
    threading.Thread(target=pool.serve, daemon=True).start()
    gone = Waiter(0)
    with pytest.raises(TimeoutError):
        gone.wait()
    pool.give(Work(boom, gone, no_memory))  # nobody waits, and to tell of that fails
    work = Work(lambda: print("done"), Waiter(), no_memory)
    pool.give(work)
    work.wait()
    while True not in pool.free:  # until it has nothing to do
        time.sleep(0.001)


def test_a_failure_in_an_executors_thread_is_raised_and_keeps_nothing_alive() -> None:
    class Thing:
        pass

    def fail(thing: Thing) -> None:
        raise ZeroDivisionError

    thing = Thing()
    reference = weakref.ref(thing)
    with ThreadPoolExecutor(1) as one, pytest.raises(ZeroDivisionError):
        to_thread(fail, thing, executor=one)
    with pytest.raises(ZeroDivisionError):
        to_thread(fail, thing)
    del thing
    while reference() is not None:
        time.sleep(0.001)


def test_what_an_executor_itself_raises_reaches_the_caller() -> None:
    def initialize() -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1, initializer=initialize) as one, pytest.raises(BrokenExecutor):
        to_thread(int, executor=one)


def test_an_executor_that_calls_off_what_has_not_begun() -> None:
    begun, release = threading.Event(), threading.Event()
    one = ThreadPoolExecutor(1)
    runs = spawn(to_thread, lambda: (begun.set(), release.wait()), executor=one)
    stands = spawn(to_thread, pow, 2, 10, executor=one)
    to_thread(begun.wait)

    one.shutdown(wait=False, cancel_futures=True)
    release.set()

    runs.result()
    with pytest.raises(CancelledError):
        stands.result(FOREVER)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(TypeError, match="needs an executor with submit"):
        to_thread(pow, 2, 10, executor=4)  # type: ignore[arg-type]
