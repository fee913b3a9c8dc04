"""What one thread does and another one waits for. It knows nothing of where threads come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gleenlet._core import Waiter

__all__ = ["Work"]


class Work:
    """A function for another thread, and who waits for it.

    Args:
        late: called, in any thread, with the exception that it fails with when who waits has gone.
    """

    __slots__ = ("_error", "_func", "_late", "_result", "_waiter")

    def __init__(self, func: Callable[[], Any], waiter: Waiter, late: Callable[[BaseException], object]) -> None:
        self._func: Callable[[], Any] | None = func  # None once it has begun, or was called off
        self._waiter = waiter
        self._late = late
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function and wake who waits. Thread: the other one."""
        func, self._func = self._func, None
        if func is None:
            return
        try:
            self._result = func()
        except BaseException as error:
            self._error = error
            if error.__traceback__ is not None:  # without this frame, or it is in a cycle with it
                error.__traceback__ = error.__traceback__.tb_next
        finally:
            in_time = self._waiter.wake_threadsafe()  # he has not left yet
        if not in_time and self._error is not None:
            self._late(self._error)

    def wait(self) -> Any:
        """Return or raise what came of the call, when it is over; who leaves before calls off what has not begun."""
        try:
            self._waiter.wait()
        except BaseException:
            if not self._waiter.woken:
                self._func = None
            elif self._error is not None:
                self._late(self._error)
            raise
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # it would be in a cycle with this frame
