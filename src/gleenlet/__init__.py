"""gleenlet: greenlets on the GLib main loop. Straight-line code in GTK, GStreamer and D-Bus programs.

    from gleenlet import green, sleep

    @green
    def on_clicked(button):
        for seconds in range(3, 0, -1):
            button.set_label(str(seconds))
            sleep(1)  # the window stays alive

Tasks           run, spawn, green, sleep, Task, current_task, TaskGroup, wait, as_completed, shutdown
Limits          timeout, timeout_at, move_on_after, shield; Cancelled is raised where a task waits
Between tasks   Event, Lock, RLock, Condition, Semaphore, BoundedSemaphore, Barrier, Queue, LifoQueue, PriorityQueue
GLib            wait_signal, wait_any_signal, signals, wait_property, call, wait_readable, wait_writable, wait_child,
                wait_unix_signal
Threads         to_thread, from_thread, wait_future
Other loops     run_outside, cooperative_loops, callback, schedule_switch, schedule_throw, Hub, get_hub
Rooms           gleenlet.gtk, gleenlet.dbus, gleenlet.gst, gleenlet.asyncio, gleenlet.gevent, gleenlet.debug,
                gleenlet.testing
"""

import os as _os

from gleenlet._core import (
    Cancelled,
    Event,
    GleenletError,
    Hub,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    Task,
    UnsafeSwitchError,
    callback,
    current_task,
    get_hub,
    green,
    run,
    schedule_switch,
    schedule_throw,
    shutdown,
    sleep,
    spawn,
)
from gleenlet._core import publish as _publish
from gleenlet._glib import (
    call,
    cooperative_loops,
    run_outside,
    signals,
    wait_any_signal,
    wait_child,
    wait_property,
    wait_readable,
    wait_signal,
    wait_unix_signal,
    wait_writable,
)
from gleenlet._sync import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    MoveOn,
    RLock,
    Semaphore,
    TaskGroup,
    Timeout,
    as_completed,
    from_thread,
    move_on_after,
    shield,
    timeout,
    timeout_at,
    to_thread,
    wait,
    wait_future,
)

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Cancelled",
    "Condition",
    "Event",
    "GleenletError",
    "Hub",
    "LifoQueue",
    "Lock",
    "MoveOn",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "RLock",
    "Semaphore",
    "Task",
    "TaskGroup",
    "Timeout",
    "UnsafeSwitchError",
    "as_completed",
    "call",
    "callback",
    "cooperative_loops",
    "current_task",
    "from_thread",
    "get_hub",
    "green",
    "move_on_after",
    "run",
    "run_outside",
    "schedule_switch",
    "schedule_throw",
    "shield",
    "shutdown",
    "signals",
    "sleep",
    "spawn",
    "timeout",
    "timeout_at",
    "to_thread",
    "wait",
    "wait_any_signal",
    "wait_child",
    "wait_future",
    "wait_property",
    "wait_readable",
    "wait_signal",
    "wait_unix_signal",
    "wait_writable",
]

__version__ = "0.2.0"

_publish(globals())

if _os.environ.get("GLEENLET_DEBUG", "0") not in ("", "0"):
    from gleenlet.debug import start_as_asked as _start_as_asked

    _start_as_asked()
