"""The types of `call`, with the plugin and pygobject-stubs. Checked by mypy, never run."""

from __future__ import annotations

from typing import Any, assert_type

from gi.repository import Gio, GLib

from gleenlet import call

file = Gio.File.new_for_path("/")
NONE = Gio.FileQueryInfoFlags.NONE

# Methods: the operation's own arguments, less cancellable, callback and user data.
assert_type(call(file.query_info_async, "standard::*", NONE), Gio.FileInfo)
assert_type(call(file.query_info_async, "standard::*", flags=NONE), Gio.FileInfo)
assert_type(call(file.query_info_async, "standard::*", NONE, io_priority=GLib.PRIORITY_LOW), Gio.FileInfo)
assert_type(call(file.query_info_async, "standard::*", NONE, GLib.PRIORITY_LOW), Gio.FileInfo)
assert_type(call(file.query_info_async, "standard::*", NONE, cancellable=Gio.Cancellable()), Gio.FileInfo)
assert_type(call(file.load_contents_async), tuple[bool, bytes, str])
assert_type(call(file.delete_async), bool)

# Of a subclass, and by the class.
stream = Gio.UnixInputStream.new(0, False)
assert_type(call(stream.read_bytes_async, 10), GLib.Bytes)
assert_type(call(Gio.File.query_info_async, file, "standard::*", NONE), Gio.FileInfo)

# Constructors and static functions.
connection = call(Gio.bus_get, Gio.BusType.SESSION)
assert_type(connection, Gio.DBusConnection)
assert_type(
    call(Gio.DBusProxy.new, connection, Gio.DBusProxyFlags.NONE, None, None, "/", "org.example"),
    Gio.DBusProxy,
)

# None may be left out at the end.
assert_type(call(Gio.File.new_tmp_async), tuple[Gio.File, Gio.FileIOStream])

# Wrong calls.
call(file.query_info_async, 1, NONE)  # type: ignore[arg-type]
call(file.query_info_async, "standard::*")  # type: ignore[call-arg]
call(file.query_info_async, "standard::*", NONE, colour="red")  # type: ignore[call-arg]
call(file.query_info_async, "standard::*", NONE, cancellable=1)  # type: ignore[arg-type]
call(1)  # type: ignore[arg-type]
call()  # type: ignore[call-arg]

# What the stubs do not describe is Any; so is what another operation's function finishes.
assert_type(
    call(
        file.replace_contents_bytes_async,
        GLib.Bytes.new(b""),
        None,
        False,
        Gio.FileCreateFlags.NONE,
        finish=file.replace_contents_finish,
    ),
    Any,
)
anything: Any = file
assert_type(call(anything.something_async, 1, 2), Any)
