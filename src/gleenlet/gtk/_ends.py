"""How the end of an object is told: a widget's by its window, an application's by `shutdown`, any other's by GObject.

A GTK 4 window ends when it leaves the list of toplevels: nothing else is emitted for one that was never shown, or that
Python still holds. Another widget ends with its window, or when it is unrealized and not realized again by the end of
the turn (a move to another parent does both). A GTK 3 widget is destroyed. An application shuts down, and its widgets
end with it. Whatever is disposed has ended too. Knows nothing of tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

from gi.repository import Gio, GLib, GObject

from gleenlet import get_hub

__all__ = ["End", "address_of", "application_of", "describe", "gtk", "has_ended", "is_widget", "window_of"]

GRACE = 5.0
"""For how many seconds an application's shutdown waits for what ends with it."""


def gtk() -> Any:
    """The Gtk that the program has chosen, None as long as it has none. (Importing it here would choose.)"""
    return sys.modules.get("gi.repository.Gtk")


def address_of(obj: GObject.Object) -> int:
    """The same for all Python wrappers that an object has in its life."""
    return GObject.Object.__hash__(obj)


def describe(obj: GObject.Object) -> str:
    """An object in an error's text, whatever its class has for a `repr`."""
    return GObject.Object.__repr__(obj)


def is_widget(obj: object) -> bool:
    Gtk = gtk()
    return Gtk is not None and isinstance(obj, Gtk.Widget)


def window_of(widget: Any) -> Any:
    """The toplevel that a widget is in, None if it is in none yet."""
    Gtk = gtk()
    window = widget.get_toplevel() if Gtk._version == "3.0" else widget.get_root()
    return window if isinstance(window, Gtk.Window) else None


def application_of(owner: GObject.Object) -> Gio.Application | None:
    """The application whose shutdown ends `owner`: itself; for a widget its window's, else the process's."""
    if isinstance(owner, Gio.Application):
        return owner
    if not is_widget(owner):
        return None
    window = window_of(owner)
    return (window and window.get_application()) or Gio.Application.get_default()


def has_ended(owner: GObject.Object) -> bool:
    """Whether a widget's window was closed, as far as GTK remembers."""
    if not is_widget(owner):
        return False
    window = window_of(owner)
    return window is not None and window not in gtk().Window.list_toplevels()


class End:
    """Calls `ended`, once or more, when `owner` ends, until `close()`. Keeps `owner` alive no longer.

    An application's shutdown drives the loop until all its ends are closed; after GRACE seconds it calls `late`.
    """

    def __init__(self, owner: Any, ended: Callable[[], object], late: Callable[[], object] = bool) -> None:
        self.ended = ended
        self.late = late
        self.hub = get_hub()
        self.owner = owner.weak_ref(self.disposed)
        self.handler: int | None = None
        self.shared: list[Shared] = []
        if is_widget(owner):
            if gtk()._version == "3.0":
                self.handler = owner.connect("destroy", self.destroyed)
            else:
                self.handler = owner.connect("unrealize", self.unrealized)
                self.shared.append(Toplevels.join(gtk().Window.get_toplevels(), self))
        application = application_of(owner)
        if application is not None:
            self.shared.append(Shutdown.join(application, self))

    def close(self) -> None:
        owner = self.owner()
        if owner is not None:
            self.owner.unref()
            if self.handler is not None and owner.handler_is_connected(self.handler):
                owner.disconnect(self.handler)
        for shared in self.shared:
            shared.leave(self)

    def disposed(self) -> None:
        if not self.hub.closed:
            self.hub.call_soon_threadsafe(self.ended)  # the last reference may be dropped in any thread

    def destroyed(self, _widget: object) -> None:
        self.ended()

    def unrealized(self, _widget: object) -> None:
        if not self.hub.closed:
            self.hub.call_soon(self.look_again)

    def look_again(self) -> None:
        owner = self.owner()
        if owner is not None and not owner.get_realized():
            self.ended()


class Shared:
    """The one handler that hears an emitter for all who want to know, connected while somebody does."""

    signal: ClassVar[str]
    all: ClassVar[dict[int, Shared]] = {}
    """By the emitter's address."""

    @classmethod
    def join(cls, emitter: Any, end: End) -> Shared:
        shared = Shared.all.get(address_of(emitter)) or cls(emitter)
        shared.ends.add(end)
        return shared

    def __init__(self, emitter: Any) -> None:
        self.key = address_of(emitter)
        self.ends: set[End] = set()
        self.emitter = emitter.weak_ref(self.disposed)
        self.handler: int = emitter.connect(self.signal, self.emitted)
        Shared.all[self.key] = self

    def disposed(self) -> None:
        Shared.all.pop(self.key, None)

    def leave(self, end: End) -> None:
        self.ends.discard(end)
        emitter = self.emitter()
        if not self.ends and emitter is not None and self.handler:
            self.emitter.unref()
            emitter.disconnect(self.handler)
            self.handler = 0
            del Shared.all[self.key]

    def emitted(self, *args: Any) -> None:
        raise NotImplementedError


class Toplevels(Shared):
    """Sees GTK 4 windows go; its emitter is the list of them."""

    signal = "items-changed"

    def emitted(self, windows: Any, _position: int, removed: int, _added: int) -> None:
        # One that is added is still under construction: not even looked at, PyGObject would wrap it as its base class.
        if removed:
            left = [None, *windows]
            for end in list(self.ends):
                owner = end.owner()
                if owner is not None and window_of(owner) not in left:
                    end.ended()


class Shutdown(Shared):
    """Sees an application shut down, and has it wait for what ends with it."""

    signal = "shutdown"

    def emitted(self, _application: object) -> None:
        hub, told = get_hub(), set[End]()
        deadline = hub.time() + GRACE
        alarm = hub.call_at(deadline, bool)  # wakes the loop up
        while self.ends and hub.time() < deadline:
            for end in self.ends - told:  # what ends may start something that has to end
                told.add(end)
                end.ended()
            if self.ends:
                GLib.MainContext.ref_thread_default().iteration(True)
        alarm.cancel()
        for end in list(self.ends):
            end.late()
