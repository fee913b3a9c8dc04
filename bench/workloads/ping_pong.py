"""Two tasks, two events: each sets the other's and waits for its own. The cost of one round trip.

A trio event cannot be cleared; there each wait takes a new one, as trio's documentation says.
"""

from __future__ import annotations

from time import perf_counter

from harness import measure


def on_gleenlet(n: int) -> float:
    from gleenlet import Event, spawn

    def player(mine: Event, theirs: Event) -> None:
        for _ in range(n):
            mine.wait()
            mine.clear()
            theirs.set()

    ping, pong = Event(), Event()
    tasks = [spawn(player, ping, pong), spawn(player, pong, ping)]
    start = perf_counter()
    ping.set()
    for task in tasks:
        task.join()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import spawn
    from gevent.event import Event

    def player(mine: Event, theirs: Event) -> None:
        for _ in range(n):
            mine.wait()
            mine.clear()
            theirs.set()

    ping, pong = Event(), Event()
    tasks = [spawn(player, ping, pong), spawn(player, pong, ping)]
    start = perf_counter()
    ping.set()
    for task in tasks:
        task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import Event, create_task

    async def player(mine: Event, theirs: Event) -> None:
        for _ in range(n):
            await mine.wait()
            mine.clear()
            theirs.set()

    ping, pong = Event(), Event()
    tasks = [create_task(player(ping, pong)), create_task(player(pong, ping))]
    start = perf_counter()
    ping.set()
    for task in tasks:
        await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import Event, open_nursery

    events = [Event(), Event()]

    async def player(mine: int, theirs: int) -> None:
        for _ in range(n):
            await events[mine].wait()
            events[mine] = Event()
            events[theirs].set()

    start = perf_counter()
    async with open_nursery() as nursery:
        nursery.start_soon(player, 0, 1)
        nursery.start_soon(player, 1, 0)
        events[0].set()
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=100)
