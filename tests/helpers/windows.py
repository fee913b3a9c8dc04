"""What tests of windows share: the toolkit they run on, finding a dialog and what is in it, pressing its buttons.

GLEENLET_TEST_TOOLKIT says which: gtk4 (unless it is set), adw or gtk3.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gi

TOOLKIT = os.environ.get("GLEENLET_TEST_TOOLKIT", "gtk4")
GTK3 = TOOLKIT == "gtk3"

gi.require_version("Gtk", "3.0" if GTK3 else "4.0")
import gi.repository.Gtk
from gi.repository import Gdk, GLib, Pango

from gleenlet import Task, spawn

__all__ = [
    "GTK3",
    "Adw",
    "Gdk",
    "Gtk",
    "Pango",
    "buttons",
    "dialogs",
    "inside",
    "new_window",
    "opened",
    "press",
    "put",
    "texts",
    "until",
    "windows",
]

Gtk: Any = gi.repository.Gtk  # the stubs know GTK 4 only
Adw: Any = None
if TOOLKIT == "adw":
    gi.require_version("Adw", "1")
    from gi.repository import Adw

    Adw.init()

if GLib.get_application_name() == GLib.get_prgname():  # none was set, and GLib warns of a second time
    GLib.set_application_name("tests")
Settings = Gtk.Settings.get_default()
if Settings is not None:
    Settings.set_property("gtk-recent-files-enabled", False)  # they are the user's

T = TypeVar("T")


def until(holds: Callable[[], object]) -> None:
    """Drive the loop until it holds."""
    while not holds():
        GLib.MainContext.default().iteration(True)


def new_window() -> Any:
    """An open window with a drawing area in it."""
    kind = Gtk.Window if Adw is None else Adw.Window
    window = kind(title="parent", default_width=600, default_height=500)
    area = Gtk.DrawingArea()
    if Adw is not None:
        window.set_content(area)
        window.present()
    elif GTK3:
        window.add(area)
        window.show_all()
    else:
        window.set_child(area)
        window.present()
    until(window.get_mapped)
    return window


def windows() -> set[Any]:
    """All that there are, hidden ones too; without GTK's own for tooltips, which stay."""
    return {one for one in Gtk.Window.list_toplevels() if not GTK3 or one.get_window_type() == Gtk.WindowType.TOPLEVEL}


def dialogs() -> list[Any]:
    """The dialogs that are to be seen."""
    shown = [window for window in windows() if window.get_mapped() and not is_late_error(window)]
    found = [window for window in shown if window.get_title() != "parent"]
    if Adw is not None and hasattr(Adw, "Dialog"):  # part of a window, its parent's if that is one of libadwaita's
        inner = {window: [one for one in inside(window) if isinstance(one, Adw.Dialog)] for window in shown}
        found = [window for window in found if not inner[window]]
        found += [one for all in inner.values() for one in all]
    return found


def is_late_error(window: Any) -> bool:
    """What GTK 4's file chooser opens if it was closed too early; on its way out."""
    return isinstance(window, Gtk.MessageDialog) and window.get_property("secondary-text") == "Operation was cancelled"


def put(window: Any, child: Any) -> None:
    """Put another child into a window."""
    if Adw is not None:
        window.set_content(child)
    elif not GTK3:
        window.set_child(child)
    else:
        if window.get_child() is not None:
            window.remove(window.get_child())
        window.add(child)
        window.show_all()


def opened(func: Callable[[], T]) -> tuple[Task[T], Any]:
    """A task in `func`, and the dialog that it has opened."""
    task = spawn(func)
    until(lambda: dialogs() or task.done())
    if task.done():
        task.result()
    return task, dialogs()[0]


def inside(widget: Any) -> Iterator[Any]:
    """A widget and all that is in it."""
    yield widget
    if not GTK3:
        child = widget.get_first_child()
        while child is not None:
            yield from inside(child)
            child = child.get_next_sibling()
    elif isinstance(widget, Gtk.Container):
        for child in widget.get_children():
            yield from inside(child)


def buttons(dialog: Any) -> list[str]:
    return [label for one in inside(dialog) if isinstance(one, Gtk.Button) and (label := one.get_label())]


def press(dialog: Any, label: str) -> None:
    """Press the button with this label."""
    button = next(one for one in inside(dialog) if isinstance(one, Gtk.Button) and one.get_label() == label)
    button.emit("clicked")


def texts(dialog: Any) -> list[str]:
    return [one.get_text() for one in inside(dialog) if isinstance(one, Gtk.Label) and one.get_text()]
