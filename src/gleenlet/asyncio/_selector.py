"""What asyncio's loop waits with: a selector that waits through the hub.

asyncio asks a selector what is ready. Ours asks epoll without waiting; when nothing is ready it suspends the
task that runs the loop until epoll has something, and between busy iterations it gives way when the time
slice is over.

Two facts shape this file. asyncio's running loop belongs to the thread, not to the greenlet: it is set while
a loop iterates and taken away whenever its task is suspended. And an iteration must not be left half-way, or
a callback would run inside another one: whatever blocks inside a coroutine is refused (`Job.guard`).

It knows asyncio's queues and the core's Waiter; of the loop itself it knows what asyncio calls it by.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import select
import selectors
from asyncio.events import _set_running_loop
from collections.abc import Callable
from contextvars import Context
from typing import Any, cast

from gleenlet._core import (
    Cancelled,
    GleenletError,
    Hub,
    SignalListener,
    Task,
    UnsafeSwitchError,
    Waiter,
    describe,
    sleep,
    user_frame,
)
from gleenlet.asyncio._private import EpollSelector

__all__ = ["Selector", "refuse_wait"]

_give_way = functools.partial(sleep, 0)
_append = collections.deque.append


class Added(collections.deque[asyncio.Handle]):
    """Stands in for the loop's queue of callbacks while the loop waits: what is added wakes the loop."""

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        self.selector: Any = selector  # None once the loop is closed

    def append(self, handle: asyncio.Handle) -> None:
        _append(self, handle)
        waiter = self.selector.waiter
        if waiter is not None:
            try:
                waiter.wake()
            except GleenletError:
                pass  # another thread: call_soon_threadsafe writes to the loop's socket


class Selector(EpollSelector):
    """asyncio's selector, but it waits through the hub."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: Any = None
        self.hub: Hub | None = None
        self.task: Task[Any] | None = None  # who runs the loop
        self.waiter: Waiter | None = None  # its wait
        self.around: Any = None  # the running loop that others see while this one waits
        self.settled = False  # epoll had nothing, and the hub reported nothing since
        self.thrown: BaseException | None = None
        self.loops: Any = None  # of its thread
        self.added = Added(self)
        self.main: asyncio.Future[Any] | None = None  # what run_until_complete runs
        self.interruption: BaseException | None = None  # what cancelled it
        self.foreign: Any = None  # the loop that PyGObject runs on this thread
        self.wakeup_fd = -1  # the loop's own, for signals
        self.in_callback = False  # somebody tried to run it in a GLib callback
        self.hears: SignalListener | None = None  # while there are handlers for signals

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; wait for it, up to `timeout` seconds, by suspending the task."""
        hub = self.hub
        if hub is None:
            return super().select(timeout)
        if self.added:  # a thread added it just when the loop woke up
            timeout = 0
            while self.added:
                self.loop._ready.append(self.added.popleft())
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
        loop, added, ready = self.loop, self.added, self.loop._ready
        timers = loop._scheduled
        first = timers[0] if timers else None
        loop.call_at = self.call_at  # for the time being: as a method it would slow down every call_later
        loop._ready = added
        try:
            while True:
                self.waiter = waiter = Waiter(timeout, None, "asyncio events")
                try:
                    self.suspend(waiter.wait, None)
                finally:
                    self.waiter = None
                if not self.settled or not added or loop._stopping or loop._debug:
                    return
                # Somebody outside added callbacks, and there is nothing else: run them, as an iteration would.
                for _ in range(len(added)):
                    handle = added.popleft()
                    if not handle._cancelled:
                        handle._run()
                timers = loop._scheduled
                if added or loop._stopping or first is not (timers[0] if timers else None):
                    return
                if first is not None:
                    timeout = first._when - loop.time()
                    if timeout <= 0:
                        return
        finally:
            loop._ready = ready
            while added:
                ready.append(added.popleft())
            del loop.call_at

    def suspend(self, wait: Callable[..., object], *args: object) -> None:
        """Let others run meanwhile: the only place where the loop's task is suspended."""
        task: Any = self.task
        task.guard = None
        _set_running_loop(self.around)
        interruption = None
        try:
            wait(*args)
        except BaseException as error:
            interruption = error
        _set_running_loop(self.loop)
        task.guard = refuse_wait
        if self.loops.hooked is not self.loop:
            self.loop.set_hooks()
        if interruption is not None or self.thrown is not None:
            self.interrupt(interruption)

    def interrupt(self, interruption: BaseException | None) -> None:
        """Somebody cancelled the loop's task: cancel what the loop runs for, else, or if the hub ended, it."""
        if self.thrown is not None:
            interruption, self.thrown = self.thrown, None
        elif self.main is not None and not self.main.done() and self.hub is not None and not self.hub.closed:
            self.interruption = interruption
            self.main.cancel(*interruption.args[:1] if isinstance(interruption, Cancelled) else ())
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

    def attach(self, task: Task[Any], loops: Any) -> None:
        self.task, self.hub, self.settled, self.loops = task, task.hub, False, loops
        self.hub.watch(self._selector.fileno(), self.edge)
        task.guard = refuse_wait

    def make_room(self, hub: Hub) -> None:
        """OSError where the hub finds no free descriptor to watch this one with: in a task of its own nobody waits."""
        hub.watch(self._selector.fileno(), self.edge)
        hub.unwatch(self._selector.fileno())

    def forget(self) -> None:
        """The loop is closed: nothing refers to itself any more."""
        self.loop = self.added.selector = None

    def detach(self) -> None:
        hub, task = self.hub, self.task
        if hub is not None and task is not None:
            hub.unwatch(self._selector.fileno())
            task.guard = None
        self.hub = self.task = None


def refuse_wait() -> None:
    """Called by the core instead of waiting in the middle of an iteration."""
    frame, called = user_frame(())
    called = "A blocking call" if called == "the call" else f"{called}()"
    raise UnsafeSwitchError(
        f"{called} in a coroutine or an asyncio callback: {describe(frame)}. This task runs the asyncio loop, which "
        "would stop in the middle of an iteration. In a coroutine, write `await to_task(func, ...)` for a "
        "function that blocks, `await task` for a task, and `await` instead of await_()."
    )
