"""Interfaces without a class: read from what an object says of itself, members under their names on the bus."""

from __future__ import annotations

from typing import Any

from gi.repository import Gio

from gleenlet.dbus._interface import ANNOTATION, Interface, Method, Parameter
from gleenlet.dbus._members import Access, Emits, Property, Signal
from gleenlet.dbus._remote import Remote
from gleenlet.dbus._types import annotation_of, codec_of, is_single, row

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
STANDARD = (INTROSPECTABLE, "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Peer")


def interfaces_at(remote: Remote, name: str | None) -> list[Interface]:
    """The interfaces that an object says it has, but for those that every object has; or the one called `name`.

    Raises:
        TypeError: it has none of that name.
        GLib.Error: there is no such object, or it does not say.
    """
    (xml,) = remote.tell(INTROSPECTABLE, "Introspect", "()", (), "(s)")
    infos = {info.name: info for info in Gio.DBusNodeInfo.new_for_xml(xml).interfaces or ()}
    if name is not None:
        if name not in infos:
            raise TypeError(f"{remote!r} has no interface {name}, only {', '.join(sorted(infos)) or 'none'}")
        return [interface_from(infos[name])]
    return [interface_from(info) for info in infos.values() if info.name not in STANDARD]


def interface_from(info: Gio.DBusInterfaceInfo) -> Interface:
    found = Interface(info.name, info=info)
    for m in spoken(info.methods):
        inputs = [Parameter(arg.name or f"arg{i}", codec(arg)) for i, arg in enumerate(m.in_args or ())]
        results = [codec(arg) for arg in m.out_args or ()]
        found.methods[m.name] = Method(
            m.name,
            m.name,
            inputs,
            row(results),
            "none" if not results else "one" if len(results) == 1 else "tuple",
            function_called(m.name),
            no_reply=said(m, "Method.NoReply") == "true",
        )
    for p in spoken(info.properties):
        prop: Property[Any] = Property(access=access(p), emits=emits(p, info), name=p.name)
        prop.attribute, prop.codec, prop.interface = p.name, codec(p), found
        found.properties[p.name] = prop
    for s in spoken(info.signals):
        signal: Signal[*tuple[Any, ...]] = Signal(name=s.name)
        arguments = row([codec(arg) for arg in s.args or ()])
        signal.attribute, signal.codec, signal.interface = s.name, arguments, found
        found.signals[s.name] = signal
    return found


def spoken(members: Any) -> list[Any]:
    """Without names such as __del__, which mean something to Python: as in a class, they are no members."""
    return [member for member in members or () if not member.name.startswith("_")]


def codec(info: Any) -> Any:
    if not is_single(info.signature):
        raise TypeError(f"the object says that it has a type {info.signature!r}, which D-Bus has not")
    return codec_of(annotation_of(info.signature)[0], info.signature)


def function_called(name: str) -> Any:
    def function(*args: Any) -> Any: ...

    function.__name__ = function.__qualname__ = name
    return function


def said(info: Any, annotation: str) -> str | None:
    """The value of one of the standard annotations."""
    return next((each.value for each in info.annotations or () if each.key == ANNOTATION + annotation), None)


def access(prop: Any) -> Access:
    if not prop.flags & Gio.DBusPropertyInfoFlags.WRITABLE:
        return "read"
    return "readwrite" if prop.flags & Gio.DBusPropertyInfoFlags.READABLE else "write"


def emits(prop: Any, interface: Any) -> Emits:
    """What a property says of its changes; the interface says it for all that say nothing."""
    name = "Property.EmitsChangedSignal"
    value = said(prop, name) or said(interface, name)
    return value if value in ("invalidates", "const", "false") else "true"  # type: ignore[return-value]
