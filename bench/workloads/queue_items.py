"""A producer, a consumer and a queue of 16 between them: the cost of one item handed over."""

from __future__ import annotations

from time import perf_counter

from harness import measure

ROOM = 16


def on_gleenlet(n: int) -> float:
    from gleenlet import Queue, spawn

    queue: Queue[int] = Queue(ROOM)

    def produce() -> None:
        for item in range(n):
            queue.put(item)

    def consume() -> None:
        for _ in range(n):
            queue.get()

    start = perf_counter()
    tasks = [spawn(produce), spawn(consume)]
    for task in tasks:
        task.join()
    return perf_counter() - start


def on_gevent(n: int) -> float:
    from gevent import spawn
    from gevent.queue import Queue

    queue = Queue(ROOM)

    def produce() -> None:
        for item in range(n):
            queue.put(item)

    def consume() -> None:
        for _ in range(n):
            queue.get()

    start = perf_counter()
    tasks = [spawn(produce), spawn(consume)]
    for task in tasks:
        task.join()
    return perf_counter() - start


async def on_asyncio(n: int) -> float:
    from asyncio import Queue, create_task

    queue: Queue[int] = Queue(ROOM)

    async def produce() -> None:
        for item in range(n):
            await queue.put(item)

    async def consume() -> None:
        for _ in range(n):
            await queue.get()

    start = perf_counter()
    tasks = [create_task(produce()), create_task(consume())]
    for task in tasks:
        await task
    return perf_counter() - start


async def on_trio(n: int) -> float:
    from trio import open_memory_channel, open_nursery

    sender, receiver = open_memory_channel[int](ROOM)

    async def produce() -> None:
        for item in range(n):
            await sender.send(item)

    async def consume() -> None:
        for _ in range(n):
            await receiver.receive()

    start = perf_counter()
    async with open_nursery() as nursery:
        nursery.start_soon(produce)
        nursery.start_soon(consume)
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "gevent": on_gevent, "asyncio": on_asyncio, "trio": on_trio}, step=ROOM)
