"""gleenlet.dbus: one typed class is client and service, and its methods may block. On Gio's D-Bus."""

from gleenlet._core import publish as _publish
from gleenlet.dbus._call import Call, current_call
from gleenlet.dbus._errors import AccessDenied, NameLost, NameTaken, error
from gleenlet.dbus._fds import FileDescriptor
from gleenlet.dbus._interface import interface, introspection, method
from gleenlet.dbus._members import BoundSignal, Property, Signal
from gleenlet.dbus._names import own_name, wait_for_name, watch_name
from gleenlet.dbus._objects import ObjectManager, object_manager
from gleenlet.dbus._polkit import authorized
from gleenlet.dbus._proxy import owner, proxy, watch
from gleenlet.dbus._service import export
from gleenlet.dbus._types import (
    Byte,
    Int16,
    Int32,
    Int64,
    ObjectPath,
    Signature,
    UInt16,
    UInt32,
    UInt64,
)

__all__ = [
    "AccessDenied",
    "BoundSignal",
    "Byte",
    "Call",
    "FileDescriptor",
    "Int16",
    "Int32",
    "Int64",
    "NameLost",
    "NameTaken",
    "ObjectManager",
    "ObjectPath",
    "Property",
    "Signal",
    "Signature",
    "UInt16",
    "UInt32",
    "UInt64",
    "authorized",
    "current_call",
    "error",
    "export",
    "interface",
    "introspection",
    "method",
    "object_manager",
    "own_name",
    "owner",
    "proxy",
    "wait_for_name",
    "watch",
    "watch_name",
]

_publish(globals())
