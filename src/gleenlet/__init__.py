"""gleenlet: greenlets on the GLib main loop. Straight-line code in GTK, GStreamer and D-Bus programs."""

from gleenlet._core import sleep
from gleenlet._errors import Cancelled, GleenletError, UnsafeSwitchError
from gleenlet._hub import Hub, get_hub, schedule_switch, schedule_throw, wait_readable, wait_writable
from gleenlet._task import Task, callback, current_task, green, run, spawn

__all__ = [
    "Cancelled",
    "GleenletError",
    "Hub",
    "Task",
    "UnsafeSwitchError",
    "callback",
    "current_task",
    "get_hub",
    "green",
    "run",
    "schedule_switch",
    "schedule_throw",
    "sleep",
    "spawn",
    "wait_readable",
    "wait_writable",
]
