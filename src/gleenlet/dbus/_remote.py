"""An object on the other side: calls to it, its signals, its properties as they are known here.

Works on Interface descriptions; the class that users see is _proxy.py's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from gi.repository import Gio, GLib

from gleenlet import GleenletError, Hub, Lock, get_hub
from gleenlet._core import Waiter
from gleenlet.dbus._convert import invoke, send, unpack
from gleenlet.dbus._errors import NameLost, from_reply
from gleenlet.dbus._fds import FileDescriptor
from gleenlet.dbus._interface import Interface, Method
from gleenlet.dbus._members import BoundSignal, Owner, Property, Signal
from gleenlet.dbus._subscribe import Subscription, closed_error, get_owner, refuse_closed, refuse_thread
from gleenlet.dbus._types import number_of, typed, variant

PROPERTIES = "org.freedesktop.DBus.Properties"
LIMIT = 10_000  # emissions that may wait for the next step, as in gleenlet.signals


class Remote:
    """Where an object is: the connection, the name, the path."""

    __slots__ = ("caches", "connection", "flags", "hub", "name", "path")

    def __init__(self, connection: Gio.DBusConnection, name: str | None, path: str, flags: Gio.DBusCallFlags) -> None:
        self.connection = connection
        self.name = name
        self.path = path
        self.flags = int(flags)
        self.caches: dict[Owner, PropertyCache] = {}
        self.hub = get_hub()  # where properties are kept up to date

    def call(self, interface: Interface, method: Method, args: tuple[Any, ...]) -> Any:
        fds: list[Any] = []
        try:
            if method.ins.encode is not None:
                args = method.ins.encode(args, fds)
            if method.no_reply:
                refuse_closed(self.connection)
                signature = method.ins.signature
                return send(
                    self.connection, self.name, self.path, interface.name, method.name, signature, args, self.flags
                )
            values, received = self.invoke(
                interface.name, method.name, method.ins.signature, args, method.outs.signature, fds
            )
        except (TypeError, ValueError, OverflowError) as error:
            error.add_note(f"(in a call of {interface.name}.{method.name})")
            raise
        if received or method.outs.decode is not None:
            values = method.outs.decoded(values, [FileDescriptor(fd) for fd in received])
        return values if method.returns == "tuple" else values[0] if values else None

    def invoke(
        self, interface: str, method: str, signature: str, args: tuple[Any, ...], reply: str, fds: Iterable[Any] = ()
    ) -> tuple[tuple[Any, ...], list[int]]:
        try:
            return invoke(
                self.connection,
                self.name,
                self.path,
                interface,
                method,
                signature,
                args,
                reply,
                self.flags,
                [number_of(fd) for fd in fds],
            )
        except GLib.Error as failure:
            raise from_reply(failure) from None

    def tell(self, interface: str, method: str, signature: str, args: tuple[Any, ...], reply: str) -> tuple[Any, ...]:
        """As `invoke`, for what comes without descriptors; those that come all the same are closed."""
        values, received = self.invoke(interface, method, signature, args, reply)
        for fd in received:
            os.close(fd)
        return values

    def properties(self, interface: Owner) -> PropertyCache:
        cache = self.caches.get(interface)
        if cache is None:
            cache = self.caches[interface] = PropertyCache(self, interface)
        return cache

    def close(self) -> None:
        """The proxy has gone: nobody listens any more."""
        for cache in self.caches.values():
            cache.close()

    def lost_error(self) -> NameLost:
        return NameLost(f"{self.name} has no owner any more: wait_for_name() waits for the next one")

    def __repr__(self) -> str:
        return f"{self.name or 'the other side'} at {self.path}"


class RemoteSignal(BoundSignal[*tuple[Any, ...]]):
    """A proxy's signal; entered, it is an iterator of emissions."""

    def __init__(self, remote: Remote, signal: Signal[*tuple[Any, ...]]) -> None:
        self.remote = remote
        self.signal = signal
        self.subscription: Subscription | None = None
        self.hub: Hub | None = None
        self.waiting: deque[GLib.Variant] = deque()
        self.waiter: Waiter | None = None
        self.end: Exception | None = None

    def wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        Waiter(timeout)  # refuses bad input
        with self:
            return self.next(timeout)

    def __enter__(self) -> Iterator[tuple[Any, ...]]:
        if self.subscription is not None:
            raise GleenletError(f"{self.signal!r} is entered already: take it from the proxy for each `with`")
        remote, signal = self.remote, self.signal
        self.end = None
        self.hub = get_hub()
        self.subscription = Subscription(remote.connection, lambda: self.finish(closed_error()))
        try:
            self.subscription.listen(self.heard, remote.name, remote.path, signal.interface.name, signal.name)
            if remote.name is not None:
                self.subscription.follow(remote.name, self.owned)
                if get_owner(remote.connection, remote.name) is None and remote.name.startswith(":"):
                    raise remote.lost_error()  # a unique name never comes again
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None
        self.waiting.clear()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self

    def __next__(self) -> tuple[Any, ...]:
        return self.next(None)

    def next(self, timeout: float | None) -> tuple[Any, ...]:
        if self.subscription is None:
            raise GleenletError(f"write: with proxy.{self.signal.attribute} as emissions: for args in emissions: ...")
        if self.hub is not None:
            refuse_thread(self.hub, f"this iterator of {self.signal.attribute}")
        if self.waiter is not None:
            raise GleenletError(f"a task waits for {self.signal.attribute} here already: give each its own `with`")
        while not self.waiting:
            if self.end is not None:
                raise self.end
            self.waiter = Waiter(timeout, None, f"D-Bus signal {self.signal.attribute}")
            try:
                self.waiter.wait()
            finally:
                self.waiter = None
        args = self.waiting.popleft()
        codec = self.signal.codec
        if args.get_type_string() != codec.signature:
            raise TypeError(f"{self.signal!r} came with {args.get_type_string()}, not {codec.signature}")
        return codec.decoded(unpack(args), [])  # type: ignore[no-any-return]

    def heard(self, args: GLib.Variant) -> None:
        if self.end is not None:
            return
        if len(self.waiting) >= LIMIT:
            self.finish(GleenletError(f"more than {LIMIT} emissions of {self.signal!r} waited: take them faster"))
            return
        self.waiting.append(args)
        if self.waiter is not None:
            self.waiter.wake()

    def owned(self, owner: str | None) -> None:
        if owner is None:
            self.finish(self.remote.lost_error())

    def finish(self, end: Exception) -> None:
        self.end = self.end or end
        if self.waiter is not None:
            self.waiter.wake()


class PropertyCache:
    """An interface's properties: asked for at the first read, then kept up to date by PropertiesChanged.

    A change that is heard while a question is on its way counts more than the answer: which of the two is older
    cannot be told, and whatever is newer than both is still to come.
    """

    def __init__(self, remote: Remote, interface: Owner) -> None:
        self.remote = remote
        self.interface = interface
        self.by_name = {prop.name: prop for prop in interface.properties.values()}
        self.values: dict[str, Any] = {}  # by name on the bus
        self.loaded = False
        self.changes: dict[str, int] = {}  # how often each was heard of
        self.owners = 0  # how often the owner changed
        self.subscription: Subscription | None = None
        self.lock = Lock()
        self.watchers: list[Watcher] = []

    def get(self, prop: Property[Any]) -> Any:
        if not prop.readable:
            raise AttributeError(f"{prop!r} can only be written")
        if prop.emits == "false" or get_hub() is not self.remote.hub:  # another thread, which hears of no change
            return self.ask(prop)
        if not self.loaded:
            self.load()
        if prop.name in self.values:
            return self.values[prop.name]
        return self.ask(prop)

    def set(self, prop: Property[Any], value: Any) -> None:
        if not prop.writable:
            raise AttributeError(f"{prop!r} cannot be written by callers")
        inner = variant(prop.codec, value, [])
        self.values.pop(prop.name, None)  # the next read hears of it, or asks
        self.remote.tell(PROPERTIES, "Set", "(ssv)", (self.interface.name, prop.name, inner), "()")

    def ask(self, prop: Property[Any]) -> Any:
        name, before = prop.name, (self.changes.get(prop.name), self.owners)
        (raw,) = self.remote.tell(PROPERTIES, "Get", "(ss)", (self.interface.name, name), "(v)")
        value = self.decode(prop, raw)
        if prop.emits != "false" and self.loaded:
            if before == (self.changes.get(name), self.owners):
                self.values[name] = value
            return self.values.get(name, value)
        return value

    def load(self) -> None:
        """Listen, then ask for all; one task does it for all."""
        with self.lock:
            if self.loaded:
                return
            self.listen()
            owners = -1
            while owners != self.owners:  # a new owner meanwhile: the answer may be the last one's
                owners, before = self.owners, dict(self.changes)
                (raw,) = self.remote.tell(PROPERTIES, "GetAll", "(s)", (self.interface.name,), "(a{sv})")
            for name, value in raw.items():
                prop = self.by_name.get(name)
                if prop is not None and before.get(name) == self.changes.get(name):
                    self.values[name] = self.decode(prop, value)
            self.loaded = True

    def decode(self, prop: Property[Any], raw: Any) -> Any:
        return prop.codec.decoded(typed(prop.codec, raw, repr(prop)), [])

    def listen(self) -> None:
        if self.subscription is not None:
            return
        remote = self.remote
        subscription = Subscription(remote.connection, self.forget)
        subscription.listen(self.heard, remote.name, remote.path, PROPERTIES, "PropertiesChanged", self.interface.name)
        if remote.name is not None:
            subscription.follow(remote.name, self.owned)
        self.subscription = subscription

    def heard(self, args: GLib.Variant) -> None:
        if args.get_type_string() != "(sa{sv}as)":
            return
        _, changed, invalidated = unpack(args)
        for name, raw in changed.items():
            prop = self.by_name.get(name)
            if prop is not None:
                self.changes[name] = self.changes.get(name, 0) + 1
                try:
                    self.values[name] = self.decode(prop, raw)
                except (TypeError, ValueError):
                    self.values.pop(name, None)  # who reads it next asks, and gets the error
        for name in invalidated:
            self.changes[name] = self.changes.get(name, 0) + 1
            self.values.pop(name, None)
        for watcher in self.watchers:
            watcher.look()

    def owned(self, owner: str | None) -> None:
        self.owners += 1
        self.values.clear()
        self.loaded = False
        for watcher in self.watchers:
            watcher.look(None if owner else self.remote.lost_error())

    def forget(self) -> None:
        """The connection is closed: nothing is known any more."""
        self.close()
        self.values.clear()
        self.loaded = False
        for watcher in self.watchers:
            watcher.look(closed_error())

    def close(self) -> None:
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None


class Watcher:
    """Who waits for a property's next value."""

    def __init__(self, proxy: object, cache: PropertyCache, prop: Property[Any]) -> None:
        self.proxy = proxy  # as long as it is there, its cache listens
        self.cache = cache
        self.prop = prop
        self.waiter: Waiter | None = None
        self.news = False
        self.end: Exception | None = None

    def values(self) -> Iterator[Any]:
        cache, prop = self.cache, self.prop
        hub = cache.remote.hub
        refuse_thread(hub, f"a watch of {prop.attribute}, as its proxy,")
        cache.watchers.append(self)
        try:
            last = object()
            while True:
                self.news = False
                value = cache.get(prop)
                if last != value:
                    last = value
                    yield value
                while not self.news:
                    refuse_thread(hub, f"a watch of {prop.attribute}, as its proxy,")
                    self.waiter = Waiter(None, None, f"D-Bus property {prop.attribute}")
                    try:
                        self.waiter.wait()
                    finally:
                        self.waiter = None
                if self.end is not None:
                    raise self.end
        finally:
            cache.watchers.remove(self)

    def look(self, end: Exception | None = None) -> None:
        self.news = True
        self.end = self.end or end  # a loss is told, also if another owner is there when the task comes to look
        if self.waiter is not None:
            self.waiter.wake()
