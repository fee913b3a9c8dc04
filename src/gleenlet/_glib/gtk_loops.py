"""GTK 3's nested loops as waits: Gtk.main, Gtk.Dialog.run, Gtk.main_iteration and what belongs to them.

The module Gtk is given by whoever has imported it: this file imports none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from gleenlet._core import Waiter
from gleenlet._glib.connection import from_any_thread
from gleenlet._glib.outside import run_outside
from gleenlet._glib.patches import Patches
from gleenlet._glib.turns import iterate, pending

__all__ = ["GtkLoops"]

RESPONSE_NONE = -1
"""Gtk.ResponseType.NONE as an int, which Dialog.run has always returned."""


class Main:
    """A Gtk.main that is a wait."""

    def __init__(self, waiter: Waiter, level: int) -> None:
        self.wake = from_any_thread(waiter.wake)
        self.level = level  # how many nested ones ran when it began
        self.quits = False

    def quit(self) -> None:
        self.quits = True
        self.wake()


class GtkLoops:
    """The replacements in one module Gtk.

    Args:
        waits: may a loop of this context be a wait here?
        wait: wait, while the replacements stay.
    """

    def __init__(self, gtk: Any, waits: Callable[[GLib.MainContext], bool], wait: Callable[[Waiter], Any]) -> None:
        self.gtk = gtk
        self.context = GLib.MainContext.default()
        self.waits = waits
        self.wait = wait
        self.mains: list[Main] = []
        self.nested_level: Callable[[], int] = getattr(gtk, "main_level", int)
        self.quit_level = 0  # the nested one that was told to quit

    def install(self, patches: Patches) -> None:
        if not hasattr(self.gtk, "main"):
            return  # GTK 4 has none of them
        patches.replace(self.gtk, "main", self.main)
        patches.replace(self.gtk, "main_quit", self.main_quit)
        patches.replace(self.gtk, "main_level", self.main_level)
        patches.replace(self.gtk, "main_iteration", self.main_iteration)
        patches.replace(self.gtk, "main_iteration_do", self.main_iteration_do)
        patches.replace(self.gtk, "events_pending", self.events_pending)
        patches.replace(self.gtk.Dialog, "run", self.dialog_run)
        patches.replace(self.gtk.NativeDialog, "run", self.native_dialog_run)

    # ---- Gtk.main: the one that began last is the innermost, whether it is nested or a wait ----

    def innermost(self) -> Main | None:
        """None: it is a nested one, or there is none."""
        return self.mains[-1] if self.mains and self.mains[-1].level >= self.nested_level() else None

    def main(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def main(*args: Any, **kwargs: Any) -> Any:
            if not self.waits(self.context):
                self.quit_level = 0
                return original(*args, **kwargs)
            waiter = Waiter()
            entry = Main(waiter, self.nested_level())
            self.mains.append(entry)
            try:
                return self.wait(waiter)
            finally:
                self.mains.remove(entry)

        return main

    def main_quit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def main_quit(*args: Any) -> None:
            innermost = self.innermost()
            if innermost is not None:
                innermost.quit()
            else:
                self.quit_level = self.nested_level()
                original(*args)

        return main_quit

    def main_level(self, original: Callable[[], int]) -> Callable[[], int]:
        return lambda: original() + len(self.mains)

    def main_iteration(self, original: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self.iterate(True) if self.waits(self.context) else original()

    def main_iteration_do(self, original: Callable[[bool], bool]) -> Callable[[bool], bool]:
        return lambda blocking: self.iterate(blocking) if self.waits(self.context) else original(blocking)

    def iterate(self, blocking: bool) -> bool:
        """Return what GTK returns: was the innermost main told to quit, or is there none?"""
        iterate(self.context, blocking)
        innermost = self.innermost()
        return innermost.quits if innermost is not None else self.nested_level() in (0, self.quit_level)

    def events_pending(self, original: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: pending(self.context) if self.waits(self.context) else original()

    # ---- dialogs ----

    def dialog_run(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(dialog: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.waits(self.context):
                return original(dialog, *args, **kwargs)
            return self.run_dialog(dialog)

        return run

    def run_dialog(self, dialog: Any) -> int:
        """As gtk_dialog_run: modal and shown until it responds, is hidden, closed or destroyed."""
        waiter = Waiter()
        destroyed = False

        def closed(*_: Any) -> bool:
            waiter.wake(RESPONSE_NONE)  # where the dialog's own handler has responded before, too late
            return True  # it is hidden or destroyed by whoever runs it

        def gone(*_: Any) -> None:
            nonlocal destroyed
            destroyed = True
            waiter.wake(RESPONSE_NONE)

        was_modal = dialog.get_modal()
        handlers = [
            dialog.connect("response", lambda _, response: waiter.wake(int(response)) and None),
            dialog.connect("unmap", lambda _: waiter.wake(RESPONSE_NONE) and None),
            dialog.connect("delete-event", closed),
            dialog.connect("destroy", gone),
        ]
        try:
            dialog.set_modal(True)
            dialog.show()
            response: int = self.wait(waiter)
            return response
        finally:
            for handler in handlers:
                if dialog.handler_is_connected(handler):
                    dialog.disconnect(handler)
            if not destroyed:
                dialog.set_modal(was_modal)

    def native_dialog_run(self, original: Callable[..., Any]) -> Callable[..., Any]:
        # What its loop waits for is the platform's affair.
        return lambda dialog: run_outside(original, dialog) if self.waits(self.context) else original(dialog)
