"""Listening on a connection: signals, its end, and a name's owner. Knows no interface class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib, GObject

from gleenlet import GleenletError, Hub, get_hub
from gleenlet.dbus._convert import invoke

BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"

Heard = Callable[[GLib.Variant], object]  # gets a signal's arguments; must not block


class Subscription:
    """Signals that somebody listens to, and the connection's end; dropped together by `close`.

    Args:
        closed: called when the connection is closed.

    Raises: ConnectionResetError: it is closed already.
    Thread: signals are heard on the one that listens.
    """

    __slots__ = ("connection", "handler", "ids")

    def __init__(self, connection: Gio.DBusConnection, closed: Callable[[], object]) -> None:
        refuse_closed(connection)
        hub = get_hub()
        self.connection = connection
        self.ids: list[int] = []
        self.handler: int = connection.connect("closed", lambda *_: hub.call_soon_threadsafe(closed))

    def listen(
        self, heard: Heard, sender: str | None, path: str, interface: str, member: str, arg0: str | None = None
    ) -> None:
        def on_signal(*args: Any) -> None:
            heard(args[5])

        self.ids.append(
            self.connection.signal_subscribe(sender, interface, member, path, arg0, Gio.DBusSignalFlags.NONE, on_signal)
        )

    def follow(self, name: str, owned: Callable[[str | None], object]) -> None:
        """Call `owned` with each new owner of `name`, a unique name; with None when it has none."""
        self.listen(
            lambda args: owned(args.get_child_value(2).get_string() or None),
            BUS,
            BUS_PATH,
            BUS,
            "NameOwnerChanged",
            name,
        )

    def close(self) -> None:
        ids, self.ids = self.ids, []
        for number in ids:
            self.connection.signal_unsubscribe(number)
        handler, self.handler = self.handler, 0
        if handler:
            GObject.Object.disconnect(self.connection, handler)


def refuse_thread(hub: Hub, what: str) -> None:
    """What is heard is heard on the thread that listens: who waits on another one would not be woken."""
    if get_hub() is not hub:
        raise GleenletError(f"{what} belongs to the thread that began to listen: wait there, or listen anew here")


def refuse_closed(connection: Gio.DBusConnection) -> None:
    if connection.is_closed():
        raise closed_error()


def closed_error() -> ConnectionResetError:
    return ConnectionResetError("the D-Bus connection was closed: its daemon or the other side has gone")


def ask_bus(connection: Gio.DBusConnection, method: str, signature: str, args: tuple[Any, ...], reply: str) -> Any:
    """Call a method of the bus itself; its one result."""
    (result,), _ = invoke(connection, BUS, BUS_PATH, BUS, method, signature, args, reply)
    return result


def get_owner(connection: Gio.DBusConnection, name: str) -> str | None:
    """The unique name of who owns `name`; None if nobody does.

    What was subscribed to before is heard from now on: the bus takes messages in their order.
    """
    try:
        return str(ask_bus(connection, "GetNameOwner", "(s)", (name,), "(s)"))
    except GLib.Error as error:
        if error.matches(Gio.dbus_error_quark(), Gio.DBusError.NAME_HAS_NO_OWNER):
            return None
        raise
