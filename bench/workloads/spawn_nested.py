"""Each task spawns the next and joins it, 100 deep: the cost of one task in such a chain."""

from __future__ import annotations

from time import perf_counter

from harness import measure

DEPTH = 100


def on_gleenlet(n: int) -> float:
    from gleenlet import spawn

    def link(below: int) -> None:
        if below:
            spawn(link, below - 1).join()

    start = perf_counter()
    for _ in range(n // DEPTH):
        spawn(link, DEPTH - 1).join()
    return perf_counter() - start


def on_greenlet(n: int) -> float:
    from greenlet import greenlet

    def link(below: int) -> None:
        if below:
            greenlet(link).switch(below - 1)

    start = perf_counter()
    for _ in range(n // DEPTH):
        greenlet(link).switch(DEPTH - 1)
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import spawn

    def link(below: int) -> None:
        if below:
            spawn(link, below - 1).join()

    start = perf_counter()
    for _ in range(n // DEPTH):
        spawn(link, DEPTH - 1).join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task

    async def link(below: int) -> None:
        if below:
            await create_task(link(below - 1))

    start = perf_counter()
    for _ in range(n // DEPTH):
        await create_task(link(DEPTH - 1))
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import open_nursery

    async def link(below: int) -> None:
        if below:
            async with open_nursery() as nursery:
                nursery.start_soon(link, below - 1)

    start = perf_counter()
    for _ in range(n // DEPTH):
        async with open_nursery() as nursery:
            nursery.start_soon(link, DEPTH - 1)
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
        step=DEPTH,
    )
