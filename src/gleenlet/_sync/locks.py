"""Event, Lock, RLock and Condition: asyncio's primitives for callers that block.

Each binds to the thread that uses it first and refuses others. A waiter that was woken, and cancelled before
it ran, passes the wake-up on. This file does not care who waits: tasks, raw greenlets, top level.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, TypeVar

from greenlet import getcurrent

from gleenlet._core import GleenletError, Waiter, _native, claim, current_task, get_ident, own_methods, runs_tasks
from gleenlet._sync.line import describe, discard

__all__ = ["Condition", "Event", "Lock", "RLock"]

T = TypeVar("T")


@own_methods
class Event(_native.Event):
    """A flag that tasks can wait for, as `asyncio.Event`.

    >>> from gleenlet import spawn
    >>> event = Event()
    >>> task = spawn(event.set)
    >>> event.wait(), event.is_set()
    (True, True)
    """

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return describe(self, "set" if self.is_set() else "unset", len(self._waiters))


@own_methods
class Lock(_native.Lock):
    """A lock, as `asyncio.Lock`: it has no owner, and goes to those who wait first come, first served.

    >>> lock = Lock()
    >>> with lock:
    ...     lock.locked()
    True
    """

    __slots__ = ("__weakref__",)

    def __repr__(self) -> str:
        return describe(self, "locked" if self.locked() else "unlocked", len(self._waiters))

    # For Condition: how to let go of it altogether and to get it back.

    def _held(self) -> bool:
        return self.locked()

    def _let_go(self) -> int:
        self.release()
        return 1

    def _get_back(self, depth: int) -> None:
        self.acquire()


class RLock:
    """A lock that its owner, a task or greenlet, may take again, as `threading.RLock`.

    >>> lock = RLock()
    >>> with lock, lock:
    ...     lock.locked()
    True
    """

    __slots__ = ("__weakref__", "_depth", "_lock", "_owner", "_thread")

    def __init__(self) -> None:
        self._thread = 0
        self._lock = Lock()
        self._owner: object = None
        self._depth = 0

    def __repr__(self) -> str:
        state = f"locked, owner:{self._owner!r}, depth:{self._depth}" if self._depth else "unlocked"
        return describe(self, state, len(self._lock._waiters))

    def locked(self) -> bool:
        """Has anybody got it? Thread: any."""
        return self._depth > 0

    def acquire(self) -> Literal[True]:
        """Wait until the lock is free or the caller's, and take it once more.

        Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
        """
        self._thread = claim(self._thread, self)
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
        self._thread = claim(self._thread, self)
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

    def _held(self) -> bool:
        return self._depth > 0 and self._owner is _owner()

    def _let_go(self) -> int:
        depth, self._depth = self._depth, 1
        self.release()
        return depth

    def _get_back(self, depth: int) -> None:
        self.acquire()
        self._depth = depth


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
        self._waiters: deque[Waiter] = deque()

    def __repr__(self) -> str:
        return describe(self, "locked" if self.locked() else "unlocked", len(self._waiters))

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
        self._check("wait on")
        waiter = Waiter(None, self, "Condition.wait")
        depth = self._lock._let_go()
        self._waiters.append(waiter)
        try:
            try:
                waiter.wait()
            finally:
                if not waiter.woken:
                    discard(self._waiters, waiter)
                self._get_back(depth)
        except BaseException:
            if waiter.woken:
                self._notify(1)
            raise
        return True

    def wait_for(self, predicate: Callable[[], T]) -> T:
        """Wait until `predicate()` is true, and return its value; the lock is held whenever it is called.

        Raises: as `wait`.
        """
        while not (result := predicate()):
            self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up the `n` who have waited longest; they return once they have the lock. Never blocks.

        Raises: GleenletError, a RuntimeError: the lock is not acquired.
        """
        self._check("notify on")
        self._notify(n)

    def notify_all(self) -> None:
        """Wake up all who wait; as `notify`."""
        self.notify(len(self._waiters))

    def _check(self, what: str) -> None:
        if self._lock._thread != get_ident():
            claim(self._lock._thread, self)
        if not self._lock._held():
            raise GleenletError(f"cannot {what} un-acquired lock: call it inside `with condition:`")

    def _get_back(self, depth: int) -> None:
        error: BaseException | None = None
        while True:
            try:
                self._lock._get_back(depth)
                break
            except GleenletError:  # blocking is impossible here
                raise
            except BaseException as interrupted:
                error = interrupted
        if error is not None:
            try:
                raise error
            finally:
                del error

    def _notify(self, n: int) -> None:
        waiters = self._waiters
        while n > 0 and waiters:
            n -= waiters.popleft().wake()
