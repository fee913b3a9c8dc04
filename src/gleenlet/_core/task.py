"""Tasks: functions that run on greenlets of the hub's pool; spawning, waiting for and cancelling them."""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, ParamSpec, TextIO, TypeVar, cast

from gi.repository import GLib

from gleenlet._core import _native
from gleenlet._core._native import CANCELLED, DONE, FAILED, Waiter
from gleenlet._core.errors import Cancelled, GleenletError
from gleenlet._core.failures import ask_later
from gleenlet._core.waits import what_it_waits_for

__all__ = ["Parent", "Task", "current_task", "spawn"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")

_numbers = itertools.count(1)


class Task(_native.Job, Generic[T_co]):
    """A function that runs on a greenlet of its own; made by `spawn`.

    Differs from asyncio's in this: cancelling a task that waits in `join()` or `result()` does not cancel the
    task it waits for.

    >>> task = spawn(pow, 2, 10, name="power")
    >>> task.result()
    1024
    >>> task
    <Task 'power' done>
    """

    __slots__ = {  # with their docstrings
        "__weakref__": None,
        "_cancelling": None,
        "_traceback": None,
        "reminder": "Seam: the call that tells of its failure if nobody asks for it before.",
    }

    _cancelling: int
    _traceback: TracebackType | None
    reminder: _native.Handle

    @property
    def name(self) -> str:
        """Its name: as given to `spawn`, else the function's with a number."""
        if self._name is None:
            func = self.func
            own = func if type(func) is str else getattr(func, "__name__", None)
            self._name = f"{own or 'Task'}-{next(_numbers)}"
        return cast(str, self._name)

    @name.setter
    def name(self, name: str) -> None:
        self._name = str.__str__(str(name))  # of str itself, as _core makes it: see I5

    def __repr__(self) -> str:
        if not self.done():
            waiter = self.waiter
            if self is current_task():
                state = "running"
            elif waiter is not None:
                state = f"waiting for {what_it_waits_for(waiter)}"
            else:
                state = "waiting" if self.greenlet else "new"
        else:
            state = {DONE: "done", FAILED: "failed", CANCELLED: "cancelled"}[self.state]
        return f"<Task {self.name!r} {state}>"

    def cancel(self, msg: object = None) -> bool:
        """Raise `Cancelled` in the task at its wait, or at its next one; before its start, it never runs.

        Returns: False if it has ended already. Calls add up, see `cancelling()`.
        Thread: the hub's own.

        >>> from gleenlet import sleep
        >>> task = spawn(sleep, 10)
        >>> task.cancel(), task.join(), task.cancelled()
        (True, True, True)
        """
        if self.done():
            return False
        self.interrupt(Cancelled() if msg is None else Cancelled(msg))
        self._cancelling = self.cancelling() + 1
        return True

    def cancelling(self) -> int:
        """Return how often `cancel()` was called, less the calls of `uncancel()`.

        >>> spawn(int).cancelling()
        0
        """
        return getattr(self, "_cancelling", 0)

    def uncancel(self) -> int:
        """Take one cancellation back, for who has handled it; return how many are left, as asyncio's does.

        When none is left, one that has not been raised in the task yet will not be.

        Thread: the hub's own.

        >>> spawn(int).uncancel()
        0
        """
        left = max(self.cancelling() - 1, 0)
        if not left:
            self.take_back(Cancelled)
        self._cancelling = left
        return left

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the task has ended, however it ends.

        Args:
            timeout: seconds, None for no limit.

        Returns: True; False if `timeout` seconds were not enough.
        Raises: GleenletError: a task cannot wait for itself. Cancelled, UnsafeSwitchError: as in `sleep`.

        >>> spawn(print, "hello").join()
        hello
        True
        """
        if self.done():
            return True
        self.hub.check_thread()
        waiter = Waiter(timeout, self, "task")
        if self is current_task():
            raise GleenletError(f"{self!r} cannot wait for itself")
        callbacks = self.callbacks
        if callbacks is None:
            callbacks = self.callbacks = []
        callbacks.append(waiter)
        try:
            waiter.wait(None)
        finally:
            if self.callbacks is not None:
                self.drop_callback(waiter)
        return self.done()

    def result(self, timeout: float | None = None) -> T_co:
        """Wait until the task has ended; return its result or raise its exception.

        Raises:
            TimeoutError: not within `timeout` seconds.
            Cancelled: the task, or the one that waits, was cancelled.
            UnsafeSwitchError: a GLib callback is on the stack here.

        >>> spawn(max, 1, 2).result()
        2
        """
        if not self.join(timeout):
            raise TimeoutError(f"{self!r} has not ended within {timeout} seconds")
        if self.state == DONE:
            return cast(T_co, self.value)
        raise self.ended_by()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until the task has ended; return its exception, None if it has none.

        Raises: TimeoutError, Cancelled: as `result()`.

        >>> spawn(int, "1").exception() is None
        True
        """
        if not self.join(timeout):
            raise TimeoutError(f"{self!r} has not ended within {timeout} seconds")
        if self.state == CANCELLED:
            raise self.ended_by()
        return cast(BaseException, self.value) if self.state == FAILED else None

    def ended_by(self) -> BaseException:
        """Seam: what it ended by, to be raised: with the traceback of then, without the frames of who asked before."""
        error = cast(BaseException, self.value)
        if self.state == CANCELLED and not isinstance(error, Cancelled):
            ended = Cancelled()
            ended.__cause__ = error
            return ended
        try:
            traceback = self._traceback
        except AttributeError:
            traceback = self._traceback = error.__traceback__
        return error.with_traceback(traceback)

    def add_done_callback(self, func: Callable[[Task[T_co]], object], /) -> None:
        """Have the loop call `func(task)` soon after the task has ended; at once in its next pass if it has.

        Raises: TypeError: `func` cannot be called. GleenletError: in another thread than the hub's.

        >>> from gleenlet import run, sleep
        >>> task = spawn(int, name="x")
        >>> task.add_done_callback(print)
        >>> task.join() and run(sleep, 0)
        <Task 'x' done>
        """
        if not callable(func):
            raise TypeError(f"a function to call is needed, not {type(func).__name__}")
        self.hub.check_thread()
        if self.done():
            self.hub.call_soon(func, self)
        elif self.callbacks is None:
            self.callbacks = [func]
        else:
            self.callbacks.append(func)

    def remove_done_callback(self, func: Callable[[Task[T_co]], object], /) -> int:
        """Call it off; return how many were removed."""
        callbacks = self.callbacks or []
        count = callbacks.count(func)
        for _ in range(count):
            callbacks.remove(func)
        return count

    def drop_callback(self, callback: object) -> None:
        """Seam: take out this very callback; others may say that they are equal to it."""
        callbacks = self.callbacks or []
        for place, other in enumerate(callbacks):
            if other is callback:
                del callbacks[place]
                return

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print where the task stands, as `traceback.print_stack` does.

        >>> import sys
        >>> spawn(int, name="new").print_stack(file=sys.stdout)
        <Task 'new' new>
        """
        file = file or sys.stderr
        print(repr(self), file=file)
        frame = self.greenlet.gr_frame if self.greenlet else None
        if self is current_task():
            frame = sys._getframe(1)
        if frame is not None:
            traceback.print_stack(frame, limit=limit, file=file)

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the task in a coroutine, on `gleenlet.asyncio`'s loop or PyGObject's own.

        >>> import gleenlet.asyncio
        >>> async def main(): return await spawn(max, 1, 2)
        >>> gleenlet.asyncio.run(main())
        2
        """
        from gleenlet._core.future import future_of  # loads asyncio, which most programs do not need

        return future_of(self).__await__()

    def _finished(self) -> None:
        """Called by _core when it has ended and somebody waits, or it has failed.

        Once more if an allocation failed: whom it has told by then is out of the list, and it goes on with the others.
        """
        if self.state == FAILED:
            self._traceback = self.value.__traceback__
        if self.hub.closed:  # abandoned with it, and failed while it was: nobody can be told any more but by a report
            self.callbacks = None
            if self.state == FAILED:
                self.hub.report_failure(self.value, self)
            return
        callbacks = self.callbacks
        if not callbacks:
            self.callbacks = None
            if self.state != FAILED:
                return
            if self._held and not isinstance(self.value, SystemExit | KeyboardInterrupt):
                ask_later(self)
            else:
                self.hub.report_failure(self.value, self)
            return
        callbacks.reverse()
        while callbacks:
            callback = callbacks[-1]
            if isinstance(callback, Waiter):
                callback.wake()
            elif isinstance(callback, Parent):
                if self.state == DONE:
                    callback.child_done(self)
                else:
                    self.hub.call_soon(callback.child_failed, self)
            else:
                self.hub.call_soon(callback, self)
            callbacks.pop()
        self.callbacks = None


class Parent:
    """Among a task's callbacks: told at once that it is done, and in the loop's next pass that it has failed."""

    def child_done(self, child: Task[Any]) -> None:
        """Seam: called by the core, and in a forked child for who is forgotten there."""
        raise NotImplementedError

    def child_failed(self, child: Task[Any]) -> None:
        """Seam: called by the loop, also for who was cancelled."""
        raise NotImplementedError


def current_task() -> Task[Any] | None:
    """Return the task that runs here, or whose code started the greenlet that does; None outside any.

    >>> spawn(lambda: current_task().name, name="me").result()
    'me'
    """
    return cast("Task[Any] | None", _native.current_task())


def spawn(
    func: Callable[..., T],
    /,
    *args: Any,
    name: str | None = None,
    priority: int = GLib.PRIORITY_DEFAULT,
    **kwargs: Any,
) -> Task[T]:
    """Start `func(*args, **kwargs)` as a task of this thread's loop; it first runs from the loop, never here.

    Args:
        func: any function that runs when it is called; for a coroutine spawn `gleenlet.asyncio.await_`.
        name: for messages; by default the function's with a number.
        priority: the GLib priority of its wake-ups.

    Returns: the task. A failure that nobody waits for is told to `Hub.on_error`: at once where nobody holds the
        task; else when it is dropped, or after 10 seconds, unless somebody asks for it before.
    Raises: TypeError: `func` cannot be called, or does not run when it is: a coroutine or generator function.
    Thread: any; the task runs on this one.

    >>> spawn("{} {}".format, 1, 2).result()
    '1 2'
    """
    return Task(func, args, kwargs, priority, name, True)
