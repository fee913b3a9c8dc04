"""Runs a program of docs/howto/gtk.md as its user would: python page.py TEXT SEEN. Prints `ok`.

TEXT has `used(app)` in place of `app.run()`: presses what is in the window, waits until SEEN is to be seen, if it says
anything, and closes. SEEN is a regular expression for one label.
"""

import gc
import re
import sys
import weakref
from typing import Any

from gi.repository import GLib

import gleenlet

TEXT, SEEN = sys.argv[1:]


def used(app: Any) -> None:
    from windows import Gtk, inside, texts  # now that TEXT has chosen the version

    def use() -> None:
        while not app.get_active_window():
            gleenlet.sleep(0.01)
        window = app.get_active_window()
        for widget in list(inside(window)):
            if isinstance(widget, Gtk.Button):
                widget.emit("clicked")
            elif isinstance(widget, Gtk.SearchEntry):
                widget.set_text("ban")
            gleenlet.sleep(0)
        while SEEN and not any(re.fullmatch(SEEN, text) for one in Gtk.Window.list_toplevels() for text in texts(one)):
            gleenlet.sleep(0.01)
        for other in list(Gtk.Window.get_toplevels()):
            if other in list(Gtk.Window.get_toplevels()):  # a dialog may have ended with its parent
                other.close()
        windows.append(weakref.ref(window))

    windows: list[weakref.ref[Any]] = []
    gleenlet.spawn(use)
    app.run()
    while GLib.MainContext.default().iteration(False):
        pass
    gc.collect()
    assert not gleenlet.get_hub().tasks(), gleenlet.get_hub().tasks()
    assert windows[0]() is None, gc.get_referrers(windows[0]())
    print("ok")


exec(TEXT, {"__name__": "__main__", "used": used})
