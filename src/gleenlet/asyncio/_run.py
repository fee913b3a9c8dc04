"""asyncio beside GLib and tasks: coroutines in tasks, tasks in coroutines.

`run` and `EventLoop` run asyncio in a task, `await_` waits for a coroutine anywhere outside asyncio, and in a
coroutine `await task` and `to_task` wait for tasks. The loop itself is in _loop.py and _selector.py.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
from asyncio.events import _get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar, cast

from greenlet import GreenletExit

from gleenlet._core import Cancelled, Hub, Task, UnsafeSwitchError, Waiter, _native, get_hub, spawn
from gleenlet._core.future import future_of, own_loop
from gleenlet.asyncio._loop import EventLoop, local, run_in_task
from gleenlet.asyncio._private import FirstStep, never_mind
from gleenlet.asyncio._selector import refuse_wait

__all__ = ["EventLoop", "as_future", "await_", "run", "stop", "to_task"]

T = TypeVar("T")
P = ParamSpec("P")

_Future = asyncio.Future


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine as `asyncio.run` does, but let GLib's loop and all tasks go on.

    In a task it suspends the task; at top level it drives the thread's GLib loop. Ctrl-C, and cancelling the
    task, cancel the coroutine.

    Args:
        main: a coroutine; everything that still runs when it has ended is cancelled.
        debug: asyncio's debug mode; None: as the environment says.

    Returns: its result. Raises: its exception; Cancelled, KeyboardInterrupt: interrupted, and the coroutine
    ended by it; RuntimeError: called in a coroutine; UnsafeSwitchError: a GLib callback is on the stack here.

    Thread: any.

    >>> import asyncio
    >>> run(asyncio.sleep(0.001, "done"))
    'done'
    """
    task = _native.current_task()
    if task is None:
        try:
            result: T = run_in_task(_run, main, debug)
            return result
        except UnsafeSwitchError:
            if asyncio.iscoroutine(main):
                main.close()
            raise
    return _run(main, debug)


def _run(main: Coroutine[Any, Any, T], debug: bool | None) -> T:
    task = _native.current_task()
    if task.guard is not None and _get_running_loop() is not None:
        main.close()
        raise RuntimeError("run() cannot be called from a running event loop: write `await` there")
    with _runner(EventLoop, debug) as runner:
        # Runner refuses to run inside another loop, and this is not inside.
        with cast(EventLoop, runner.get_loop()).beside_foreign(task):
            result: T = runner.run(main)
            return result


def await_(awaitable: Awaitable[T]) -> T:
    """Wait, outside asyncio, for a coroutine, an asyncio future or task, or any awaitable.

    A future is waited for on its own loop. Anything else runs on this thread's background loop, started at
    first use; where PyGObject's own asyncio loop runs on this thread, on that one.

    Returns: its result. Raises:
        its exception.
        Cancelled: it was cancelled, or this task was. Then it is cancelled, too, and waited for.
        UnsafeSwitchError: in a coroutine, where `await` does this; or a GLib callback is on the stack here.

    Thread: any; it blocks the caller's task, or drives the loop at top level.

    >>> import asyncio
    >>> await_(asyncio.sleep(0.001, "done"))
    'done'
    """
    if isinstance(awaitable, _Future):
        try:
            result: T = awaitable.result()
            return result
        except asyncio.CancelledError as error:
            raise Cancelled(*error.args) from error
        except asyncio.InvalidStateError:
            if awaitable.done():
                raise
        _wait(awaitable, owned=False)
    elif isinstance(awaitable, Task):
        return cast(T, awaitable.result())
    else:
        task = _native.current_task()
        if task is None:
            hub = get_hub()
        elif task.guard is None:
            hub = task.hub
        else:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            refuse_wait()
        background = local.loops.background.get(hub)
        loop = _start(hub) if background is None or background[1].done() else background[0]
        if type(loop) is EventLoop and loop._task_factory is None and not loop._debug:
            waiter = Waiter(None, None, "coroutine")
            awaitable = FirstStep(loop, awaitable, waiter).task
            try:
                waiter.wait()
            except BaseException as error:
                _interrupted(awaitable, error, owned=True)
        else:
            coroutine, awaitable = awaitable, asyncio.Task(_inside(awaitable), loop=loop)
            try:
                _wait(awaitable, owned=True)
            finally:
                if asyncio.iscoroutine(coroutine):
                    coroutine.close()  # which does nothing unless it was cancelled before its start
    try:
        return awaitable.result()
    except asyncio.CancelledError as error:
        raise Cancelled(*error.args) from error


async def _inside(awaitable: Awaitable[T]) -> T:
    """Make it a task where the loop runs: its task factory may start it at once."""
    return await asyncio.ensure_future(awaitable)


def _wait(future: asyncio.Future[Any], owned: bool) -> None:
    """Wait until it is done."""
    while not future.done():
        waiter = Waiter(None, None, "asyncio future")
        future.add_done_callback(waiter.wake)
        try:
            waiter.wait()
        except BaseException as error:
            future.remove_done_callback(waiter.wake)
            _interrupted(future, error, owned)


def _interrupted(future: asyncio.Future[Any], error: BaseException, owned: bool) -> None:
    """The wait for it was interrupted: cancel it, wait on, and raise if it ended by that, as in asyncio."""
    if type(error) is GreenletExit:  # abandoned with its hub: nobody will wake it again
        raise error
    if isinstance(error, UnsafeSwitchError):
        if owned:
            future.cancel()
        raise error
    if future.done():
        raise error
    future.cancel(*error.args[:1] if isinstance(error, Cancelled) else ())
    _wait(future, owned)
    if future.cancelled():
        raise error


def _start(hub: Hub) -> asyncio.AbstractEventLoop:
    """Start the background loop, unless PyGObject's loop runs this thread."""
    running = _get_running_loop()
    if running is not None and not isinstance(running, EventLoop) and _native.main_depth():
        return running
    loop = EventLoop()
    try:
        loop.waiting.make_room(hub)
    except OSError:
        loop.close()
        raise
    local.loops.background[hub] = (loop, spawn(_serve, loop, name="asyncio"))
    return loop


def _serve(loop: EventLoop) -> None:
    """The background loop's task."""
    with _runner(lambda: loop):
        loop.run_forever()


@contextlib.contextmanager
def _runner(make: Callable[[], EventLoop], debug: bool | None = None) -> Generator[asyncio.Runner, None, None]:
    """asyncio's Runner; but where the hub has ended meanwhile, its loop can run no more, not even to end in order."""
    hub = get_hub()
    runner = asyncio.Runner(debug=debug, loop_factory=make)
    loop = cast(EventLoop, runner.get_loop())
    try:
        yield runner
    finally:
        if hub.closed:
            _abandon(loop)
        else:
            runner.close()


def stop() -> None:
    """End this thread's background loop as `asyncio.run` ends: cancel what runs on it, and wait for that.

    The next `await_` starts another. Does nothing if there is none.

    Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
    Thread: the loop's.

    >>> stop()
    """
    hub = get_hub()
    background = local.loops.background.get(hub)
    if background is None:
        return
    loop, task = background
    loop.stop()
    try:
        task.join()
    finally:
        if task.done() and local.loops.background.get(hub) is background:
            del local.loops.background[hub]


def as_future(task: Task[T]) -> asyncio.Future[T]:
    """Return a future of the running asyncio loop that ends as the task does; `await task` is the same.

    Cancelling the future cancels the task; the future is cancelled once the task has ended.

    Raises:
        RuntimeError: no asyncio loop is running.
        GleenletError: the task belongs to another thread, or no GLib loop runs here to run the task.

    >>> from gleenlet import spawn
    >>> async def main(): return await as_future(spawn(max, 1, 2))
    >>> run(main())
    2
    """
    return future_of(task)


async def to_task(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that blocks as a task, and wait for it in a coroutine: `await to_task(func, ...)`.

    Cancelling it cancels the task. Context variables are the coroutine's.

    >>> run(to_task(max, 1, 2))
    2
    """
    own_loop(repr(func))  # before anything is started
    return await as_future(spawn(functools.partial(func, *args, **kwargs)))


def _abandon(loop: EventLoop) -> None:
    """What still runs on a background loop when its thread or the interpreter ends is left, as in daemon threads."""
    for task in asyncio.all_tasks(loop):
        never_mind(task)
    if not loop.is_closed():
        loop._thread_id = None  # it never runs again
        loop.close()


@atexit.register
def _abandon_all() -> None:
    for loop, _task in local.loops.background.values():
        _abandon(loop)


def _forget_in_child() -> None:
    """A forked child starts afresh: the loops' descriptors are its parent's too."""
    local.loops.background.clear()
    local.loops.running.clear()


os.register_at_fork(after_in_child=_forget_in_child)
