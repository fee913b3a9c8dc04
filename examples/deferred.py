"""Deferred switching: you have greenlets of your own, and the loop resumes them.

`schedule_switch` only queues, so it may be called from anywhere, a signal handler too; the switch itself
comes from the loop. What it is given is what `get_hub().switch()` returns in the greenlet.

Output:
sending spam
sent spam
the greenlet got spam
sending eggs
sent eggs
the greenlet got eggs
refused: ...
"""

from gi.repository import GLib
from greenlet import getcurrent, greenlet

import gleenlet

loop = GLib.MainLoop()
words = iter(["spam", "eggs"])


def listen() -> None:
    for _ in range(2):
        print("the greenlet got", gleenlet.get_hub().switch())
    loop.quit()


def say() -> bool:
    word = next(words, None)
    if word is None:
        return False
    print("sending", word)
    gleenlet.schedule_switch(listener, word)
    print("sent", word)
    return True


listener = greenlet(listen)
gleenlet.schedule_switch(listener)  # starts it
GLib.timeout_add(20, say)
loop.run()

try:
    gleenlet.schedule_switch(getcurrent())  # the greenlet that runs the loop itself would spin for ever
except gleenlet.GleenletError as error:
    print("refused:", error)
