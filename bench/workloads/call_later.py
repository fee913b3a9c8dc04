"""A hundred chains of `loop.call_later`, 10 us each: the cost of one call, made and run.

For the loops that run asyncio's code. uvloop rounds to milliseconds, downwards, so its calls are immediate.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from harness import measure

CHAINS = 100
DELAY = 10e-6


async def on_asyncio(n: int) -> float:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = CHAINS

    def step(more: int) -> None:
        nonlocal left
        if more:
            loop.call_later(DELAY, step, more - 1)
            return
        left -= 1
        if not left:
            done.set_result(None)

    start = perf_counter()
    for _ in range(CHAINS):
        step(n // CHAINS)
    await done
    return perf_counter() - start


if __name__ == "__main__":
    measure({"asyncio": on_asyncio}, step=CHAINS)
