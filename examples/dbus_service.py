"""A service on the bus whose methods wait, and the client that uses it: one class is both.

Output:
notes.txt 1
['notes.txt', 'todo.txt'] 100%
refused: nothing to look for
"""

from __future__ import annotations

from gi.repository import Gio

import gleenlet
from gleenlet.dbus import Property, Signal, error, export, interface, own_name, proxy


@error("org.example.Files.Error.Empty")
class Empty(Exception):
    pass


@interface("org.example.Files", names="CamelCase")
class Files:
    def search(self, text: str, limit: int = 10) -> list[str]: ...

    progress: Property[float]
    found: Signal[str, int]


class Service(Files):
    def __init__(self) -> None:
        self.progress = 0.0

    def search(self, text: str, limit: int = 10) -> list[str]:
        if not text:
            raise Empty("nothing to look for")
        self.found.emit("notes.txt", 1)
        gleenlet.sleep(0.1)  # other calls are answered meanwhile
        self.progress = 1.0
        return ["notes.txt", "todo.txt"][:limit]


def main() -> None:
    bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    with export(bus, "/org/example/Files", Service()), own_name(bus, "org.example.Files"):
        files = proxy(bus, "org.example.Files", "/org/example/Files", Files)
        with files.found as emissions:
            search = gleenlet.spawn(files.search, "gleenlet")
            print(*next(emissions))
        print(search.result(), f"{files.progress:.0%}")
        try:
            files.search("")
        except Empty as why:
            print("refused:", why)


gleenlet.run(main)
