"""A failure shown by libadwaita as a toast, by GTK 3 in a dialog: the argument says which. Prints `ok`."""

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gi

import gleenlet
from gleenlet.gtk import show_errors, tasks_of

TOOLKIT = sys.argv[1]
gi.require_version("Gtk", "3.0" if TOOLKIT == "gtk3" else "4.0")
from gi.repository import GLib
from gi.repository import Gtk as typed_gtk

Gtk: Any = typed_gtk


def inside(widget: Any) -> Iterator[Any]:
    yield widget
    if TOOLKIT == "gtk3":
        children = widget.get_children() if isinstance(widget, Gtk.Container) else []
    else:
        children = list(widget.observe_children())
    for child in children:
        yield from inside(child)


def texts() -> list[str]:
    windows = list(Gtk.Window.list_toplevels())
    return [label.get_text() for window in windows for label in inside(window) if isinstance(label, Gtk.Label)]


def until(holds: Callable[[], object]) -> None:
    while not holds():
        GLib.MainContext.default().iteration(True)


def fails() -> None:
    raise ValueError("<b> & more")


if TOOLKIT == "gtk3":
    Gtk.init([])
    window = Gtk.Window()
    window.add(Gtk.Label(label="content"))
    window.show_all()
    expected = "ValueError: <b> & more"
else:
    gi.require_version("Adw", "1")
    from gi.repository import Adw

    Adw.init()
    overlay = Adw.ToastOverlay(child=Gtk.Label(label="content"))
    window = Adw.Window(content=overlay, default_width=300, default_height=200)
    window.present()
    expected = "It did not work: ValueError: <b> & more"
    del overlay

show_errors(window, "It did not work")
until(window.get_mapped)
tasks_of(window).spawn(fails)
until(lambda: expected in texts())
gone = weakref.ref(window)
window.destroy()
del window
until(lambda: not gleenlet.get_hub().tasks())
GLib.timeout_add(1, bool)  # so that the loop wakes up
until(lambda: gc.collect() + 1 and gone() is None)
print("ok")
