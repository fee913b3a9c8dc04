"""gleenlet: greenlets on the GLib main loop. Straight-line code in GTK, GStreamer and D-Bus programs."""

import os as _os
from types import FunctionType

from gleenlet._core import (
    Cancelled,
    GleenletError,
    Hub,
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
    Event,
    LifoQueue,
    Lock,
    MoveOn,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
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

for _name in __all__:  # where users import them from: tracebacks, help() and pickle show it, and doctest goes by it
    if callable(_public := globals()[_name]) and _public.__module__ != "gleenlet":
        _public.__module__ = "gleenlet"
        for _member in vars(_public).values() if isinstance(_public, type) else ():
            if isinstance(_member, FunctionType):
                _member.__module__ = "gleenlet"
del _member, _name, _public

if _os.environ.get("GLEENLET_DEBUG", "0") not in ("", "0"):
    from gleenlet.debug import start_as_asked as _start_as_asked

    _start_as_asked()
