"""Barrier: asyncio's, for callers that block. Knows only Waiter."""

from __future__ import annotations

import threading
from collections import deque

from gleenlet._core import GleenletError, Waiter, claim
from gleenlet._sync.line import describe, discard
from gleenlet._sync.numbers import whole_number

__all__ = ["Barrier", "BrokenBarrierError"]


class BrokenBarrierError(GleenletError, threading.BrokenBarrierError):
    """The barrier was reset or aborted while a task waited, or is aborted still.

    >>> issubclass(BrokenBarrierError, RuntimeError)
    True
    """


class Barrier:
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
        self._thread = 0
        self._parties = parties
        self._inside: deque[Waiter] = deque()  # they wait for the others
        self._outside: deque[Waiter] = deque()  # they wait until those who were let go have left
        self._leaving = 0
        self._spoilt = False  # reset or aborted while some had not left yet
        self._broken = False

    def __repr__(self) -> str:
        if self._broken:
            return describe(self, "broken", 0)
        state = "draining" if self._leaving else "filling"
        return describe(self, f"{state}, waiters:{self.n_waiting}/{self._parties}", 0)

    @property
    def parties(self) -> int:
        """How many it takes. Thread: any."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many wait for the others now. Thread: the one it belongs to."""
        return sum(not waiter.done for waiter in self._inside)

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
        self._thread = claim(self._thread, self)
        while self._leaving and not self._broken:
            self._join(self._outside)
        if self._broken:
            raise BrokenBarrierError("the barrier was aborted: reset() makes it usable again")
        if self.n_waiting == self._parties - 1:
            self._let_go(self._inside)
            return self._parties - 1
        spoilt = False
        waiter = Waiter(None, self, "Barrier.wait")
        self._inside.append(waiter)
        try:
            index: int = waiter.wait()
        finally:
            if not waiter.woken:
                discard(self._inside, waiter)
            else:
                spoilt = self._spoilt
                self._leaving -= 1
                if not self._leaving:
                    self._spoilt = False
                    _wake_all(self._outside)
        if spoilt:
            raise BrokenBarrierError("the barrier was reset or aborted while this task waited")
        return index

    def reset(self) -> None:
        """Make it as new; who waits gets BrokenBarrierError. Never blocks."""
        self._thread = claim(self._thread, self)
        self._broken = False
        self._let_go(self._inside)
        self._spoilt = self._leaving > 0

    def abort(self) -> None:
        """Break it for good; who waits, now or later, gets BrokenBarrierError. Never blocks."""
        self._thread = claim(self._thread, self)
        self._broken = True
        self._let_go(self._inside)
        self._spoilt = self._leaving > 0
        _wake_all(self._outside)

    def _let_go(self, waiters: deque[Waiter]) -> None:
        index = 0
        while waiters:
            index += waiters.popleft().wake(index)
        self._leaving += index

    def _join(self, waiters: deque[Waiter]) -> None:
        waiter = Waiter(None, self, "Barrier.wait")
        waiters.append(waiter)
        try:
            waiter.wait()
        finally:
            if not waiter.woken:
                discard(waiters, waiter)


def _wake_all(waiters: deque[Waiter]) -> None:
    while waiters:
        waiters.popleft().wake()
