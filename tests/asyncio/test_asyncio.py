"""asyncio's loop in a task: run and EventLoop, several loops at once, all that asyncio has, and GLib callbacks."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from gi.repository import GLib

from coroutines import FOREVER, Forever, answer, fail, in_glib_callback, running_loop
from gleenlet import Cancelled, Event, UnsafeSwitchError, sleep, spawn
from gleenlet.asyncio import EventLoop, await_, run, to_task

pytestmark = pytest.mark.usefixtures("no_background_loop")


def test_run_works_in_a_task_and_at_top_level() -> None:
    assert run(answer()) == 42
    assert spawn(run, answer(1)).result() == 1
    with pytest.raises(LookupError, match="in a coroutine"):
        run(fail())


def test_asyncio_runner_takes_the_loop_as_its_factory() -> None:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        assert runner.run(answer()) == 42
        assert isinstance(runner.get_loop(), EventLoop)
    if sys.version_info >= (3, 12):
        assert asyncio.run(answer(), loop_factory=EventLoop) == 42


def test_tasks_and_glib_go_on_while_a_coroutine_sleeps() -> None:
    log: list[str] = []

    async def main() -> None:
        log.append("asyncio")
        while len(log) < 3:
            await asyncio.sleep(0.001)
        log.append("asyncio again")

    def task() -> None:
        sleep(0)
        log.append("task")

    GLib.idle_add(lambda: log.append("glib"))
    spawn(task)
    run(main())
    assert log[-1] == "asyncio again"
    assert sorted(log[:-1]) == ["asyncio", "glib", "task"]


def test_busy_coroutines_leave_glib_its_turns() -> None:
    turns: list[int] = []
    GLib.timeout_add(1, lambda: turns.append(1) or len(turns) < 3)

    async def busy() -> None:
        while len(turns) < 3:
            await asyncio.sleep(0)

    run(busy())
    assert len(turns) == 3


def test_cancelling_the_task_that_runs_a_loop_cancels_its_coroutine() -> None:
    work = Forever()
    task = spawn(run, work())
    work.started.wait()
    task.cancel("reason")
    with pytest.raises(Cancelled, match="reason"):
        task.result()
    assert work.log == ["started", "cancelled reason", "cleaned up"]


def test_a_coroutine_may_refuse_that_its_loops_task_is_cancelled() -> None:
    started = Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            pass
        return "no"

    task = spawn(run, stubborn())
    started.wait()
    task.cancel()
    assert task.result() == "no"


def test_a_loop_has_no_more_attributes_than_cpython_caches() -> None:
    # SHARED_KEYS_MAX_SIZE in CPython's pycore_dict.h: beyond it each use of an attribute is slower, yields by a tenth.
    loop = EventLoop()
    assert len({*vars(loop), "call_at", "call_soon"}) <= 30
    loop.close()


# ---- several loops ----


def test_two_tasks_run_loops_of_their_own_at_once() -> None:
    inside: dict[str, object] = {}

    async def main(name: str, other: str) -> None:
        loop = inside[name] = asyncio.get_running_loop()
        while other not in inside:
            await asyncio.sleep(0.001)
        for _ in range(3):
            await asyncio.sleep(0.001)
            assert asyncio.get_running_loop() is loop
            assert asyncio.current_task(loop) in asyncio.all_tasks()

    def in_between() -> None:
        while not all(task.done() for task in tasks):
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            sleep(0)

    tasks = [spawn(run, main("a", "b")), spawn(run, main("b", "a"))]
    spawn(in_between).result()
    for task in tasks:
        task.result()
    assert inside["a"] is not inside["b"]


def test_a_glib_callback_sees_the_first_loop_that_still_runs() -> None:
    go, other_go = Event(), Event()

    async def main(go: Event) -> object:
        await to_task(go.wait)
        return asyncio.get_running_loop()

    def loop_of_callbacks() -> Any:
        return in_glib_callback(asyncio.get_running_loop)

    one, other = spawn(run, main(go)), spawn(run, main(other_go))
    first = loop_of_callbacks()
    go.set()
    assert one.result() is first
    second = loop_of_callbacks()
    other_go.set()
    assert other.result() is second
    assert isinstance(loop_of_callbacks(), RuntimeError)


def test_each_loop_shuts_its_own_asynchronous_generators_down() -> None:
    closed: list[str] = []
    outer = sys.get_asyncgen_hooks()
    go = Event()

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(name)

    async def main(name: str, wait: Callable[[], object]) -> None:
        await asyncio.sleep(0.001)
        generator = numbers(name)
        assert await anext(generator) == 1
        await to_task(wait)
        keep.append(generator)

    keep: list[Any] = []
    tasks = [spawn(run, main("short", bool)), spawn(run, main("long", go.wait))]
    tasks[0].result()
    assert closed == ["short"]
    go.set()
    tasks[1].result()
    assert closed == ["short", "long"]
    assert sys.get_asyncgen_hooks() == outer


def test_a_loop_in_another_thread_has_a_context_of_its_own() -> None:
    results: list[Any] = []

    def work() -> None:
        results.append(run(answer()))
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            results.append(runner.run(answer(2)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [42, 2]


# ---- as in asyncio ----


def test_call_soon_threadsafe_wakes_the_loop() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        threading.Timer(0.01, loop.call_soon_threadsafe, (future.set_result, 7)).start()
        return await future

    assert run(main()) == 7


def test_executor_reader_and_subprocess_work_as_in_asyncio() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, threading.get_ident) != threading.get_ident()
        assert await asyncio.to_thread(sum, (1, 2)) == 3
        one, other = socket.socketpair()
        with one, other:
            readable = asyncio.Event()
            loop.add_reader(other, readable.set)
            one.send(b"x")
            await readable.wait()
            loop.remove_reader(other)
        child = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()
        assert output == b"hello\n"
        assert child.returncode == 0

    run(main())


def test_debug_mode_reports_slow_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0.001
        assert asyncio.get_running_loop().get_debug()
        threading.Event().wait(0.005)

    with caplog.at_level(logging.WARNING, "asyncio"):
        run(main(), debug=True)
    assert "took" in caplog.text


# ---- plain GLib callbacks ----


def test_a_loop_in_a_glib_callback_is_a_clear_error(caplog: pytest.LogCaptureFixture) -> None:
    def with_run() -> None:
        run(answer())

    def with_a_runner() -> None:
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(answer())

    def with_a_loop() -> None:
        loop = EventLoop()
        try:
            loop.run_forever()
        finally:
            loop.close()

    for attempt, name in ((with_run, "run"), (with_a_runner, "run_forever"), (with_a_loop, "run_forever")):
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            error = in_glib_callback(attempt)
            gc.collect()
        assert isinstance(error, UnsafeSwitchError)
        assert f"{name}() in a callback of the main loop" in str(error)
        assert noted == []
    assert caplog.text == ""
    assert run(answer()) == 42


def test_a_glib_callback_may_create_tasks_and_call_soon() -> None:
    log: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        async def created() -> None:
            log.append("created")

        def later() -> None:
            log.append("later")
            done.set()

        def callback() -> None:
            loop.call_soon(log.append, "soon")
            asyncio.create_task(created()).add_done_callback(lambda _: log.append("ended"))
            loop.call_later(0.001, later)

        GLib.idle_add(callback)
        await done.wait()

    run(main())
    assert log == ["soon", "created", "ended", "later"]


@pytest.mark.parametrize("until_then", [FOREVER, None])
def test_a_glib_callback_may_set_a_timer_that_is_due_before_all_others(until_then: float | None) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        GLib.idle_add(lambda: (loop.call_later(0.001, done.set), False)[1])
        if until_then is not None:
            loop.call_later(until_then, bool)
        await done.wait()

    run(main())


def test_what_a_glib_callback_starts_runs_in_the_loops_next_iteration() -> None:
    seen: list[list[str]] = []
    log: list[str] = []

    async def created() -> None:
        log.append("created")

    def callback(done: asyncio.Event) -> None:
        # Lower than all that is ready now: the first turn of GLib's loop that has nothing better to do.
        source: Any = GLib.idle_source_new()
        source.set_priority(GLib.PRIORITY_LOW)
        source.set_callback(lambda *_: (seen.append([*log]), done.set())[1])
        source.attach()
        asyncio.create_task(created())  # noqa: RUF006  it ends at once

    async def main() -> None:
        done = asyncio.Event()
        GLib.idle_add(callback, done)
        await done.wait()

    run(main())
    assert seen == [["created"]]


def test_a_glib_callback_sees_the_background_loop_before_any_other() -> None:
    work = Forever()
    task = spawn(run, work())
    work.started.wait()
    background = await_(running_loop())
    assert in_glib_callback(asyncio.get_running_loop) is background
    task.cancel()
    task.join()
    assert in_glib_callback(asyncio.get_running_loop) is background


def test_stop_from_a_glib_callback_ends_run_forever() -> None:
    loop = EventLoop()
    GLib.idle_add(loop.stop)
    loop.run_forever()
    loop.close()
