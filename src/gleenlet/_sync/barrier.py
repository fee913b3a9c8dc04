"""Barrier: asyncio's, for callers that block. Knows only lines of waiters."""

from __future__ import annotations

import threading

from gleenlet._core import GleenletError, Line, ThreadBound, _native, whole_number

__all__ = ["Barrier", "BrokenBarrierError"]


class BrokenBarrierError(GleenletError, threading.BrokenBarrierError):
    """The barrier was reset or aborted while a task waited, or is aborted still.

    >>> issubclass(BrokenBarrierError, RuntimeError)
    True
    """


class Barrier(ThreadBound):
    """A point where a number of tasks wait for each other, as `asyncio.Barrier`.

    >>> from gleenlet import spawn
    >>> barrier = Barrier(2)
    >>> task = spawn(barrier.wait)
    >>> barrier.wait(), task.result()
    (0, 1)
    """

    def __init__(self, parties: int) -> None:
        parties = whole_number(parties, "parties")
        if parties < 1:
            raise ValueError(f"parties must be > 0, not {parties!r}")
        self._parties = parties
        self._inside = Line("Barrier.wait")  # they wait for the others; promised: let go, not left yet
        self._early = Line("Barrier.wait")  # they wait until those who were let go have left
        self._spoilt = False  # reset or aborted while some had not left yet
        self._broken = False

    def __repr__(self) -> str:
        if self._broken:
            return _native.describe(self, "broken", 0)
        state = "draining" if self._inside.promised else "filling"
        return _native.describe(self, f"{state}, waiters:{self.n_waiting}/{self._parties}", 0)

    @property
    def parties(self) -> int:
        """How many it takes. Thread: any."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many wait for the others now. Thread: the one it belongs to."""
        return len(self._inside)

    @property
    def broken(self) -> bool:
        """Was it aborted, and not reset since? Thread: any."""
        return self._broken

    def __enter__(self) -> int:
        return self.wait()

    def __exit__(self, *exception: object) -> None:
        pass

    def wait(self) -> int:
        """Wait until `parties` tasks wait here; who was cancelled before does not count.

        Returns: a number of its own for each, from 0 to parties - 1, in order of arrival.
        Raises: BrokenBarrierError: it was aborted, or reset meanwhile. Cancelled, UnsafeSwitchError: as in
            `sleep`.
        """
        self.claim()
        while self._inside.promised and not self._broken:
            self._early.wait(self)
        if self._broken:
            raise BrokenBarrierError("the barrier was aborted: reset() makes it usable again")
        if self.n_waiting == self._parties - 1:
            self._inside.wake_counted()
            return self._parties - 1
        index = self._inside.wait(self, self._leave)
        if self._leave():
            raise BrokenBarrierError("the barrier was reset or aborted while this task waited")
        return index

    def reset(self) -> None:
        """Make it as new; who waits gets BrokenBarrierError. Never blocks."""
        self.claim()
        self._broken = False
        self._inside.wake()
        self._spoilt = self._inside.promised > 0

    def abort(self) -> None:
        """Break it for good; who waits, now or later, gets BrokenBarrierError. Never blocks."""
        self.claim()
        self._broken = True
        self._inside.wake()
        self._spoilt = self._inside.promised > 0
        self._early.wake()

    def _leave(self) -> bool:
        """One who was let go has left. Was the barrier reset or aborted before that?"""
        spoilt = self._spoilt
        if not self._inside.promised:
            self._spoilt = False
            self._early.wake()
        return spoilt
