"""TaskGroup: tasks that end with their block.

Made of `Task.cancel` and a scope's strike; it knows nothing of how these work.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from gi.repository import GLib
from greenlet import GreenletExit

from gleenlet._core import Cancelled, GleenletError, Line, Parent, Task, ThreadBound
from gleenlet._sync.scopes import Strike

__all__ = ["TaskGroup"]

T = TypeVar("T")


class TaskGroup(ThreadBound, Parent):
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
        self._strike: Strike | None = None
        self._tasks: set[Task[Any]] = set()
        self._errors: list[BaseException] = []
        self._base_error: BaseException | None = None
        self._exiting = False
        self._over = False
        self._aborting = False
        self._struck = False
        self._line = Line("TaskGroup")

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
        self.claim()
        if self._over or (self._exiting and not self._tasks):
            raise GleenletError(f"{self!r} is finished: start the task with spawn()")
        if self._aborting:
            raise GleenletError(f"{self!r} is shutting down: no task can be added")
        callbacks = [self]  # before the task: where there is no memory for it, no task is to be waited for
        task: Task[T] = Task(func, args, kwargs, priority, name, True)
        task.callbacks = callbacks
        self._tasks.add(task)
        return task

    def __enter__(self) -> Self:
        if self._strike is not None:
            raise GleenletError(f"{self!r} has already been entered: make one for each block")
        self._strike = Strike("TaskGroup")
        self.claim()
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
            try:
                self._line.wait(self)
            except Cancelled as interrupted:
                if not self._aborting:
                    cancelled = interrupted
                    self._abort()
            except GleenletError:  # waiting is impossible here: the tasks end by themselves
                self._abort()
                self._over = True
                if not self._strike.task.hub.closed:
                    raise
                if isinstance(self._base_error, GreenletExit):  # all are abandoned, this one too
                    raise self._base_error from None
                if not isinstance(error, GreenletExit):
                    raise
                return
            except BaseException as interrupted:
                self._base_error = self._base_error or interrupted
                self._abort()
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

    def child_done(self, child: Task[Any]) -> None:
        self._tasks.discard(child)
        if not self._tasks:
            self._line.wake()

    def child_failed(self, child: Task[Any]) -> None:
        self.child_done(child)
        if child.cancelled():
            return
        error = cast(BaseException, child.exception())
        if self._over:
            child.hub.report(error, f"in {child!r}, whose TaskGroup is over", child)
            return
        self._errors.append(error)
        if isinstance(error, SystemExit | KeyboardInterrupt) and self._base_error is None:
            self._base_error = error
        if not self._aborting:
            assert self._strike is not None
            self._abort()
            self._struck = True
            self._strike.strike()
