"""Lists the session bus's names and follows one: what comes and goes is awaited, not called back.

Output:
...org.freedesktop.DBus...
org.example.Gleenlet appears
org.example.Gleenlet goes
"""

from gi.repository import Gio, GLib

from gleenlet import call, run, signals, spawn

NAME = "org.example.Gleenlet"


def bus_object(bus: Gio.DBusConnection) -> Gio.DBusProxy:
    name, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
    return call(Gio.DBusProxy.new, bus, Gio.DBusProxyFlags.NONE, None, name, path, name)


def come_and_go(dbus: Gio.DBusProxy) -> None:
    for method, arguments in (("RequestName", GLib.Variant("(su)", (NAME, 0))), ("ReleaseName", None)):
        call(dbus.call, method, arguments or GLib.Variant("(s)", (NAME,)), Gio.DBusCallFlags.NONE, -1)


def main() -> None:
    bus = call(Gio.bus_get, Gio.BusType.SESSION)
    dbus = bus_object(bus)
    (names,) = call(dbus.call, "ListNames", None, Gio.DBusCallFlags.NONE, -1).unpack()
    print(*sorted(name for name in names if not name.startswith(":")))

    with signals(dbus, "g-signal") as emissions:
        spawn(come_and_go, dbus)
        for _, signal, arguments in emissions:
            if signal != "NameOwnerChanged":
                continue
            name, old, new = arguments.unpack()
            if name == NAME:
                print(name, "appears" if new else "goes")
                if old:
                    break


run(main)
