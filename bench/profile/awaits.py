"""A task waits for coroutines that end at once."""

from gleenlet import run
from gleenlet.asyncio import await_


async def at_once() -> None:
    pass


def main(n: int) -> None:
    await_(at_once())
    for _ in range(n):
        await_(at_once())


if __name__ == "__main__":
    import sys

    run(main, int(sys.argv[1]))
