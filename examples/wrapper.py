"""Wrapper: any function becomes a callback that GLib can always call, and that may block.

A function that ends at once gives GLib its result as a bool: True asks for the next call. One that blocks
gives GLib False and goes on by itself. Nothing but this decides which of the two it is: did it block?

Output:
download begins
tick 1
tick 2
tick 3
tick 4
download ends, the loop was free
"""

from gi.repository import GLib

import gleenlet

loop = GLib.MainLoop()
ticks = 0


def tick() -> bool:
    global ticks
    ticks += 1
    print("tick", ticks)
    return ticks < 4


def download() -> None:
    print("download begins")
    while ticks < 4:  # a slow one
        gleenlet.sleep(0.02)
    print("download ends, the loop was free")
    loop.quit()


GLib.timeout_add(0, gleenlet.callback(download))
GLib.timeout_add(20, gleenlet.callback(tick))
loop.run()
