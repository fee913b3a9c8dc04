"""What the tests of gleenlet.asyncio share: a few coroutines, and code that runs in a GLib callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from gleenlet import Event, sleep

FOREVER = 1e6


async def answer(value: Any = 42) -> Any:
    await asyncio.sleep(0.001)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("in a coroutine")


async def running_loop() -> object:
    return asyncio.get_running_loop()


def after_a_while(value: Any = "task") -> Any:
    sleep(0.001)
    return value


class Forever:
    """A coroutine that waits until it is cancelled, and then takes a while to clean up."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.started = Event()

    async def __call__(self) -> None:
        self.log.append("started")
        self.started.set()
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError as error:
            self.log.append(" ".join(["cancelled", *error.args]))
            await asyncio.sleep(0.001)
            self.log.append("cleaned up")
            raise


def in_glib_callback(func: Callable[[], Any]) -> Any:
    """Call it in a plain callback of the main loop; return its result, or its exception."""
    outcome: list[Any] = []
    done = Event()

    def callback() -> None:
        try:
            outcome.append(func())
        except Exception as error:
            outcome.append(error)
        done.set()

    GLib.idle_add(callback)
    done.wait()
    return outcome[0]
