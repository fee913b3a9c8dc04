"""Semaphore and BoundedSemaphore: asyncio's, for callers that block. As the locks, they bind to one thread."""

from __future__ import annotations

from typing import Literal

from gleenlet._core import Line, ThreadBound, _native, whole_number

__all__ = ["BoundedSemaphore", "Semaphore"]


class Semaphore(ThreadBound):
    """A counter that `acquire` takes from and `release` gives to, as `asyncio.Semaphore`.

    First come, first served.

    >>> semaphore = Semaphore(2)
    >>> with semaphore:
    ...     semaphore.locked()
    False
    """

    # `_value` is what is free; a unit that is promised to a woken waiter is not in it.
    __slots__ = ("_line", "_value")

    def __init__(self, value: int = 1) -> None:
        value = whole_number(value, "value")
        if value < 0:
            raise ValueError(f"Semaphore initial value must be >= 0, not {value!r}")
        self._value = value
        self._line = Line("Semaphore.acquire")

    def __repr__(self) -> str:
        state = "locked" if self.locked() else f"unlocked, value:{self._value}"
        return _native.describe(self, state, len(self._line))

    def locked(self) -> bool:
        """Would `acquire` wait? Thread: any."""
        return self._value == 0 or self._line.promised > 0

    def acquire(self) -> Literal[True]:
        """Wait until the counter is above 0, and take 1 from it.

        Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
        """
        self.claim()
        if self._value > 0 and not self._line.promised:
            self._value -= 1
            return True
        self._line.wait(self, self._pass_on)
        if self._value > 0:
            self._hand_out()
        return True

    def release(self) -> None:
        """Add 1 to the counter, or give it to who has waited longest. Never blocks."""
        self.claim()
        self._value += 1
        if self._line:
            self._hand_out()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _hand_out(self) -> None:
        given = self._line.wake(self._value)
        self._value -= given  # read anew: a finalizer or a signal's handler may have released meanwhile

    def _pass_on(self) -> None:
        self._value += 1
        self._hand_out()


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses more releases than acquires, as `asyncio.BoundedSemaphore`.

    >>> BoundedSemaphore(1).release()
    Traceback (most recent call last):
    ValueError: BoundedSemaphore released too many times
    """

    __slots__ = ("_bound",)

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._bound = value

    def release(self) -> None:
        """As `Semaphore.release`. Raises: ValueError: the counter would exceed its first value."""
        if self._value >= self._bound:
            self.claim()
            raise ValueError("BoundedSemaphore released too many times")
        super().release()
