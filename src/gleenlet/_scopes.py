"""TaskGroup, timeout, move_on_after and shield: which tasks and waits belong together.

Everything here is made of `Task.cancel`, `Task.uncancel` and the hub's deadlines, and knows nothing of how
these work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from gi.repository import GLib

from gleenlet._core import Handle, claim, get_ident
from gleenlet._errors import Cancelled, GleenletError
from gleenlet._hub import Hub, Waiter, get_hub
from gleenlet._task import Parent, Task, current_task

__all__ = [
    "MoveOn",
    "TaskGroup",
    "Timeout",
    "move_on_after",
    "shield",
    "timeout",
    "timeout_at",
]

T = TypeVar("T")


class shield:
    """Put off the task's cancellation until this block is left; it is then raised at the next wait.

    A `timeout` or `TaskGroup` entered inside the block still cuts its own waits short. Outside any task there
    is nothing to put off.

    >>> from gleenlet import sleep, spawn
    >>> def save():
    ...     with shield():
    ...         task.cancel()  # here, or from elsewhere meanwhile
    ...         sleep(0.001)
    ...         print("saved")
    ...     sleep(0)
    ...     print("not reached")
    >>> task = spawn(save)
    >>> task.join(), task.cancelled()
    saved
    (True, True)
    """

    __slots__ = ("_late", "_outer", "_task", "struck")

    def __init__(self) -> None:
        self._task: Task[Any] | None = None
        self._outer: shield | None = None
        self._late = False
        self.struck = 0
        """How many cancellations by scopes that were entered in this block are not yet taken back."""

    def __enter__(self) -> None:
        if self._task is not None:
            raise GleenletError("this shield has already been entered: make one for each block")
        task = self._task = current_task()
        if task is not None:
            self._outer = _shields.get(task)
            _shields[task] = self
            task._shields += 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        task = self._task
        if task is None:
            return
        task._shields -= 1
        outer = self._outer
        if outer is None:
            del _shields[task]
            return
        _shields[task] = outer
        if outer._late:
            # A scope of the outer block gave up meanwhile, and no wait out there can tell.
            outer._late = False
            if error is None:
                raise Cancelled("time was up, or a group had failed, while a shield was entered")

    def _refuse_wait(self) -> None:
        assert self._task is not None
        self._task._guard = None
        raise Cancelled


_shields: dict[Task[Any], shield] = {}
"""The innermost shield of each task that is in one."""


class _Strike:
    """How a scope cancels the task it was entered in, and takes that back.

    Outside any shield that is `cancel()` and `uncancel()`. In a shield the task's own cancellations are put
    off and must not be mixed up with the scope's, so these are counted by the shield.
    """

    __slots__ = ("before", "shield", "task", "thread")

    def __init__(self, what: str) -> None:
        task = current_task()
        if task is None:
            raise GleenletError(f"{what} should be used inside a task: use run(main), or spawn(func)")
        self.task = task
        self.thread = get_ident()
        self.shield = _shields.get(task) if task._shields else None
        self.before = self.count()

    def count(self) -> int:
        return self.task.cancelling() if self.shield is None else self.shield.struck

    def strike(self) -> None:
        task, block = self.task, self.shield
        if block is None:
            task.cancel()
            return
        block.struck += 1
        if _shields.get(task) is not block:
            block._late = True
            return
        if task._waiter is None:  # it gave way by a switch of its own: at its next wait
            if task._guard is None:
                task._guard = block._refuse_wait
            return
        shields, task._shields = task._shields, 0
        task._interrupt(Cancelled())
        task._shields = shields

    def take_back(self) -> int:
        """Return how many cancellations are left."""
        if self.shield is None:
            return self.task.uncancel()
        self.shield.struck -= 1
        if not self.shield.struck:
            self.shield._late = False
            if self.task._guard == self.shield._refuse_wait:
                self.task._guard = None
        return self.shield.struck


class _Limit:
    """A block whose task is cancelled at a deadline."""

    __slots__ = ("_handle", "_state", "_strike", "_when")

    def __init__(self, when: float | None) -> None:
        if when is not None and math.isnan(when):
            raise ValueError("a deadline must be a number of seconds or None, not nan")
        self._when = when
        self._state: Literal["created", "active", "expiring", "expired", "finished"] = "created"
        self._handle: Handle | None = None

    def __repr__(self) -> str:
        state = f"[{self._state}]"
        if self._state == "active":
            state += f" when={None if self._when is None else round(self._when, 3)}"
        return f"<{type(self).__name__} {state}>"

    def when(self) -> float | None:
        """Return the deadline, a point of the hub's clock; None if there is none."""
        return self._when

    def expired(self) -> bool:
        """Was the deadline reached while the block ran?"""
        return self._state in ("expiring", "expired")

    def reschedule(self, when: float | None) -> None:
        """Move the deadline.

        Raises: GleenletError, a RuntimeError: the block has not been entered, is over, or is being left.
        """
        if self._state != "active":
            if self._state == "created":
                raise GleenletError(f"{type(self).__name__} has not been entered: use it in a with statement")
            raise GleenletError(f"Cannot change state of {self._state} {type(self).__name__}")
        if when is not None and math.isnan(when):
            raise ValueError("a deadline must be a number of seconds or None, not nan")
        self._when = when
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if when is not None:
            hub: Hub = self._strike.task._hub
            if when <= hub.time():
                self._handle = hub.call_soon(self._expire)
            else:
                self._handle = hub.call_at(when, self._expire)

    def __enter__(self) -> Self:
        if self._state != "created":
            raise GleenletError(f"{type(self).__name__} has already been entered: make one for each block")
        self._strike = _Strike(type(self).__name__)
        self._state = "active"
        self.reschedule(self._when)
        return self

    def _leave(self) -> bool:
        """Is a Cancelled that leaves the block ours alone, or was the task cancelled from elsewhere too?"""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._state == "active":
            self._state = "finished"
            return False
        self._state = "expired"
        return self._strike.take_back() <= self._strike.before

    def _expire(self) -> None:
        self._handle = None
        self._state = "expiring"
        self._strike.strike()


class Timeout(_Limit):
    """A block with a deadline, as `asyncio.Timeout`; made by `timeout` and `timeout_at`.

    >>> from gleenlet import run, sleep
    >>> def more_time(limit: Timeout) -> None:
    ...     limit.reschedule(None)
    >>> def main():
    ...     with timeout(0.001) as limit:
    ...         more_time(limit)
    ...         sleep(0.01)
    ...     return limit
    >>> run(main)
    <Timeout [finished]>
    """

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._leave() or error is None:
            return
        if isinstance(error, Cancelled):
            raise TimeoutError from error
        _insert_timeout(error)
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                _insert_timeout(one)


def _insert_timeout(error: BaseException) -> None:
    """Raised while the block was being left: show why, between it and the Cancelled in its context."""
    while error.__context__ is not None:
        if isinstance(error.__context__, Cancelled):
            why = TimeoutError()
            why.__context__ = why.__cause__ = error.__context__
            error.__context__ = why
            return
        error = error.__context__


def timeout(seconds: float | None) -> Timeout:
    """Limit the time of a block: `with timeout(5): ...`.

    Args:
        seconds: from now on; None for no limit. 0 or less: up to the first wait.

    Returns: the context manager, with `when()`, `reschedule(when)` and `expired()`.
    Raises: by the block: TimeoutError: time was up. GleenletError: outside any task.

    >>> from gleenlet import run, sleep
    >>> def main():
    ...     with timeout(0.001):
    ...         sleep(10)
    >>> run(main)
    Traceback (most recent call last):
    TimeoutError
    """
    return Timeout(None if seconds is None else get_hub().time() + seconds)


def timeout_at(when: float | None) -> Timeout:
    """As `timeout`, with a deadline: a point of the clock of `Hub.time()`.

    >>> timeout_at(None).when() is None
    True
    """
    return Timeout(when)


class MoveOn(_Limit):
    """A block that is left quietly when time is up; made by `move_on_after`.

    >>> from gleenlet import run, sleep
    >>> def main():
    ...     with move_on_after(0) as limit:
    ...         sleep(10)
    ...     return limit
    >>> run(main)
    <MoveOn [expired]>
    """

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return self._leave() and isinstance(error, Cancelled)


def move_on_after(seconds: float | None) -> MoveOn:
    """Limit the time of a block, and go on after it when time is up; `expired()` tells.

    Args, Raises: as `timeout`, but for TimeoutError.

    >>> from gleenlet import run, sleep
    >>> def main():
    ...     with move_on_after(0.001) as limit:
    ...         sleep(10)
    ...     return limit.expired()
    >>> run(main)
    True
    """
    return MoveOn(None if seconds is None else get_hub().time() + seconds)


class TaskGroup(Parent):
    """A block that ends when all its tasks have ended, as `asyncio.TaskGroup`.

    The first failure cancels the other tasks and the block; all failures are raised together at its end.

    Raises: by the block: ExceptionGroup, or BaseExceptionGroup: tasks or the block failed. KeyboardInterrupt,
        SystemExit: as they are, the other failures as their cause. GleenletError: outside any task.

    >>> from gleenlet import run
    >>> def main():
    ...     with TaskGroup() as group:
    ...         one = group.spawn(pow, 2, 3)
    ...         two = group.spawn(pow, 2, 4)
    ...     return one.result() + two.result()
    >>> run(main)
    24
    """

    def __init__(self) -> None:
        self._strike: _Strike | None = None
        self._tasks: set[Task[Any]] = set()
        self._errors: list[BaseException] = []
        self._base_error: BaseException | None = None
        self._exiting = False
        self._over = False
        self._aborting = False
        self._struck = False
        self._waiter: Waiter | None = None

    def __repr__(self) -> str:
        parts = []
        if self._tasks:
            parts.append(f"tasks={len(self._tasks)}")
        if self._errors:
            parts.append(f"errors={len(self._errors)}")
        if self._aborting:
            parts.append("cancelling")
        elif self._strike is not None:
            parts.append("entered")
        return " ".join(["<TaskGroup", *parts]) + ">"

    def spawn(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        name: str | None = None,
        priority: int = GLib.PRIORITY_DEFAULT,
        **kwargs: Any,
    ) -> Task[T]:
        """Start a task of this group; as `gleenlet.spawn`.

        Raises: GleenletError, a RuntimeError: the group is not entered yet, finished, shutting down, or another
            thread's.
        """
        if self._strike is None:
            raise GleenletError(f"{self!r} has not been entered: use it in a with statement")
        if self._strike.thread != get_ident():
            claim(self._strike.thread, self)
        if self._over or (self._exiting and not self._tasks):
            raise GleenletError(f"{self!r} is finished: start the task with spawn()")
        if self._aborting:
            raise GleenletError(f"{self!r} is shutting down: no task can be added")
        task: Task[T] = Task(func, args, kwargs, priority, name, True)
        self._tasks.add(task)
        task._callbacks = [self]
        return task

    def __enter__(self) -> Self:
        if self._strike is not None:
            raise GleenletError(f"{self!r} has already been entered: make one for each block")
        self._strike = _Strike("TaskGroup")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._strike is not None
        self._exiting = True
        cancelled = error if isinstance(error, Cancelled) else None
        if isinstance(error, SystemExit | KeyboardInterrupt) and self._base_error is None:
            self._base_error = error
        if error is not None:
            self._abort()
        while self._tasks:
            waiter = self._waiter = Waiter()
            try:
                waiter.wait()
            except Cancelled as interrupted:
                if not self._aborting:
                    cancelled = interrupted
                    self._abort()
            except GleenletError:  # waiting is impossible here: the tasks end by themselves
                self._abort()
                self._over = True
                raise
            except BaseException as interrupted:
                self._base_error = self._base_error or interrupted
                self._abort()
        self._waiter = None
        self._over = True
        try:
            self._raise(error, cancelled)
        finally:
            self._errors = []
            self._base_error = None
            del error, cancelled

    def _raise(self, error: BaseException | None, cancelled: BaseException | None) -> None:
        assert self._strike is not None
        base = self._base_error
        if error is not None and error is not base and not isinstance(error, Cancelled):
            self._errors.append(error)
        if self._struck:  # then there are errors, and these come before a cancellation
            self._strike.take_back()
        try:
            if base is not None:
                others = [one for one in self._errors if one is not base]
                if others and base.__cause__ is None:
                    raise base from BaseExceptionGroup("unhandled errors in a TaskGroup", others)
                raise base
            if self._errors:
                if self._strike.shield is None and self._strike.task.cancelling():
                    # Cancelled from outside as well: first the errors, at the next wait the cancellation.
                    self._strike.task.uncancel()
                    self._strike.task.cancel()
                raise BaseExceptionGroup("unhandled errors in a TaskGroup", self._errors) from None
            if cancelled is not None:
                raise cancelled
        finally:
            del base, error, cancelled

    def _abort(self) -> None:
        if not self._aborting:
            self._aborting = True
            for task in self._tasks:
                task.cancel()

    def _child_done(self, child: Task[Any]) -> None:
        self._tasks.discard(child)
        if self._waiter is not None and not self._tasks:
            self._waiter.wake()

    def _child_failed(self, child: Task[Any]) -> None:
        self._child_done(child)
        if child.cancelled():
            return
        error = cast(BaseException, child.exception())
        if self._over:
            child._hub.report(error, f"in {child!r}, whose TaskGroup is over")
            return
        self._errors.append(error)
        if isinstance(error, SystemExit | KeyboardInterrupt) and self._base_error is None:
            self._base_error = error
        if not self._aborting:
            assert self._strike is not None
            self._abort()
            self._struck = True
            self._strike.strike()
