"""await_: a coroutine's result in a task, cancellation both ways, the background loop, context and tracebacks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject
from greenlet import getcurrent

import gleenlet
from child import in_child
from coroutines import FOREVER, Forever, after_a_while, answer, fail, in_glib_callback, running_loop
from gleenlet import Cancelled, Event, Task, TaskGroup, UnsafeSwitchError, get_hub, sleep, spawn, timeout
from gleenlet.asyncio import await_, run, stop, to_task
from inside import in_task

pytestmark = pytest.mark.usefixtures("no_background_loop")


async def at_once(value: Any = None) -> Any:
    return value


@in_task
def test_await_takes_coroutines_futures_and_any_awaitable() -> None:
    class Awaitable:
        def __await__(self) -> Any:
            return answer("awaitable").__await__()

    async def start() -> tuple[asyncio.Task[Any]]:
        return (asyncio.ensure_future(answer("future")),)

    assert await_(answer()) == 42
    assert await_(at_once(7)) == 7
    (future,) = await_(start())
    assert await_(future) == "future"
    assert await_(future) == "future"  # done
    assert await_(Awaitable()) == "awaitable"
    assert await_(spawn(after_a_while)) == "task"
    with pytest.raises(LookupError):
        await_(fail())


def test_await_at_top_level_drives_the_loop() -> None:
    assert await_(answer()) == 42


@pytest.mark.parametrize("coroutine", [answer, at_once])
def test_await_in_a_glib_callback_is_a_clear_error(coroutine: Any) -> None:
    await_(answer())
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        error = in_glib_callback(lambda: await_(coroutine()))
        await_(answer())
        gc.collect()
    assert isinstance(error, UnsafeSwitchError)
    assert "await_() in a callback of the main loop" in str(error)
    assert noted == []  # the coroutine was closed


@in_task
def test_await_in_a_signal_handler_is_a_clear_error() -> None:
    store = Gio.ListStore.new(GObject.Object)
    errors: list[UnsafeSwitchError] = []

    def handler(*_: object) -> None:
        with pytest.raises(UnsafeSwitchError) as caught:
            await_(answer())
        errors.append(caught.value)

    store.connect("items-changed", handler)
    store.append(GObject.Object())
    assert "green(" in str(errors[0])


@in_task
def test_a_coroutine_is_asyncios_own_task() -> None:
    async def look() -> asyncio.AbstractEventLoop:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        assert task.get_loop() is loop
        assert task in asyncio.all_tasks()
        return loop

    loop = await_(look())
    assert not {task for task in asyncio.all_tasks(loop) if not task.done()}
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.current_task()


@in_task
def test_a_coroutine_has_one_greenlet_for_all_its_steps() -> None:
    # Libraries remember the greenlet of the first step (SQLAlchemy's greenlet_spawn) and switch there later.
    async def steps() -> set[object]:
        seen: set[object] = {getcurrent()}
        for _ in range(3):
            await asyncio.sleep(0)
            seen.add(getcurrent())
        return seen

    for _ in range(2):  # the first one starts the loop
        (one,) = await_(steps())
        assert one is not getcurrent()


@in_task
def test_coroutines_start_in_the_order_of_all_that_the_loop_was_given() -> None:
    log: list[str] = []

    async def note(name: str) -> None:
        log.append(name)

    loop: Any = await_(running_loop())
    loop.call_soon(log.append, "soon")
    tasks = [spawn(await_, note(name)) for name in ("a", "b")]
    await_(note("first"))
    for task in tasks:
        task.result()
    assert log == ["soon", "first", "a", "b"]


@in_task
def test_await_follows_the_loops_task_factory() -> None:
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop: Any = await_(running_loop())
    loop.set_task_factory(factory)
    coroutine = answer()
    assert await_(coroutine) == 42
    assert made == [coroutine]
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
        assert await_(at_once(7)) == 7
        assert await_(answer()) == 42


@in_task
def test_await_in_debug_mode_reports_slow_steps(caplog: pytest.LogCaptureFixture) -> None:
    async def slow() -> None:
        time.sleep(0.002)

    loop: Any = await_(running_loop())
    loop.slow_callback_duration = 0.001
    loop.set_debug(True)
    with caplog.at_level(logging.WARNING, "asyncio"):
        await_(slow())
        await_(asyncio.sleep(0))  # asyncio reports after the step
    assert "slow()" in caplog.text
    assert "took" in caplog.text


# ---- cancellation and time ----


def test_cancelling_the_task_cancels_the_coroutine_and_waits_for_it() -> None:
    work = Forever()
    task = spawn(await_, work())
    work.started.wait()
    task.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        task.result()
    assert work.log == ["started", "cancelled enough", "cleaned up"]
    assert task.cancelled()


def test_a_coroutine_may_refuse_to_be_cancelled() -> None:
    started = Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            pass
        return "no"

    task = spawn(await_, stubborn())
    started.wait()
    task.cancel()
    assert task.result() == "no"


def test_a_coroutine_cancelled_in_asyncio_is_cancelled_in_the_task() -> None:
    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("by itself")
        await asyncio.sleep(1)

    with pytest.raises(Cancelled, match="by itself"):
        await_(give_up())


@pytest.mark.parametrize("coroutine", [answer, at_once])
def test_a_coroutine_cancelled_before_its_first_step_wakes_who_waits(coroutine: Any) -> None:
    async def cancel_all() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    await_(answer())
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        canceller = spawn(await_, cancel_all())
        victim: Task[Any] = spawn(await_, coroutine())
        canceller.result()
        victim.join()
        gc.collect()
    assert victim.cancelled()
    assert noted == []  # the coroutine was closed


def test_timeout_around_a_coroutine() -> None:
    work = Forever()

    def main() -> None:
        with pytest.raises(TimeoutError):
            with timeout(FOREVER) as scope:
                spawn(end, scope)
                await_(work())

    def end(scope: Any) -> None:
        work.started.wait()
        scope.reschedule(get_hub().time())

    spawn(main).result()
    assert work.log == ["started", "cancelled", "cleaned up"]


@in_task
def test_a_task_group_holds_coroutines() -> None:
    with TaskGroup() as group:
        one = group.spawn(await_, answer(1))
        other = group.spawn(after_a_while, 2)
    assert (one.result(), other.result()) == (1, 2)

    work = Forever()

    async def fail_then() -> None:
        await to_task(work.started.wait)
        await fail()

    with pytest.raises(ExceptionGroup) as caught:
        with TaskGroup() as group:
            group.spawn(await_, fail_then())
            slow = group.spawn(await_, work())
    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert slow.cancelled()
    assert work.log == ["started", "cancelled", "cleaned up"]


@in_task
def test_a_future_that_was_cancelled_is_cancelled_here() -> None:
    async def start() -> tuple[asyncio.Future[None]]:
        return (asyncio.get_running_loop().create_future(),)

    (future,) = await_(start())
    future.cancel("gone")
    for _ in range(2):
        with pytest.raises(Cancelled, match="gone"):
            await_(future)


@in_task
def test_cancelling_one_that_waits_for_a_future_cancels_it() -> None:
    work = Forever()

    async def start() -> tuple[asyncio.Task[None]]:
        return (asyncio.create_task(work()),)

    (future,) = await_(start())
    task = spawn(await_, future)
    work.started.wait()
    spawn(int).join()
    task.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        task.result()
    assert future.cancelled()
    assert work.log == ["started", "cancelled enough", "cleaned up"]


# ---- the background loop ----


@in_task
def test_coroutines_that_sleep_are_woken_in_time_whatever_ends_at_once_meanwhile() -> None:
    sleepers = [spawn(await_, asyncio.sleep(seconds, seconds)) for seconds in (0.03, 0.01, FOREVER)]
    while not sleepers[0].done():
        assert await_(at_once(1)) == 1
        sleep(0.001)
    assert [task.result() for task in sleepers[:2]] == [0.03, 0.01]
    sleepers[2].cancel()


def test_many_tasks_share_the_background_loop() -> None:
    loops = [spawn(await_, running_loop()) for _ in range(10)]
    assert len({task.result() for task in loops}) == 1


def test_stop_cancels_what_the_background_loop_runs() -> None:
    work = Forever()
    task = spawn(await_, work())
    work.started.wait()
    stop()
    task.join()
    assert task.cancelled()
    assert work.log == ["started", "cancelled", "cleaned up"]
    assert await_(answer()) == 42  # a new loop


# ---- what both halves share ----


def test_context_variables_follow_the_caller() -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def read() -> str:
        before = name.get()
        await asyncio.sleep(0)
        name.set("inside")
        return before

    def main() -> tuple[str, str]:
        name.set("task")
        return await_(read()), name.get()

    async def coroutine() -> str:
        name.set("coroutine")
        return await to_task(lambda: (sleep(0), name.get())[1])

    for _ in range(2):
        assert spawn(main).result() == ("task", "task")
    assert run(coroutine()) == "coroutine"
    assert name.get() == "nobody"


def test_tracebacks_show_both_halves() -> None:
    async def fail_at_once() -> None:
        raise LookupError

    def in_task(coroutine: Coroutine[Any, Any, None]) -> None:
        await_(coroutine)

    for function in (fail, fail_at_once):
        with pytest.raises(LookupError) as caught:
            spawn(in_task, function()).result()
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names.index("in_task") < names.index(function.__name__)

    def raises() -> None:
        raise KeyError

    async def main() -> None:
        await spawn(raises)

    with pytest.raises(KeyError) as caught_too:
        run(main())
    names = [frame.name for frame in traceback.extract_tb(caught_too.value.__traceback__)]
    assert names.index("main") < names.index("raises")


@in_child(warns="")
@pytest.mark.parametrize("name", ["await_", "run"])
@pytest.mark.parametrize("has_context", [True, False])
def test_a_thread_that_ends_in_the_middle_of_await_leaves_nothing_and_says_nothing(
    name: str, has_context: bool
) -> None:
    async def one() -> None:
        begun.append(1)
        await asyncio.sleep(1000)

    async def forever() -> None:
        await asyncio.gather(one(), one())

    def body() -> None:
        if not has_context:  # the hub ends when what is local to the thread goes
            gleenlet.run(main)
            return
        context = GLib.MainContext()
        context.push_thread_default()
        gleenlet.run(main)
        context.pop_thread_default()

    def main() -> None:
        wait: Any = {"await_": await_, "run": run}[name]
        waiting.append(spawn(wait, forever()))
        while len(begun) < 2:
            sleep(0)

    begun: list[int] = []
    waiting: list[Task[None]] = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert waiting.pop().cancelled()
    gc.collect()
    gc.collect()
