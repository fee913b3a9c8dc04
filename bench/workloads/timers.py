"""A hundred tasks that sleep 10 us at a time: the cost of one sleep.

Among a hundred, somebody's time is always up, so the loops never wait here. uvloop rounds to milliseconds,
downwards, and thereby turns these sleeps into yields.
"""

from __future__ import annotations

from time import perf_counter

from harness import measure

TASKS = 100
NAP = 10e-6


def on_gleenlet(n: int) -> float:
    from gleenlet import sleep, spawn

    def naps(count: int) -> None:
        for _ in range(count):
            sleep(NAP)

    start = perf_counter()
    tasks = [spawn(naps, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import sleep, spawn

    def naps(count: int) -> None:
        for _ in range(count):
            sleep(NAP)

    start = perf_counter()
    tasks = [spawn(naps, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task, sleep

    async def naps(count: int) -> None:
        for _ in range(count):
            await sleep(NAP)

    start = perf_counter()
    tasks = [create_task(naps(n // TASKS)) for _ in range(TASKS)]
    for task in tasks:
        await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import open_nursery, sleep

    async def naps(count: int) -> None:
        for _ in range(count):
            await sleep(NAP)

    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(naps, n // TASKS)
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=TASKS)
