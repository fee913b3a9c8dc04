"""A crowd: tasks spawned, all asleep at once, woken and joined. The CPU time of one task.

CPU time, not the clock: the sleep has to outlast the spawning, and the idle wait at its end is nobody's cost.
"""

from __future__ import annotations

from time import process_time

from harness import measure, size

CROWD = size(1_000)
NAP = CROWD * 40e-6  # seconds; spawning one takes less


def on_gleenlet(n: int) -> float:
    from gleenlet import sleep, spawn

    start = process_time()
    for _ in range(n // CROWD):
        tasks = [spawn(sleep, NAP) for _ in range(CROWD)]
        for task in tasks:
            task.join()
    return process_time() - start


def on_gevent(n: int) -> float:
    from gevent import sleep, spawn

    start = process_time()
    for _ in range(n // CROWD):
        tasks = [spawn(sleep, NAP) for _ in range(CROWD)]
        for task in tasks:
            task.join()
    return process_time() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task, sleep

    start = process_time()
    for _ in range(n // CROWD):
        tasks = [create_task(sleep(NAP)) for _ in range(CROWD)]
        for task in tasks:
            await task
    return process_time() - start


async def on_trio(n: int) -> float:
    from trio import open_nursery, sleep

    start = process_time()
    for _ in range(n // CROWD):
        async with open_nursery() as nursery:
            for _ in range(CROWD):
                nursery.start_soon(sleep, NAP)
    return process_time() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=CROWD)
