"""Threads that the program's end does not wait for; `concurrent.futures.ThreadPoolExecutor` joins all of its own.

What they do, and how it comes back, is native (workers.c), where no step of it fails for want of memory. So are their
starts: `threading.Thread.start` waits for ever if the thread fails before it has said that it runs.
"""

from __future__ import annotations

import _thread
import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from gleenlet._core import Waiter, Work, Workers

__all__ = ["do_elsewhere"]

MAX_THREADS = min(32, (os.cpu_count() or 1) + 4)

_pool: Workers | None = None
_numbers = itertools.count()


def do_elsewhere(func: Callable[[], Any], waiter: Waiter, late: Callable[[BaseException], object]) -> Work:
    """Have a thread of ours call `func()` and then wake `waiter`; a failure that comes too late is told to `late`."""
    global _pool
    if _pool is None:
        _pool = Workers(MAX_THREADS, native_start(), begin)
    work = Work(func, waiter, late)
    _pool.give(work)
    return work


def native_start() -> Callable[..., Any]:
    """What starts a thread, also where gevent's monkey patching has put something that starts a greenlet."""
    monkey = sys.modules.get("gevent.monkey")
    start: Callable[..., Any] = (
        monkey.get_original("_thread", "start_new_thread") if monkey else _thread.start_new_thread
    )
    return start


def begin() -> None:
    """Called first in each thread: what `threading.Thread` would do for it."""
    threading.current_thread().name = f"gleenlet_{next(_numbers)}"
    if (profile := threading.getprofile()) is not None:
        sys.setprofile(profile)
    if (trace := threading.gettrace()) is not None:
        sys.settrace(trace)


def _forget_pool() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)  # the child has none of its threads
