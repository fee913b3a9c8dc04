"""`show_errors`: failures as a toast or a dialog."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from gi.repository import Gio, GLib

from gleenlet import get_hub
from gleenlet.gtk._ask import tell
from gleenlet.gtk._ends import gtk, has_ended, is_widget, window_of
from gleenlet.gtk._failures import on_failure
from gleenlet.gtk._lifetimes import tasks_of

__all__ = ["show_errors"]


def show_errors(owner: Any, heading: str = "Something went wrong") -> None:
    """Show the user what fails in `owner`: in tasks and handlers of it and of all that is in it.

    It comes as a toast where the window has an `Adw.ToastOverlay`, else as a dialog, one after the other. It is
    still reported. What somebody waits for is not shown, nor what `on_error` gets. Call it again for another
    heading; where several apply, the nearest to the failure shows it.

    Args:
        owner: a window or another widget; or an application: for all its windows, and for its own tasks,
            shown in the active window.
        heading: what stands above the message.

    Raises: TypeError: `owner` is neither.

    >>> import gi; gi.require_version("Gtk", "4.0")
    >>> from gi.repository import Gtk
    >>> window = Gtk.Window()
    >>> show_errors(window, heading="The mail was not sent")
    """
    if not is_widget(owner) and not isinstance(owner, Gio.Application):
        raise TypeError(f"show_errors() needs a widget or an application, not {owner!r}")
    on_failure(owner, Shower(str(heading)).show)


class Shower:
    """What is to be shown at one owner. Holds no exception, for that would hold what it went through."""

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.texts: list[str] = []  # the first is on the screen

    def show(self, owner: Any, error: Exception) -> None:
        window = window_of(owner) if is_widget(owner) else owner.get_active_window()
        if window is None or has_ended(window):
            return
        text = text_of(error)
        overlay = toast_overlay(window)
        if overlay is not None:
            # An older libadwaita takes the title for markup always.
            title = GLib.markup_escape_text(f"{self.heading}: {text}", -1)
            overlay.add_toast(sys.modules["gi.repository.Adw"].Toast(title=title))
        elif text not in self.texts:
            self.texts.append(text)
            if len(self.texts) == 1:
                tasks_of(window).spawn(self.tell_all, window, name="show_errors")

    def tell_all(self, window: Any) -> None:
        try:
            while self.texts:
                tell(window, self.heading, self.texts[0])
                del self.texts[0]
        except Exception as error:  # to show that as well would never end
            get_hub().report(error, "in show_errors")
        finally:
            self.texts.clear()


def text_of(error: BaseException) -> str:
    """What there is to say about an exception, without its traceback."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(text_of(one) for one in error.exceptions)
    if isinstance(error, GLib.Error):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def toast_overlay(window: Any) -> Any:
    Adw = sys.modules.get("gi.repository.Adw")
    if Adw is None or gtk()._version == "3.0":
        return None
    return next((widget for widget in inside(window) if isinstance(widget, Adw.ToastOverlay)), None)


def inside(widget: Any) -> Iterator[Any]:
    yield widget
    child = widget.get_first_child()
    while child is not None:
        yield from inside(child)
        child = child.get_next_sibling()
