"""asyncio's own event loop, unmodified but for its selector, which waits through the hub.

asyncio asks a selector what is ready. Ours asks epoll without waiting; when nothing is ready it suspends the
task that runs the loop until epoll has something, and between busy iterations it gives way when the time
slice is over.

Two facts shape this file. asyncio's running loop belongs to the thread, not to the greenlet: it is set while
a loop iterates and taken away whenever its task is suspended. And an iteration must not be left half-way, or
a callback would run inside another one: whatever blocks inside a coroutine is refused (`Job._guard`).

It knows asyncio and the core's Waiter; gleenlet.asyncio is what users see of it.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import inspect
import os
import select
import selectors
import signal
import sys
import threading
from asyncio import unix_events
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Awaitable, Callable
from contextvars import Context
from types import FrameType
from typing import Any, TypeVar, cast

from gi.repository import GLib

from gleenlet._core import Waiter, sleep
from gleenlet._errors import Cancelled, GleenletError, UnsafeSwitchError
from gleenlet._hub import Hub, get_hub
from gleenlet._task import Task, current_task, spawn

__all__ = ["EventLoop", "announce", "refuse", "run_outside", "thread"]

T = TypeVar("T")

_give_way = functools.partial(sleep, 0)
_append = collections.deque.append
_PACKAGE = os.path.dirname(__file__) + os.sep


class State:
    """The loops of one thread."""

    def __init__(self) -> None:
        self.running: list[EventLoop] = []
        self.background: dict[Hub, tuple[EventLoop, Task[None]]] = {}
        self.hooks: Any = None  # the asynchronous generators' hooks as they were before the first loop ran
        self.hooked: EventLoop | None = None  # whose hooks are set: they belong to the thread, too


class Thread(threading.local):
    def __init__(self) -> None:
        self.state = State()


thread = Thread()


class Outside(collections.deque[asyncio.Handle]):
    """Stands in for the loop's queue of callbacks while the loop waits: what is added wakes the loop."""

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        self.selector = selector

    def append(self, handle: asyncio.Handle) -> None:
        _append(self, handle)
        waiter = self.selector.waiter
        if waiter is not None:
            try:
                waiter.wake()
            except GleenletError:
                pass  # another thread: call_soon_threadsafe writes to the loop's socket


class Selector(selectors.EpollSelector):
    """asyncio's selector, but it waits through the hub."""

    _selector: select.epoll
    _fd_to_key: dict[int, selectors.SelectorKey]

    def __init__(self) -> None:
        super().__init__()
        self.loop: Any = None
        self.hub: Hub | None = None
        self.task: Task[Any] | None = None  # who runs the loop
        self.waiter: Waiter | None = None  # its wait
        self.around: Any = None  # the running loop that others see while this one waits
        self.settled = False  # epoll had nothing, and the hub reported nothing since
        self.thrown: BaseException | None = None
        self.thread = thread.state
        self.outside = Outside(self)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; wait for it, up to `timeout` seconds, by suspending the task."""
        hub = self.hub
        if hub is None:
            return super().select(timeout)
        if self.outside:  # a thread added it just when the loop woke up
            timeout = 0
            while self.outside:
                self.loop._ready.append(self.outside.popleft())
        keys = self._fd_to_key
        if timeout is not None and timeout <= 0:
            if hub.must_yield():
                self.suspend(_give_way)
            found: Any = self._selector.poll(0, len(keys) or 1)
        else:
            found = [] if self.settled else self._selector.poll(0, len(keys) or 1)
            if not found:
                self.settled = True
                self.wait(timeout)
                if self.settled:
                    return []
                found = self._selector.poll(0, len(keys) or 1)
            elif hub.must_yield():
                self.suspend(_give_way)
                found = self._selector.poll(0, len(keys) or 1)
        if not found:
            self.settled = True
            return []
        self.settled = False
        ready = []
        for fd, event in found:
            key = keys.get(fd)
            if key is not None:
                mask = (event & ~select.EPOLLIN and selectors.EVENT_WRITE) | (
                    event & ~select.EPOLLOUT and selectors.EVENT_READ
                )
                ready.append((key, mask & key.events))
        return ready

    def wait(self, timeout: float | None) -> None:
        """Suspend the task until something is ready or added, or `timeout` seconds are over."""
        loop, outside, ready = self.loop, self.outside, self.loop._ready
        timers = loop._scheduled
        first = timers[0] if timers else None
        loop.call_at = self.call_at  # for the time being: as a method it would slow down every call_later
        loop._ready = outside
        try:
            while True:
                self.waiter = waiter = Waiter(timeout)
                if timeout is not None:
                    waiter.quiet = True
                try:
                    self.suspend(waiter.wait)
                finally:
                    self.waiter = None
                if not self.settled or not outside or loop._stopping or loop._debug:
                    return
                # Somebody outside added callbacks, and there is nothing else: run them, as an iteration would.
                for _ in range(len(outside)):
                    handle = outside.popleft()
                    if not handle._cancelled:
                        handle._run()
                timers = loop._scheduled
                if outside or loop._stopping or first is not (timers[0] if timers else None):
                    return
                if first is not None:
                    timeout = first._when - loop.time()
                    if timeout <= 0:
                        return
        finally:
            loop._ready = ready
            while outside:
                ready.append(outside.popleft())
            del loop.call_at

    def suspend(self, wait: Callable[[], object]) -> None:
        """Let others run meanwhile: the only place where the loop's task is suspended."""
        task: Any = self.task
        task._guard = None
        _set_running_loop(self.around)
        interruption = None
        try:
            wait()
        except BaseException as error:
            interruption = error
        _set_running_loop(self.loop)
        task._guard = refuse
        if self.thread.hooked is not self.loop:
            self.loop._set_hooks()
        if interruption is not None or self.thrown is not None:
            self.interrupt(interruption)

    def interrupt(self, interruption: BaseException | None) -> None:
        """Somebody cancelled the loop's task: cancel what the loop runs for, else end the loop."""
        if self.thrown is not None:
            interruption, self.thrown = self.thrown, None
        elif self.loop._main is not None and not self.loop._main.done():
            self.loop._interruption = interruption
            self.loop._main.cancel(*interruption.args[:1] if isinstance(interruption, Cancelled) else ())
            return
        raise cast(BaseException, interruption)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """The loop's own while it waits: the deadline may be earlier than the one it waits for."""
        handle = type(self.loop).call_at(self.loop, when, callback, *args, context=context)
        if handle._source_traceback:
            del handle._source_traceback[-1]  # this line
        self.wake()
        return cast(asyncio.TimerHandle, handle)

    def wake(self) -> None:
        """Have the wait end."""
        if self.waiter is not None:
            self.waiter.wake()

    def edge(self) -> None:
        """Called by the hub: epoll has something new."""
        self.settled = False
        if self.waiter is not None:
            self.waiter.wake()

    def throw(self, error: BaseException) -> None:
        self.thrown = error
        self.wake()

    def attach(self, task: Task[Any]) -> None:
        self.task, self.hub, self.settled, self.thread = task, task._hub, False, thread.state
        self.hub._nest(self._selector.fileno(), self.edge)
        task._guard = refuse

    def detach(self) -> None:
        hub, task = self.hub, self.task
        if hub is not None and task is not None:
            hub._unnest(self._selector.fileno())
            task._guard = None
        self.hub = self.task = None


class FirstStep:
    """What `await_` puts into the loop's queue where `create_task` has a Handle, at two thirds of the cost.

    A new task has `loop.call_soon` run its first step; for that moment this is `call_soon`.
    """

    __slots__ = ("awaitable", "context", "step", "task", "waiter")

    _cancelled = False  # what the loop asks a Handle for

    def __init__(self, loop: EventLoop, awaitable: Awaitable[Any], waiter: Waiter) -> None:
        self.awaitable = awaitable
        self.waiter = waiter
        loop.call_soon = self.capture  # type: ignore[assignment, method-assign]
        try:
            self.task = asyncio.Task(self.deliver(), loop=loop)
        finally:
            del loop.call_soon
        loop._ready.append(self)  # type: ignore[attr-defined]

    def capture(self, step: Callable[[], object], context: Context) -> None:
        self.step = step
        self.context = context

    async def deliver(self) -> Any:
        """Wake who waits: a done-callback of the task would do it one iteration later."""
        try:
            return await self.awaitable
        finally:
            self.waiter.wake()

    def _run(self) -> None:
        self.context.run(self.step)
        if self.task.cancelled():  # maybe before its start
            if asyncio.iscoroutine(self.awaitable):
                self.awaitable.close()
            self.waiter.wake()


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own event loop, run by a task: `asyncio.Runner(loop_factory=EventLoop)`.

    Outside a task it drives the thread's GLib loop, as `Task.result()` does; in a GLib callback it raises
    `UnsafeSwitchError`. Cancelling the task that runs it cancels what `run_until_complete` runs.

    >>> with asyncio.Runner(loop_factory=EventLoop) as runner:
    ...     runner.run(asyncio.sleep(0.001, "done"))
    'done'
    """

    _signal_handlers: dict[int, asyncio.Handle]
    _task_factory: Any
    _debug: bool

    def __init__(self) -> None:
        self._main: asyncio.Future[Any] | None = None
        self._interruption: BaseException | None = None
        self._foreign: Any = None  # the loop that PyGObject runs on this thread
        self._own_fd = -1
        self._refused = False
        self._waiting = Selector()
        self._waiting.loop = self
        super().__init__(self._waiting)

    def run_forever(self) -> None:
        """Run until `stop()`, as asyncio's."""
        task = current_task()
        if task is None:
            self._check_closed()  # type: ignore[attr-defined]
            self._check_running()  # type: ignore[attr-defined]
            try:
                run_outside(self.run_forever)
            except UnsafeSwitchError:
                self._refused = True
                raise
            return
        around = _get_running_loop() if task._guard is None else None
        if around is not None:
            self._foreign = around
            _set_running_loop(None)
        attached = False
        selector, running = self._waiting, thread.state.running
        try:
            self._check_closed()  # type: ignore[attr-defined]
            self._check_running()  # type: ignore[attr-defined]
            selector.around = self._foreign
            selector.attach(task)
            attached = True
            if not running:
                thread.state.hooks = sys.get_asyncgen_hooks()
            running.append(self)
            thread.state.hooked = self
            announce(task._hub)
            super().run_forever()
        finally:
            if attached:
                selector.detach()
                running.remove(self)
                thread.state.hooked = None
                _set_running_loop(None)
                if not running:
                    sys.set_asyncgen_hooks(*thread.state.hooks)
                announce(task._hub)
            if around is not None:
                self._foreign = None
                _set_running_loop(around)

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine or future is done; return its result, as asyncio's.

        Raises: Cancelled, KeyboardInterrupt: what its task was interrupted with, if that ended the coroutine.
        """
        self._check_closed()  # type: ignore[attr-defined]
        task = current_task()
        if self._running_here(task):
            self._check_running()  # type: ignore[attr-defined]
        is_new = not asyncio.isfuture(future)
        future = asyncio.ensure_future(future, loop=self)
        if is_new:
            future._log_destroy_pending = False
        before, self._main = self._main, future
        try:
            return super().run_until_complete(future)
        except asyncio.CancelledError:
            interruption, self._interruption = self._interruption, None
            if interruption is not None and future.cancelled():
                raise interruption  # noqa: B904  the cancellation is its consequence
            raise
        except BaseException:
            if is_new and future.done() and not future.cancelled():
                future.exception()  # it is raised here: no report that nobody has seen it
            raise
        finally:
            self._main, self._interruption = before, None

    def _running_here(self, task: Task[Any] | None) -> bool:
        return self.is_running() or task is None or task._guard is not None

    def stop(self) -> None:
        """End `run_forever` after this iteration, as asyncio's; from outside an iteration, at once."""
        super().stop()
        self._waiting.wake()

    def close(self) -> None:
        """Close it, as asyncio's; what it was refused to run has been told by an error already."""
        if self._refused:
            for task in asyncio.all_tasks(self):
                coroutine = task.get_coro()
                if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    coroutine.close()
        super().close()

    # ---- signals: asyncio lets Python write their numbers to the loop's socket. There is one such descriptor
    # in a process, and PyGObject and other loops want it as well; so the handlers are called by Python, and
    # the descriptor, whoever has it, only wakes somebody up.

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Have the loop call `callback(*args)` at a signal, as asyncio's."""
        before = _wakeup_fd()
        super().add_signal_handler(sig, callback, *args)
        if signal.getsignal(sig) is unix_events._sighandler_noop:  # type: ignore[attr-defined]
            signal.signal(sig, self._signalled)
            signal.siginterrupt(sig, False)
            self._own_fd = self._csock.fileno()  # type: ignore[attr-defined]
            self._put_back(before)

    def remove_signal_handler(self, sig: int) -> bool:
        """Undo `add_signal_handler`; False if there was none."""
        before = _wakeup_fd()
        removed = super().remove_signal_handler(sig)
        self._put_back(before)
        return removed

    def _put_back(self, wakeup_fd: int) -> None:
        if wakeup_fd not in (-1, self._own_fd):
            signal.set_wakeup_fd(wakeup_fd)

    def _signalled(self, sig: int, _frame: FrameType | None) -> None:
        self._handle_signal(sig)  # type: ignore[attr-defined]
        self._waiting.wake()

    def _process_self_data(self, data: bytes) -> None:
        pass

    def _set_hooks(self) -> None:
        thread.state.hooked = self
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]


def _wakeup_fd() -> int:
    if threading.current_thread() is not threading.main_thread():
        return -1
    fd = signal.set_wakeup_fd(-1)
    try:
        signal.set_wakeup_fd(fd)
    except OSError:
        return -1  # closed meanwhile
    return fd


def announce(hub: Hub) -> None:
    """Set the running loop that plain GLib callbacks see: the background loop, else the first that runs."""
    state = thread.state
    loop, _ = state.background.get(hub, (None, None))
    if loop not in state.running:
        loop = next((one for one in state.running if one._waiting.hub is hub), None)
    if loop is not None and loop._foreign is not None:
        loop = None
    hub._outside = loop
    hub._crossing = None if loop is None else _set_running_loop


def refuse() -> None:
    """Called by the core instead of waiting in the middle of an iteration."""
    frame: FrameType | None = sys._getframe(1)
    called = "A blocking call"
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        called = f"{frame.f_code.co_name}()"
        frame = frame.f_back
    assert frame is not None
    place = f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
    raise UnsafeSwitchError(
        f"{called} in a coroutine or an asyncio callback: {place}. This task runs the asyncio loop, which "
        "would stop in the middle of an iteration. In a coroutine, write `await to_task(func, ...)` for a "
        "function that blocks, `await task` for a task, and `await` instead of await_()."
    )


def run_outside(func: Callable[..., T], *args: Any) -> T:
    """Run in a task what runs a loop, and drive GLib's loop meanwhile; an interrupt here ends it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main and GLib.MainContext.get_thread_default() is None:
        return _in_own_context(func, *args)  # the default context is for the main thread to run
    task = spawn(func, *args, name="asyncio")
    while True:
        try:
            return task.result()
        except BaseException as error:
            if task.done():
                raise
            if task.greenlet is None:
                task.cancel()
                raise
            loop = next((loop for loop in thread.state.running if loop._waiting.task is task), None)
            if loop is not None:
                loop._waiting.throw(error)
            else:
                task._interrupt(error)


def _in_own_context(func: Callable[..., T], *args: Any) -> T:
    context = GLib.MainContext.new()
    context.push_thread_default()
    try:
        return run_outside(func, *args)
    finally:
        get_hub()._close()
        context.pop_thread_default()
