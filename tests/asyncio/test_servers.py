"""Libraries that bring their own event loop: uvicorn's server in a task, and trio's loop."""

from __future__ import annotations

import os
import signal
import urllib.request
import warnings
from typing import Any

import pytest

pytest.importorskip("trio", reason="trio is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

import trio
import uvicorn

import gleenlet
import gleenlet.asyncio
from child import in_child
from gleenlet import Event, get_hub, run, shutdown, sleep, spawn, to_thread


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@in_child(says="b'hello'\nother tasks went on", warns="")
def test_uvicorn_serves_in_a_task_after_install() -> None:
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning", loop="asyncio"))
    turns: list[int] = []

    def goes_on() -> None:
        while True:
            sleep(0.001)
            turns.append(1)

    def main() -> None:
        serving = spawn(server.run)
        spawn(goes_on)
        while not server.started:
            sleep(0.001)
        port = server.servers[0].sockets[0].getsockname()[1]
        print(to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}").read()))
        server.should_exit = True
        serving.join()
        if turns:
            print("other tasks went on")
        shutdown()

    gleenlet.asyncio.install()
    run(main)


@in_child()
def test_trios_loop_in_a_task_gives_no_warning_and_leaves_signals_as_they_were() -> None:
    warnings.simplefilter("error", RuntimeWarning)
    _, writer = os.pipe2(os.O_NONBLOCK)

    async def waits() -> None:
        await trio.sleep(0.001)

    async def fails() -> None:
        raise ZeroDivisionError

    def main() -> None:
        before = signal.set_wakeup_fd(writer)  # as a loop does that waits; trio warns of one that is set
        trio.run(waits)
        with pytest.raises(ZeroDivisionError):
            trio.run(fails)
        assert signal.set_wakeup_fd(before) == writer

    run(main)


@in_child()
def test_a_guest_of_trios_that_begins_in_a_task_gives_no_warning() -> None:
    warnings.simplefilter("error", RuntimeWarning)

    async def waits() -> str:
        await trio.sleep(0.001)
        return "done"

    def main() -> None:
        ended = Event()
        outcomes: list[Any] = []

        def done(outcome: Any) -> None:
            outcomes.append(outcome)
            ended.set()

        trio.lowlevel.start_guest_run(
            waits,
            run_sync_soon_threadsafe=get_hub().call_soon_threadsafe,
            done_callback=done,
            host_uses_signal_set_wakeup_fd=True,
        )
        ended.wait()
        assert outcomes[0].unwrap() == "done"

    run(main)
