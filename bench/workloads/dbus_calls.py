"""Ask the session bus for its id, asynchronously: the cost of one D-Bus round trip.

The bus itself answers, so no second Python program is in the figure. GLib's own is the plain callback. Needs
a session bus: dbus-run-session -- python bench/workloads/dbus_calls.py PEER
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from gi.repository import Gio, GLib
from harness import measure

ARGUMENTS = (
    "org.freedesktop.DBus",
    "/org/freedesktop/DBus",
    "org.freedesktop.DBus",
    "GetId",
    None,
    GLib.VariantType("(s)"),
    Gio.DBusCallFlags.NONE,
    -1,
)


def session_bus() -> Gio.DBusConnection:
    return Gio.bus_get_sync(Gio.BusType.SESSION, None)


def on_gleenlet(n: int) -> float:
    from gleenlet import call

    bus = session_bus()
    start = perf_counter()
    for _ in range(n):
        call(bus.call, *ARGUMENTS)
    return perf_counter() - start


def on_glib(n: int) -> float:
    bus = session_bus()
    loop: Any = GLib.MainLoop()
    missing = n

    def answered(bus: Gio.DBusConnection, result: Gio.AsyncResult, *_: Any) -> None:
        nonlocal missing
        bus.call_finish(result)
        missing -= 1
        if missing:
            bus.call(*ARGUMENTS, None, answered)
        else:
            loop.quit()

    start = perf_counter()
    bus.call(*ARGUMENTS, None, answered)
    loop.run()
    return perf_counter() - start


async def on_gi_events(n: int) -> float:
    call: Any = session_bus().call  # without a callback it can be awaited, which its types do not know
    start = perf_counter()
    for _ in range(n):
        await call(*ARGUMENTS)
    return perf_counter() - start


if __name__ == "__main__":
    measure({"gleenlet": on_gleenlet, "GLib": on_glib, "gi.events": on_gi_events}, step=10)
