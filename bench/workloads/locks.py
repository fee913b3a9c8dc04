"""A lock nobody else wants: the cost of one acquire and release."""

from __future__ import annotations

from time import perf_counter

from harness import measure


def on_gleenlet(n: int) -> float:
    from gleenlet import Lock

    lock = Lock()
    start = perf_counter()
    for _ in range(n):
        with lock:
            pass
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent.lock import Semaphore

    lock = Semaphore(1)
    start = perf_counter()
    for _ in range(n):
        with lock:
            pass
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import Lock

    lock = Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import Lock

    lock = Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=1000)
