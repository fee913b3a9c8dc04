"""wait_future: other people's futures. Knows of one only how to be told of its end and how to ask for its result."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast

from gleenlet._core import Cancelled, Task, Waiter, time_left
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
    waiter = Waiter(timeout, future, "future")
    watched = watch(future)
    watched.waiters.append(waiter)
    try:
        if not watched.done:
            waiter.wait()
        if isinstance(future, Future):
            return cast(T, future.result())
        left = time_left(waiter.deadline)
        return cast(T, do_elsewhere(future.result, Waiter(left, future, "future"), ignore).wait())
    except Cancelled:
        if isinstance(future, Future):
            future.cancel()
        elif hasattr(future, "cancel"):
            do_elsewhere(future.cancel, Waiter(), ignore)
        raise
    finally:
        with contextlib.suppress(ValueError):  # taken out by who has woken him
            watched.waiters.remove(waiter)


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
    """A future that is waited for: its one callback, as that cannot be taken back, and who waits now.

    It needs no lock. Who waits enters first and then looks whether it is done; the callback says first that it is, and
    then takes out who has entered.
    """

    __slots__ = ("done", "waiters")

    def __init__(self) -> None:
        self.done = False
        self.waiters: list[Waiter] = []

    def over(self, _: object) -> None:  # in any thread
        self.done = True
        try:
            while self.waiters:
                self.waiters.pop(0).wake_threadsafe()
        except IndexError:  # the last one has just left
            pass


watched_futures: dict[int, Watched] = {}
"""By id(): futures need no hash, and equal ones are not the same."""


def watch(future: FutureLike[Any]) -> Watched:
    new = Watched()
    watched = watched_futures.setdefault(id(future), new)  # one step for all threads
    if watched is not new:
        return watched
    try:
        weakref.finalize(future, watched_futures.pop, id(future), None).atexit = False
    except TypeError:  # it takes no weak reference: each wait has a callback of its own
        del watched_futures[id(future)]
    try:
        future.add_done_callback(new.over)
    except BaseException:
        watched_futures.pop(id(future), None)  # nobody would ever tell: the next wait asks anew
        raise
    return new
