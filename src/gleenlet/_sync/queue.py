"""Queue, LifoQueue and PriorityQueue: asyncio's queues, with `shutdown()`, for callers that block.

Items stay in the queue until their getter runs, so a cancelled getter never changes their order; a woken
getter has an item promised to it, a woken putter a place, and newcomers queue behind them. Knows only Waiter.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from gleenlet._core import Waiter, _native, claim, get_ident, own_methods
from gleenlet._sync.line import discard

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull", "QueueShutDown"]

T = TypeVar("T")

SHUT = -1  # for `_room`: nothing gets in any more


class QueueEmpty(Exception):
    """`get_nowait()` found nothing that is not promised to a waiting getter."""


class QueueFull(Exception):
    """`put_nowait()` found no place that is not promised to a waiting putter."""


class QueueShutDown(Exception):
    """The queue was shut down: nothing can be put, or nothing is left to get."""


@own_methods
class Queue(_native.Queue, Generic[T]):
    """A queue between tasks, first in, first out, as `asyncio.Queue`.

    Args:
        maxsize: how many items it holds before `put` waits; 0 or less: no limit.

    >>> from gleenlet import spawn
    >>> queue = Queue(1)
    >>> task = spawn(queue.put, "x")
    >>> queue.get()
    'x'
    """

    # put() and get() are _core's. `_places`, `_items_due`: how many are promised to woken waiters that have not run
    # yet.
    __slots__ = ("__weakref__", "_joiners", "_maxsize")

    if TYPE_CHECKING:

        def put(self, item: T, /) -> None: ...
        def get(self) -> T: ...

    def __init__(self, maxsize: float = 0) -> None:
        try:
            self._room = math.ceil(maxsize) if maxsize > 0 else sys.maxsize
        except TypeError:
            raise TypeError(f"maxsize must be a number of items, not {type(maxsize).__name__}") from None
        except OverflowError:  # infinity
            self._room = sys.maxsize
        self._maxsize = maxsize
        self._joiners: deque[Waiter] = deque()
        self._set_up()

    def _set_up(self) -> None:
        items = _native.Ring()
        self._items = items
        self._append = items.append
        self._pop = items.popleft

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"

    def _format(self) -> str:
        parts = [f"maxsize={self._maxsize!r}"]
        if self._items:
            parts.append(f"_queue={list(self._items)!r}")
        if self._getters:
            parts.append(f"_getters[{len(self._getters)}]")
        if self._putters:
            parts.append(f"_putters[{len(self._putters)}]")
        if self._unfinished:
            parts.append(f"tasks={self._unfinished}")
        if self._room == SHUT:
            parts.append("shutdown")
        return " ".join(parts)

    @property
    def maxsize(self) -> float:
        """How many items it may hold, as given. Thread: any."""
        return self._maxsize

    def qsize(self) -> int:
        """Return how many items `get_nowait` could get: those promised to nobody. Thread: any."""
        return max(len(self._items) - self._items_due, 0)

    def empty(self) -> bool:
        """Would `get_nowait` find nothing? Thread: any."""
        return len(self._items) <= self._items_due

    def full(self) -> bool:
        """Would `put_nowait` find no place? Thread: any."""
        return 0 < self._maxsize <= len(self._items) + self._places

    def put_nowait(self, item: T) -> None:
        """Put an item in, or raise at once.

        Raises: QueueFull: there is no place. QueueShutDown: it was shut down.
        """
        if self._places or len(self._items) >= self._room or self._thread != get_ident():
            self._thread = claim(self._thread, self)
            if self._room == SHUT:
                self._refuse_put()
            if self.full():
                raise QueueFull(f"this queue holds {self._maxsize} items already")
        self._append(item)
        self._unfinished += 1
        if self._getters:
            self._promise_items(0)

    def get_nowait(self) -> T:
        """Take the next item out, or raise at once.

        Raises: QueueEmpty: there is none. QueueShutDown: there is none, and there will not be.
        """
        if len(self._items) <= self._items_due or self._thread != get_ident():
            self._thread = claim(self._thread, self)
            if self._room == SHUT and not self._items:
                self._refuse_get()
            if len(self._items) <= self._items_due:
                raise QueueEmpty("nothing is in this queue")
        item: T = self._pop()
        if self._putters:
            self._promise_places(0)
        return item

    def task_done(self) -> None:
        """Say that the work on an item from `get` is done; after the last one `join` returns.

        Raises: ValueError: called more often than there were items.
        """
        if self._thread != get_ident():
            self._thread = claim(self._thread, self)
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        if not self._unfinished:
            self._wake_joiners()

    def join(self) -> None:
        """Wait until `task_done` was called for every item put in; at once if there is none.

        Raises: Cancelled, UnsafeSwitchError: as in `sleep`.
        """
        self._thread = claim(self._thread, self)
        if self._unfinished:
            waiter = Waiter(None, self, "Queue.join")
            self._joiners.append(waiter)
            try:
                waiter.wait()
            finally:
                if not waiter.woken:
                    discard(self._joiners, waiter)

    def shutdown(self, immediate: bool = False) -> None:
        """Let nothing in any more: `put` raises QueueShutDown at once, `get` when nothing is left.

        Never blocks.

        Args:
            immediate: drop what is in the queue, each item as if `task_done` was called for it.

        >>> queue = Queue()
        >>> queue.put("x"); queue.shutdown()
        >>> queue.get()
        'x'
        >>> queue.get()
        Traceback (most recent call last):
        gleenlet.QueueShutDown: this queue was shut down, and nothing is left in it
        """
        self._thread = claim(self._thread, self)
        self._room = SHUT
        if immediate:
            dropped = len(self._items)
            self._items.clear()
            if self._unfinished:
                self._unfinished = max(self._unfinished - dropped, 0)
                if not self._unfinished:
                    self._wake_joiners()
        self._promise_items(0)
        self._promise_places(0)

    def _refuse_put(self) -> NoReturn:
        raise QueueShutDown("this queue was shut down")

    def _refuse_get(self) -> NoReturn:
        raise QueueShutDown("this queue was shut down, and nothing is left in it")

    def _wake_joiners(self) -> None:
        joiners = self._joiners
        while joiners:
            joiners.popleft().wake()


@own_methods
class LifoQueue(Queue[T]):
    """A queue that gives the last item in first out, as `asyncio.LifoQueue`.

    >>> queue = LifoQueue()
    >>> queue.put(1); queue.put(2); queue.get()
    2
    """

    __slots__ = ()

    def _set_up(self) -> None:
        items: list[T] = []
        self._items = items
        self._append = items.append
        self._pop = items.pop


@own_methods
class PriorityQueue(Queue[T]):
    """A queue that gives its lowest item first out, as `asyncio.PriorityQueue`; (number, data) tuples mostly.

    >>> queue = PriorityQueue()
    >>> queue.put(2); queue.put(1); queue.get()
    1
    """

    __slots__ = ()

    def _set_up(self) -> None:
        items: list[Any] = []
        self._items = items
        self._append = partial(_push, items)
        self._pop = partial(heapq.heappop, items)


def _push(heap: list[Any], item: Any) -> None:
    try:
        heapq.heappush(heap, item)
    except BaseException:  # the comparison failed, and heappush leaves the item in
        heap[:] = [one for one in heap if one is not item]
        heapq.heapify(heap)
        raise
