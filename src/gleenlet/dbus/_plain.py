"""The conversion and calls through PyGObject: for where those in C do not work, and to test them against.

Plain values only: what annotations say is _types.py's. Knows no interface, proxy or service. Unlike those in C it lets
a value pass that is nested too deep or too large, for which the bus closes the connection.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gio, GLib

from gleenlet._core import Waiter, loaded_library

Pack = Callable[[Any], GLib.Variant]

NO_TIMEOUT = GLib.MAXINT  # milliseconds, and GDBus' word for none: gleenlet.timeout() limits calls
BYTES = GLib.VariantType("ay")
INTEGERS: dict[str, tuple[str, int, int]] = {
    "y": ("byte", 0, 2**8 - 1),
    "n": ("int16", -(2**15), 2**15 - 1),
    "q": ("uint16", 0, 2**16 - 1),
    "i": ("int32", -(2**31), 2**31 - 1),
    "u": ("uint32", 0, 2**32 - 1),
    "x": ("int64", -(2**63), 2**63 - 1),
    "t": ("uint64", 0, 2**64 - 1),
}
HANDLE = ("handle", 0, 2**31 - 1)


def pack(signature: str, value: Any) -> GLib.Variant:
    """As _convert.pack, but errors do not say where in `value` they are."""
    return packer(signature)(value)


def unpack(variant: GLib.Variant) -> Any:
    """As _convert.unpack."""
    kind = variant.get_type_string()
    first = kind[0]
    if first == "a":
        if kind == "ay":
            return bytes(variant.get_data_as_bytes().get_data() or b"")
        children = range(variant.n_children())
        if kind[1] == "{":
            entries = (variant.get_child_value(i) for i in children)
            return {unpack(entry.get_child_value(0)): unpack(entry.get_child_value(1)) for entry in entries}
        return [unpack(variant.get_child_value(i)) for i in children]
    if first == "(":
        return tuple(unpack(variant.get_child_value(i)) for i in range(variant.n_children()))
    if first == "v":
        return unpack(variant.get_variant())
    if first == "h":
        return variant.get_handle()
    return variant.unpack()


class Call:
    """A call on its way, as in _gvariant."""

    def __init__(self, connection: Gio.DBusConnection) -> None:
        self.connection = connection
        self.cancellable = Gio.Cancellable()
        self.outcome: Any = None

    def cancel(self) -> None:
        self.cancellable.cancel()

    def result(self) -> tuple[tuple[Any, ...], list[int]]:
        values, received = self.connection.call_with_unix_fd_list_finish(self.outcome)
        return unpack(values), [] if received is None else list(received.steal_fds())


def start(
    waiter: Waiter,
    connection: Gio.DBusConnection,
    name: str | None,
    path: str,
    interface: str,
    member: str,
    signature: str,
    args: tuple[Any, ...],
    reply: str | None,
    flags: int,
    fds: Sequence[int],
) -> Call:
    """Begin what _convert.invoke waits for; its answer wakes `waiter`."""
    check(name is None or Gio.dbus_is_name(name), "bus name", name)
    check(GLib.Variant.is_object_path(path), "object path", path)
    check(Gio.dbus_is_interface_name(interface), "interface name", interface)
    check(Gio.dbus_is_member_name(member), "member name", member)
    call = Call(connection)

    def answered(_: Gio.DBusConnection, outcome: Gio.AsyncResult) -> None:
        call.outcome = outcome
        waiter.wake()

    connection.call_with_unix_fd_list(
        name,
        path,
        interface,
        member,
        pack(signature, args),
        None if reply is None else GLib.VariantType(reply),
        Gio.DBusCallFlags(flags),
        NO_TIMEOUT,
        fd_list(fds),
        call.cancellable,
        answered,
    )
    return call


def fd_list(fds: Sequence[int]) -> Gio.UnixFDList | None:
    """Copies of these."""
    given = Gio.UnixFDList()
    for fd in fds:
        given.append(fd)
    return given if fds else None


def check(right: bool, what: str, value: str | None) -> None:
    """GDBus only warns of a wrong name, and then never answers."""
    if not right:
        raise ValueError(f"{value!r} is not a D-Bus {what}")


def fail(domain: str, code: int, message: str) -> None:
    """Raise this GLib.Error."""
    raise GLib.Error(message, domain, code)


def infer(value: Any) -> str:
    """The signature that a plain value has in a variant.

    >>> infer(1), infer(2**40), infer("a"), infer({"a": 1}), infer([1, "a"])
    ('i', 'x', 's', 'a{sv}', 'av')
    """
    if isinstance(value, GLib.Variant):
        return "v"
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int):
        return next((code for code in "ixt" if INTEGERS[code][1] <= value <= INTEGERS[code][2]), "t")
    if isinstance(value, float):
        return "d"
    if isinstance(value, str):
        return "s"
    if isinstance(value, bytes | bytearray | memoryview):
        return "ay"
    if isinstance(value, dict):
        keys = {infer(key) for key in value} or {"s"}
        if len(keys) > 1 or not keys <= set("bsixtd"):
            raise TypeError(f"a dict in a variant needs keys of one basic type, not {value!r}: give a GLib.Variant")
        return f"a{{{keys.pop()}v}}"
    if isinstance(value, tuple):
        if not value:
            raise TypeError("D-Bus has no empty struct: () cannot go into a variant")
        return f"({''.join(map(infer, value))})"
    if isinstance(value, list):
        kinds = {infer(item) for item in value}
        return f"a{kinds.pop()}" if len(kinds) == 1 else "av"
    raise TypeError(f"{type(value).__name__} has no D-Bus type: give a GLib.Variant")


# ---- packers, one for each type, made once ----


@functools.lru_cache(maxsize=1000)
def packer(signature: str) -> Pack:
    """What makes the GVariant of one complete type."""
    kind = signature[0]
    if kind in INTEGERS or kind == "h":
        return integer(kind)
    if kind in BASIC:
        return BASIC[kind]
    if signature == "ay":
        return pack_bytes
    if signature.startswith("a{"):
        return dictionary(signature)
    if kind == "a":
        return array(signature)
    return struct(split(signature[1:-1]))


def split(signature: str) -> list[str]:
    """The complete types that stand side by side in `signature`.

    >>> split("sa{sv}(ii)ai")
    ['s', 'a{sv}', '(ii)', 'ai']
    """
    types, start, depth = [], 0, 0
    for end, char in enumerate(signature, 1):
        depth += (char in "({") - (char in ")}")
        if not depth and char != "a":
            types.append(signature[start:end])
            start = end
    return types


def need(wanted: str, kinds: type | tuple[type, ...], value: Any) -> None:
    if not isinstance(value, kinds):
        raise TypeError(f"{wanted} is needed, not {type(value).__name__}: {value!r:.80}")


def integer(code: str) -> Pack:
    name, lowest, highest = HANDLE if code == "h" else INTEGERS[code]
    new: Pack = getattr(GLib.Variant, f"new_{name}")
    refusal = f"{code!r} needs an int from {lowest} to {highest}, not {{!r:.80}}"

    def pack_integer(value: Any) -> GLib.Variant:
        if not isinstance(value, int):
            raise TypeError(refusal.format(value))
        if not lowest <= value <= highest:
            raise OverflowError(refusal.format(value))
        return new(value)

    return pack_integer


def pack_bool(value: Any) -> GLib.Variant:
    need("a bool", bool, value)
    return GLib.Variant.new_boolean(value)


def pack_float(value: Any) -> GLib.Variant:
    need("a float", (float, int), value)
    return GLib.Variant.new_double(float(value))


def text(what: str, new: Callable[[str], GLib.Variant], fits: Callable[[str], bool]) -> Pack:
    def pack_text(value: Any) -> GLib.Variant:
        need(what, str, value)
        if "\0" in value:
            raise ValueError(f"a D-Bus string has no zero in it: {value!r:.80}")
        value.encode()  # refuses half a surrogate pair
        if not fits(value):
            raise ValueError(f"{what} is needed, not {value!r:.80}")
        return new(value)

    return pack_text


def pack_bytes(value: Any) -> GLib.Variant:
    need("bytes", (bytes, bytearray, memoryview), value)
    return GLib.Variant.new_from_bytes(BYTES, GLib.Bytes.new(bytes(value)), True)


def pack_variant(value: Any) -> GLib.Variant:
    if not isinstance(value, GLib.Variant):
        value = packer(infer(value))(value)
    return GLib.Variant.new_variant(value)


def array(signature: str) -> Pack:
    kind = GLib.VariantType(signature[1:])
    item = packer(signature[1:])

    def pack_array(value: Any) -> GLib.Variant:
        need("a list", (list, tuple), value)
        return GLib.Variant.new_array(kind, [item(each) for each in value])

    return pack_array


def dictionary(signature: str) -> Pack:
    key, value = map(packer, split(signature[2:-1]))
    kind = GLib.VariantType(signature[1:])

    def pack_dictionary(mapping: Any) -> GLib.Variant:
        need("a dict", dict, mapping)
        entries = [GLib.Variant.new_dict_entry(key(k), value(v)) for k, v in mapping.items()]
        return GLib.Variant.new_array(kind, entries)

    return pack_dictionary


def struct(types: list[str]) -> Pack:
    packers = [packer(each) for each in types]

    def pack_struct(values: Any) -> GLib.Variant:
        need("a tuple", tuple, values)
        if len(values) != len(packers):
            raise TypeError(f"{len(packers)} values are needed for ({''.join(types)}), not {len(values)}")
        return GLib.Variant.new_tuple(*[each(value) for each, value in zip(packers, values, strict=True)])

    return pack_struct


BASIC: dict[str, Pack] = {
    "b": pack_bool,
    "d": pack_float,
    "v": pack_variant,
    "s": text("a str", GLib.Variant.new_string, lambda value: True),
    "o": text("an object path (/like/this)", GLib.Variant.new_object_path, GLib.Variant.is_object_path),
    "g": text("a D-Bus signature", GLib.Variant.new_signature, GLib.Variant.is_signature),
}


# ---- calls that come in ----


class Answer:
    """The answer that a call still wants, as in _gvariant: exactly one of `give` and `refuse`, once."""

    __slots__ = ("invocation",)

    def __init__(self, invocation: Gio.DBusMethodInvocation) -> None:
        self.invocation: Gio.DBusMethodInvocation | None = invocation

    @property
    def open(self) -> bool:
        return self.invocation is not None

    def give(self, signature: str, values: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        parameters = pack(signature, values)
        given = fd_list(fds)
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


def register(
    connection: Gio.DBusConnection, path: str, info: Gio.DBusInterfaceInfo, on_call: Callable[..., object]
) -> int:
    """As _convert.register."""

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
        on_call(sender, interface, member, unpack(parameters), fds, int(message.get_flags()), Answer(invocation))

    return connection.register_object(path, info, called, None, None)


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
    return loaded_library("gobject-2.0").g_object_unref
