"""One way to wait for a dialog, and `run_dialog` for those that the program has made itself.

Two families: dialogs that emit `response`, and those of GTK 4.10 that are Gio operations. Both end early when their
parent does, for not all of them are told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from gi.repository import Gio, GLib, GObject

from gleenlet import GleenletError, call, get_hub
from gleenlet._core import Waiter
from gleenlet.gtk._ends import describe, has_ended
from gleenlet.gtk._parents import check_thread, ending, is_gtk4, need_gtk

__all__ = ["answer", "choose", "run_dialog"]

T = TypeVar("T")


def run_dialog(dialog: Any) -> int:
    """Show a dialog, wait for its response and hide it; `Gtk.Dialog.run` of GTK 3, without a loop of its own.

    Args:
        dialog: any `Gtk.Dialog` or `Gtk.NativeDialog`, of GTK 3 or 4. It is hidden, never destroyed: it can be
            run again, and what it holds can be read.

    Returns: the response: a `Gtk.ResponseType` or a number of yours. Closing the dialog is DELETE_EVENT; NONE if
        it was hidden or destroyed, or the window it is for was destroyed.
    Raises:
        TypeError: it is no such dialog.
        GleenletError: it was destroyed before.
        Cancelled: the task was cancelled; the dialog is hidden.
        UnsafeSwitchError: a GLib callback is on the stack here: connect with `green` or `handler`.

    Thread: the one that runs GTK; its other tasks go on.

    >>> import gi  # doctest: +SKIP
    >>> dialog = Gtk.FileChooserNative(title="Open", transient_for=window)  # doctest: +SKIP
    >>> if run_dialog(dialog) == Gtk.ResponseType.ACCEPT:  # doctest: +SKIP
    ...     print(dialog.get_file().get_path())
    """
    Gtk = need_gtk()
    if not isinstance(dialog, Gtk.Dialog | Gtk.NativeDialog):
        raise TypeError(f"run_dialog() needs a Gtk.Dialog or Gtk.NativeDialog, not {type(dialog).__name__}")
    check_thread()
    if isinstance(dialog, Gtk.Dialog) and has_ended(dialog):
        raise GleenletError(f"{describe(dialog)} was destroyed: make a new one; run_dialog() itself only hides")
    response = respond(dialog, dialog.get_transient_for())
    return int(Gtk.ResponseType.NONE if response is None else response)


def answer(dialog: Any, parent: Any, read: Callable[[Any], T]) -> T:
    """As `respond`, for a dialog of our own, which is destroyed then: what `read` makes of its response."""
    try:
        return read(respond(dialog, parent))
    finally:
        if hasattr(dialog, "destroy"):  # an Adw.AlertDialog has none, and is closed
            dialog.destroy()


def respond(dialog: Any, parent: Any) -> Any:
    """Show `dialog`, wait for its response, hide it; None if it was hidden or destroyed, or `parent` destroyed."""
    Gtk = need_gtk()
    waiter = Waiter(None, dialog, "response")
    hub = get_hub()

    def responded(_dialog: Any, response: Any) -> None:
        waiter.wake(response)  # the emission lies on this stack: queue the task, see gleenlet.wait_signal

    def closed() -> None:
        hub.call_soon(waiter.wake)  # an Adw.MessageDialog closes itself first and emits the response then

    def keep(*_: Any) -> bool:
        if is_gtk4():  # GTK 3 has emitted it by now
            dialog.response(Gtk.ResponseType.DELETE_EVENT)
        return True

    def shown_or_hidden(*_: Any) -> None:
        if not dialog.get_visible():
            closed()  # a native dialog hides itself first and emits the response then

    handlers = [dialog.connect("response", responded), dialog.connect("notify::visible", shown_or_hidden)]
    if isinstance(dialog, Gtk.Dialog):
        handlers.append(dialog.connect("close-request" if is_gtk4() else "delete-event", keep))
    try:
        with ending(parent, waiter.wake), ending(dialog if isinstance(dialog, Gtk.Window) else None, closed):
            show(dialog, parent)
            return waiter.wait()
    finally:
        for handler in handlers:
            if dialog.handler_is_connected(handler):
                dialog.disconnect(handler)
        hide(dialog)


def show(dialog: Any, parent: Any) -> None:
    if isinstance(dialog, need_gtk().Window):
        dialog.present()
    elif isinstance(dialog, need_gtk().NativeDialog):
        dialog.show()
    else:  # an Adw.Dialog, part of its parent's window
        dialog.present(parent)


def hide(dialog: Any) -> None:
    if isinstance(dialog, need_gtk().Window):
        dialog.set_visible(False)
    elif isinstance(dialog, need_gtk().NativeDialog):
        dialog.hide()
    else:
        dialog.force_close()


def choose(parent: Any, start: Callable[..., object], *args: Any) -> Any:
    """Wait for a dialog that is a Gio operation: its result, None if it was dismissed or `parent` destroyed."""
    cancellable = Gio.Cancellable()
    with ending(parent, cancellable.cancel):
        try:
            return call(Opening(start), *args, cancellable=cancellable)
        except GLib.Error as error:
            if cancellable.is_cancelled() or was_dismissed(error):
                return None
            raise


class Opening:
    """A dialog's operation, as `call` takes it, whose windows go with its first response.

    GTK lets them stand until the operation is finished, in a later turn of the loop, and takes each response for the
    operation's end: a second one, or one after it was cancelled, is a critical or a crash (gtk/gtkalertdialog.c,
    response_cb; seen in 4.18; the dialogs of files, colours and fonts are alike).
    """

    def __init__(self, start: Callable[..., object]) -> None:
        self.start = start

    def __getattr__(self, name: str) -> Any:
        return getattr(self.start, name)  # what GIRepository knows of it

    def __call__(self, *args: Any) -> None:
        Gtk = need_gtk()
        before = Gtk.Window.list_toplevels()
        self.start(*args)
        *_, cancellable, _done = args
        for window in Gtk.Window.list_toplevels():
            if window not in before:
                # `choose` hears the parent's end; one that ends with its parent keeps a pointer to that, and the
                # operation one to it.
                window.set_destroy_with_parent(False)
                window.connect("response", withdraw)
                GObject.Object.connect(cancellable, "cancelled", functools.partial(withdraw, window))


def withdraw(dialog: Any, *_: object) -> None:
    """Hide it for good: nobody can press or close what is not realized."""
    dialog.set_visible(False)
    dialog.unrealize()


def was_dismissed(error: GLib.Error) -> bool:
    domain: Any = error.domain  # the stubs say int
    return bool(domain == "gtk-dialog-error-quark" and error.code != need_gtk().DialogError.FAILED)
