"""Calls that come in: an interface registered at a path, the arguments as plain values, and the answer.

In C, or through PyGObject where _convert.py has chosen that; what a call means is _service.py's.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gi.repository import Gio, GLib

from gleenlet.dbus import _plain
from gleenlet.dbus._convert import converter, pack, unpack

# (sender, interface, member, arguments, descriptors, message flags, to answer)
OnCall = Callable[[str | None, str, str, tuple[Any, ...], list[int], int, "Answer"], None]


class Answer(Protocol):
    """The answer that a call still wants: exactly one of `give` and `refuse`, once."""

    @property
    def open(self) -> bool:
        """Whether it is still wanted."""

    def give(self, signature: str, values: tuple[Any, ...], fds: Sequence[int] = (), /) -> None:
        """Reply; the descriptors are copied. Raises what `pack` raises, and then nothing was sent."""

    def refuse(self, name: str, text: str, /) -> None:
        """Reply with an error."""


def register(connection: Gio.DBusConnection, path: str, info: Gio.DBusInterfaceInfo, on_call: OnCall) -> int:
    """Have GDBus check what comes for this interface, and hand it on; calls to get and set properties too.

    Raises: GLib.Error: the path has this interface already.
    """
    if converter is _plain:
        return register_plain(connection, path, info, on_call)
    from gleenlet.dbus import _gvariant  # not there where PyGObject was chosen for that

    return _gvariant.register(connection, path, info, on_call)


# ---- through PyGObject ----


class PlainAnswer:
    """An Answer through PyGObject."""

    __slots__ = ("invocation",)

    def __init__(self, invocation: Gio.DBusMethodInvocation) -> None:
        self.invocation: Gio.DBusMethodInvocation | None = invocation

    @property
    def open(self) -> bool:
        return self.invocation is not None

    def give(self, signature: str, values: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        parameters = pack(signature, values)
        given = Gio.UnixFDList() if fds else None
        for fd in fds:
            given.append(fd)  # type: ignore[union-attr]
        invocation = self._take()
        invocation.return_value_with_unix_fd_list(parameters, given)
        release(invocation)

    def refuse(self, name: str, text: str) -> None:
        invocation = self._take()
        invocation.return_dbus_error(name, text)
        release(invocation)

    def _take(self) -> Gio.DBusMethodInvocation:
        invocation, self.invocation = self.invocation, None
        if invocation is None:
            raise RuntimeError("this call was answered before")
        return invocation


def register_plain(connection: Gio.DBusConnection, path: str, info: Gio.DBusInterfaceInfo, on_call: OnCall) -> int:
    """As `register`."""

    def called(
        _: Gio.DBusConnection,
        sender: str | None,
        path: str,
        interface: str,
        member: str,
        parameters: GLib.Variant,
        invocation: Gio.DBusMethodInvocation,
    ) -> None:
        message = invocation.get_message()
        received = message.get_unix_fd_list()
        fds = [] if received is None else list(received.steal_fds())
        on_call(sender, interface, member, unpack(parameters), fds, int(message.get_flags()), PlainAnswer(invocation))

    return connection.register_object(path, info, called, None, None)


# ---- GLib's versions ----


def release(invocation: Gio.DBusMethodInvocation) -> None:
    """Drop the reference that nobody owns.

    Before GLib 2.84 g_dbus_connection_register_object_with_closures() gives its function a reference of its own
    besides the one that the answer consumes. In a task, after the answer, the one left is ours.
    """
    if LEAKS and getattr(invocation, "__grefcount__", 0) > 1:
        unref()(ctypes.c_void_p(hash(invocation)))


LEAKS = (GLib.MAJOR_VERSION, GLib.MINOR_VERSION) < (2, 84)


@functools.cache
def unref() -> Any:
    return ctypes.CDLL("libgobject-2.0.so.0").g_object_unref
