"""`schedule_switch` resumes a greenlet once, from the loop, and refuses the one that is running the loop."""

from gi.repository import GLib
from greenlet import getcurrent, greenlet

import gleenlet

main_greenlet = getcurrent()
context = GLib.MainContext.default()
running = True


def my_thread() -> None:
    for i in range(10):
        print(i, end=" ")
        gleenlet.sleep(0)
    try:
        gleenlet.schedule_switch(main_greenlet)
    except gleenlet.GleenletError as error:
        print(f"\nrefused: {error}")


def stop() -> bool:
    global running
    running = False
    return False


gleenlet.schedule_switch(greenlet(my_thread))
GLib.timeout_add(500, stop)
iterations = 0
while running:  # what loop.run() does, with a count
    context.iteration(True)
    iterations += 1
print("iterations in half a second:", iterations)
