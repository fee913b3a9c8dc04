"""`ask` and `tell`: a question, an answer; with the best message dialog that there is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from gi.repository import GLib

from gleenlet.gtk._dialogs import answer, choose
from gleenlet.gtk._parents import check_text, is_gtk4, need_gtk, parent_window

__all__ = ["ask", "tell"]

T = TypeVar("T")


@overload
def ask(
    parent: Any,
    heading: str,
    body: str = "",
    *,
    buttons: Mapping[str, T],
    default: str | None = None,
    destructive: str | None = None,
) -> T | None: ...
@overload
def ask(
    parent: Any,
    heading: str,
    body: str = "",
    *,
    buttons: Sequence[str],
    default: str | None = None,
    destructive: str | None = None,
) -> str | None: ...
def ask(
    parent: Any,
    heading: str,
    body: str = "",
    *,
    buttons: Mapping[str, Any] | Sequence[str],
    default: str | None = None,
    destructive: str | None = None,
) -> Any:
    """Ask a question in a dialog and return the button that was pressed; None if the dialog was dismissed.

    Args:
        parent: the window, or a widget in it; None for none. If it is destroyed meanwhile the answer is None.
        heading: the question, in a few words.
        body: what there is to know before one answers.
        buttons: their labels, or what to return by label. An underscore stands before the mnemonic: "_Save".
        default: the label of the button that Return presses.
        destructive: the label of the button that destroys something; shown so where the toolkit can
            (`Gtk.AlertDialog` cannot).

    Raises:
        TypeError, ValueError: no button, one twice; a `default` or `destructive` that is none of them.
        GleenletError: `parent` was closed, or is in no window.
        Cancelled: the task was cancelled; the dialog is closed.
        UnsafeSwitchError: a GLib callback is on the stack here: connect with `green` or `handler`.

    Thread: the one that runs GTK; its other tasks go on.

    It is an `Adw.AlertDialog` or `Adw.MessageDialog` in a program of libadwaita's, else a `Gtk.AlertDialog` or
    `Gtk.MessageDialog`, whichever is the newest.

    >>> if ask(window, "Delete it?", buttons=["_Cancel", "_Delete"], destructive="_Delete") == "_Delete":
    ...     delete()  # doctest: +SKIP
    """
    check_text("heading", heading)
    check_text("body", body)
    values = values_by_label(buttons)
    for name, label in (("default", default), ("destructive", destructive)):
        if label is not None and label not in values:
            raise ValueError(f"{name} must be one of the buttons, {', '.join(values)}, not {label!r}")
    labels = list(values)
    place = show(
        Question(
            parent_window(parent),
            heading,
            body,
            labels,
            None if default is None else labels.index(default),
            None if destructive is None else labels.index(destructive),
        )
    )
    return None if place is None else values[labels[place]]


def tell(parent: Any, heading: str, body: str = "") -> None:
    """Tell the user something in a dialog, and wait until it is closed.

    Args and Raises: as for `ask`.

    >>> tell(window, "Done", "All 12 files were copied.")  # doctest: +SKIP
    """
    domain = "gtk40" if is_gtk4() else "gtk30"
    ask(parent, heading, body, buttons=[GLib.dgettext(domain, "_Close")])


def values_by_label(buttons: Mapping[str, Any] | Sequence[str]) -> Mapping[str, Any]:
    if isinstance(buttons, str):
        raise TypeError(f"buttons must be a list of labels or values by label: [{buttons!r}]")
    if not isinstance(buttons, Iterable) or not all(isinstance(label, str) for label in buttons):
        raise TypeError(f"buttons must be a list of labels or values by label, not {buttons!r}")
    values = buttons if isinstance(buttons, Mapping) else {label: label for label in buttons}
    if not values or len(values) < len(buttons):
        raise ValueError(f"buttons must be one label or more, each once, not {buttons!r}")
    return values


@dataclass
class Question:
    """What is to be shown; buttons are known by their place."""

    window: Any
    heading: str
    body: str
    labels: list[str]
    default: int | None
    destructive: int | None


def show(question: Question) -> int | None:
    """The place of the button that was pressed, None if none was."""
    Adw = sys.modules.get("gi.repository.Adw")
    if Adw is not None and Adw.is_initialized():
        if hasattr(Adw, "AlertDialog"):
            return show_adw(Adw, Adw.AlertDialog(heading=question.heading, body=question.body), question)
        return show_adw(
            Adw,
            Adw.MessageDialog(
                heading=question.heading,
                body=question.body,
                transient_for=question.window,
                destroy_with_parent=False,  # as for a Gtk.MessageDialog
            ),
            question,
        )
    if hasattr(need_gtk(), "AlertDialog"):
        return show_gtk_alert(question)
    return show_gtk_message(question)


def show_adw(Adw: Any, dialog: Any, question: Question) -> int | None:
    for place, label in enumerate(question.labels):
        dialog.add_response(str(place), label)
    if question.default is not None:
        dialog.set_default_response(str(question.default))
        dialog.set_response_appearance(str(question.default), Adw.ResponseAppearance.SUGGESTED)
    if question.destructive is not None:
        dialog.set_response_appearance(str(question.destructive), Adw.ResponseAppearance.DESTRUCTIVE)
    dialog.set_close_response("dismissed")
    return answer(dialog, question.window, lambda response: None if response in (None, "dismissed") else int(response))


def show_gtk_alert(question: Question) -> int | None:
    dialog = need_gtk().AlertDialog(message=question.heading, detail=question.body)
    dialog.set_buttons(question.labels)
    if question.default is not None:
        dialog.set_default_button(question.default)
    place: int | None = choose(question.window, dialog.choose, question.window)
    return place


def show_gtk_message(question: Question) -> int | None:
    Gtk = need_gtk()
    dialog = Gtk.MessageDialog(
        text=question.heading,
        secondary_text=question.body or None,
        transient_for=question.window,
        modal=True,
        # `respond` hears the parent's end; GTK 4 leaves a dialog that ends with its parent a pointer to that
        # (gtk/gtkwindow.c, gtk_window_transient_parent_destroyed).
        destroy_with_parent=False,
    )
    for place, label in enumerate(question.labels):
        button = dialog.add_button(label, place)
        if place == question.destructive:
            if is_gtk4():
                button.add_css_class("destructive-action")
            else:
                button.get_style_context().add_class("destructive-action")
    if question.default is not None:
        dialog.set_default_response(question.default)
    return answer(dialog, question.window, lambda response: None if response is None or response < 0 else int(response))
