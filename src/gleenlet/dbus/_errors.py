"""Exceptions and D-Bus error names: what a service raises, and what its caller sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gi.repository import Gio, GLib

from gleenlet import GleenletError

E = TypeVar("E", bound=Exception)

FAILED = "org.freedesktop.DBus.Error.Failed"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
LONGEST = 100_000  # characters of an error's text

by_name: dict[str, type[Exception]] = {}
names: dict[type[Exception], str] = {}


def error(name: str) -> Callable[[type[E]], type[E]]:
    """Give an exception class its D-Bus error name: a service that raises it answers with the name and `str()` of it.

    Its caller here gets the same class with that text as the only argument, the GLib.Error where the class does not
    take that. Subclasses without a name of their own travel as their base.

    Args:
        name: "org.example.Error.Busy".

    Raises: ValueError: no error name, or another class has it. TypeError: not a class of exceptions.

    >>> @error("org.example.Error.Busy")
    ... class Busy(Exception):
    ...     pass
    >>> Busy("try later")  # raised in a method, it reaches the caller as an error of that name, and back
    Busy('try later')
    """
    if not Gio.dbus_is_interface_name(name):  # they follow the same rules
        raise ValueError(f"{name!r} is no D-Bus error name: write org.example.Error.Busy")

    def decorate(cls: type[E]) -> type[E]:
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise TypeError(f"@error is for a class of exceptions, not {cls!r}")
        known = by_name.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{name} is {known.__qualname__}'s already")  # a module that is loaded again is welcome
        by_name[name] = cls
        names[cls] = name
        return cls

    return decorate


@error("org.freedesktop.DBus.Error.AccessDenied")
class AccessDenied(PermissionError):
    """The service, or the bus, does not let this caller do that."""


class NameTaken(GleenletError):
    """Somebody else owns the bus name."""


class NameLost(GleenletError):
    """The name whose signals or properties were waited for has no owner any more."""


def name_and_text(exception: Exception) -> tuple[str, str] | None:
    """The error that says it on the bus; None if nobody gave its class a name."""
    for cls in type(exception).__mro__:
        if cls in names:
            return names[cls], text_of(exception)
    if isinstance(exception, GLib.Error):
        text = exception.message
        if Gio.DBusError.is_remote_error(exception):
            text = without_prefix(exception)  # a service that passes on what another has told it
        return Gio.DBusError.encode_gerror(exception), sendable(text)
    return None


def text_of(exception: Exception) -> str:
    """`str()` of it, as far as D-Bus can tell it, whatever that does."""
    try:
        return sendable(str(exception))
    except Exception:
        return "(its text cannot be shown)"


def sendable(text: str) -> str:
    """Without what no D-Bus string has: zeros, and the halves of surrogate pairs that stand for a file name's bytes."""
    return text[:LONGEST].encode(errors="backslashreplace").decode().replace("\0", "\\0")


def from_reply(failure: GLib.Error) -> Exception:
    """What to raise for a call's GLib.Error: the class that has its name, else the error itself."""
    if not Gio.DBusError.is_remote_error(failure):
        return failure
    cls = by_name.get(Gio.DBusError.get_remote_error(failure) or "")
    try:
        return failure if cls is None else cls(without_prefix(failure))
    except TypeError:  # it takes other arguments than one text
        return failure


def without_prefix(failure: GLib.Error) -> str:
    """Its text as it was sent: Gio writes `GDBus.Error:name: ` in front."""
    name = Gio.DBusError.get_remote_error(failure)
    return str(failure.message).removeprefix(f"GDBus.Error:{name}: ")
