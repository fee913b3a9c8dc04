"""The famous program, still by hand, with a callback that returns a bool.

It lives: the empty tuple was the whole crash. Neither GLib's re-entrancy nor a "destroyed call stack" was.
What is still missing is all the rest: see switch_in_emission_bare.py and nested_loop_bare.py.
"""

from gi.repository import GLib
from greenlet import getcurrent, greenlet

main_greenlet = getcurrent()
loop = GLib.MainLoop()


def my_thread() -> None:
    for i in range(10):
        print(i, end=" ")
        main_greenlet.switch()
    loop.quit()


def resume() -> bool:
    mt.switch()
    return not mt.dead


mt = greenlet(my_thread)
GLib.idle_add(resume)
loop.run()
print("alive")
