"""Tasks in coroutines: awaiting them, groups and time limits around them, and what blocks where it must not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib, GObject

from coroutines import FOREVER, after_a_while, answer, fail
from gleenlet import (
    Cancelled,
    Event,
    GleenletError,
    Lock,
    Queue,
    Task,
    TaskGroup,
    UnsafeSwitchError,
    call,
    current_task,
    get_hub,
    sleep,
    spawn,
    to_thread,
    wait_readable,
    wait_signal,
)
from gleenlet import run as run_task
from gleenlet.asyncio import EventLoop, as_future, await_, run, to_task

pytestmark = pytest.mark.usefixtures("no_background_loop")


class Sleeper:
    """A function for a task that sleeps until it is cancelled, and then takes a while to clean up."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.started = Event()

    def __call__(self) -> None:
        self.started.set()
        try:
            sleep(FOREVER)
        except Cancelled as error:
            self.log.append(" ".join(["cancelled", *error.args]))
            sleep(0.001)
            self.log.append("cleaned up")
            raise


# ---- awaiting a task ----


def test_a_task_can_be_awaited() -> None:
    async def main() -> None:
        task = spawn(after_a_while)
        assert await task == "task"
        assert await task == "task"  # as often as one likes
        assert await as_future(spawn(int, "7")) == 7
        assert await asyncio.wait_for(spawn(after_a_while), None) == "task"
        assert [*await asyncio.gather(spawn(after_a_while, 1), spawn(after_a_while, 2))] == [1, 2]
        with pytest.raises(ValueError, match="invalid literal"):
            await spawn(int, "x")

    run(main())


def test_to_task_blocks_for_the_coroutine() -> None:
    async def main() -> tuple[Any, ...]:
        return await asyncio.gather(to_task(after_a_while, 1), to_task(after_a_while, value=2), answer(3))

    assert [*run(main())] == [1, 2, 3]


def test_a_task_that_raises_stop_iteration_fails_as_a_coroutine_would() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await spawn(next, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)

    run(main())


def test_a_task_needs_a_loop_that_runs_glib() -> None:
    async def main() -> None:
        task = spawn(int)
        with pytest.raises(GleenletError, match=r"gleenlet\.asyncio\.run"):
            await as_future(task)

    asyncio.run(main())
    sleep(0)


def test_a_task_of_another_thread_cannot_be_awaited() -> None:
    made: list[Task[int]] = []

    def work() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        made.append(spawn(int))
        context.pop_thread_default()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    async def main() -> None:
        with pytest.raises(GleenletError, match="belongs to another thread"):
            await made[0]

    run(main())


# ---- cancellation and time ----


def test_cancelling_the_coroutine_cancels_the_task_and_waits_for_it() -> None:
    async def main() -> None:
        work = Sleeper()
        task = spawn(work)
        awaiting = asyncio.create_task(wait_for(task))
        await to_task(work.started.wait)
        awaiting.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        assert work.log == ["cancelled enough", "cleaned up"]
        assert task.cancelled()

    async def wait_for(task: Task[None]) -> None:
        await task

    run(main())


def test_cancelling_one_that_waits_for_a_task_to_end_leaves_that_alone() -> None:
    async def main() -> None:
        work = Sleeper()
        task = spawn(work)
        waiting = asyncio.create_task(to_task(task.join))
        await to_task(work.started.wait)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not task.done()
        task.cancel()

    run(main())


def test_a_task_may_refuse_to_be_cancelled() -> None:
    started = Event()

    def stubborn() -> str:
        started.set()
        try:
            sleep(FOREVER)
        except Cancelled:
            pass
        return "no"

    async def main() -> None:
        waiting = asyncio.create_task(to_task(stubborn))
        await to_task(started.wait)
        waiting.cancel()
        assert await waiting == "no"

    run(main())


def test_a_cancelled_task_is_asyncios_cancelled_error() -> None:
    async def main() -> None:
        task = spawn(sleep, FOREVER)
        get_hub().call_later(0.001, task.cancel, "stop it")
        with pytest.raises(asyncio.CancelledError, match="stop it"):
            await task

    run(main())


def test_asyncio_timeout_around_a_task() -> None:
    async def main() -> None:
        work = Sleeper()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as scope:
                ending = asyncio.create_task(end(scope, work))
                await (task := spawn(work))
        await ending
        assert task.cancelled()
        assert work.log == ["cancelled", "cleaned up"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spawn(sleep, FOREVER), 0.001)

    async def end(scope: asyncio.Timeout, work: Sleeper) -> None:
        await to_task(work.started.wait)
        scope.reschedule(0)

    run(main())


def test_asyncio_task_group_holds_tasks() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(to_task(after_a_while, 1))
            other = group.create_task(answer(2))
        assert (one.result(), other.result()) == (1, 2)

        work = Sleeper()

        async def fail_then() -> None:
            await to_task(work.started.wait)
            await fail()

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(to_task(work))
                group.create_task(fail_then())
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert work.log == ["cancelled", "cleaned up"]

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(to_task(int, "x"))
                group.create_task(asyncio.sleep(FOREVER))
        assert [type(error) for error in caught.value.exceptions] == [ValueError]

    run(main())


# ---- blocking inside a coroutine ----


def acquire_twice() -> None:
    lock = Lock()
    lock.acquire()
    lock.acquire()


def leave_a_group() -> None:
    with TaskGroup() as group:
        group.spawn(sleep, 0.001)


def wait_for_a_socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        wait_readable(other)


BLOCKING: dict[str, Callable[[], object]] = {
    "yield": lambda: sleep(0),
    "sleep": lambda: sleep(0.01),
    "join": lambda: spawn(sleep, 0.01).join(),
    "await_": lambda: await_(answer()),
    "event": lambda: Event().wait(),
    "queue": lambda: Queue[int]().get(),
    "lock": acquire_twice,
    "group": leave_a_group,
    "socket": wait_for_a_socket,
    "signal": lambda: wait_signal(Gio.ListStore.new(GObject.Object), "items-changed"),
    "gio": lambda: call(Gio.File.new_for_path("/").query_info_async, "standard::size", Gio.FileQueryInfoFlags.NONE, 0),
    "thread": lambda: to_thread(int),
    "hub": lambda: get_hub().switch(),
}


@pytest.mark.parametrize("block", BLOCKING.values(), ids=BLOCKING)
def test_blocking_in_a_coroutine_says_what_to_write(block: Callable[[], object]) -> None:
    async def main() -> Any:
        other = asyncio.create_task(answer())
        await asyncio.sleep(0.001)
        with pytest.raises(UnsafeSwitchError, match=r"await to_task\(") as caught:
            block()
        assert "test_asyncio_tasks.py" in str(caught.value)
        asyncio.get_running_loop().call_soon(block_in_callback, asyncio.current_task())
        return await other  # the loop is whole

    def block_in_callback(running: object) -> None:
        assert asyncio.current_task() is None  # the callback is not inside the coroutine
        with pytest.raises(UnsafeSwitchError, match=r"await to_task\("):
            block()

    assert run(main()) == 42


def test_what_need_not_wait_does_not_raise_in_a_coroutine() -> None:
    async def main() -> None:
        task = spawn(after_a_while)
        await task
        assert task.result() == "task"
        with Lock():
            pass
        queue = Queue[int]()
        queue.put(1)
        assert queue.get() == 1

    run(main())


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


def test_a_loop_inside_a_coroutine_is_refused_as_asyncio_does() -> None:
    async def main() -> None:
        loop = EventLoop()
        for attempt in (run, loop.run_until_complete, asyncio.run):
            coroutine = answer()
            with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop|running"):
                attempt(coroutine)
            coroutine.close()
        loop.close()

    run(main())


def test_a_coroutine_runs_in_the_loops_task() -> None:
    async def main() -> bool:
        return current_task() is not None and asyncio.current_task() is not None

    assert run_task(run, main())
