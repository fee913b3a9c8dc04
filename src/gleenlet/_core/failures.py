"""Failures that nobody waited for, of tasks that somebody still holds: he may ask yet, so they are told later.

Until somebody asks, such a task is of a class of its own, whose finalizer tells. So a task that succeeds pays nothing
for all this, and nothing is kept alive by it. Who is told is the hub's affair; this file knows tasks by what they do.
"""

from __future__ import annotations

import atexit
import functools
import os
import weakref
from typing import Any

from gleenlet._core.hub import in_its_thread

__all__ = ["ask_later"]

PATIENCE = 10.0
"""For so many seconds a failure waits for somebody who asks."""

_unasked: weakref.WeakSet[Any] = weakref.WeakSet()


def ask_later(task: Any) -> None:
    """Tell of a task's failure when it is dropped, or when `PATIENCE` is over; not if somebody asks for it before."""
    kind: Any = type(task)
    task.reminder = task.hub.call_later(PATIENCE, _time_is_over, weakref.ref(task))
    task.__class__ = _with_finalizer(kind)
    _unasked.add(task)


@functools.cache
def _with_finalizer(cls: Any) -> Any:
    class Unasked(cls):  # type: ignore[misc]  # whatever Task it is
        __slots__ = ()

        def join(self, timeout: float | None = None) -> bool:
            _asked(self)
            return bool(self.join(timeout))  # of its own class, which it is of again

        def add_done_callback(self, func: Any, /) -> None:
            _asked(self)
            self.add_done_callback(func)

        def __del__(self) -> None:
            _tell(self)

    for name in ("__name__", "__qualname__", "__module__"):
        setattr(Unasked, name, getattr(cls, name))
    return Unasked


def _asked(task: Any) -> None:
    task.__class__ = type(task).__base__
    _unasked.discard(task)
    in_its_thread(task.hub, task.reminder.cancel)


def _tell(task: Any) -> None:
    _asked(task)
    if not in_its_thread(task.hub, task.hub.report_failure, task.value, task):
        task.hub.report_failure(task.value, task)


def _time_is_over(ref: weakref.ref[Any]) -> None:
    task = ref()
    if task is not None and task in _unasked:
        _tell(task)


@atexit.register
def _tell_all() -> None:
    for task in list(_unasked):
        _tell(task)


def _forget_in_child() -> None:
    """They are the parent's to tell."""
    for task in list(_unasked):
        task.__class__ = type(task).__base__
    _unasked.clear()


os.register_at_fork(after_in_child=_forget_in_child)
