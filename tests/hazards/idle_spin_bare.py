"""The recommended recipe: a list of pending switches and an idle callback.

The callback asks to be called again for ever, every request adds one more of it, and a switch to the
greenlet that runs already does nothing. So the ten numbers come in one go, and then a core burns.
"""

from collections.abc import Callable

from gi.repository import GLib
from greenlet import getcurrent, greenlet

main_greenlet = getcurrent()
context = GLib.MainContext.default()
pending: list[greenlet] = []
running = True


def switch_later(target: greenlet) -> None:
    pending.append(target)
    GLib.idle_add(resume_one)


def resume_one() -> bool:
    if pending:
        pending.pop(0).switch()
    return True


def my_thread() -> None:
    for i in range(10):
        print(i, end=" ")
        switch_later(main_greenlet)


def stop() -> bool:
    global running
    running = False
    return False


counter: Callable[[], None] = my_thread
switch_later(greenlet(counter))
GLib.timeout_add(500, stop)
iterations = 0
while running:  # what loop.run() does, with a count
    context.iteration(True)
    iterations += 1
print("iterations in half a second:", iterations)
