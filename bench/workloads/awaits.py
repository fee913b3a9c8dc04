"""Waiting for asyncio from a task: the cost of `await_`, beside a plain `await` in a coroutine.

Variants: "finished" waits for a future that is done, "coroutine" for a coroutine that ends at once (asyncio's
side of it is a task of its own, which is what `await_` makes of it).
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from harness import measure, options


async def at_once() -> None:
    pass


async def finished() -> list[asyncio.Future[None]]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return [future]


def on_gleenlet_future(n: int) -> float:
    from gleenlet.asyncio import await_

    (future,) = await_(finished())
    start = perf_counter()
    for _ in range(n):
        await_(future)
    return perf_counter() - start


async def on_asyncio_future(n: int) -> float:
    (future,) = await finished()
    start = perf_counter()
    for _ in range(n):
        await future
    return perf_counter() - start


def on_gleenlet_coroutine(n: int) -> float:
    from gleenlet.asyncio import await_

    start = perf_counter()
    for _ in range(n):
        await_(at_once())
    return perf_counter() - start


async def on_asyncio_coroutine(n: int) -> float:
    start = perf_counter()
    for _ in range(n):
        await asyncio.create_task(at_once())
    return perf_counter() - start


if __name__ == "__main__":
    if options().variant == "finished":
        measure({"gleenlet": on_gleenlet_future, "asyncio": on_asyncio_future})
    else:
        measure({"gleenlet": on_gleenlet_coroutine, "asyncio": on_asyncio_coroutine})
