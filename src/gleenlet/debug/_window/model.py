"""A list for GTK's views, whose items are made where they are looked at: the others cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gi.repository import Gio, GObject

from gleenlet.debug._window.rows import Row

__all__ = ["Item", "Rows"]


class Item(GObject.Object):
    """One row that the view shows now."""

    __gtype_name__ = "GleenletInspectorItem"

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place


class Rows(GObject.Object, Gio.ListModel):  # type: ignore[misc]  # as PyGObject has it
    """The rows, in the order that the view has chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self._items: dict[int, Item] = {}

    def do_get_item_type(self) -> Any:
        return GObject.type_from_name("GleenletInspectorItem")

    def do_get_n_items(self) -> int:
        return len(self.rows)

    def do_get_item(self, place: int) -> Item | None:
        if place >= len(self.rows):
            return None
        if place not in self._items:
            self._items[place] = Item(place)
        return self._items[place]

    def show(self, rows: Sequence[Row]) -> None:
        """Show these from now on. An item is its place: what stands there is read when it is drawn."""
        before, self.rows = len(self.rows), rows
        if before != len(rows):
            first = min(before, len(rows))
            for place in range(first, before):
                self._items.pop(place, None)
            self.items_changed(first, before - first, len(rows) - first)
