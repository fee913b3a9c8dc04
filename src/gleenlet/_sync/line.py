"""What all who stand in line share: leaving it, and saying how long it is."""

from __future__ import annotations

from collections import deque

from gleenlet._core import Ring, Waiter

__all__ = ["describe", "discard"]


def discard(waiters: deque[Waiter] | Ring, waiter: Waiter) -> None:
    """Take a waiter that gave up out of its line, if nobody has tried to wake it yet."""
    try:
        waiters.remove(waiter)
    except ValueError:
        pass


def describe(what: object, state: str, waiters: int) -> str:
    if waiters:
        state += f", waiters:{waiters}"
    return f"<gleenlet.{type(what).__qualname__} object at {id(what):#x} [{state}]>"
