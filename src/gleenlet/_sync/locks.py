"""RLock and Condition: asyncio's primitives for callers that block; Event and Lock are the core's.

Each belongs to the thread that uses it first and refuses others. A waiter that was woken, and cancelled before
it ran, passes the wake-up on. This file does not care who waits: tasks, raw greenlets, top level.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, TypeVar

from greenlet import getcurrent

from gleenlet._core import GleenletError, Line, Lock, ThreadBound, _native, current_task, runs_tasks

__all__ = ["Condition", "RLock"]

T = TypeVar("T")


class RLock(ThreadBound):
    """A lock that its owner, a task or greenlet, may take again, as `threading.RLock`.

    >>> lock = RLock()
    >>> with lock, lock:
    ...     lock.locked()
    True
    """

    __slots__ = ("_depth", "_lock", "_owner")

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: object = None
        self._depth = 0

    def __repr__(self) -> str:
        state = f"locked, owner:{self._owner!r}, depth:{self._depth}" if self._depth else "unlocked"
        return _native.describe(self, state, self._lock.waiting)

    def locked(self) -> bool:
        """Has anybody got it? Thread: any."""
        return self._depth > 0

    def acquire(self) -> Literal[True]:
        """Wait until the lock is free or the caller's, and take it once more.

        Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
        """
        self.claim()
        owner = _owner()
        if self._owner is not owner:
            self._lock.acquire()
            self._owner = owner
        self._depth += 1
        return True

    def release(self) -> None:
        """Undo one `acquire`; with the last one, who has waited longest gets the lock. Never blocks.

        Raises: GleenletError, a RuntimeError: the caller does not own it.
        """
        self.claim()
        if not self._held():
            raise GleenletError("RLock is not acquired by this task: release() is for its owner")
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _held(self) -> int:
        """How often the caller has got it."""
        return self._depth if self._depth and self._owner is _owner() else 0


def _owner() -> object:
    current = getcurrent()
    return current_task() if runs_tasks(current) else current


class Condition:
    """A condition variable with its lock, as `asyncio.Condition`; the lock may be an RLock as well.

    >>> from gleenlet import spawn
    >>> condition, items = Condition(), []
    >>> def put(item):
    ...     with condition:
    ...         items.append(item)
    ...         condition.notify()
    >>> task = spawn(put, "x")
    >>> with condition:
    ...     condition.wait_for(lambda: items)
    ['x']
    """

    def __init__(self, lock: Lock | RLock | None = None) -> None:
        if lock is None:
            lock = Lock()
        elif not isinstance(lock, Lock | RLock):
            raise TypeError(f"Condition() needs a gleenlet Lock or RLock, not {type(lock).__name__}")
        self._lock = lock
        self.locked = lock.locked
        self.acquire = lock.acquire
        self.release = lock.release
        self._line = Line("Condition.wait")

    def __repr__(self) -> str:
        return _native.describe(self, "locked" if self.locked() else "unlocked", len(self._line))

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def wait(self) -> Literal[True]:
        """Release the lock, wait until notified, and take the lock again, even when cancelled meanwhile.

        It may return without cause: another waiter may have been notified and cancelled. Check again, or use
        `wait_for`.

        Raises: GleenletError, a RuntimeError: the lock is not acquired. Cancelled, UnsafeSwitchError: as in
            `sleep`, with the lock taken again.
        """
        depth = self._check("wait on")
        for _ in range(depth):
            self._lock.release()
        try:
            self._line.wait(self, self._wake_next)
        except BaseException:
            self._get_back(depth)
            raise
        try:
            self._get_back(depth)
        except BaseException:
            self._wake_next()
            raise
        return True

    def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until `predicate()` is true, and return its value; the lock is held whenever it is called.

        Raises: as `wait`; TypeError: `predicate` cannot be called.
        """
        if not callable(predicate):
            raise TypeError(f"wait_for() needs a function without arguments, not {type(predicate).__name__}")
        while not (result := predicate()):
            self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up the `n` who have waited longest; they return once they have the lock. Never blocks.

        Raises: GleenletError, a RuntimeError: the lock is not acquired.
        """
        self._check("notify on")
        self._line.wake(n)

    def notify_all(self) -> None:
        """Wake up all who wait; as `notify`."""
        self.notify(sys.maxsize)

    def _check(self, what: str) -> int:
        """How often the caller has got the lock, once at least."""
        self._lock.claim(self)
        depth = self._lock._held() if isinstance(self._lock, RLock) else int(self._lock.locked())
        if not depth:
            raise GleenletError(f"cannot {what} un-acquired lock: call it inside `with condition:`")
        return depth

    def _get_back(self, depth: int) -> None:
        error: BaseException | None = None
        while True:
            try:
                self._lock.acquire()
                break
            except GleenletError:  # blocking is impossible here
                raise
            except BaseException as interrupted:
                error = interrupted
        for _ in range(depth - 1):  # of an RLock
            self._lock.acquire()
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _wake_next(self) -> None:
        self._line.wake(1)
