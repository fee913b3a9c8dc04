"""The famous program: count to nine in a greenlet beside a GLib loop.

It prints 0 and dies: the second line from below gives GLib a callback that returns `()`.
"""

from gi.repository import GLib
from greenlet import getcurrent, greenlet

main_greenlet = getcurrent()


def my_thread() -> None:
    for i in range(10):
        print(i)
        main_greenlet.switch()


mt = greenlet(my_thread)
loop = GLib.MainLoop()
GLib.idle_add(mt.switch)
loop.run()
