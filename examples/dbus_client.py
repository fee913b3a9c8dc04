"""A client of a service that somebody else wrote: the bus itself. Types are known, defaults and errors are Python's.

Output:
the bus is org.freedesktop.DBus
nobody owns org.example.Nobody
org.example.Mine has come
org.example.Mine has gone
"""

from __future__ import annotations

from gi.repository import Gio

import gleenlet
from gleenlet.dbus import Signal, error, interface, own_name, proxy


@error("org.freedesktop.DBus.Error.NameHasNoOwner")
class NoOwner(LookupError):
    pass


@interface("org.freedesktop.DBus", names="CamelCase")  # as `python -m gleenlet.dbus codegen` writes it
class Bus:
    def get_name_owner(self, name: str) -> str: ...

    name_owner_changed: Signal[str, str, str]


def main() -> None:
    connection = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    bus = proxy(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", Bus)
    print("the bus is", bus.get_name_owner("org.freedesktop.DBus"))
    try:
        with gleenlet.timeout(5):  # there is no other limit
            bus.get_name_owner("org.example.Nobody")
    except NoOwner:
        print("nobody owns org.example.Nobody")

    with bus.name_owner_changed as changes:
        with own_name(connection, "org.example.Mine"):
            pass
        for name, _, owner in changes:
            if name == "org.example.Mine":
                print(name, "has come" if owner else "has gone")
                if not owner:
                    break


gleenlet.run(main)
