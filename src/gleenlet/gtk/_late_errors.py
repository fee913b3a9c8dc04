"""GTK 4's file chooser, closed while it reads its folder, opens an error dialog: "Operation was cancelled".

The dialog comes when the chooser has gone, whose address it keeps: neither it nor we may look there then (seen in 4.8
and 4.18). So the last few choosers are kept after they were closed, and that dialog is closed when it comes.
"""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

from gi.repository import Gio, GLib

from gleenlet import get_hub
from gleenlet.gtk._parents import need_gtk

__all__ = ["drop_late_errors"]

KEPT = 8


@functools.cache  # once in a process
def drop_late_errors() -> None:
    """See to it from now on."""
    Gtk, hub = need_gtk(), get_hub()
    text = cancelled_text()
    choosers: set[Any] = set()  # that are open
    closed: deque[Any] = deque(maxlen=KEPT)

    def look() -> None:
        windows = Gtk.Window.list_toplevels()
        closed.extend(choosers.difference(windows))
        choosers.intersection_update(windows)
        choosers.update(window for window in windows if isinstance(window, Gtk.FileChooserDialog))
        for window in windows:
            if isinstance(window, Gtk.MessageDialog) and window.get_property("secondary-text") == text:
                chooser = window.get_transient_for()
                if chooser is None or chooser in closed or (chooser in choosers and not chooser.get_visible()):
                    window.destroy()

    # A window that is added is still under construction: not even looked at here.
    Gtk.Window.get_toplevels().connect("items-changed", lambda *_: hub.closed or hub.call_soon_threadsafe(look))


def cancelled_text() -> str:
    """What Gio says, in the user's language."""
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    try:
        cancellable.set_error_if_cancelled()
    except GLib.Error as error:
        return error.message
    raise AssertionError
