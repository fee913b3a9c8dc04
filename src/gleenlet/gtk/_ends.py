"""How the end of an object is told: a widget's by its window, an application's by `shutdown`, any other's by GObject.

A GTK 4 window ends when it leaves the list of toplevels: nothing else is emitted for one that was never shown, or that
Python still holds. Another widget ends with its window, or when it is unrealized and not realized again by the end of
the turn (a move to another parent does both). A GTK 3 widget is destroyed. An application shuts down, and its widgets
end with it. Whatever is disposed has ended too. Knows nothing of tasks.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

from gi.repository import Gio, GObject

from gleenlet import get_hub

__all__ = ["End", "Life", "address_of", "application_of", "describe", "gtk", "has_ended", "is_widget", "window_of"]

GRACE = 5.0
"""For how many seconds an application's shutdown waits for what ends with it."""


class Life(Protocol):
    """What ends with an object."""

    def end(self) -> None:
        """The object has ended. Called at least once."""

    def finish(self, deadline: float) -> None:
        """Drive the loop until nothing is left, or `deadline` is over: the application is about to return."""


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
    Window = gtk().Window
    toplevels = Window.list_toplevels() if gtk()._version == "3.0" else Window.get_toplevels()
    window = window_of(owner)
    return window is not None and window not in list(toplevels)


class End:
    """Tells `life` when `owner` ends, until `close()`. Keeps `owner` alive no longer."""

    def __init__(self, owner: Any, life: Life) -> None:
        self.life = life
        self.hub = get_hub()
        self.owner = owner.weak_ref(self.disposed)
        self.handler: int | None = None
        self.toplevels: Toplevels | None = None
        self.shutdown: Shutdown | None = None
        if is_widget(owner):
            if gtk()._version == "3.0":
                self.handler = owner.connect("destroy", self.destroyed)
            else:
                self.handler = owner.connect("unrealize", self.unrealized)
                self.toplevels = Toplevels.join(self)
        application = application_of(owner)
        if application is not None:
            self.shutdown = Shutdown.join(application, self)

    def close(self) -> None:
        owner = self.owner()
        if owner is not None:
            self.owner.unref()
            if self.handler is not None and owner.handler_is_connected(self.handler):
                owner.disconnect(self.handler)
        if self.toplevels is not None:
            self.toplevels.leave(self)
        if self.shutdown is not None:
            self.shutdown.leave(self)

    def disposed(self) -> None:
        if not self.hub.closed:
            self.hub.call_soon_threadsafe(self.life.end)  # the last reference may be dropped in any thread

    def destroyed(self, _widget: object) -> None:
        self.life.end()

    def unrealized(self, _widget: object) -> None:
        if not self.hub.closed:
            self.hub.call_soon(self.look_again)

    def look_again(self) -> None:
        owner = self.owner()
        if owner is not None and not owner.get_realized():
            self.life.end()


class Toplevels:
    """The one handler that sees GTK 4 windows go, connected while somebody wants to know."""

    current: Toplevels | None = None

    @classmethod
    def join(cls, end: End) -> Toplevels:
        if cls.current is None:
            cls.current = cls()
        cls.current.ends.add(end)
        return cls.current

    def __init__(self) -> None:
        self.ends: set[End] = set()
        self.model = gtk().Window.get_toplevels()
        self.handler: int = self.model.connect("items-changed", self.changed)

    def leave(self, end: End) -> None:
        self.ends.discard(end)
        if not self.ends and Toplevels.current is self:
            self.model.disconnect(self.handler)
            Toplevels.current = None

    def changed(self, _model: object, _position: int, removed: int, _added: int) -> None:
        # One that is added is still under construction: not even looked at, PyGObject would wrap it as its base class.
        if removed:
            windows = [None, *self.model]
            for end in list(self.ends):
                owner = end.owner()
                if owner is not None and window_of(owner) not in windows:
                    end.life.end()


class Shutdown:
    """The one handler that sees an application shut down, connected while somebody wants to know."""

    all: dict[int, Shutdown] = {}  # noqa: RUF012  # by the application's address

    @classmethod
    def join(cls, application: Gio.Application, end: End) -> Shutdown:
        key = address_of(application)
        shutdown = cls.all.get(key)
        if shutdown is None:
            shutdown = cls.all[key] = cls(application)
        shutdown.ends.add(end)
        return shutdown

    def __init__(self, application: Any) -> None:
        self.key = address_of(application)
        self.ends: set[End] = set()
        self.application = application.weak_ref(self.disposed)
        self.handler = application.connect("shutdown", self.emitted)

    def disposed(self) -> None:
        Shutdown.all.pop(self.key, None)

    def leave(self, end: End) -> None:
        self.ends.discard(end)
        application = self.application()
        if not self.ends and application is not None and self.handler:
            self.application.unref()
            application.disconnect(self.handler)
            self.handler = 0
            del Shutdown.all[self.key]

    def emitted(self, _application: object) -> None:
        hub = get_hub()
        deadline = hub.time() + GRACE
        while self.ends and hub.time() < deadline:  # what ends may start something that has to end
            ends = list(self.ends)
            for end in ends:
                end.life.end()
            for end in ends:
                end.life.finish(deadline)
