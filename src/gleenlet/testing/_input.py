"""Do what a user does: click, type, look.

By real input events where `virtual_display` has made the display; else by the widgets' own signals and actions.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from gleenlet import wait_signal
from gleenlet.gtk import frames
from gleenlet.testing._steps import wait_all_tasks_blocked
from gleenlet.testing._xtest import xtest_of

__all__ = ["click", "screenshot", "type_text"]

FIRST_FRAME = 30.0  # seconds within which a window is drawn, on a slow machine too


def click(widget: Any) -> None:
    """Click a widget, as a user does, and wait until all that follows has run.

    Under `virtual_display`, with GTK 4 and python-xlib, the pointer moves to its middle and clicks. Elsewhere a button
    is clicked by its signal, anything else activated.

    Raises: RuntimeError: a user could not click it: it is insensitive, not shown, or something lies over it.
    Thread: GTK's.
    """
    if not widget.get_mapped() or not widget.is_sensitive():
        state = "insensitive" if widget.get_mapped() else "not shown"
        raise RuntimeError(f"this {type(widget).__name__} cannot be clicked: it is {state}")
    devices = xtest_of(widget)
    if devices is not None:
        have_place(widget)
        devices.click(widget)
        return
    gtk: Any = importlib.import_module("gi.repository.Gtk")
    if isinstance(widget, gtk.Button) and not isinstance(widget, gtk.ToggleButton):
        widget.emit("clicked")
    else:
        widget.activate()
    wait_all_tasks_blocked()


def type_text(widget: Any, text: str) -> None:
    """Type into an entry or another `Gtk.Editable`, at the cursor; then wait until all that follows has run.

    Under `virtual_display`, with GTK 4 and python-xlib, keys are pressed: "\\n" is Return, "\\t" Tab, "\\b" BackSpace,
    "\\x1b" Escape, and it may be any widget that takes the focus. Elsewhere the characters are inserted.

    Raises: RuntimeError: a user could not type there: it is insensitive, not editable or not shown. Thread: GTK's.
    """
    if not getattr(widget, "get_editable", lambda: True)() or not widget.is_sensitive():
        raise RuntimeError(f"nobody can type into this {type(widget).__name__}: it is not editable or insensitive")
    if not widget.get_mapped():
        raise RuntimeError(f"nobody can type into this {type(widget).__name__}: it is not shown")
    devices = xtest_of(widget)
    if devices is not None:
        have_place(widget)
        devices.type(widget, text)
        return
    for character in text:
        place = widget.get_position()
        widget.insert_text(character, place)
        widget.set_position(place + 1)
    wait_all_tasks_blocked()


def have_place(widget: Any) -> None:
    """Wait until the widget has its place in the window: the first frame gives it."""
    if not widget.get_width():
        for _ in frames(widget):
            if widget.get_width():
                break


def screenshot(window: Any, path: str | Path) -> Path:
    """Draw a GTK 4 window, as it is shown now, into a PNG file; return its path. Waits for its first frame.

    Raises: RuntimeError: the window is not shown. TimeoutError: it is never drawn. Thread: GTK's.
    """
    gtk: Any = importlib.import_module("gi.repository.Gtk")
    if not window.get_mapped():
        raise RuntimeError("this window is not shown: present() it, and wait until it is mapped")
    picture = gtk.WidgetPaintable.new(window)
    while (node := drawn(gtk, picture, window)) is None:
        window.queue_draw()
        wait_signal(picture, "invalidate-contents", FIRST_FRAME)
    window.get_native().get_renderer().render_texture(node, None).save_to_png(str(path))
    return Path(path)


def drawn(gtk: Any, picture: Any, window: Any) -> Any:
    snapshot = gtk.Snapshot.new()
    picture.snapshot(snapshot, window.get_width(), window.get_height())
    return snapshot.to_node()
