"""`busy`: a widget that cannot be used while something goes on. Knows nothing of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from gleenlet.gtk._ends import address_of, is_widget

__all__ = ["busy"]


class Before:
    """What a widget was before the first of the blocks that it is busy in."""

    def __init__(self, widget: Any) -> None:
        self.sensitive: bool = widget.get_sensitive()
        self.blocks = 0


before: dict[int, Before] = {}
"""By the address of the widgets that are busy; the blocks keep them alive."""


def busy(widget: Any) -> AbstractContextManager[None]:
    """Make a widget insensitive for a block: `with busy(button): ...`; put back however the block is left.

    Blocks of several tasks may overlap: the last one that is left puts it back.

    Args:
        widget: with all that is in it.

    Raises: TypeError: not a widget.

    >>> import gi; gi.require_version("Gtk", "4.0")
    >>> from gi.repository import Gtk
    >>> button = Gtk.Button()
    >>> with busy(button):
    ...     button.get_sensitive()
    False
    >>> button.get_sensitive()
    True
    """
    if not is_widget(widget):
        raise TypeError(f"busy() needs a widget, not {widget!r}")
    return insensitive(widget)


@contextmanager
def insensitive(widget: Any) -> Iterator[None]:
    address = address_of(widget)
    was = before.setdefault(address, Before(widget))
    was.blocks += 1
    widget.set_sensitive(False)
    try:
        yield
    finally:
        was.blocks -= 1
        if not was.blocks:
            del before[address]
            widget.set_sensitive(was.sensitive)
