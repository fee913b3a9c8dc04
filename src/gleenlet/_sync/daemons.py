"""Threads that the program's end does not wait for; `concurrent.futures.ThreadPoolExecutor` joins all of its own.

What is given to a thread is done, and told: nothing in it needs memory but the function that is called, and what fails
all the same does not end it. `threading.Thread.start` is not used: it waits for ever if the thread fails before it has
said that it runs.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from _queue import SimpleQueue  # in `queue` it may be gevent's
from collections import deque
from collections.abc import Callable
from typing import Any

from gleenlet._core import Waiter, unpatched
from gleenlet._sync.work import Work

__all__ = ["do_elsewhere"]

MAX_THREADS = min(32, (os.cpu_count() or 1) + 4)


class Pool:
    """At most MAX_THREADS threads, made when they are needed and kept."""

    def __init__(self) -> None:
        self.works: SimpleQueue[Work] = SimpleQueue()
        # One for each Work that would be served at once: True for a thread that has nothing to do, False for one that
        # may be started. To take one, or to put one in, is a single step for all threads.
        self.free = deque([False] * MAX_THREADS, MAX_THREADS)

    def give(self, work: Work) -> None:
        """Have it run. Raises: what starting a thread raises; it is not run then."""
        try:
            idle = self.free.pop()
        except IndexError:
            idle = True  # all are busy, and one will come to it
        if not idle:
            try:
                native_start()(self.serve, ())
            except BaseException:
                self.free.appendleft(False)
                raise
        self.works.put(work)

    def serve(self) -> None:
        """What a thread does, for as long as there is one."""
        try:
            begin()
        except BaseException:  # then it is without a name, and nobody traces it
            pass
        while True:
            try:
                try:
                    self.works.get().run()
                finally:
                    self.free.append(True)
            except BaseException as error:  # there is no memory to tell of a failure, say
                try:
                    sys.excepthook(type(error), error, error.__traceback__)
                except BaseException:
                    pass


_pool = Pool()
_numbers = itertools.count()


def do_elsewhere(func: Callable[[], Any], waiter: Waiter, late: Callable[[BaseException], object]) -> Work:
    """Have a thread of ours call `func()` and then wake `waiter`; a failure that comes too late is told to `late`."""
    work = Work(func, waiter, late)
    _pool.give(work)
    return work


def native_start() -> Callable[..., Any]:
    """What starts a thread, also where gevent's monkey patching has put something that starts a greenlet."""
    start: Callable[..., Any] = unpatched("_thread", "start_new_thread")
    return start


def begin() -> None:
    """Called first in each thread: what `threading.Thread` would do for it."""
    threading.current_thread().name = f"gleenlet_{next(_numbers)}"
    if (profile := threading.getprofile()) is not None:
        sys.setprofile(profile)
    if (trace := threading.gettrace()) is not None:
        sys.settrace(trace)


def _new_pool() -> None:
    global _pool
    _pool = Pool()


os.register_at_fork(after_in_child=_new_pool)  # the child has none of its threads
