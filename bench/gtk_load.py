"""A GTK 4 window that redraws all the time beside a load on the same loop: frames, their gaps, input delay.

    xvfb-run -a python bench/gtk_load.py PEER busy|burn|simmer|spin|frames|pairs

Load "busy" is 1,000 tasks that yield, 1,000 timers a second and an echo server with a client (ECHO_CLIENT); "burn" is
100 tasks that compute for 0.2 ms and yield, "simmer" 100 that do so for 20 us, "spin" 100 that only yield; "frames" is
"spin", and the window is redrawn by one more task, in a loop over its frames; "pairs" is ten pairs of tasks that send
a byte there and back, measured before the window begins to redraw as well. Peer "idle" has no load. Input is a pipe
watched at the priority of GDK's events, into which another process writes the time: what a click would meet, without a
display server's own delay.
"""

from __future__ import annotations

import os

os.environ.update(GDK_BACKEND="x11", GSK_RENDERER="cairo", GTK_A11Y="none")

import argparse
import asyncio
import json
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, Gio, GLib, Gtk

WARM_UP_MS = 700
SPAN_MS = 3000
YIELDING = 1000
TIMERS = 100
TIMER_PERIOD = 0.1
BURNING = 100
BURN = {"burn": 0.2e-3, "simmer": 20e-6}
PAIRS = 10
CONNECTIONS = 10
BYTES = 100

EVENTS = """
import os, struct, time
while True:
    time.sleep(0.005)
    os.write(1, struct.pack("d", time.monotonic()))
"""


class Done:
    """How far the load has come, all tasks together."""

    steps = 0
    timers = 0
    echoes = 0


class Window:
    """The window and what is noted of it."""

    def __init__(self, app: Gtk.Application, load_expected: bool, load: str) -> None:
        self.load_expected = load_expected
        self.in_task = load_expected and load == "frames"
        self.frames: list[float] = []
        self.delays: list[float] = []
        self.ticks = 0
        self.start = 0.0
        self.still_echoes = 0.0
        self.area = Gtk.DrawingArea()
        self.area.set_draw_func(lambda _area, context, *_: context.paint())
        self.window = Gtk.ApplicationWindow(application=app, default_width=400, default_height=300)
        self.window.set_child(self.area)
        self.window.present()
        GLib.timeout_add(1000 // 60, self.on_timer)
        clock = self.window.get_frame_clock()
        assert clock is not None
        clock.connect("after-paint", lambda _: self.frames.append(time.monotonic()))
        command = [sys.executable, "-S", "-c", EVENTS]
        self.events = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.events.stdout is not None
        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, self.events.stdout.fileno(), GLib.IOCondition.IN, self.on_event)
        if load == "pairs":
            self.later(WARM_UP_MS, self.begin)
            self.later(WARM_UP_MS + SPAN_MS, self.end_stillness)
        else:
            self.redraw()

    def redraw(self) -> None:
        if self.in_task:
            import gleenlet

            gleenlet.spawn(self.redraw_in_task)
        else:
            self.window.add_tick_callback(self.on_tick, self.area)
        self.later(WARM_UP_MS, self.begin)
        self.later(WARM_UP_MS + SPAN_MS, self.end)

    def redraw_in_task(self) -> None:
        from gleenlet.gtk import frames

        for _ in frames(self.area):
            self.area.queue_draw()

    def end_stillness(self) -> None:
        self.still_echoes = Done.echoes / (time.monotonic() - self.start)
        self.redraw()

    def on_timer(self) -> bool:
        self.ticks += 1
        return True

    def on_tick(self, _window: Gtk.Widget, _clock: Gdk.FrameClock, area: Gtk.DrawingArea) -> bool:
        area.queue_draw()
        return True

    def later(self, ms: int, function: Callable[[], None]) -> None:
        source: Any = GLib.timeout_source_new(ms)
        source.set_priority(GLib.PRIORITY_HIGH)
        source.set_callback(lambda *_: function())
        source.attach()

    def on_event(self, fd: int, _condition: GLib.IOCondition) -> bool:
        stamps = os.read(fd, 8 * 512)
        now = time.monotonic()
        self.delays += [now - sent for (sent,) in struct.iter_unpack("d", stamps)]
        return True

    def begin(self) -> None:
        self.start = time.monotonic()
        self.frames.clear()
        self.delays.clear()
        self.ticks = 0
        Done.steps = Done.timers = Done.echoes = 0

    def end(self) -> None:
        """Print the figures and leave at once: how peers tidy up is not the subject."""
        end = time.monotonic()
        self.events.kill()
        if self.load_expected and not Done.steps + Done.echoes:
            sys.exit("the load did not run")
        gaps = [after - before for before, after in pairwise([self.start, *self.frames, end])]
        delays = self.delays or [end - self.start]
        figures = {
            "frames": len(self.frames) * SPAN_MS / 1000 / (end - self.start),
            "ticks": self.ticks / (end - self.start),
            "gap_p50": statistics.median(gaps) * 1e9,
            "gap_p99": percentile(gaps, 0.99) * 1e9,
            "input_p50": statistics.median(delays) * 1e9,
            "input_p99": percentile(delays, 0.99) * 1e9,
        }
        if self.load_expected:
            for name in ("steps", "timers", "echoes"):
                figures[name] = getattr(Done, name) / (end - self.start)
        if self.still_echoes:
            figures["share"] = figures["echoes"] / self.still_echoes
        print(json.dumps({"figures": figures, "operations": None}), flush=True)
        os._exit(0)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def burn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def start_client(listener: Any) -> None:
    seconds = 2 * (WARM_UP_MS + SPAN_MS) / 1000  # longer than needed; it ends with its server
    port = listener.getsockname()[1]
    arguments = [str(number) for number in (port, CONNECTIONS, BYTES, seconds)]
    subprocess.Popen([os.environ["ECHO_CLIENT"], *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def on_idle(_load: str) -> None:
    pass


def on_gleenlet(load: str) -> None:
    from gleenlet import sleep, spawn, wait_readable

    def burning(seconds: float) -> None:
        while True:
            burn(seconds)
            Done.steps += 1
            sleep(0)

    def yielding() -> None:
        while True:
            Done.steps += 1
            sleep(0)

    def ticking() -> None:
        while True:
            sleep(TIMER_PERIOD)
            Done.timers += 1

    def listening() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        start_client(listener)
        while True:
            wait_readable(listener)
            spawn(serving, listener.accept()[0])

    def serving(sock: socket.socket) -> None:
        while True:
            wait_readable(sock)
            sock.send(sock.recv(4096))
            Done.echoes += 1

    def pinging(sock: socket.socket, first: bytes) -> None:
        data = first
        while True:
            if data:
                sock.send(data)
            wait_readable(sock)
            data = sock.recv(1)
            Done.echoes += len(first)

    if load in BURN or load in ("spin", "frames"):
        for _ in range(BURNING):
            spawn(*((burning, BURN[load]) if load in BURN else (yielding,)))
        return
    if load == "pairs":
        for near, far in [socket.socketpair() for _ in range(PAIRS)]:
            spawn(pinging, near, b"x")
            spawn(pinging, far, b"")
        return
    spawn(listening)
    for _ in range(TIMERS):
        spawn(ticking)
    for _ in range(YIELDING):
        spawn(yielding)


async def on_asyncio(load: str) -> None:
    async def burning(seconds: float) -> None:
        while True:
            burn(seconds)
            Done.steps += 1
            await asyncio.sleep(0)

    async def yielding() -> None:
        while True:
            Done.steps += 1
            await asyncio.sleep(0)

    async def ticking() -> None:
        while True:
            await asyncio.sleep(TIMER_PERIOD)
            Done.timers += 1

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await reader.read(4096))
            await writer.drain()
            Done.echoes += 1

    async def pinging(loop: asyncio.AbstractEventLoop, sock: socket.socket, first: bytes) -> None:
        data = first
        while True:
            if data:
                await loop.sock_sendall(sock, data)
            data = await loop.sock_recv(sock, 1)
            Done.echoes += len(first)

    tasks = []
    if load in BURN or load == "spin":
        tasks += [asyncio.create_task(burning(BURN[load]) if load in BURN else yielding()) for _ in range(BURNING)]
    elif load == "pairs":
        loop = asyncio.get_running_loop()
        for near, far in [socket.socketpair() for _ in range(PAIRS)]:
            near.setblocking(False)
            far.setblocking(False)
            tasks += [asyncio.create_task(pinging(loop, near, b"x")), asyncio.create_task(pinging(loop, far, b""))]
    else:
        server = await asyncio.start_server(serving, "127.0.0.1", 0)
        start_client(server.sockets[0])
        tasks += [asyncio.create_task(ticking()) for _ in range(TIMERS)]
        tasks += [asyncio.create_task(yielding()) for _ in range(YIELDING)]
    await asyncio.gather(*tasks)


def on_gevent(load: str) -> None:
    from gevent import sleep, spawn
    from gevent.socket import socket as Socket
    from gevent.socket import socketpair

    def burning(seconds: float) -> None:
        while True:
            burn(seconds)
            Done.steps += 1
            sleep(0)

    def yielding() -> None:
        while True:
            Done.steps += 1
            sleep(0)

    def ticking() -> None:
        while True:
            sleep(TIMER_PERIOD)
            Done.timers += 1

    def listening() -> None:
        listener = Socket(fileno=socket.create_server(("127.0.0.1", 0)).detach())
        start_client(listener)
        while True:
            spawn(serving, listener.accept()[0])

    def serving(sock: Any) -> None:
        while True:
            sock.send(sock.recv(4096))
            Done.echoes += 1

    def pinging(sock: Any, first: bytes) -> None:
        data = first
        while True:
            if data:
                sock.send(data)
            data = sock.recv(1)
            Done.echoes += len(first)

    if load in BURN or load == "spin":
        for _ in range(BURNING):
            spawn(*((burning, BURN[load]) if load in BURN else (yielding,)))
        return
    if load == "pairs":
        for near, far in [socketpair() for _ in range(PAIRS)]:
            spawn(pinging, near, b"x")
            spawn(pinging, far, b"")
        return
    spawn(listening)
    for _ in range(TIMERS):
        spawn(ticking)
    for _ in range(YIELDING):
        spawn(yielding)


def run(app: Gtk.Application, peer: str, load: str) -> None:
    """Run the application with the load started the way that peer's manual says."""
    kept: list[Any] = []

    def activate_with(start: Callable[[], Any]) -> None:
        app.connect("activate", lambda app: kept.extend((Window(app, peer != "idle", load), start())))

    if peer == "gi.events":
        from gi.events import GLibEventLoopPolicy  # type: ignore[import-untyped]

        policy = GLibEventLoopPolicy()
        asyncio.set_event_loop_policy(policy)
        loop = policy.get_event_loop()
        activate_with(lambda: loop.create_task(on_asyncio(load)))
        app.run(None)
    elif peer == "gleenlet.asyncio":
        import gleenlet.asyncio

        activate_with(lambda: gleenlet.spawn(gleenlet.asyncio.run, on_asyncio(load)))
        app.run(None)
    elif peer == "gleenlet.gevent":
        import gleenlet.gevent

        gleenlet.gevent.install()
        activate_with(lambda: on_gevent(load))
        gleenlet.gevent.run(app.run, None)
    else:
        activate_with(lambda: {"gleenlet": on_gleenlet, "idle": on_idle}[peer](load))
        app.run(None)


def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error in a callback ends the process: a window without its load would look too good."""
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    sys.excepthook = fail
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("load", choices=("busy", *BURN, "spin", "frames", "pairs"))
    parser.add_argument("--seconds", help="ignored; the span is fixed")
    options = parser.parse_args()
    peers = ("idle", "gleenlet", "gi.events", "gleenlet.asyncio", "gleenlet.gevent")
    if options.peer not in peers[: 2 if options.load == "frames" else None]:
        print(json.dumps({"figures": {}, "operations": None}))
        return
    run(Gtk.Application(flags=Gio.ApplicationFlags.NON_UNIQUE), options.peer, options.load)


if __name__ == "__main__":
    main()
