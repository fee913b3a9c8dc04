"""timeout, move_on_after and shield: which waits belong together.

Everything here is made of `Task.cancel`, `Task.uncancel` and the hub's deadlines, and knows nothing of how
these work.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from gleenlet._core import (
    Cancelled,
    GleenletError,
    Handle,
    Hub,
    Limit,
    Task,
    current_task,
    deadline_in,
    real_deadline,
)
from gleenlet._sync.toplevel import TopLevel, top_level

__all__ = [
    "MoveOn",
    "Strike",
    "Timeout",
    "entered_by",
    "move_on_after",
    "shield",
    "timeout",
    "timeout_at",
]

T = TypeVar("T")


class shield:
    """Put off the task's cancellation until this block is left; it is then raised at the next wait.

    A `timeout` or `TaskGroup` entered inside the block still cuts its own waits short. At top level there are only
    the limits around the block to put off.

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
        self._task: Task[Any] | TopLevel | None = None
        self._outer: shield | None = None
        self._late = False
        self.struck = 0
        """How many cancellations by scopes that were entered in this block are not yet taken back."""

    def __enter__(self) -> None:
        if self._task is not None:
            raise GleenletError("this shield has already been entered: make one for each block")
        task = self._task = current_task() or top_level()
        if task is not None:
            self._outer = task.shield
            task.shield = self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        task = self._task
        if task is None:
            return
        outer = task.shield = self._outer
        if outer is not None and outer._late:
            # A scope of the outer block gave up meanwhile, and no wait out there can tell.
            outer._late = False
            if error is None:
                raise Cancelled("time was up, or a group had failed, while a shield was entered")


class Strike:
    """How a scope cancels the task it was entered in, and takes that back.

    Outside any shield that is `cancel()` and `uncancel()`. In a shield the task's own cancellations are put
    off and must not be mixed up with the scope's, so these are counted by the shield.
    """

    __slots__ = ("before", "shield", "task")

    def __init__(self, what: str, *, at_top_level: bool = False) -> None:
        task = current_task() or (top_level() if at_top_level else None)
        if task is None:
            raise GleenletError(f"{what} should be used inside a task: use run(main), or spawn(func)")
        self.task: Any = task
        self.shield: shield | None = task.shield
        self.before = self.count()

    def count(self) -> int:
        return int(self.task.cancelling()) if self.shield is None else self.shield.struck

    def strike(self) -> None:
        task, block = self.task, self.shield
        if block is None:
            task.cancel()
            return
        block.struck += 1
        if task.shield is not block:
            block._late = True
            return
        task.interrupt(Cancelled(), True)

    def take_back(self) -> int:
        """Return how many cancellations are left."""
        if self.shield is None:
            return int(self.task.uncancel())
        self.shield.struck -= 1
        if not self.shield.struck:
            self.shield._late = False
            self.task.take_back(Cancelled, True)
        return self.shield.struck


def entered_by(block: Any) -> Any:
    """The task, or top level, that has entered this limit or TaskGroup; None: nobody has."""
    return block._strike and block._strike.task


class _Limit(Limit):
    """A block whose task is cancelled at a deadline."""

    __slots__ = ("_handle", "_state", "_strike", "_when")

    def __init__(self, when: float | None) -> None:
        self._when = real_deadline(when)
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
        self._when = real_deadline(when)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if when is not None:
            hub: Hub = self._strike.task.hub
            if when <= hub.time():
                self._handle = hub.call_soon(self._expire)
            else:
                self._handle = hub.call_at(when, self._expire)

    def __enter__(self) -> Self:
        if self._state != "created":
            raise GleenletError(f"{type(self).__name__} has already been entered: make one for each block")
        self._strike = Strike(type(self).__name__, at_top_level=True)
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

    def forked(self, task: Task[Any] | None) -> None:
        if self._strike.task is task or isinstance(self._strike.task, TopLevel):
            self.reschedule(self._when)

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
    Raises: by the block: TimeoutError: time was up. GleenletError: in a callback of the loop.

    >>> from gleenlet import run, sleep
    >>> def main():
    ...     with timeout(0.001):
    ...         sleep(10)
    >>> run(main)
    Traceback (most recent call last):
    TimeoutError
    """
    return Timeout(deadline_in(seconds))


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
    return MoveOn(deadline_in(seconds))
