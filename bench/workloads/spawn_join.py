"""Tasks that do nothing, spawned and joined in batches of 100: the cost of one task."""

from __future__ import annotations

from time import perf_counter

from harness import measure

BATCH = 100


def nothing() -> None:
    pass


async def nothing_async() -> None:
    pass


def on_gleenlet(n: int) -> float:
    from gleenlet import spawn

    start = perf_counter()
    for _ in range(n // BATCH):
        tasks = [spawn(nothing) for _ in range(BATCH)]
        for task in tasks:
            task.join()
    return perf_counter() - start


def on_greenlet(n: int) -> float:
    from greenlet import greenlet

    start = perf_counter()
    for _ in range(n // BATCH):
        tasks = [greenlet(nothing) for _ in range(BATCH)]
        for task in tasks:
            task.switch()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import spawn

    start = perf_counter()
    for _ in range(n // BATCH):
        tasks = [spawn(nothing) for _ in range(BATCH)]
        for task in tasks:
            task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task

    start = perf_counter()
    for _ in range(n // BATCH):
        tasks = [create_task(nothing_async()) for _ in range(BATCH)]
        for task in tasks:
            await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import open_nursery

    start = perf_counter()
    for _ in range(n // BATCH):
        async with open_nursery() as nursery:
            for _ in range(BATCH):
                nursery.start_soon(nothing_async)
    return perf_counter() - start


if __name__ == "__main__":
    measure(
        {
            "gleenlet": on_gleenlet,
            "greenlet": on_greenlet,
            "gevent": on_gevent,
            "asyncio": on_asyncio,
            "trio": on_trio,
        },
        step=BATCH,
    )
