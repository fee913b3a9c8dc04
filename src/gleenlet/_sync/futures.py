"""wait_future: other people's futures. Knows of one only how to be told of its end and how to ask for its result."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast

from gleenlet._core import Cancelled, Task, Waiter, get_hub
from gleenlet._sync.daemons import do_elsewhere

__all__ = ["wait_future"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class FutureLike(Protocol[T_co]):
    """What `wait_future` waits for."""

    def add_done_callback(self, func: Callable[[Any], object], /) -> object:
        """Have `func(future)` called once it has ended, in any thread."""

    def result(self) -> T_co:
        """Return its result, or raise its exception."""


def wait_future(future: FutureLike[T], timeout: float | None = None) -> T:
    """Wait until a future has ended; return its result or raise its exception.

    Args:
        future: anything with `add_done_callback()` and `result()`: of a thread pool, a process pool, Dask.
        timeout: seconds, None for no limit. It leaves the future alone.

    A cancelled caller cancels the future. Of anything but a `concurrent.futures.Future`, `result()` and
    `cancel()` may be calls over a network: they run in a thread.

    Raises:
        TypeError: no such thing; a task, whose `result()` waits by itself; a future of asyncio's, for which
            there is `gleenlet.asyncio.await_`.
        ValueError: `timeout` is negative or NaN.
        TimeoutError: not within `timeout` seconds.
        concurrent.futures.CancelledError: somebody else cancelled it. (Dask has a CancelledError of its own.)
        Cancelled, UnsafeSwitchError: as in `sleep`.

    Thread: any.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor() as threads:
    ...     wait_future(threads.submit(pow, 2, 10))
    1024
    """
    refuse(future)
    hub = get_hub()
    waiter = Waiter(timeout, future, "future")
    deadline = None if timeout is None else hub.time() + timeout
    watched = watch(future)
    try:
        if watched.enter(waiter):
            waiter.wait()
        if isinstance(future, Future):
            return cast(T, future.result())
        left = None if deadline is None else max(0.0, deadline - hub.time())
        return cast(T, do_elsewhere(future.result, Waiter(left, future, "future"), ignore).wait())
    except Cancelled:
        if isinstance(future, Future):
            future.cancel()
        elif hasattr(future, "cancel"):
            do_elsewhere(future.cancel, Waiter(), ignore)
        raise
    finally:
        watched.leave(waiter)


def ignore(_: BaseException) -> None:
    """Nobody asked for a failure that comes too late."""


def refuse(future: object) -> None:
    if isinstance(future, Task):
        raise TypeError(f"wait_future() is for futures, and {future!r} is a task: its result() waits")
    if hasattr(future, "_asyncio_future_blocking"):  # what asyncio.isfuture() looks at
        raise TypeError(f"wait_future() cannot wait for {future!r} of asyncio's: use gleenlet.asyncio.await_(future)")
    if not (hasattr(future, "add_done_callback") and hasattr(future, "result")):
        raise TypeError(
            f"wait_future() needs a future, with add_done_callback() and result(), not {type(future).__name__}"
        )


class Watched:
    """A future that is waited for: its one callback, as that cannot be taken back, and who waits now."""

    __slots__ = ("__weakref__", "done", "lock", "waiters")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = False
        self.waiters: list[Waiter] = []

    def enter(self, waiter: Waiter) -> bool:
        """Take a place among those who wait; False if there is nothing to wait for."""
        with self.lock:
            self.waiters.append(waiter)
            return not self.done

    def leave(self, waiter: Waiter) -> None:
        with self.lock:
            self.waiters.remove(waiter)

    def over(self, _: object) -> None:  # in any thread
        with self.lock:
            self.done = True
            for waiter in self.waiters:
                waiter.wake_threadsafe()


watched_futures: dict[int, Watched] = {}
"""By id(): futures need no hash, and equal ones are not the same."""
watching = threading.RLock()  # the collector may run `forget` inside


def watch(future: FutureLike[Any]) -> Watched:
    with watching:
        watched = watched_futures.get(id(future))
        if watched is not None:
            return watched
        watched = Watched()
        try:
            weakref.finalize(future, forget, id(future)).atexit = False
        except TypeError:  # it takes no weak reference: each wait has a callback of its own
            pass
        else:
            watched_futures[id(future)] = watched
    try:
        future.add_done_callback(watched.over)
    except BaseException:
        forget(id(future))  # nobody would ever tell: the next wait asks anew
        raise
    return watched


def forget(future: int) -> None:
    with watching:
        watched_futures.pop(future, None)
