"""Loops that are not ours in a task: what they are told, what is refused there, and what install() makes of them."""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import signal
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from aiohttp import web

import gleenlet
from child import run_script
from gleenlet import GleenletError, get_hub, sleep, spawn, to_thread
from gleenlet.asyncio import EventLoop, as_future, await_, install, run, to_task, uninstall
from inside import settle

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def installed() -> Iterator[None]:
    install()
    yield
    uninstall()


def plain(main: Coroutine[Any, Any, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return asyncio.run(main)


# ---- await a task there ----


@pytest.mark.parametrize(
    "wait",
    [
        lambda: to_task(sleep, 0.01),
        lambda: awaits(),
        lambda: in_a_future(),
    ],
    ids=["to_task", "await", "as_future"],
)
def test_awaiting_a_task_in_a_plain_loop_is_refused_also_in_a_task(
    wait: Callable[[], Coroutine[Any, Any, Any]],
) -> None:
    async def main() -> str:
        with pytest.raises(GleenletError, match=r"EventLoop does not let GLib's loop run.*gleenlet\.asyncio\.run\(\)"):
            await wait()
        return "refused"

    assert spawn(plain, main()).result() == "refused"
    with pytest.raises(GleenletError, match="does not let GLib's loop run"):
        plain(wait())
    settle()


async def awaits() -> None:
    task = spawn(int)
    try:
        await task
    finally:
        task.cancel()


async def in_a_future() -> None:
    task = spawn(int)
    try:
        await as_future(task)
    finally:
        task.cancel()


def test_what_to_task_is_refused_to_wait_for_does_not_begin() -> None:
    log: list[int] = []

    async def main() -> None:
        with pytest.raises(GleenletError, match=r"append.* cannot run"):
            await to_task(log.append, 1)

    spawn(plain, main()).join()
    settle()
    assert log == []


def test_awaiting_a_task_in_our_loop_is_fine() -> None:
    assert spawn(run, to_task(max, 1, 2)).result() == 2


# ---- the warning ----


async def nothing() -> str:
    return "done"


def starts_a_plain_loop() -> str:
    return asyncio.run(nothing())


def test_a_plain_loop_in_a_task_is_warned_of_with_the_line_that_starts_it() -> None:
    with pytest.warns(
        RuntimeWarning, match=r"run\(\) runs an event loop in a task: starts_a_plain_loop.*install"
    ) as seen:
        assert spawn(starts_a_plain_loop).result() == "done"
    (one,) = seen
    assert one.filename == __file__
    assert one.lineno == starts_a_plain_loop.__code__.co_firstlineno + 1


def test_any_other_librarys_loop_in_a_task_is_warned_of() -> None:
    """trio, curio and uvloop do this at their beginning and at their end."""
    import sys

    def other() -> None:
        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=print, finalizer=print)
        assert sys.get_asyncgen_hooks().firstiter is print
        sys.set_asyncgen_hooks(*before)

    with pytest.warns(RuntimeWarning, match=r"runs an event loop in a task: .*other.*to_thread\(func\)") as seen:
        spawn(other).result()
    assert len(seen) == 1


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    "fine",
    [
        lambda: asyncio.run(nothing()),
        lambda: spawn(run, nothing()).result(),
        lambda: spawn(await_, nothing()).result(),
        lambda: spawn(to_thread, asyncio.run, nothing()).result(),
    ],
    ids=["outside tasks", "ours", "await_", "in a thread"],
)
def test_a_loop_that_stops_nobody_is_not_warned_of(fine: Callable[[], str], no_background_loop: None) -> None:
    assert fine() == "done"


def test_pygobjects_own_loop_is_not_warned_of() -> None:
    """It runs GLib's loop, of which the hub warns."""
    outcome = run_script(
        "import asyncio, sys\n"
        "try: from gi.events import GLibEventLoopPolicy\n"
        "except ImportError: sys.exit(77)\n"
        "from gleenlet import run\n"
        "asyncio.set_event_loop_policy(GLibEventLoopPolicy())\n"
        "async def main(): return 'done'\n"
        "print(run(lambda: asyncio.new_event_loop().run_until_complete(main())))\n"
    )
    if outcome.status == 77:
        pytest.skip("this PyGObject has no asyncio loop")
    assert outcome.stdout == "done\n", outcome.stderr
    assert "runs an event loop in a task" not in outcome.stderr


# ---- install ----


def kind_of(make: Callable[[], asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    loop = make()
    loop.close()
    return type(loop)


MAKERS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    asyncio.SelectorEventLoop,
    lambda: asyncio.SelectorEventLoop(selectors.SelectSelector()),
    lambda: asyncio.Runner().get_loop(),
]


@pytest.mark.parametrize("make", MAKERS)
def test_every_loop_that_is_made_in_a_task_is_ours(
    installed: None, make: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    assert spawn(kind_of, make).result() is EventLoop
    assert kind_of(make) is asyncio.SelectorEventLoop
    assert spawn(to_thread, kind_of, make).result() is asyncio.SelectorEventLoop


@pytest.mark.parametrize("make", MAKERS)
def test_install_holds_until_uninstall(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    original = asyncio.SelectorEventLoop.__init__
    install()
    install()
    assert asyncio.SelectorEventLoop.__init__ is not original
    uninstall()
    uninstall()
    assert asyncio.SelectorEventLoop.__init__ is original
    assert spawn(kind_of, make).result() is asyncio.SelectorEventLoop


def test_a_subclass_stays_what_it_is(installed: None) -> None:
    class Loop(asyncio.SelectorEventLoop):
        pass

    assert spawn(kind_of, Loop).result() is Loop
    assert spawn(kind_of, EventLoop).result() is EventLoop


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_tasks_go_on_beside_asyncio_run(installed: None) -> None:
    log: list[str] = []

    async def main() -> None:
        await asyncio.sleep(0.001)
        await to_task(sleep, 0)
        log.append("coroutine")

    spawn(log.append, "task")
    spawn(asyncio.run, main()).result()
    assert log == ["task", "coroutine"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_aiohttp_server_that_starts_its_own_loop(installed: None) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text=await to_task(str.upper, "hello"))

    async def ask() -> str:
        import aiohttp

        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{ports[0]}/") as answer:
            return await answer.text()

    ports: list[int] = []
    app = web.Application()
    app.router.add_get("/", hello)
    started = gleenlet.Event()

    async def tell(_: web.Application) -> None:
        started.set()

    app.on_startup.append(tell)
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    ports.append(listener.getsockname()[1])
    server = spawn(lambda: web.run_app(app, sock=listener, print=lambda *_: None, handle_signals=False))
    started.wait()
    assert run(ask()) == "HELLO"
    server.cancel()
    server.join()
    listener.close()


# ---- signals ----


def in_a_task(main: Coroutine[Any, Any, Any]) -> Any:
    return spawn(run, main).result()


@pytest.mark.parametrize("start", [run, in_a_task, asyncio.run])
def test_a_handler_of_the_loop_works_on_when_signal_replaces_it(start: Callable[[Any], Any]) -> None:
    log: list[str] = []
    before = signal.getsignal(signal.SIGUSR1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, lambda: (log.append("loop"), seen.set()))
        os.kill(os.getpid(), signal.SIGUSR1)
        await seen.wait()
        seen.clear()
        signal.signal(signal.SIGUSR1, lambda *_: log.append("signal"))
        os.kill(os.getpid(), signal.SIGUSR1)
        await seen.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    try:
        start(main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert log == ["loop", "signal", "loop"]
    fd = signal.set_wakeup_fd(-1)
    assert fd == -1


def test_a_handler_that_cannot_be_added_leaves_nothing() -> None:
    async def main() -> None:
        with pytest.raises((ValueError, RuntimeError)):
            asyncio.get_running_loop().add_signal_handler(signal.SIGKILL, print)

    run(main())
    assert signal.set_wakeup_fd(-1) == -1


# ---- the end of a loop ----


@pytest.mark.parametrize("use", [lambda loop: None, lambda loop: loop.run_until_complete(nothing())])
def test_a_closed_loop_is_freed_without_the_collector(use: Callable[[EventLoop], object]) -> None:
    gc.collect()
    gc.disable()
    try:
        loop = EventLoop()
        use(loop)
        loop.close()
        refs: list[weakref.ref[Any]] = [
            weakref.ref(loop),
            weakref.ref(loop.waiting),
            weakref.ref(loop.waiting.added),
        ]
        del loop
        settle()
        assert [ref() for ref in refs] == [None, None, None]
    finally:
        gc.enable()
    assert get_hub() is not None
