"""Where things are made: while it looks, the line outside gleenlet for each source, handler, descriptor, thread, child
and window that Python code makes.

What makes them is wrapped for that time. What C makes by itself has no line.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib, GObject

from gleenlet.testing._places import place
from gleenlet.testing._undo import connected, replaced

__all__ = ["Made"]

SOURCES = "timeout_add", "timeout_add_seconds", "idle_add", "io_add_watch", "child_watch_add"
HANDLERS = "connect", "connect_after", "connect_object", "connect_object_after"
DESCRIPTORS = "open", "dup", "eventfd", "memfd_create", "epoll_create", "openpty", "pipe", "pipe2"
CHILDREN = "fork", "posix_spawn", "posix_spawnp"


class Made:
    """The places, by kind and key, and the handlers that Python code has connected."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int], str] = {}
        self.connected: list[tuple[weakref.ref[Any], int, str]] = []
        self.undo = contextlib.ExitStack()

    def note(self, kind: str, key: int) -> None:
        self.places[kind, key] = place()

    def wrap(self, owner: Any, name: str, told: Callable[..., None]) -> None:
        """Have `told(result, *args)` called after each call of it."""
        func: Any = getattr(owner, name, None)
        if func is None:
            return

        def noted(*args: Any, **kwargs: Any) -> Any:
            result = func(*args, **kwargs)
            told(result, *args)
            return result

        self.undo.enter_context(replaced(owner, name, noted))

    def look(self) -> None:
        """Begin; `undo` ends it."""
        note = self.note
        self.look_at_windows()
        for name in SOURCES:
            self.wrap(GLib, name, lambda number, *_: note("sources", number))
        self.wrap(GLib.Source, "attach", lambda number, *_: note("sources", number))
        for name in HANDLERS:
            self.wrap(GObject.Object, name, self.handler)
        for name in DESCRIPTORS:
            self.wrap(os, name, self.descriptors)
        for owner in (builtins, io):
            self.wrap(owner, "open", lambda file, *_: note("descriptors", number_of(file)))
        self.wrap(socket.socket, "__init__", lambda _, sock, *__: note("descriptors", sock.fileno()))
        self.wrap(threading.Thread, "start", lambda _, thread, *__: note("threads", id(thread)))
        for name in CHILDREN:
            self.wrap(os, name, lambda pid, *_: note("children", pid))
        self.wrap(subprocess.Popen, "__init__", lambda _, child, *__: note("children", child.pid))
        for name in ("new", "newv"):
            self.wrap(Gio.Subprocess, name, lambda child, *_: note("children", int(child.get_identifier() or 0)))

    def look_at_windows(self) -> None:
        gtk: Any = sys.modules.get("gi.repository.Gtk")
        if gtk is not None and gtk.is_initialized() and hasattr(gtk.Window, "get_toplevels"):
            shown = gtk.Window.get_toplevels()  # a window is in it before its constructor returns
            self.undo.enter_context(connected(shown, "items-changed", self.window))
        adw: Any = sys.modules.get("gi.repository.Adw")
        if hasattr(adw, "Dialog"):
            self.wrap(adw.Dialog, "present", lambda _, dialog, *__: self.note("windows", hash(dialog)))

    def handler(self, number: int, obj: Any, signal: str, *_: Any) -> None:
        self.note("handlers", len(self.connected))
        self.connected.append((weakref.ref(obj), number, signal))

    def descriptors(self, made: int | tuple[int, ...], *_: Any) -> None:
        for number in made if isinstance(made, tuple) else (made,):
            self.note("descriptors", number)

    def window(self, shown: Any, first: int, _removed: int, added: int) -> None:
        for i in range(first, first + added):
            self.note("windows", hash(shown.get_item(i)))


def number_of(file: Any) -> int:
    try:
        return int(file.fileno())
    except OSError:
        return -1
