"""Operations with asyncio and gevent beside."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from tests.soak.chaos.program import Program, operation
from tests.soak.chaos.world import ChaosError, Here

import gleenlet
import gleenlet.asyncio
from gleenlet import GleenletError


async def answers(number: int) -> int:
    for _ in range(number % 4):
        await asyncio.sleep(0)
    if number % 7 == 0:
        raise ChaosError("in a coroutine")
    return number


@operation(0.3, "n", "task")
def awaits(here: Here, number: int) -> None:
    if here.wait(None, gleenlet.asyncio.await_, answers(number)) != number:
        here.world.fault("await_() gave another coroutine's result")


@operation(0.1, "nk", "task")
def awaits_a_task(here: Here, number: int, program: Program) -> None:
    """A task, in a coroutine, in a task."""
    record = here.world.new_record()
    record.cancelled = True

    async def main() -> Any:
        await asyncio.sleep(0)
        return await gleenlet.asyncio.to_task(here.world.body, record, [["yields"], ["sleeps", number]])

    if here.wait(None, gleenlet.asyncio.await_, main()) != id(record):
        here.world.fault("to_task() gave another task's result")


@operation(0.05, "n", "task")
def runs_an_event_loop(here: Here, number: int) -> None:
    """asyncio's own loop in a task of ours."""
    try:
        result = here.wait(None, gleenlet.asyncio.run, answers(number))
    except GleenletError as error:
        if "running" not in str(error):
            raise
    else:
        if result != number:
            here.world.fault("gleenlet.asyncio.run() gave another result")


@operation(0.03, "n", "task")
def runs_a_plain_event_loop(here: Here, number: int) -> None:
    """It freezes GLib's loop, so a task cannot be awaited in it, and that is said."""
    if asyncio._get_running_loop() is not None or threading.current_thread() is not threading.main_thread():
        return

    async def main() -> None:
        try:
            await gleenlet.asyncio.to_task(gleenlet.sleep, 0.0001)
        except GleenletError:
            return
        here.world.fault("a task was awaited in a plain event loop")

    asyncio.run(main())


# ---- gevent, where it is installed into the loop: see child.py ----


def gevent_of(here: Here) -> Any:
    gevent = sys.modules.get("gevent")
    return gevent if threading.current_thread() is threading.main_thread() else None


@operation(0.5, "n", "task")
def sleeps_in_gevent(here: Here, number: int) -> None:
    if gevent := gevent_of(here):
        here.wait(None, gevent.sleep, number * 3e-7 * (number % 2))


@operation(0.3, "n", "task")
def joins_a_greenlet_of_gevent(here: Here, number: int) -> None:
    if not (gevent := gevent_of(here)):
        return

    def work() -> int:
        gevent.sleep(0)
        gleenlet.sleep(0)
        if number % 5 == 0:
            here.world.events[number % 3].set()
        return number

    if (result := here.wait(None, gevent.spawn(work).get)) != number:
        here.world.fault(f"a greenlet of gevent's gave {result!r} instead of {number}")


@operation(0.2, "n", "task")
def kills_a_greenlet_of_gevent(here: Here, number: int) -> None:
    if gevent := gevent_of(here):
        victim = gevent.spawn(gleenlet.sleep if number % 2 else gevent.sleep, 1000)
        try:
            here.wait(None, gevent.sleep, 0)
            here.wait(None, victim.kill)
        finally:
            victim.kill(block=False)  # who kills it may be cancelled first
        if not victim.dead:
            here.world.fault("a greenlet of gevent's that was killed is not dead")
