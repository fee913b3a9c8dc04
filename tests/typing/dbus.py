"""What a type checker knows of gleenlet.dbus. Checked by mypy, never run.

Interfaces have methods without bodies, which mypy accepts of protocols and abstract classes only: programs that
declare them are checked with --disable-error-code empty-body.
"""

# mypy: disable-error-code=empty-body
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_type

from gi.repository import Gio

from gleenlet import spawn
from gleenlet.dbus import Int64, Property, Signal, export, interface, proxy, watch


@dataclass
class Hit:
    path: str
    line: int


@interface("org.example.Files")
class Files:
    def search(self, text: str, limit: int = 10) -> list[Hit]: ...
    def size(self) -> tuple[Int64, str]: ...

    progress: Property[float]
    volume: Property[float] = Property(access="readwrite")
    found: Signal[str, int]
    done: Signal[()]


class Service(Files):
    def search(self, text: str, limit: int = 10) -> list[Hit]:
        self.progress = 0.5
        self.progress = "half"  # type: ignore[assignment]
        self.found.emit("a", 1)
        self.found.emit("a")  # type: ignore[call-arg]
        self.found.emit("a", "b")  # type: ignore[arg-type]
        self.done.emit()
        return []

    @Files.volume.setter
    def set_volume(self, volume: float) -> None:
        self.volume = min(volume, 1.0)


def use(bus: Gio.DBusConnection) -> None:
    files = proxy(bus, "org.example.Files", "/files", Files)
    assert_type(files, Files)
    assert_type(files.search("a"), list[Hit])
    assert_type(files.size(), tuple[int, str])
    assert_type(spawn(files.search, "a").result(), list[Hit])
    assert_type(files.progress, float)
    assert_type(Files.progress, Property[float])
    assert_type(watch(files, Files.progress), Iterator[float])
    assert_type(files.found.wait(timeout=1), tuple[str, int])
    with files.found as emissions:
        for path, line in emissions:
            assert_type(path, str)
            assert_type(line, int)
    with export(bus, "/files", Service()) as service:
        assert_type(service, Service)
    files.volume = 0.5
    files.volume = "loud"  # type: ignore[assignment]
    files.search()  # type: ignore[call-arg]
    files.search(1)  # type: ignore[arg-type]
    files.serch("a")  # type: ignore[attr-defined]
    assert_type(proxy(bus, "org.example.Files", "/files"), Any)
