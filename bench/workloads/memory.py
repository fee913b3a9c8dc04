"""Resident memory of one sleeping task: what the process grew by, divided by the sleepers."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from harness import observe

Figures = dict[str, float]
LONG = 3600.0


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def leave(before: int, sleepers: int) -> None:
    """Print the figure and end at once: waking them all is not the subject here."""
    from harness import report

    report({"memory": (resident() - before) / sleepers})
    os._exit(0)


def on_gleenlet(sleepers: int) -> None:
    from gleenlet import sleep, spawn

    asleep = 0

    def nap() -> None:
        nonlocal asleep
        asleep += 1
        sleep(LONG)

    spawn(sleep, 0).join()
    before = resident()
    tasks = [spawn(nap) for _ in range(sleepers)]
    while asleep < sleepers:
        sleep(0.01)
    leave(before, len(tasks))


def on_greenlet(sleepers: int) -> None:
    from greenlet import getcurrent, greenlet

    main = getcurrent()

    def nap() -> None:
        main.switch()

    before = resident()
    tasks = [greenlet(nap) for _ in range(sleepers)]
    for task in tasks:
        task.switch()
    leave(before, len(tasks))


def on_gevent(sleepers: int) -> None:
    from gevent import sleep, spawn

    asleep = 0

    def nap() -> None:
        nonlocal asleep
        asleep += 1
        sleep(LONG)

    spawn(sleep, 0).join()
    before = resident()
    tasks = [spawn(nap) for _ in range(sleepers)]
    while asleep < sleepers:
        sleep(0.01)
    leave(before, len(tasks))


async def on_asyncio(sleepers: int) -> None:
    from asyncio import create_task, sleep

    asleep = 0

    async def nap() -> None:
        nonlocal asleep
        asleep += 1
        await sleep(LONG)

    await create_task(sleep(0))
    before = resident()
    tasks = [create_task(nap()) for _ in range(sleepers)]
    while asleep < sleepers:
        await sleep(0.01)
    leave(before, len(tasks))


async def on_trio(sleepers: int) -> None:
    from trio import open_nursery, sleep

    asleep = 0

    async def nap() -> None:
        nonlocal asleep
        asleep += 1
        await sleep(LONG)

    async with open_nursery() as nursery:
        nursery.start_soon(sleep, 0)
        before = resident()
        for _ in range(sleepers):
            nursery.start_soon(nap)
        while asleep < sleepers:
            await sleep(0.01)
        leave(before, sleepers)


if __name__ == "__main__":
    observe(
        {
            "gleenlet": on_gleenlet,
            "greenlet": on_greenlet,
            "gevent": on_gevent,
            "asyncio": on_asyncio,
            "trio": on_trio,
        },
        default_size=20_000,
    )
