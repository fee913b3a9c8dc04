"""Threads that the program's end does not wait for; `concurrent.futures.ThreadPoolExecutor` joins all of its own."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

P = ParamSpec("P")
T = TypeVar("T")

Work = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(Executor):
    """An executor of at most `most` daemon threads, made when they are needed and kept."""

    def __init__(self, most: int, name: str) -> None:
        self.most = most
        self.names = (f"{name}_{number}" for number in itertools.count())
        self.work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self.idle = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()

    def submit(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self.lock:
            self.work.put((future, lambda: func(*args, **kwargs)))
            if not self.idle.acquire(blocking=False) and len(self.threads) < self.most:
                thread = threading.Thread(target=self.serve, name=next(self.names), daemon=True)
                self.threads.append(thread)
                thread.start()
        return future

    def serve(self) -> None:
        while (work := self.work.get()) is not None:
            future, func = work
            if future.set_running_or_notify_cancel():
                try:
                    result = func()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del work, future, func  # nothing is kept while it idles
            self.idle.release()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for _ in self.threads:
            self.work.put(None)
        for thread in self.threads if wait else ():
            thread.join()
