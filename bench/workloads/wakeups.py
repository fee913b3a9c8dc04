"""A loop and a thread that answer each other: the cost of one round trip.

The loop releases a lock, the thread that waits for it wakes the loop in the loop's thread-safe way. GLib's
own figure is MainContext.wakeup() with nothing around it. Both directions also pass the interpreter's lock
over.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from time import perf_counter

from harness import measure


class Answerer:
    """A thread that calls `answer` once for each `ask()`, n times in all."""

    def __init__(self, n: int, answer: Callable[[], object]) -> None:
        self.asked = Lock()
        self.asked.acquire()
        self.ask = self.asked.release
        self.thread = Thread(target=self.work, args=(n, answer))
        self.thread.start()

    def work(self, n: int, answer: Callable[[], object]) -> None:
        wait = self.asked.acquire
        for _ in range(n):
            wait()
            answer()


def on_gleenlet(n: int) -> float:
    from gleenlet import Event, get_hub

    answered = Event()
    hub = get_hub()
    thread = Answerer(n, lambda: hub.call_soon_threadsafe(answered.set))
    start = perf_counter()
    for _ in range(n):
        thread.ask()
        answered.wait()
        answered.clear()
    return perf_counter() - start


def on_glib(n: int) -> float:
    from gi.repository import GLib

    context = GLib.MainContext.default()
    answers = 0

    def answer() -> None:
        nonlocal answers
        answers += 1
        context.wakeup()

    thread = Answerer(n, answer)
    start = perf_counter()
    for turn in range(1, n + 1):
        thread.ask()
        while answers < turn:
            context.iteration(True)
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import get_hub
    from gevent.event import Event

    answered = Event()
    watcher = get_hub().loop.async_()  # run_callback_threadsafe() would not keep an idle hub from giving up
    watcher.start(answered.set)
    thread = Answerer(n, watcher.send)
    start = perf_counter()
    for _ in range(n):
        thread.ask()
        answered.wait()
        answered.clear()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import Event, get_running_loop

    answered = Event()
    loop = get_running_loop()
    thread = Answerer(n, lambda: loop.call_soon_threadsafe(answered.set))
    start = perf_counter()
    for _ in range(n):
        thread.ask()
        await answered.wait()
        answered.clear()
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import Event
    from trio.lowlevel import current_trio_token

    answered = Event()
    token = current_trio_token()
    thread = Answerer(n, lambda: token.run_sync_soon(lambda: answered.set()))
    start = perf_counter()
    for _ in range(n):
        thread.ask()
        await answered.wait()
        answered = Event()
    return perf_counter() - start


if __name__ == "__main__":
    measure(
        {
            "gleenlet": on_gleenlet,
            "GLib": on_glib,
            "gevent": on_gevent,
            "asyncio": on_asyncio,
            "trio": on_trio,
        },
        step=100,
    )
