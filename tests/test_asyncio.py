"""asyncio inside a task: loops, await_, awaited tasks, cancellation both ways, signals, GLib callbacks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from child import run_script
from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Task,
    TaskGroup,
    UnsafeSwitchError,
    current_task,
    get_hub,
    sleep,
    spawn,
    timeout,
)
from gleenlet import run as run_task
from gleenlet.asyncio import EventLoop, as_future, await_, run, stop, to_task


@pytest.fixture(autouse=True)
def no_background_loop() -> Iterator[None]:
    yield
    stop()
    assert asyncio._get_running_loop() is None


async def answer(value: Any = 42) -> Any:
    await asyncio.sleep(0.001)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("in a coroutine")


def after_a_while(value: Any = "task") -> Any:
    sleep(0.001)
    return value


# ---- run and EventLoop ----


def test_run_works_in_a_task_and_at_top_level() -> None:
    assert run(answer()) == 42
    assert spawn(run, answer(1)).result() == 1
    with pytest.raises(LookupError, match="in a coroutine"):
        run(fail())


def test_asyncio_runner_takes_the_loop_as_its_factory() -> None:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        assert runner.run(answer()) == 42
        assert isinstance(runner.get_loop(), EventLoop)


def test_tasks_and_glib_go_on_while_a_coroutine_sleeps() -> None:
    log: list[str] = []

    async def main() -> None:
        log.append("asyncio")
        while len(log) < 3:
            await asyncio.sleep(0.001)
        log.append("asyncio again")

    def ticks() -> None:
        sleep(0)
        log.append("task")

    GLib.idle_add(lambda: log.append("glib"))
    spawn(ticks)
    run(main())
    assert log[-1] == "asyncio again"
    assert sorted(log[:-1]) == ["asyncio", "glib", "task"]


def test_busy_coroutines_leave_glib_its_turns() -> None:
    turns: list[int] = []
    GLib.timeout_add(1, lambda: turns.append(1) or len(turns) < 3)

    async def busy() -> None:
        while len(turns) < 3:
            await asyncio.sleep(0)

    run(asyncio.wait_for(busy(), 10))
    assert len(turns) == 3


def test_two_tasks_run_loops_of_their_own_at_once() -> None:
    log: list[str] = []

    async def main(name: str) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            log.append(name)
            await asyncio.sleep(0.003)
            assert asyncio.get_running_loop() is loop
            assert asyncio.current_task(loop) in asyncio.all_tasks()

    def no_loop_here() -> None:
        for _ in range(5):
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            sleep(0.001)

    tasks = [spawn(run, main("a")), spawn(run, main("b")), spawn(no_loop_here)]
    for task in tasks:
        task.result()
    assert log[:2] == ["a", "b"]
    assert log.count("a") == log.count("b") == 3


def test_each_loop_shuts_its_own_asynchronous_generators_down() -> None:
    closed: list[str] = []
    outer = sys.get_asyncgen_hooks()

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
    ends = Event()
    tasks = [spawn(run, main("short", bool)), spawn(run, main("long", ends.wait))]
    tasks[0].result()
    assert closed == ["short"]
    ends.set()
    tasks[1].result()
    assert closed == ["short", "long"]
    assert sys.get_asyncgen_hooks() == outer


def test_a_loop_inside_a_coroutine_is_refused_as_asyncio_does() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop"):
            run(answer())

    run(main())


def test_a_loop_in_a_glib_callback_is_a_clear_error() -> None:
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            run(answer())
        except UnsafeSwitchError as error:
            errors.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GLib.idle_add(callback)
        sleep(0.01)
        gc.collect()
    assert "run() in a callback of the main loop" in str(errors[0])


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


# ---- what plain GLib callbacks may do ----


def test_a_glib_callback_may_create_tasks_and_call_soon() -> None:
    log: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        async def created() -> None:
            log.append("created")
            done.set()

        def callback() -> None:
            loop.call_soon(log.append, "soon")
            task = asyncio.create_task(created())
            task.add_done_callback(lambda _: None)
            loop.call_later(0.001, log.append, "later")

        GLib.idle_add(callback)
        await done.wait()
        await asyncio.sleep(0.01)

    run(main())
    assert log == ["soon", "created", "later"]


def test_a_glib_callback_sees_the_background_loop() -> None:
    await_(answer())
    seen: list[object] = []
    GLib.idle_add(lambda: seen.append(asyncio.get_running_loop()))
    sleep(0.01)
    assert seen == [await_(running_loop())]


async def running_loop() -> object:
    return asyncio.get_running_loop()


def test_stop_from_a_glib_callback_ends_run_forever() -> None:
    loop = EventLoop()
    GLib.idle_add(loop.stop)
    loop.run_forever()
    loop.close()


# ---- blocking inside a coroutine ----


@pytest.mark.parametrize(
    "block",
    [lambda: sleep(0), lambda: sleep(0.01), lambda: spawn(sleep, 0.01).join(), lambda: await_(answer())],
    ids=["yield", "sleep", "join", "await_"],
)
def test_blocking_in_a_coroutine_says_what_to_write(block: Callable[[], object]) -> None:
    async def main() -> str:
        with pytest.raises(UnsafeSwitchError, match=r"await to_task\(") as caught:
            block()
        assert "test_asyncio.py" in str(caught.value)
        return "the loop is whole"

    assert run(main()) == "the loop is whole"


def test_blocking_in_a_signal_handler_under_a_coroutine_is_refused_too() -> None:
    async def main() -> None:
        store = Gio.ListStore.new(GObject.Object)
        errors: list[BaseException] = []

        def handler(*_: object) -> None:
            try:
                sleep(0.001)
            except UnsafeSwitchError as error:
                errors.append(error)

        store.connect("items-changed", handler)
        store.append(GObject.Object())
        assert len(errors) == 1

    run(main())


def test_to_task_blocks_for_the_coroutine() -> None:
    async def main() -> tuple[Any, ...]:
        return await asyncio.gather(to_task(after_a_while, 1), to_task(after_a_while, value=2), answer(3))

    assert [*run(main())] == [1, 2, 3]


# ---- tasks in coroutines ----


def test_a_task_can_be_awaited() -> None:
    async def main() -> None:
        task = spawn(after_a_while)
        assert await task == "task"
        assert await task == "task"  # as often as one likes
        assert await as_future(spawn(int, "7")) == 7
        with pytest.raises(ValueError, match="invalid literal"):
            await spawn(int, "x")

    run(main())


def test_cancelling_the_coroutine_cancels_the_task_and_waits_for_it() -> None:
    log: list[str] = []

    def work() -> None:
        try:
            sleep(10)
        except Cancelled:
            sleep(0.001)
            log.append("cleaned up")
            raise

    async def main() -> None:
        task = spawn(work)
        waiting = asyncio.ensure_future(to_task(task.join))
        waiting.cancel()
        awaiting = asyncio.create_task(wait_for(task))
        await asyncio.sleep(0.001)
        awaiting.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        log.append("over")
        assert task.cancelled()

    async def wait_for(task: Task[None]) -> None:
        await task

    run(main())
    assert log == ["cleaned up", "over"]


def test_a_task_may_refuse_to_be_cancelled() -> None:
    def stubborn() -> str:
        try:
            sleep(10)
        except Cancelled:
            return "no"
        return "never"

    async def main() -> None:
        waiting = asyncio.create_task(to_task(stubborn))
        await asyncio.sleep(0.001)
        waiting.cancel()
        assert await waiting == "no"

    run(main())


def test_asyncio_timeout_around_a_task() -> None:
    async def main() -> None:
        task = spawn(sleep, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await task
        assert task.cancelled()

    run(main())


def test_a_cancelled_task_is_asyncios_cancelled_error() -> None:
    async def main() -> None:
        task = spawn(sleep, 10)
        get_hub().call_later(0.001, task.cancel, "stop it")
        with pytest.raises(asyncio.CancelledError, match="stop it"):
            await task

    run(main())


def test_asyncio_task_group_holds_tasks() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(to_task(after_a_while, 1))
            other = group.create_task(answer(2))
        assert (one.result(), other.result()) == (1, 2)
        slow = spawn(sleep, 10)
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(to_task(slow.result))
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        slow.cancel()

    run(main())


def test_a_task_needs_a_loop_that_runs_glib() -> None:
    async def main() -> None:
        task = spawn(int)
        with pytest.raises(GleenletError, match=r"gleenlet\.asyncio\.run"):
            await as_future(task)

    asyncio.run(main())
    sleep(0)


# ---- await_ ----


def test_await_takes_coroutines_futures_and_any_awaitable() -> None:
    class Awaitable:
        def __await__(self) -> Any:
            return answer("awaitable").__await__()

    async def start() -> tuple[asyncio.Task[Any]]:
        return (asyncio.ensure_future(answer("future")),)

    def main() -> None:
        assert await_(answer()) == 42
        (future,) = await_(start())
        assert await_(future) == "future"
        assert await_(future) == "future"  # done
        assert await_(Awaitable()) == "awaitable"
        assert await_(spawn(after_a_while)) == "task"
        with pytest.raises(LookupError):
            await_(fail())

    spawn(main).result()


def test_a_task_group_holds_coroutines() -> None:
    def main() -> None:
        with TaskGroup() as group:
            one = group.spawn(await_, answer(1))
            other = group.spawn(after_a_while, 2)
        assert (one.result(), other.result()) == (1, 2)
        with pytest.raises(ExceptionGroup) as caught:
            with TaskGroup() as group:
                group.spawn(await_, fail())
                slow = group.spawn(await_, asyncio.sleep(10))
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert slow.cancelled()

    spawn(main).result()


def test_timeout_around_a_coroutine() -> None:
    log: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            log.append("cleaned up")

    def main() -> None:
        with pytest.raises(TimeoutError):
            with timeout(0.01):
                await_(slow())

    spawn(main).result()
    assert log == ["cleaned up"]


def test_await_at_top_level_drives_the_loop() -> None:
    assert await_(answer()) == 42


def test_await_in_a_glib_callback_is_a_clear_error() -> None:
    await_(answer())
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            await_(answer())
        except UnsafeSwitchError as error:
            errors.append(error)

    GLib.idle_add(callback)
    sleep(0.01)
    assert "await_() in a callback of the main loop" in str(errors[0])


def test_many_tasks_share_the_background_loop() -> None:
    loops = [spawn(await_, running_loop()) for _ in range(10)]
    assert len({task.result() for task in loops}) == 1


def test_cancelling_the_task_cancels_the_coroutine_and_waits_for_it() -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            log.append("cleaned up")
            raise

    task = spawn(await_, work())
    sleep(0.01)
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()
    assert log == ["cleaned up"]
    assert task.cancelled()


def test_a_coroutine_cancelled_in_asyncio_is_cancelled_in_the_task() -> None:
    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("by itself")
        await asyncio.sleep(1)

    with pytest.raises(Cancelled, match="by itself"):
        await_(give_up())


def test_a_coroutine_cancelled_before_its_first_step_wakes_who_waits() -> None:
    async def cancel_all() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    await_(answer())
    canceller = spawn(await_, cancel_all())
    victim = spawn(await_, answer())
    canceller.result()
    victim.join(10)
    assert victim.cancelled()


def test_stop_cancels_what_the_background_loop_runs() -> None:
    task = spawn(await_, asyncio.sleep(10))
    sleep(0.01)
    stop()
    assert task.join(10)
    assert task.cancelled()
    assert await_(answer()) == 42  # a new loop


def test_cancelling_the_task_that_runs_a_loop_cancels_its_coroutine() -> None:
    log: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            log.append("cleaned up")

    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "no"
        return "never"

    task, other = spawn(run, main()), spawn(run, stubborn())
    sleep(0.01)
    task.cancel("reason")
    other.cancel()
    with pytest.raises(Cancelled, match="reason"):
        task.result()
    assert log == ["cleaned up"]
    assert other.result() == "no"


def test_context_variables_follow_the_caller() -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def read() -> str:
        await asyncio.sleep(0)
        return name.get()

    def main() -> str:
        name.set("task")
        return await_(read())

    async def coroutine() -> str:
        name.set("coroutine")
        return await to_task(lambda: (sleep(0), name.get())[1])

    assert spawn(main).result() == "task"
    assert run(coroutine()) == "coroutine"
    assert name.get() == "nobody"


def test_tracebacks_show_both_halves() -> None:
    def in_task() -> None:
        await_(fail())

    with pytest.raises(LookupError) as caught:
        spawn(in_task).result()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names.index("in_task") < names.index("fail")

    def raises() -> None:
        raise KeyError

    async def main() -> None:
        await spawn(raises)

    with pytest.raises(KeyError) as caught_too:
        run(main())
    names = [frame.name for frame in traceback.extract_tb(caught_too.value.__traceback__)]
    assert names.index("main") < names.index("raises")


# ---- signals ----


def test_signal_handlers_leave_the_wakeup_descriptor_to_who_has_it() -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    signal.set_wakeup_fd(one.fileno())
    try:

        async def main() -> None:
            loop = asyncio.get_running_loop()
            seen = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, seen.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(seen.wait(), 10)
            assert loop.remove_signal_handler(signal.SIGUSR1)
            assert not loop.remove_signal_handler(signal.SIGUSR1)

        run(main())
    finally:
        mine = signal.set_wakeup_fd(-1)
    assert mine == one.fileno()
    one.close()
    other.close()


CTRL_C = """
import asyncio, os, signal, threading
from gi.repository import GLib
import gleenlet, gleenlet.asyncio

async def main():
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        print("cancelled")
        raise

try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    "call",
    ["gleenlet.asyncio.run(main())", "gleenlet.run(gleenlet.asyncio.run, main())", "asyncio.run(main())"],
)
def test_ctrl_c_ends_run_as_it_ends_asyncio_run(call: str) -> None:
    outcome = run_script(CTRL_C.format(call=call), timeout=20)
    assert outcome.stdout.split() == ["cancelled", "interrupted"], outcome.stderr
    assert outcome.status == 0


def test_the_program_ends_while_the_background_loop_runs() -> None:
    outcome = run_script(
        "import asyncio, sys, gleenlet, gleenlet.asyncio as ga\n"
        "ga.await_(asyncio.sleep(0))\n"
        "gleenlet.spawn(ga.await_, asyncio.sleep(100)); gleenlet.sleep(0.01)\n"
        "print('end')\n",
        timeout=20,
        env={"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore,default::ResourceWarning"},
    )
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "end\n", "")


def test_a_forked_child_starts_a_loop_of_its_own() -> None:
    outcome = run_script(
        "import asyncio, os, gleenlet, gleenlet.asyncio as ga\n"
        "ga.await_(asyncio.sleep(0))\n"
        "pid = os.fork()\n"
        "print(ga.await_(asyncio.sleep(0.01, 'child' if not pid else 'parent')), flush=True)\n"
        "if not pid: os._exit(0)\n"
        "print(os.waitpid(pid, 0)[1])\n",
        timeout=20,
    )
    assert sorted(outcome.stdout.split()) == ["0", "child", "parent"], outcome.stderr


# ---- PyGObject's own asyncio loop ----

GI_EVENTS = """
import asyncio
from gi.repository import GLib
from gi.events import GLibEventLoop
import gleenlet, gleenlet.asyncio as ga

loops = []
async def where():
    await asyncio.sleep(0.001)
    loops.append(asyncio.get_running_loop())
    return "there"

async def main():
    def handler():
        result = ga.await_(where())
        own = ga.run(where())
        return result, own
    print(await gleenlet.spawn(handler))
    print(await ga.to_task(lambda: (gleenlet.sleep(0.001), "slept")[1]))

loop = GLibEventLoop(GLib.MainContext.default())
loop.run_until_complete(main())
print(loops[0] is loop, loops[1] is loop)
loop.close()
"""


def test_await_uses_pygobjects_own_loop_where_it_runs() -> None:
    pytest.importorskip("gi.events")
    outcome = run_script(GI_EVENTS, timeout=20)
    assert outcome.stdout == "('there', 'there')\nslept\nTrue False\n", outcome.stderr


def test_run_task_and_current_task_are_the_loops_own() -> None:
    async def main() -> bool:
        return current_task() is not None and asyncio.current_task() is not None

    assert run_task(run, main())
