"""What is to be seen of a window of GTK 4."""

from typing import Any

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk

from gleenlet import sleep

__all__ = ["drawn"]


def drawn(paintable: Any) -> Any:
    """The texture of a window's Gtk.WidgetPaintable, as soon as it is drawn; None where PyGObject cannot get at it."""
    while True:
        snapshot = Gtk.Snapshot()
        paintable.snapshot(snapshot, paintable.get_intrinsic_width(), paintable.get_intrinsic_height())
        try:
            node = snapshot.to_node()
        except TypeError:  # PyGObject 3.42 knows no render nodes: nothing can be drawn with it
            assert gi.version_info < (3, 44)
            return None
        if node is not None:
            return paintable.get_widget().get_renderer().render_texture(node, None)
        sleep(0.01)  # it is to be drawn anew
