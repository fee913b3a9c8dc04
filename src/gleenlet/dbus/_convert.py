"""Python values to GVariants and back, by D-Bus signature, and the call that waits for its reply.

    i u x t n q y   int, refused out of range       b   bool        d   float
    s o g           str, checked                    ay  bytes       h   int, an index into the message's descriptors
    a{kv}           dict                            a   list        ()  tuple
    v               packed from a GLib.Variant, or from any of the above by what it is; unpacked to the value inside

In C, twenty times faster than PyGObject; where that does not work with the PyGObject at hand, in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gi.repository import Gio, GLib

import gleenlet
from gleenlet.dbus import _plain
from gleenlet.dbus._plain import INTEGERS, infer, split

__all__ = ["INTEGERS", "infer", "invoke", "pack", "split", "unpack"]

Packs = Callable[[str, Any], GLib.Variant]
Unpacks = Callable[[GLib.Variant], Any]

NO_TIMEOUT = GLib.MAXINT  # milliseconds, and GDBus' word for none: gleenlet.timeout() limits calls
SAMPLE = ("(sa{sv}(dx)ayaias)", ("a", {"b": True, "c": [1, "d"]}, (0.5, -(2**40)), b"e", [1, 2], ["f"]))


def works(pack: Packs, unpack: Unpacks) -> bool:
    """Do these convert as they should, with the PyGObject at hand?"""
    try:
        packed = pack(*SAMPLE)
        return bool(packed == _plain.pack(*SAMPLE)) and unpack(packed) == SAMPLE[1]
    except Exception:
        return False


def choose() -> tuple[Packs, Unpacks]:
    """The conversion in C if it works here, else the plain one."""
    try:
        from gleenlet.dbus import _gvariant
    except ImportError:
        return _plain.pack, _plain.unpack
    return (
        (_gvariant.pack, _gvariant.unpack) if works(_gvariant.pack, _gvariant.unpack) else (_plain.pack, _plain.unpack)
    )


fastest_pack, fastest_unpack = choose()


def pack(signature: str, value: Any) -> GLib.Variant:
    """Make a GVariant.

    Args:
        signature: one type; the arguments of a call are a struct: "(si)".
        value: of that type; a tuple for a struct.

    Raises:
        OverflowError: an integer is out of its type's range.
        TypeError: a value is of another type, or one too many or too few.
        ValueError: no object path, no signature, a string with a zero in it, more levels than D-Bus allows.

    >>> pack("(sai)", ("a", [1, 2])).print_(False)
    "('a', [1, 2])"
    >>> pack("(sai)", ("a", [1, "2"]))
    Traceback (most recent call last):
    TypeError: argument 2, item 1: 'i' needs an int from -2147483648 to 2147483647, not '2'
    """
    return fastest_pack(signature, value)


def unpack(variant: GLib.Variant) -> Any:
    """The Python value of a GVariant, whatever is in it.

    >>> unpack(GLib.Variant("(ayv)", (b"abc", GLib.Variant("a{si}", {"one": 1}))))
    (b'abc', {'one': 1})
    """
    return fastest_unpack(variant)


def invoke(
    connection: Gio.DBusConnection,
    name: str | None,
    path: str,
    interface: str,
    method: str,
    signature: str,
    args: tuple[Any, ...],
    reply: str | None,
    flags: int = 0,
    fds: Iterable[int] = (),
) -> tuple[tuple[Any, ...], list[int]]:
    """Call a method, wait for its reply, and return what it holds and the descriptors that came with it.

    Args:
        name: None on a connection without a bus.
        signature, args: as for `pack`.
        reply: the reply's signature, with its parentheses; None for any.
        flags: Gio.DBusCallFlags.
        fds: what goes with the message; they are copied and stay the caller's. Those returned are the caller's too.

    Raises:
        GLib.Error: the call failed, or the reply is of another type.
        Cancelled: the task was cancelled; nobody waits for the reply any more.
    """
    given = Gio.UnixFDList()
    for fd in fds:
        given.append(fd)
    result, received = gleenlet.call(
        connection.call_with_unix_fd_list,
        name,
        path,
        interface,
        method,
        pack(signature, args),
        None if reply is None else GLib.VariantType(reply),
        Gio.DBusCallFlags(flags),
        NO_TIMEOUT,
        given if given.get_length() else None,
    )
    return unpack(result), [] if received is None else list(received.steal_fds())
