"""Echo of ("hello", 5) over a dbus-daemon, one call at a time or a thousand: time a call, latency, CPU time.

"client_1000" asks and keeps 1,000 calls on their way, "service_1" answers one caller. The other side is
bench/dbus_peer.c, so that it is not the bottleneck; DBUS_PEER names the compiled program, which bench/run.py sees to.
GLib's own is Gio through PyGObject, with plain callbacks; "Gio in C" is bench/gdbus.c, which GDBUS names if there are
GLib's headers. Needs a session bus.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from time import perf_counter, process_time
from typing import Any

from harness import observe, options

NAME, PATH, INTERFACE, MEMBER = "org.example.Echo", "/org/example/Echo", "org.example.Echo", "Echo"
ARGUMENTS = ("hello", 5)
XML = f"""<node><interface name="{INTERFACE}"><method name="{MEMBER}">
    <arg type="s" direction="in"/><arg type="i" direction="in"/>
    <arg type="s" direction="out"/><arg type="i" direction="out"/>
</method></interface></node>"""
Figures = dict[str, float]


class Meter:
    """What a client measures: a fifth of the time to warm up, then calls and their latency until the end."""

    def __init__(self) -> None:
        seconds = 2 * options().seconds
        self.began = perf_counter() + seconds / 5
        self.ends = self.began + seconds
        self.latencies: list[float] = []
        self.cpu = 0.0

    def answered(self, sent: float) -> float:
        """Note a call; returns the time, at which the next is sent."""
        now = perf_counter()
        if now >= self.began:
            if not self.latencies:
                self.cpu = process_time()
            self.latencies.append(now - sent)
        return now

    def figures(self) -> Figures:
        cpu = process_time() - self.cpu
        latencies = sorted(self.latencies)
        n = len(latencies)
        return {
            "time": (self.ends - self.began) / n * 1e9,
            "p50": latencies[n // 2] * 1e9,
            "p99": latencies[n * 99 // 100] * 1e9,
            "cpu": cpu / n * 1e9,
        }


class Peer:
    """The other side. A service that answers, or a client that measures while we answer."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen([os.environ["DBUS_PEER"], *command], stdout=subprocess.PIPE, text=True)
        self.cpu = process_time()

    @classmethod
    def service(cls) -> Peer:
        peer = cls("serve", NAME)
        assert peer.process.stdout is not None
        peer.process.stdout.readline()
        return peer

    @classmethod
    def client(cls, concurrent: int) -> Peer:
        return cls("ask", NAME, str(concurrent), str(2 * options().seconds))

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def figures(self) -> Figures:
        output, _ = self.process.communicate()
        if self.process.returncode:
            raise RuntimeError(f"dbus_peer ended with status {self.process.returncode}")
        found: Figures = json.loads(output)
        return found | {"cpu": (process_time() - self.cpu) / found["calls"] * 1e9}


# ---- gleenlet.dbus ----


def gleenlet_interface() -> tuple[Any, Any]:
    from gi.repository import Gio

    from gleenlet.dbus import interface

    @interface(INTERFACE, names="CamelCase")
    class Echo:
        def echo(self, text: str, number: int) -> tuple[str, int]:
            return text, number

    return Gio.bus_get_sync(Gio.BusType.SESSION, None), Echo


def gleenlet_client(concurrent: int) -> Figures:
    from gleenlet import spawn
    from gleenlet.dbus import proxy

    bus, Echo = gleenlet_interface()
    peer = Peer.service()
    remote = proxy(bus, NAME, PATH, Echo)
    meter = Meter()

    def ask() -> None:
        sent = perf_counter()
        while sent < meter.ends:
            remote.echo(*ARGUMENTS)
            sent = meter.answered(sent)

    for task in [spawn(ask) for _ in range(concurrent)]:
        task.result()
    peer.kill()
    return meter.figures()


def gleenlet_service(concurrent: int) -> Figures:
    from gleenlet import wait_readable
    from gleenlet.dbus import export, own_name

    bus, Echo = gleenlet_interface()
    with export(bus, PATH, Echo()), own_name(bus, NAME):
        peer = Peer.client(concurrent)
        assert peer.process.stdout is not None
        wait_readable(peer.process.stdout)
    return peer.figures()


# ---- Gio through PyGObject ----


def glib_client(concurrent: int) -> Figures:
    from gi.repository import Gio, GLib

    bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
    loop: Any = GLib.MainLoop()
    peer = Peer.service()
    meter = Meter()
    reply = GLib.VariantType("(si)")
    running = concurrent

    def ask(sent: float) -> None:
        arguments = GLib.Variant("(si)", ARGUMENTS)
        bus.call(NAME, PATH, INTERFACE, MEMBER, arguments, reply, Gio.DBusCallFlags.NONE, -1, None, answered, sent)

    def answered(bus: Gio.DBusConnection, result: Gio.AsyncResult, sent: float) -> None:
        nonlocal running
        bus.call_finish(result).unpack()
        sent = meter.answered(sent)
        if sent < meter.ends:
            ask(sent)
        else:
            running -= 1
            if not running:
                loop.quit()

    for _ in range(concurrent):
        ask(perf_counter())
    loop.run()
    peer.kill()
    return meter.figures()


def glib_service(concurrent: int) -> Figures:
    from gi.repository import Gio, GLib

    bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)

    def called(*call: Any) -> None:
        parameters, invocation = call[5:7]
        invocation.return_value(GLib.Variant("(si)", parameters.unpack()))

    bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], called, None, None)
    Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, None, None)
    return serve_on_glib(bus, concurrent)


def serve_on_glib(bus: Any, concurrent: int) -> Figures:
    """Run GLib's loop until a client has measured."""
    from gi.repository import GLib

    bus.flush_sync(None)
    peer = Peer.client(concurrent)
    loop: Any = GLib.MainLoop()
    assert peer.process.stdout is not None
    GLib.unix_fd_add_full(0, peer.process.stdout.fileno(), GLib.IOCondition.IN, lambda *_: bool(loop.quit()))
    loop.run()
    return peer.figures()


# ---- Gio in C ----


def gdbus_client(concurrent: int) -> Figures:
    if not os.environ["GDBUS"]:
        return {}
    peer = Peer.service()
    command = [os.environ["GDBUS"], "client", NAME, str(concurrent), str(2 * options().seconds)]
    found: Figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    peer.kill()
    return found


def gdbus_service(concurrent: int) -> Figures:
    if not os.environ["GDBUS"]:
        return {}
    served = subprocess.Popen([os.environ["GDBUS"], "service", NAME], stdout=subprocess.PIPE)
    assert served.stdout is not None
    served.stdout.readline()
    peer = Peer.client(concurrent)
    found = peer.figures()
    served.kill()
    _, _, used = os.wait4(served.pid, 0)
    return found | {"cpu": (used.ru_utime + used.ru_stime) / found["calls"] * 1e9}


# ---- dasbus ----


def dasbus_client(concurrent: int) -> Figures:
    from dasbus.connection import SessionMessageBus
    from dasbus.loop import EventLoop

    peer = Peer.service()
    remote = SessionMessageBus().get_proxy(NAME, PATH)
    loop = EventLoop()
    meter = Meter()
    running = concurrent

    def ask(sent: float) -> None:
        remote.Echo(*ARGUMENTS, callback=answered, callback_args=(sent,))

    def answered(result: Any, sent: float) -> None:
        nonlocal running
        result()
        sent = meter.answered(sent)
        if sent < meter.ends:
            ask(sent)
        else:
            running -= 1
            if not running:
                loop.quit()

    for _ in range(concurrent):
        ask(perf_counter())
    loop.run()
    peer.kill()
    return meter.figures()


def dasbus_service(concurrent: int) -> Figures:
    from dasbus.connection import SessionMessageBus

    class Echo:
        __dbus_xml__ = XML

        def Echo(self, text: str, number: int) -> tuple[str, int]:
            return text, number

    bus = SessionMessageBus()
    bus.publish_object(PATH, Echo())
    bus.register_service(NAME)
    return serve_on_glib(bus.connection, concurrent)


# ---- dbus-fast ----


async def asyncio_client(ask: Any, concurrent: int) -> Figures:
    meter = Meter()

    async def asks() -> None:
        sent = perf_counter()
        while sent < meter.ends:
            await ask()
            sent = meter.answered(sent)

    await asyncio.gather(*[asks() for _ in range(concurrent)])
    return meter.figures()


async def asyncio_service(concurrent: int) -> Figures:
    peer = Peer.client(concurrent)
    assert peer.process.stdout is not None
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(peer.process.stdout, done.set)
    await done.wait()
    return peer.figures()


async def dbus_fast_client(concurrent: int) -> Figures:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

    bus = await MessageBus().connect()
    peer = Peer.service()

    async def ask() -> None:
        message = Message(
            destination=NAME, path=PATH, interface=INTERFACE, member=MEMBER, signature="si", body=list(ARGUMENTS)
        )
        reply = await bus.call(message)
        assert reply is not None
        reply.body  # noqa: B018  # where it is unpacked

    found = await asyncio_client(ask, concurrent)
    peer.kill()
    return found


async def dbus_fast_service(concurrent: int) -> Figures:
    from dbus_fast.aio import MessageBus
    from dbus_fast.service import ServiceInterface, dbus_method

    class Echo(ServiceInterface):
        @dbus_method()
        def Echo(self, text: "s", number: "i") -> "si":  # type: ignore[name-defined]  # noqa: F821, UP037
            return [text, number]

    bus = await MessageBus().connect()
    bus.export(PATH, Echo(INTERFACE))
    await bus.request_name(NAME)
    return await asyncio_service(concurrent)


# ---- sdbus ----


def sdbus_interface() -> Any:
    from sdbus import DbusInterfaceCommonAsync, dbus_method_async, sd_bus_open_user, set_default_bus

    set_default_bus(sd_bus_open_user())

    class Echo(DbusInterfaceCommonAsync, interface_name=INTERFACE):
        @dbus_method_async("si", "si", method_name=MEMBER)
        async def echo(self, text: str, number: int) -> tuple[str, int]:
            return text, number

    return Echo


async def sdbus_client(concurrent: int) -> Figures:
    peer = Peer.service()
    remote = sdbus_interface().new_proxy(NAME, PATH)
    found = await asyncio_client(lambda: remote.echo(*ARGUMENTS), concurrent)
    peer.kill()
    return found


async def sdbus_service(concurrent: int) -> Figures:
    from sdbus import request_default_bus_name_async

    echo = sdbus_interface()()
    echo.export_to_dbus(PATH)
    await request_default_bus_name_async(NAME)
    return await asyncio_service(concurrent)


CLIENTS = {
    "gleenlet.dbus": gleenlet_client,
    "GLib": glib_client,
    "Gio in C": gdbus_client,
    "dbus-fast": dbus_fast_client,
    "sdbus": sdbus_client,
    "dasbus": dasbus_client,
}
SERVICES = {
    "gleenlet.dbus": gleenlet_service,
    "GLib": glib_service,
    "Gio in C": gdbus_service,
    "dbus-fast": dbus_fast_service,
    "sdbus": sdbus_service,
    "dasbus": dasbus_service,
}

if __name__ == "__main__":
    side, options().variant = (options().variant or "client_1").split("_")
    observe(CLIENTS if side == "client" else SERVICES)
