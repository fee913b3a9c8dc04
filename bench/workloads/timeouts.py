"""Timers started and cancelled: ten tasks yield under a limit that never strikes. The cost of one block."""

from __future__ import annotations

from time import perf_counter

from harness import measure

TASKS = 10
LIMIT = 10.0


def on_gleenlet(n: int) -> float:
    from gleenlet import sleep, spawn, timeout

    def turns(count: int) -> None:
        for _ in range(count):
            with timeout(LIMIT):
                sleep(0)

    start = perf_counter()
    tasks = [spawn(turns, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import Timeout, sleep, spawn

    def turns(count: int) -> None:
        for _ in range(count):
            with Timeout(LIMIT):
                sleep(0)

    start = perf_counter()
    tasks = [spawn(turns, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task, sleep, timeout

    async def turns(count: int) -> None:
        for _ in range(count):
            async with timeout(LIMIT):
                await sleep(0)

    start = perf_counter()
    tasks = [create_task(turns(n // TASKS)) for _ in range(TASKS)]
    for task in tasks:
        await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import fail_after, open_nursery
    from trio.lowlevel import checkpoint

    async def turns(count: int) -> None:
        for _ in range(count):
            with fail_after(LIMIT):
                await checkpoint()

    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(turns, n // TASKS)
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=TASKS)
