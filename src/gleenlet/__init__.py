"""gleenlet: greenlets on the GLib main loop. Straight-line code in GTK, GStreamer and D-Bus programs."""

from gleenlet import _core  # noqa: F401  # first: it refuses subinterpreters before GLib is loaded into one
from gleenlet._barrier import Barrier, BrokenBarrierError
from gleenlet._core import sleep
from gleenlet._errors import Cancelled, GleenletError, UnsafeSwitchError
from gleenlet._gio import call
from gleenlet._glib import signals, wait_property, wait_signal
from gleenlet._hub import Hub, get_hub, schedule_switch, schedule_throw, wait_readable, wait_writable
from gleenlet._queue import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull, QueueShutDown
from gleenlet._scopes import MoveOn, TaskGroup, Timeout, move_on_after, shield, timeout, timeout_at
from gleenlet._sync import BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore
from gleenlet._task import Task, callback, current_task, green, run, spawn
from gleenlet._threads import from_thread, to_thread
from gleenlet._unix import wait_child, wait_unix_signal
from gleenlet._wait import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, as_completed, wait

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
    "current_task",
    "from_thread",
    "get_hub",
    "green",
    "move_on_after",
    "run",
    "schedule_switch",
    "schedule_throw",
    "shield",
    "signals",
    "sleep",
    "spawn",
    "timeout",
    "timeout_at",
    "to_thread",
    "wait",
    "wait_child",
    "wait_property",
    "wait_readable",
    "wait_signal",
    "wait_unix_signal",
    "wait_writable",
]
