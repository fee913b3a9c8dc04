"""asyncio and the process: signals, Ctrl-C, the end of the program, forks, and PyGObject's own asyncio loop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from gi.repository import GLib

import gleenlet
from child import in_child
from gleenlet import Event, sleep, spawn
from gleenlet.asyncio import EventLoop, await_, run, to_task

pytestmark = pytest.mark.usefixtures("no_background_loop")


# ---- signals ----


def test_signal_handlers_leave_the_wakeup_descriptor_to_who_has_it() -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    signal.set_wakeup_fd(one.fileno())
    try:

        async def main() -> None:
            loop = asyncio.get_running_loop()
            seen = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, seen.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await seen.wait()
            assert loop.remove_signal_handler(signal.SIGUSR1)
            assert not loop.remove_signal_handler(signal.SIGUSR1)

        run(main())
    finally:
        mine = signal.set_wakeup_fd(-1)
    assert mine == one.fileno()
    one.close()
    other.close()


log: list[object] = []


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_from_a_thread() -> None:
    threading.Timer(0.1, interrupt).start()


def interrupt_from_the_loop() -> None:
    GLib.timeout_add(10, interrupt)


async def sleeps(interrupt_later: Callable[[], None]) -> None:
    interrupt_later()
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        log.append("cancelled")
        await asyncio.sleep(0.001)
        log.append("cleaned up")
        raise


async def refuses(interrupt_later: Callable[[], None]) -> str:
    interrupt_later()
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        return "refused"
    return "slept"


async def fails(interrupt_later: Callable[[], None]) -> None:
    interrupt_later()
    try:
        await asyncio.sleep(1000)
    finally:
        raise LookupError


async def computes(_: Callable[[], None]) -> None:
    try:
        interrupt()
        log.append("the first one cancels")
        interrupt()
        log.append("never")
    except KeyboardInterrupt:
        log.append("the second one interrupts")
        raise


async def waits_for_others(interrupt_later: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeps(interrupt_later))


async def ends_at_once(_: Callable[[], None]) -> None:
    interrupt()


MAINS: dict[str, Callable[[Callable[[], None]], Coroutine[Any, Any, object]]] = {
    main.__name__: main for main in (sleeps, refuses, fails, computes, waits_for_others, ends_at_once)
}


def in_runner(coroutine: Coroutine[Any, Any, object]) -> object:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(coroutine)


def in_task(coroutine: Coroutine[Any, Any, object]) -> object:
    return gleenlet.run(run, coroutine)


def end_of(run: Callable[[Coroutine[Any, Any, object]], object], coroutine: Coroutine[Any, Any, object]) -> object:
    """What it logs when it is run so, and what comes out."""
    log.clear()
    try:
        log.append(run(coroutine))
    except BaseException as error:
        log.append(type(error))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return log.copy()


@pytest.mark.parametrize("main", MAINS)
@in_child()
def test_ctrl_c_ends_run_as_it_ends_asyncio_run(main: str) -> None:
    usual = end_of(asyncio.run, MAINS[main](interrupt_from_a_thread))
    assert end_of(run, MAINS[main](interrupt_from_a_thread)) == usual
    assert end_of(in_runner, MAINS[main](interrupt_from_a_thread)) == usual


@pytest.mark.parametrize("main", ["sleeps", "refuses", "fails", "waits_for_others"])
@in_child()
def test_ctrl_c_at_its_wait_ends_run_in_a_task_as_well(main: str) -> None:
    usual = end_of(asyncio.run, MAINS[main](interrupt_from_a_thread))
    # gleenlet.run() has a Ctrl-C of its own: only a task that waits is interrupted there.
    assert end_of(in_task, MAINS[main](interrupt_from_the_loop)) == usual


@pytest.mark.parametrize("ours", [False, True])
@in_child(says="interrupted False\nruns again")
def test_ctrl_c_ends_run_forever(ours: bool) -> None:
    loop = EventLoop() if ours else asyncio.SelectorEventLoop()
    loop.call_soon(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start)
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        print("interrupted", loop.is_running())
    print(loop.run_until_complete(asyncio.sleep(0.001, "runs again")))
    loop.close()


# ---- the end of the program, and forks ----


@in_child(says="end", warns="", env={"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore,default::ResourceWarning"})
def test_the_program_ends_while_the_background_loop_runs() -> None:
    await_(asyncio.sleep(0))
    spawn(await_, asyncio.sleep(100))
    sleep(0.01)
    print("end")


@in_child(says="leaves\ncancelled", status=3)
def test_system_exit_in_a_coroutine_cancels_all_others_and_ends_the_program() -> None:
    started = Event()

    async def leave() -> None:
        raise SystemExit(3)

    async def other() -> None:
        started.set()
        try:
            await asyncio.sleep(1000)
        finally:
            print("cancelled")

    def main() -> None:
        victim = spawn(await_, other())
        started.wait()
        try:
            await_(leave())
        except SystemExit:
            print("leaves")
        victim.join()
        sleep(1000)

    gleenlet.run(main)


@in_child(says="child\nparent 0")
def test_a_forked_child_starts_a_loop_of_its_own() -> None:
    await_(asyncio.sleep(0))
    pid = os.fork()
    who = await_(asyncio.sleep(0.01, "parent" if pid else "child"))
    if not pid:
        print(who)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]  # the child prints first
    print(who, status)


@in_child()
def test_a_child_that_a_coroutine_has_forked_leaves_its_loop_and_starts_another() -> None:
    async def forks() -> int:
        return os.fork()

    async def waits() -> int:
        await asyncio.sleep(0.001)
        return 3

    def main() -> None:
        pid = run(forks())
        if not pid:
            os._exit(run(waits()))
        assert gleenlet.wait_child(pid) == 3

    gleenlet.run(main)


# ---- PyGObject's own asyncio loop ----


def test_await_uses_pygobjects_own_loop_where_it_runs() -> None:
    pytest.importorskip("gi.events")
    in_pygobjects_own_loop()


@in_child(says="('there', 'there')\nslept\n[True, False, False]")
def in_pygobjects_own_loop() -> None:
    from gi.events import GLibEventLoop  # type: ignore[import-untyped, unused-ignore]

    loops: list[asyncio.AbstractEventLoop] = []

    async def where() -> str:
        await asyncio.sleep(0.001)
        loops.append(asyncio.get_running_loop())
        return "there"

    def handler() -> tuple[str, str]:
        result = await_(where())
        own = run(where())
        another = EventLoop()
        another.run_until_complete(where())
        another.close()
        return result, own

    async def main() -> None:
        print(await spawn(handler))
        print(await to_task(lambda: sleep(0.001) or "slept"))

    loop = GLibEventLoop(GLib.MainContext.default())
    loop.run_until_complete(main())
    print([one is loop for one in loops])
    loop.close()


@pytest.mark.parametrize("first", ["import sys; sys.modules['gi.events'] = None", ""], ids=["hidden", "as installed"])
def test_await_needs_no_gi_events(first: str) -> None:
    in_child(first=first, says="1 2\nNone")(awaits_with_and_without_a_task)()


def awaits_with_and_without_a_task() -> None:
    print(await_(asyncio.sleep(0.001, 1)), spawn(run, asyncio.sleep(0.001, 2)).result())
    print(sys.modules.get("gi.events"))
