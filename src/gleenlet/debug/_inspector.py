"""Open the inspector: when it is asked for, or as soon as a program that is to have it has a GTK that runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gleenlet import GleenletError, get_hub

if TYPE_CHECKING:
    from gleenlet.debug._window.window import Inspector

__all__ = ["inspector", "open_when_ready"]

AGAIN = 0.2  # seconds until the next look for GTK


def inspector() -> Inspector:
    """Open a window that shows what the tasks of the process do, live; `GLEENLET_DEBUG=window` does the same.

    Returns: the window, a `Gtk.Window` of no application, so that it keeps none running.
    Raises: GleenletError: the program uses GTK 3, or GTK has no display.
    Thread: the one that runs GTK.

    >>> inspector()  # doctest: +SKIP
    """
    gtk = sys.modules.get("gi.repository.Gtk")
    if gtk is not None and gtk.get_major_version() != 4:
        raise GleenletError("the inspector needs GTK 4, and this program uses GTK 3: look in with python -m gleenlet")
    import gi

    gi.require_version("Gdk", "4.0")
    gi.require_version("Gtk", "4.0")
    from gi.repository import Gdk, Gtk

    if not Gtk.init_check() or Gdk.Display.get_default() is None:
        raise GleenletError("the inspector's window needs a display: set DISPLAY or WAYLAND_DISPLAY")
    from gleenlet.debug._window.window import Inspector

    window = Inspector()
    window.present()
    return window


def open_when_ready() -> None:
    """Open it once the program has initialized its GTK and its loop runs."""
    gtk = sys.modules.get("gi.repository.Gtk")
    if gtk is None or (gtk.get_major_version() == 4 and not gtk.is_initialized()):
        get_hub().call_later(AGAIN, open_when_ready)
        return
    try:
        inspector()
    except GleenletError as error:
        print(f"gleenlet: {error}", file=sys.stderr)
