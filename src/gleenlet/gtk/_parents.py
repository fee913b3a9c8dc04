"""What dialogs and frames belong to: a window that is there, and that may end while somebody waits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from gi.repository import GLib

from gleenlet import GleenletError, get_hub
from gleenlet.gtk._ends import End, describe, gtk, has_ended, window_of

__all__ = ["check_text", "check_thread", "ending", "is_gtk4", "need_gtk", "parent_window"]


def need_gtk() -> Any:
    """The Gtk that the program has chosen."""
    Gtk = gtk()
    if Gtk is None:
        raise GleenletError(
            'GTK is not loaded: gi.require_version("Gtk", "4.0"), then `from gi.repository import Gtk`, come first'
        )
    return Gtk


def is_gtk4() -> bool:
    return bool(need_gtk()._version == "4.0")


def check_thread() -> None:
    """Refuse a thread that does not run GTK: there it would corrupt what it touches, and say nothing."""
    get_hub()  # gives a thread a context of its own where it runs none
    if GLib.MainContext.ref_thread_default() != GLib.MainContext.default():
        raise GleenletError(
            "GTK belongs to the thread that runs the application's main loop: use from_thread() to enter it from here"
        )


def check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {type(text).__name__}")


def parent_window(parent: Any) -> Any:
    """The window that `parent` is or stands in, None for None; refuses what a dialog cannot belong to."""
    Gtk = need_gtk()
    check_thread()
    if sys.modules["gi.repository.Gdk"].Display.get_default() is None:
        raise GleenletError("there is no display to show a dialog on: Gtk.init_check() tells before")
    if parent is None:
        return None
    if not isinstance(parent, Gtk.Widget):
        raise TypeError(f"a dialog's parent must be a window, a widget in one, or None, not {type(parent).__name__}")
    window = window_of(parent)
    if window is None:
        raise GleenletError(f"{describe(parent)} is in no window that a dialog could belong to: give the window itself")
    if has_ended(window):
        raise GleenletError(
            f"{describe(window)} was closed, so no dialog can belong to it: give a window that is open, or None"
        )
    return window


def ending(owner: Any, func: Callable[[], object]) -> AbstractContextManager[object]:
    """While the block runs, have `func` called when `owner` ends; None never does."""
    return nullcontext() if owner is None else closing(End(owner, func))
