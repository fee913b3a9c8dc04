"""The famous program with one line changed: `GLib.idle_add(mt.switch)` became `gleenlet.spawn(my_thread)`.

It counts from 0 to 9, the loop turns between two numbers, and after 9 the process sleeps.
"""

from gi.repository import GLib
from greenlet import getcurrent, greenlet

import gleenlet

main_greenlet = getcurrent()


def my_thread() -> None:
    for i in range(10):
        print(i)
        main_greenlet.switch()


mt = greenlet(my_thread)
loop = GLib.MainLoop()
gleenlet.spawn(my_thread)
loop.run()
