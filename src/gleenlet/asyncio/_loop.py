"""asyncio's own event loop, unmodified but for its selector (_selector.py): any number of them, each in a task.

What belongs to the thread, and not to one of its greenlets, is kept right here: who is the running loop where,
the hooks for asynchronous generators, the descriptor for signals.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
import threading
import weakref
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, TypeVar

from gleenlet._core import Hub, SignalListener, Task, UnsafeSwitchError, _slabs, current_task, get_hub, spawn
from gleenlet.asyncio._private import SelectorEventLoop, never_mind, no_handler
from gleenlet.asyncio._selector import Selector

__all__ = ["EventLoop", "announce", "local", "loops_and_tasks", "run_in_task", "waits_outside"]

T = TypeVar("T")


class Loops:
    """Those of one thread."""

    def __init__(self) -> None:
        self.running: list[EventLoop] = []
        self.background: dict[Hub, tuple[EventLoop, Task[None]]] = {}
        self.hooks: Any = None  # the asynchronous generators' hooks as they were before the first loop ran
        self.hooked: EventLoop | None = None  # whose hooks are set: they belong to the thread, too


class Local(threading.local):
    def __init__(self) -> None:
        self.loops = Loops()


local = Local()


class EventLoop(SelectorEventLoop):
    """asyncio's own event loop, run by a task: `asyncio.Runner(loop_factory=EventLoop)`.

    Outside a task it drives the thread's GLib loop, as `Task.result()` does; in a GLib callback it raises
    `UnsafeSwitchError`. Cancelling the task that runs it cancels what `run_until_complete` runs.

    >>> import asyncio
    >>> with asyncio.Runner(loop_factory=EventLoop) as runner:
    ...     runner.run(asyncio.sleep(0.001, "done"))
    'done'
    """

    _all: ClassVar[weakref.WeakSet[EventLoop]] = weakref.WeakSet()  # for gleenlet.debug
    _closed = True  # until it is made

    def __init__(self) -> None:
        # All that is ours is there: with more than 30 attributes, call_at and call_soon included, CPython's caches of
        # attributes would not work for the loop, which costs a tenth of its speed.
        self.waiting = Selector()
        self.waiting.loop = self
        try:
            super().__init__(self.waiting)
        except BaseException:  # there is no pipe to close
            self.waiting.close()
            self._closed = True
            raise
        EventLoop._all.add(self)  # last: who looks on, in another thread maybe, looks at all of it

    def run_forever(self) -> None:
        """Run until `stop()`, as asyncio's."""
        task = current_task()
        if task is None:
            self._check_closed()
            self._check_running()
            try:
                run_in_task(self.run_forever)
            except UnsafeSwitchError:
                self.waiting.in_callback = True
                raise
            return
        with self.beside_foreign(task):
            self._run_in(task)

    def _run_in(self, task: Task[Any]) -> None:
        attached = False
        selector, loops = self.waiting, local.loops  # at the thread's end `local` has others, new and empty
        running = loops.running
        try:
            self._check_closed()
            self._check_running()
            selector.around = selector.foreign
            selector.attach(task, loops)
            attached = True
            if not running:
                loops.hooks = sys.get_asyncgen_hooks()
            running.append(self)
            loops.hooked = self
            announce(task.hub)
            _with_room(super().run_forever)
        finally:
            if attached:
                selector.detach()
                if self in running:  # not in a child that one of its coroutines has forked
                    running.remove(self)
                loops.hooked = None
                _set_running_loop(None)
                if not running:
                    sys.set_asyncgen_hooks(*loops.hooks)
                announce(task.hub)

    @contextmanager
    def beside_foreign(self, task: Task[Any] | None) -> Iterator[None]:
        """Seam: PyGObject's loop, which a task sees running here, is no obstacle: this one is not inside it."""
        around = _get_running_loop() if task is not None and task.guard is None else None
        if around is None:
            yield
            return
        self.waiting.foreign = around
        _set_running_loop(None)
        try:
            yield
        finally:
            self.waiting.foreign = None
            _set_running_loop(around)

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine or future is done; return its result, as asyncio's.

        Raises: Cancelled, KeyboardInterrupt: what its task was interrupted with, if that ended the coroutine.
        """
        self._check_closed()
        task = current_task()
        if self.is_running() or task is None or task.guard is not None:
            self._check_running()
        is_new = not asyncio.isfuture(future)
        future = asyncio.ensure_future(future, loop=self)
        if is_new:
            never_mind(future)
        waiting = self.waiting
        before, waiting.main = waiting.main, future
        try:
            with self.beside_foreign(task):
                return super().run_until_complete(future)
        except asyncio.CancelledError:
            interruption, waiting.interruption = waiting.interruption, None
            if interruption is not None and future.cancelled():
                raise interruption  # noqa: B904  the cancellation is its consequence
            raise
        except BaseException:
            if is_new and future.done() and not future.cancelled():
                future.exception()  # it is raised here: no report that nobody has seen it
            raise
        finally:
            waiting.main, waiting.interruption = before, None

    def stop(self) -> None:
        """End `run_forever` after this iteration, as asyncio's; from outside an iteration, at once."""
        super().stop()
        self.waiting.wake()

    def close(self) -> None:
        """Close it, as asyncio's; what it was refused to run has been told by an error already."""
        if self.waiting.in_callback:
            for task in asyncio.all_tasks(self):
                coroutine = task.get_coro()
                if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                    never_mind(task)
                    coroutine.close()
        super().close()
        if self.is_closed():
            self.waiting.forget()

    # ---- signals: asyncio lets Python write their numbers to the loop's socket. There is one such descriptor
    # in a process, and PyGObject and other loops want it as well; so the handlers are called by Python, and
    # the descriptor, whoever has it, only wakes somebody up.

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Have the loop call `callback(*args)` at a signal, as asyncio's."""
        if self.waiting.hears is None:
            self.waiting.hears = SignalListener(self.waiting.hub or get_hub(), self._heard)
        before = _wakeup_fd()
        try:
            super().add_signal_handler(sig, callback, *args)
        finally:
            self._stop_hearing()
        if signal.getsignal(sig) is no_handler:
            signal.signal(sig, self._signalled)
            signal.siginterrupt(sig, False)
            self.waiting.wakeup_fd = self._csock.fileno()
            self._put_back(before)

    def remove_signal_handler(self, sig: int) -> bool:
        """Undo `add_signal_handler`; False if there was none."""
        before = _wakeup_fd()
        removed = super().remove_signal_handler(sig)
        self._put_back(before)
        self._stop_hearing()
        return removed

    def _stop_hearing(self) -> None:
        if not self._signal_handlers and self.waiting.hears is not None:
            self.waiting.hears.close()
            self.waiting.hears = None

    def _heard(self, numbers: bytes) -> None:
        """Whoever replaces our handler, by signal.signal(), does not replace the loop's: as in asyncio."""
        for sig in numbers:
            if sig in self._signal_handlers and signal.getsignal(sig) != self._signalled:
                self._handle_signal(sig)
                self.waiting.wake()

    def _put_back(self, wakeup_fd: int) -> None:
        if wakeup_fd not in (-1, self.waiting.wakeup_fd):
            signal.set_wakeup_fd(wakeup_fd)

    def _signalled(self, sig: int, _frame: FrameType | None) -> None:
        if self.waiting.hears is not None:
            self.waiting.hears.look()  # while this is the handler: what is heard of it later is another's
        self._handle_signal(sig)
        self.waiting.wake()

    def _process_self_data(self, data: bytes) -> None:
        pass

    def set_hooks(self) -> None:
        """Seam: have it told of asynchronous generators in this thread."""
        local.loops.hooked = self
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)


def _with_room(func: Callable[[], None]) -> None:
    """Call it beyond the end of the task's small first chunk of Python stack.

    Where a loop's frames lie across that end, each callback makes a new chunk and frees it, at 2 % of the speed.
    """
    func()


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=_slabs.SMALL // 8)


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
    loops = local.loops
    loop, _ = loops.background.get(hub, (None, None))
    if loop not in loops.running:
        loop = next((one for one in loops.running if one.waiting.hub is hub), None)
    if loop is not None and loop.waiting.foreign is not None:
        loop = None
    hub.set_turn(None if loop is None else _set_running_loop, loop)


def loop_of(task: Task[Any]) -> EventLoop | None:
    """The loop that a task of this thread's runs."""
    return next((loop for loop in local.loops.running if loop.waiting.task is task), None)


def waits_outside(task: Task[Any]) -> bool:
    """Does the loop that this task runs wait for any descriptor but that which wakes it itself?"""
    loop = loop_of(task)
    return loop is not None and not loop.waiting._fd_to_key.keys() <= {loop._ssock.fileno()}


def loops_and_tasks() -> list[tuple[EventLoop, Task[Any]]]:
    """The loops that run in whatever thread, and the tasks that run them.

    Raises: RuntimeError: another thread has made a loop meanwhile.
    """
    return [(loop, task) for loop in EventLoop._all if (task := loop.waiting.task) is not None]


def run_in_task(func: Callable[..., T], *args: Any) -> T:
    """Run in a task what runs a loop, and drive GLib's loop meanwhile; an interrupt here ends it."""
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
            loop = loop_of(task)
            if loop is not None:
                loop.waiting.throw(error)
            else:
                task.interrupt(error)
