"""`gleenlet.callback` gives GLib a real bool, whatever the function returns."""

from gi.repository import GLib

import gleenlet

loop = GLib.MainLoop()


def returns_an_empty_tuple() -> tuple[()]:
    return ()


GLib.idle_add(gleenlet.callback(returns_an_empty_tuple))
GLib.timeout_add(200, loop.quit)
loop.run()
print("alive")
