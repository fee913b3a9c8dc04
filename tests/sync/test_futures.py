"""Futures of executors: their results, errors and ends; who cancels what; and what is left behind."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import signal
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest
from gi.repository import GLib

from gleenlet import Cancelled, UnsafeSwitchError, run, sleep, spawn, to_thread, wait_future
from gleenlet._sync import futures
from inside import settle


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        yield executor


class Foreign:
    """A future whose result and cancel are calls over a network: they may take their time."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], object]] = []
        self.asked_in: set[int] = set()
        self.cancelled = threading.Event()
        self.outcome: Callable[[], Any] = lambda: "result"

    def add_done_callback(self, func: Callable[[Any], object], /) -> None:
        self.callbacks.append(func)

    def end(self) -> None:
        for callback in self.callbacks:
            callback(self)

    def result(self) -> Any:
        self.asked_in.add(threading.get_ident())
        return self.outcome()

    def cancel(self) -> None:
        self.asked_in.add(threading.get_ident())
        self.cancelled.set()


def test_a_thread_pools_results_and_errors() -> None:
    with ThreadPoolExecutor() as threads:
        assert wait_future(threads.submit(pow, 2, 10)) == 1024
        with pytest.raises(ZeroDivisionError):
            run(wait_future, threads.submit(divmod, 1, 0))


def test_a_process_pools_results_and_errors(processes: ProcessPoolExecutor) -> None:
    assert wait_future(processes.submit(os.getpid)) != os.getpid()
    with pytest.raises(ValueError):
        wait_future(processes.submit(math.factorial, -1))


def test_a_process_that_dies_is_an_error() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(BrokenProcessPool):
            wait_future(executor.submit(signal.raise_signal, signal.SIGKILL))


def test_the_loop_runs_while_a_future_is_waited_for() -> None:
    log: list[object] = []

    def main() -> None:
        future: Future[str] = Future()
        task = spawn(lambda: log.append(wait_future(future)))
        sleep(0)
        log.append("meanwhile")
        threading.Thread(target=future.set_result, args=("ended",)).start()
        task.join()

    run(main)
    assert log == ["meanwhile", "ended"]


def test_a_future_that_has_ended_takes_no_wait() -> None:
    future: Future[int] = Future()
    future.set_result(1)
    GLib.idle_add(lambda: answers.append(wait_future(future)))  # where no wait is possible
    answers: list[int] = []
    settle()
    assert answers == [1]


def test_several_wait_for_one_future() -> None:
    future: Future[int] = Future()
    tasks = [spawn(wait_future, future) for _ in range(3)]
    sleep(0)
    future.set_result(1)
    assert [task.result() for task in tasks] == [1, 1, 1]


def test_a_cancelled_caller_cancels_the_future() -> None:
    future: Future[int] = Future()
    task = spawn(wait_future, future)
    sleep(0)
    task.cancel()
    task.join()
    assert task.cancelled()
    assert future.cancelled()


def test_a_timeout_leaves_the_future_alone() -> None:
    future: Future[int] = Future()
    with pytest.raises(TimeoutError):
        wait_future(future, timeout=0.001)
    assert not future.cancelled()
    future.set_result(1)
    assert wait_future(future, timeout=0.001) == 1


def test_where_waiting_is_refused_the_future_is_left_alone() -> None:
    future: Future[int] = Future()
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            wait_future(future)
        except UnsafeSwitchError as error:
            errors.append(error)

    GLib.idle_add(callback)
    settle()
    assert len(errors) == 1
    assert not future.cancelled()


def test_a_future_that_somebody_else_cancels_is_an_error() -> None:
    future: Future[int] = Future()
    task = spawn(wait_future, future)
    sleep(0)
    future.cancel()
    with pytest.raises(CancelledError):
        task.result()
    assert not task.cancelled()


def test_waits_leave_one_callback_behind_and_no_place() -> None:
    future: Future[int] = Future()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            wait_future(future, timeout=0)
    assert len(future._done_callbacks) == 1  # type: ignore[attr-defined]
    assert futures.watched_futures[id(future)].waiters == []
    gone = weakref.ref(future)
    del future
    assert gone() is None  # nobody keeps it


def test_who_ends_when_the_waiting_loop_has_ended_is_not_disturbed() -> None:
    future: Future[int] = Future()

    def other_loop() -> None:
        context = GLib.MainContext()
        context.push_thread_default()
        spawn(wait_future, future)
        run(sleep, 0)
        context.pop_thread_default()

    thread = threading.Thread(target=other_loop)
    thread.start()
    thread.join()
    future.set_result(1)
    assert wait_future(future) == 1


# ---- futures of others ----


def test_the_result_of_a_foreign_future_is_asked_for_in_a_thread() -> None:
    future = Foreign()
    task = spawn(wait_future, future)
    sleep(0)
    assert not task.done()
    threading.Thread(target=future.end).start()
    assert task.result() == "result"
    assert threading.get_ident() not in future.asked_in


def test_a_foreign_futures_end_and_result_have_one_timeout() -> None:
    future = Foreign()
    gate = threading.Event()
    future.outcome = gate.wait
    task = spawn(wait_future, future, timeout=0.01)
    sleep(0)
    future.end()
    with pytest.raises(TimeoutError):
        task.result()
    assert not future.cancelled.is_set()
    gate.set()


def test_a_foreign_future_is_cancelled_in_a_thread() -> None:
    future = Foreign()
    task = spawn(wait_future, future)
    sleep(0)
    task.cancel()
    task.join()
    assert task.cancelled()
    to_thread(future.cancelled.wait)
    assert threading.get_ident() not in future.asked_in


def test_a_foreign_future_without_cancel_is_left_alone() -> None:
    class Plain:
        add_done_callback = staticmethod(lambda func: None)
        result = staticmethod(lambda: None)

    task = spawn(wait_future, Plain())
    sleep(0)
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()


def test_what_is_no_such_future_is_refused() -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(TypeError, match=r"of asyncio's: use gleenlet.asyncio.await_\(future\)"):
        wait_future(loop.create_future())
    loop.close()
    with pytest.raises(TypeError, match=r"is a task: its result\(\) waits"):
        wait_future(spawn(int))
    with pytest.raises(TypeError, match=r"needs a future, with add_done_callback\(\) and result\(\), not int"):
        wait_future(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not -1"):
        wait_future(Future(), timeout=-1)


# ---- to_thread with an executor ----


def test_to_thread_uses_the_threads_of_an_executor() -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="database") as one:
        assert to_thread(lambda: threading.current_thread().name, executor=one).startswith("database")
        # Everything on the one thread that made it, as SQLite wants it.
        connection = to_thread(sqlite3.connect, ":memory:", executor=one)
        assert to_thread(lambda: connection.execute("select 1 + ?", (2,)).fetchone(), executor=one) == (3,)
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("select 1")
        to_thread(connection.close, executor=one)


def test_to_thread_refuses_processes(processes: ProcessPoolExecutor) -> None:
    with pytest.raises(TypeError, match=r"threads: write wait_future\(executor.submit\(func\)\)"):
        to_thread(int, executor=processes)


# ---- futures of every kind ----


class Slotted:
    """It takes no weak reference."""

    __slots__ = ("callbacks",)

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], object]] = []

    def add_done_callback(self, func: Callable[[Any], object], /) -> None:
        self.callbacks.append(func)

    def result(self) -> str:
        return "result"


class AllEqual(Foreign):
    """All are equal, and none has a hash."""

    def __eq__(self, _: object) -> bool:
        return True


class FailsOnce(Foreign):
    """Its first callback cannot be added."""

    def add_done_callback(self, func: Callable[[Any], object], /) -> None:
        if not self.asked_in:
            self.asked_in.add(0)
            raise ConnectionError("not connected")
        func(self)


def test_a_future_without_weak_references() -> None:
    future = Slotted()
    tasks = [spawn(wait_future, future) for _ in range(2)]
    settle()
    assert len(future.callbacks) == 2

    for callback in future.callbacks:
        callback(future)

    assert [task.result() for task in tasks] == ["result", "result"]


def test_equal_futures_are_not_the_same() -> None:
    first, second = AllEqual(), AllEqual()
    tasks = [spawn(wait_future, first), spawn(wait_future, second)]
    settle()

    second.end()

    assert tasks[1].result() == "result"
    assert not tasks[0].done()
    first.end()
    assert tasks[0].result() == "result"


def test_a_future_that_could_not_be_watched_is_watched_by_the_next_wait() -> None:
    future = FailsOnce()
    with pytest.raises(ConnectionError, match="not connected"):
        wait_future(future)

    assert wait_future(future) == "result"


def test_a_future_that_has_gone_is_known_no_more() -> None:
    future = Future[None]()
    future.set_result(None)
    before = len(futures.watched_futures)
    wait_future(future)
    assert len(futures.watched_futures) == before + 1

    del future

    assert len(futures.watched_futures) == before
