"""A callback that returns an empty tuple. No greenlet in sight.

PyGObject takes item 0 of any tuple that a callback returns and does not look at its length.
`greenlet.switch()` returns `()` when it is resumed without arguments.
"""

from gi.repository import GLib

loop = GLib.MainLoop()


def returns_an_empty_tuple() -> tuple[()]:
    return ()


GLib.idle_add(returns_an_empty_tuple)
GLib.timeout_add(200, loop.quit)
loop.run()
print("alive")
