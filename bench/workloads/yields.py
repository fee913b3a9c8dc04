"""Ten tasks that yield in turn: the cost of one yield.

Raw greenlets have no queue to yield to. Theirs is the bare round trip: a switch there and a switch back.
"""

from __future__ import annotations

from time import perf_counter

from harness import measure, options

TASKS = 10


def on_gleenlet(n: int) -> float:
    from gleenlet import sleep, spawn

    def turns(count: int) -> None:
        for _ in range(count):
            sleep(0)

    start = perf_counter()
    tasks = [spawn(turns, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


def on_greenlet(n: int) -> float:
    from greenlet import getcurrent, greenlet

    main = getcurrent()

    def turns() -> None:
        while True:
            main.switch()

    other = greenlet(turns)
    start = perf_counter()
    for _ in range(n):
        other.switch()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import sleep, spawn

    def turns(count: int) -> None:
        for _ in range(count):
            sleep(0)

    start = perf_counter()
    tasks = [spawn(turns, n // TASKS) for _ in range(TASKS)]
    for task in tasks:
        task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import create_task, sleep

    async def turns(count: int) -> None:
        for _ in range(count):
            await sleep(0)

    start = perf_counter()
    tasks = [create_task(turns(n // TASKS)) for _ in range(TASKS)]
    for task in tasks:
        await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import open_nursery
    from trio.lowlevel import checkpoint

    async def turns(count: int) -> None:
        for _ in range(count):
            await checkpoint()

    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(turns, n // TASKS)
    return perf_counter() - start


def use_testing() -> None:
    """Have the clock, the chooser and an observer come and go: what they leave behind is what the yields then cost."""
    from gleenlet import sleep
    from gleenlet.testing import explore, no_leaks

    with no_leaks():
        explore(runs=10, cancellations=1)(lambda: sleep(1))()


if __name__ == "__main__":
    tested = options().variant == "tested"
    if tested:
        use_testing()
    measure(
        {
            "gleenlet": on_gleenlet,
        }
        if tested
        else {
            "gleenlet": on_gleenlet,
            "greenlet": on_greenlet,
            "gevent": on_gevent,
            "asyncio": on_asyncio,
            "trio": on_trio,
        },
        step=TASKS,
    )
