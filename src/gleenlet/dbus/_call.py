"""`current_call`: who has called the method that runs here."""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar

from gi.repository import Gio

from gleenlet import GleenletError
from gleenlet.dbus._fds import FileDescriptor
from gleenlet.dbus._subscribe import ask_bus


@dataclasses.dataclass(slots=True, eq=False, repr=False)
class Call:
    """A call that a service's method answers; made by `current_call()`.

    Attributes:
        bus: the connection it came by.
        sender: the caller's unique name; None on a connection without a bus.
        path, interface, member: what was called, by their names on the bus.
        flags: of the message: Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION for one.
        fds: the descriptors that came with it, those among the arguments as well.
    """

    bus: Gio.DBusConnection
    sender: str | None
    path: str
    interface: str
    member: str
    flags: Gio.DBusMessageFlags
    fds: list[FileDescriptor]
    _uid: int | None = dataclasses.field(default=None, init=False)

    @property
    def uid(self) -> int:
        """The caller's user. Asks the bus the first time, and waits.

        Raises: GLib.Error: the caller has gone.
        """
        if self._uid is None:
            if self.sender is not None:
                self._uid = int(ask_bus(self.bus, "GetConnectionUnixUser", "(s)", (self.sender,), "(u)"))
            else:
                credentials = self.bus.get_peer_credentials()
                if credentials is None:
                    raise GleenletError("the other side of this connection has not said who it is")
                self._uid = credentials.get_unix_user()
        return self._uid

    def __repr__(self) -> str:
        return f"<call of {self.interface}.{self.member} by {self.sender or 'the other side'}>"


current: ContextVar[Call | None] = ContextVar("current_call", default=None)


def current_call() -> Call:
    """The D-Bus call that this task, or the one that started it, answers.

    Raises: GleenletError: there is none.

    >>> from gleenlet import GleenletError
    >>> try:
    ...     current_call()
    ... except GleenletError as error:
    ...     print(error)
    current_call() is for the methods of an exported object: no D-Bus call is answered here
    """
    call = current.get()
    if call is None:
        raise GleenletError("current_call() is for the methods of an exported object: no D-Bus call is answered here")
    return call
