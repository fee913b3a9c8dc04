"""Python values to GVariants and back, by D-Bus signature; calls that wait for their reply, and those that come in.

    i u x t n q y   int, refused out of range       b   bool        d   float
    s o g           str, checked                    ay  bytes       h   int, an index into the message's descriptors
    a{kv}           dict                            a   list        ()  tuple
    v               packed from a GLib.Variant, or from any of the above by what it is; unpacked to the value inside

In C, seven to twenty times as fast as PyGObject; where that does not work with the PyGObject at hand, in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gi.repository import Gio, GLib

from gleenlet._core import Waiter
from gleenlet.dbus import _plain
from gleenlet.dbus._plain import INTEGERS, infer, need, split

if TYPE_CHECKING:
    from gleenlet.dbus._gvariant import Answer

__all__ = ["INTEGERS", "OnCall", "converter", "infer", "invoke", "need", "pack", "register", "send", "split", "unpack"]

# (sender, interface, member, arguments, descriptors, message flags, what answers it)
OnCall = Callable[[str | None, str, str, tuple[Any, ...], list[int], int, "Answer"], None]

SAMPLE = ("(sa{sv}(dx)ayaias)", ("a", {"b": True, "c": [1, "d"]}, (0.5, -(2**40)), b"e", [1, 2], ["f"]))
ERROR = ("g-io-error-quark", 26, "an error")  # domain, code and message of a GLib.Error


def works(converter: Any) -> bool:
    """Does it convert as it should, with the PyGObject at hand?"""
    try:
        packed = converter.pack(*SAMPLE)
        if packed != _plain.pack(*SAMPLE) or converter.unpack(packed) != SAMPLE[1]:
            return False
        converter.fail(*ERROR)
    except GLib.Error as error:
        found: tuple[Any, ...] = (error.domain, error.code, error.message)
        return found == ERROR
    except Exception:
        pass
    return False


def choose() -> ModuleType:
    """The one in C if it works here, else the plain one: both have the same functions."""
    try:
        from gleenlet.dbus import _gvariant
    except ImportError:
        return _plain
    return _gvariant if works(_gvariant) else _plain


if TYPE_CHECKING:
    from gleenlet.dbus import _gvariant as converter
else:
    converter = choose()


def pack(signature: str, value: Any) -> GLib.Variant:
    """Make a GVariant.

    Args:
        signature: one type; the arguments of a call are a struct: "(si)".
        value: of that type; a tuple for a struct.

    Raises:
        OverflowError: an integer is out of its type's range.
        TypeError: a value is of another type, or one too many or too few.
        ValueError: no object path, no signature, a string with a zero in it, more levels or bytes than D-Bus
            allows.

    >>> pack("(sai)", ("a", [1, 2])).print_(False)
    "('a', [1, 2])"
    >>> pack("(sai)", ("a", [1, "2"]))
    Traceback (most recent call last):
    TypeError: argument 2, item 1: 'i' needs an int from -2147483648 to 2147483647, not '2'
    """
    return converter.pack(signature, value)


def unpack(variant: GLib.Variant) -> Any:
    """The Python value of a GVariant, whatever is in it.

    >>> unpack(GLib.Variant("(ayv)", (b"abc", GLib.Variant("a{si}", {"one": 1}))))
    (b'abc', {'one': 1})
    """
    return converter.unpack(variant)


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
    fds: Sequence[int] = (),
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
        ValueError: a name, path or signature is none.
        Cancelled: the task was cancelled; nobody waits for the reply any more.
    """
    waiter = Waiter(None, None, f"D-Bus reply to {method}")
    call = converter.start(waiter, connection, name, path, interface, method, signature, args, reply, flags, fds)
    try:
        waiter.wait()
    except BaseException:
        call.cancel()
        raise
    return call.result()


def send(
    connection: Gio.DBusConnection,
    name: str | None,
    path: str,
    interface: str,
    method: str,
    signature: str,
    args: tuple[Any, ...],
    flags: int = 0,
) -> None:
    """Call a method that has no reply, or whose reply nobody asks for. Args: as for `invoke`."""
    parameters = pack(signature, args)
    # Without a callback GDBus asks for no reply, so there is nothing that a time limit could be for.
    connection.call(name, path, interface, method, parameters, None, Gio.DBusCallFlags(flags), -1, None, None)


def register(connection: Gio.DBusConnection, path: str, info: Gio.DBusInterfaceInfo, on_call: OnCall) -> int:
    """Have GDBus check what comes for this interface, and hand it on; calls to get and set properties too.

    Raises: GLib.Error: the path has this interface already.
    """
    return converter.register(connection, path, info, on_call)
