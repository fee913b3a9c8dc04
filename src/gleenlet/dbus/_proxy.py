"""`proxy`: an object of an interface class whose methods, properties and signals are on the other side."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

from gi.repository import Gio

from gleenlet.dbus._dynamic import interfaces_at
from gleenlet.dbus._interface import Interface, Method, interfaces_of
from gleenlet.dbus._members import Property, Signal
from gleenlet.dbus._remote import Remote, RemoteSignal, Watcher
from gleenlet.dbus._subscribe import get_owner
from gleenlet.dbus._types import ObjectPath

T = TypeVar("T")

classes: WeakKeyDictionary[type, type] = WeakKeyDictionary()  # an interface class to its proxies' class


@overload
def proxy(
    bus: Gio.DBusConnection, name: str | None, path: str, cls: type[T], *, flags: Gio.DBusCallFlags = ...
) -> T: ...
@overload
def proxy(
    bus: Gio.DBusConnection, name: str | None, path: str, cls: str | None = None, *, flags: Gio.DBusCallFlags = ...
) -> Any: ...
def proxy(
    bus: Gio.DBusConnection,
    name: str | None,
    path: str,
    cls: type | str | None = None,
    *,
    flags: Gio.DBusCallFlags = Gio.DBusCallFlags.NONE,
) -> Any:
    """An object with the members of `cls`, which are on the other side: calls block their task and no other.

    It has these members and no others; `owner`, `watch` are functions. Properties are attributes: asked for once,
    then kept up to date. No call has a time limit of its own: `with gleenlet.timeout(5): files.search("a")`.

    Args:
        bus: the connection.
        name: who has the object, "org.example.Files"; None on a connection without a bus.
        path: where, "/org/example/Files".
        cls: an `@interface` class, or one that inherits several. Its name, or None for all that the object has,
            and the object is asked now, and waited for: members have their names on the bus then.
        flags: of each call, Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION for one.

    Raises:
        TypeError: `cls` is no interface class.
        ValueError: no bus name, no object path.

    Members raise, when they are used:
        TypeError, ValueError, OverflowError: the arguments do not fit; nothing was sent.
        an exception with @error: the service has raised it, or another with its name.
        GLib.Error: the call failed otherwise.
        Cancelled: the task was cancelled; the reply is dropped, and a service of gleenlet's cancels the call
            if this program ends.

    Thread: the one whose context runs the task. In others calls work too, and properties are asked for at each read.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> daemon = proxy(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    >>> daemon.NameHasOwner("org.example.Nobody")
    False
    """
    if name is not None and not Gio.dbus_is_name(name):
        raise ValueError(f"{name!r} is no bus name: write org.example.Files, or None on a connection without a bus")
    remote = Remote(bus, name, ObjectPath(path), flags)
    if isinstance(cls, type):
        made = classes.get(cls)
        if made is None:
            made = classes[cls] = proxy_class(cls.__name__, interfaces_of(cls))
    else:
        made = proxy_class(cls or "Object", interfaces_at(remote, cls))
    return new(made, remote)


def new(cls: type, remote: Remote) -> Any:
    result: Any = object.__new__(cls)
    object.__setattr__(result, "_remote", remote)
    weakref.finalize(result, remote.close).atexit = False
    return result


def owner(proxy: object) -> str | None:
    """The unique name of who has a proxy's name now; None if nobody does. Asks the bus and waits.

    Raises: TypeError: not a proxy. GLib.Error: the connection was closed.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> from gleenlet.dbus import proxy
    >>> owner(proxy(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus"))
    'org.freedesktop.DBus'
    """
    remote = remote_of(proxy)
    return None if remote.name is None else get_owner(remote.connection, remote.name)


def watch(proxy: object, prop: Property[T]) -> Iterator[T]:
    """The values of a proxy's property: the present one, then each new one when it is there.

    A value that was replaced before this task came to look is not seen. The look-out ends with the iterator.

    Args:
        proxy: made by `proxy`.
        prop: of its class: `watch(files, Files.progress)`.

    Raises, at a step:
        NameLost: nobody has the proxy's name any more.
        ConnectionError: the connection was closed.
        GLib.Error: the service does not answer.
        Cancelled: the task was cancelled.

    Raises: TypeError: not a proxy, or not one of its properties; ValueError: changes of it are not told.

    >>> from gi.repository import Gio
    >>> import gleenlet
    >>> from gleenlet.dbus import export, interface, proxy
    >>> @interface("org.example.Player")
    ... class Player:
    ...     volume: Property[float]
    >>> bus = gleenlet.call(Gio.bus_get, Gio.BusType.SESSION)
    >>> service = Player()
    >>> service.volume = 0.5
    >>> with export(bus, "/player", service):
    ...     values = watch(proxy(bus, bus.get_unique_name(), "/player", Player), Player.volume)
    ...     print(next(values))
    ...     service.volume = 0.75
    ...     print(next(values))
    0.5
    0.75
    """
    remote = remote_of(proxy)
    if not isinstance(prop, Property) or getattr(type(proxy), prop.attribute, None) is not prop:
        raise TypeError(f"{prop!r} is no property of {proxy!r}: write watch(files, Files.progress)")
    if prop.emits == "false":
        raise ValueError(f"{prop!r} changes without telling (emits='false'): read it when you need it")
    return Watcher(proxy, remote.properties(prop.interface), prop).values()


def remote_of(proxy: object) -> Remote:
    if not isinstance(proxy, Proxy):
        raise TypeError(f"a proxy is needed, not {type(proxy).__name__}")
    return proxy._remote


# ---- the class of a proxy ----


class Proxy:
    """What all proxies have: where their object is."""

    __slots__ = ("__weakref__", "_remote")

    _remote: Remote

    def __setattr__(self, name: str, value: object) -> None:
        if not isinstance(getattr(type(self), name, None), Property):
            raise AttributeError(f"{type(self).__name__} has no property {name!r}; a proxy has nothing else to set")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<proxy {type(self).__name__} of {self._remote!r}>"


def proxy_class(name: str, interfaces: list[Interface]) -> type:
    """A class with the members of these interfaces; where two have the same name, the first's."""
    members: dict[str, Any] = {}
    for interface in reversed(interfaces):
        members.update({m.attribute: remote_method(interface, m) for m in interface.methods.values()})
        members.update({p.attribute: RemoteProperty(p) for p in interface.properties.values()})
        members.update({s.attribute: RemoteSignalOf(s) for s in interface.signals.values()})
    return type(name, (Proxy,), {"__slots__": (), **members})


def remote_method(interface: Interface, method: Method) -> Callable[..., Any]:
    count = len(method.parameters)

    @functools.wraps(method.function)
    def call(self: Proxy, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != count:
            args = method.arguments(args, kwargs)
        return self._remote.call(interface, method, args)

    return call


class RemoteProperty:
    """A property on the other side."""

    def __init__(self, prop: Property[Any]) -> None:
        self.prop = prop

    def __get__(self, obj: Any, owner: type) -> Any:
        return self.prop if obj is None else obj._remote.properties(self.prop.interface).get(self.prop)

    def __set__(self, obj: Any, value: Any) -> None:
        obj._remote.properties(self.prop.interface).set(self.prop, value)


class RemoteSignalOf:
    """A signal on the other side."""

    def __init__(self, signal: Signal[*tuple[Any, ...]]) -> None:
        self.signal = signal

    def __get__(self, obj: Any, owner: type) -> Any:
        return self.signal if obj is None else RemoteSignal(obj._remote, self.signal)
