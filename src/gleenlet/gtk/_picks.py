"""Choosing a colour or a font: `pick_color`, `pick_font`."""

from __future__ import annotations

from typing import Any

from gleenlet.gtk._dialogs import answer, choose
from gleenlet.gtk._parents import check_text, need_gtk, parent_window

__all__ = ["pick_color", "pick_font"]


def pick_color(parent: Any, *, title: str | None = None, initial: Any = None, alpha: bool = True) -> Any:
    """Have the user choose a colour: a `Gdk.RGBA`, None if the dialog was dismissed.

    Args:
        parent: the window, or a widget in it; None for none. If it is destroyed meanwhile the result is None.
        title: of the dialog; the toolkit's own if left out.
        initial: the `Gdk.RGBA` to begin with.
        alpha: may the colour be transparent?

    Raises: as `ask`. Thread: as `ask`.

    >>> color = pick_color(window, title="Background")  # doctest: +SKIP
    """
    Gtk = need_gtk()
    if title is not None:
        check_text("title", title)
    window = parent_window(parent)
    if hasattr(Gtk, "ColorDialog"):
        return choose(window, titled(Gtk.ColorDialog(with_alpha=alpha), title).choose_rgba, window, initial)
    dialog = Gtk.ColorChooserDialog(transient_for=window, modal=True, use_alpha=alpha)
    if initial is not None:
        dialog.set_rgba(initial)
    return picked(dialog, window, title, "get_rgba")


def pick_font(parent: Any, *, title: str | None = None, initial: Any = None) -> Any:
    """Have the user choose a font: a `Pango.FontDescription`, None if the dialog was dismissed.

    Args:
        parent, title: as for `pick_color`.
        initial: the `Pango.FontDescription` to begin with.

    Raises: as `ask`. Thread: as `ask`.

    >>> font = pick_font(window)  # doctest: +SKIP
    """
    Gtk = need_gtk()
    if title is not None:
        check_text("title", title)
    window = parent_window(parent)
    if hasattr(Gtk, "FontDialog"):
        return choose(window, titled(Gtk.FontDialog(), title).choose_font, window, initial)
    dialog = Gtk.FontChooserDialog(transient_for=window, modal=True)
    if initial is not None:
        dialog.set_font_desc(initial)
    return picked(dialog, window, title, "get_font_desc")


def titled(dialog: Any, title: str | None) -> Any:
    if title is not None:
        dialog.set_title(title)
    return dialog


def picked(dialog: Any, window: Any, title: str | None, value: str) -> Any:
    accepted = need_gtk().ResponseType.OK
    return answer(
        titled(dialog, title), window, lambda response: getattr(dialog, value)() if response == accepted else None
    )
