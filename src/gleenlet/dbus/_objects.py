"""ObjectManager: all objects below a path, told at once and as they come and go."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from gi.repository import Gio

from gleenlet.dbus._interface import interface
from gleenlet.dbus._members import Signal
from gleenlet.dbus._service import export, exported, listeners
from gleenlet.dbus._types import ObjectPath


@interface("org.freedesktop.DBus.ObjectManager", names="CamelCase")
class ObjectManager:
    """The standard interface of who has many objects: `proxy(bus, name, path, ObjectManager)`.

    >>> [method.name for method in vars(ObjectManager)["__dbus_interface__"].methods.values()]
    ['GetManagedObjects']
    """

    def get_managed_objects(self) -> dict[ObjectPath, dict[str, dict[str, Any]]]:  # type: ignore[empty-body]
        """Every object by its path: its interfaces by their name: their properties."""

    interfaces_added: Signal[ObjectPath, dict[str, dict[str, Any]]]
    interfaces_removed: Signal[ObjectPath, list[str]]


class object_manager:
    """Have an ObjectManager at `path` while the block runs: it tells of every `export` below, before and after.

    Args:
        bus: the connection.
        path: the root, "/org/example".

    Raises: as `export`.
    Thread: the one whose context runs the task.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> from gleenlet.dbus import Property, proxy
    >>> @interface("org.example.Job")
    ... class Job:
    ...     progress: Property[float]
    ...     def __init__(self): self.progress = 0.5
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> with object_manager(bus, "/jobs"), export(bus, "/jobs/one", Job()):
    ...     proxy(bus, bus.get_unique_name(), "/jobs", ObjectManager).get_managed_objects()
    {ObjectPath('/jobs/one'): {'org.example.Job': {'progress': 0.5}}}
    """

    def __init__(self, bus: Gio.DBusConnection, path: str) -> None:
        self._manager = Manager(bus, path)
        self._export = export(bus, path, self._manager)

    def __enter__(self) -> Self:
        self._export.__enter__()
        listeners.append(self._manager.told)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        listeners.remove(self._manager.told)
        self._export.__exit__(kind, exc, tb)


class Manager(ObjectManager):
    """The service."""

    def __init__(self, bus: Gio.DBusConnection, path: str) -> None:
        self.bus = bus
        self.root = path if path == "/" else f"{path}/"

    def get_managed_objects(self) -> dict[ObjectPath, dict[str, dict[str, Any]]]:
        found: dict[ObjectPath, dict[str, dict[str, Any]]] = {}
        for each in exported[:]:  # properties that are computed may wait, and others come and go meanwhile
            if self.has(each) and each in exported:
                found.setdefault(ObjectPath(each.path), {}).update(contents(each))
        return found

    def told(self, each: export[Any], added: bool) -> None:
        if not self.has(each):
            return
        path = ObjectPath(each.path)
        if added:
            self.interfaces_added.emit(path, contents(each))
        else:
            self.interfaces_removed.emit(path, list(each.interfaces))

    def has(self, each: export[Any]) -> bool:
        return each.bus is self.bus and each.path != self.root and each.path.startswith(self.root)


def contents(each: export[Any]) -> dict[str, dict[str, Any]]:
    """The interfaces of an export, each with its properties; those that are computed as well, so it may wait."""
    return {name: each.values(found) for name, found in each.interfaces.items()}
