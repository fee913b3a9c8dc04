"""The core: it switches greenlets, and imports nothing of ours outside itself. This is its door."""

# _native first: it refuses subinterpreters before the others load GLib
from gleenlet._core import _native, forks, plain_loops
from gleenlet._core._native import (
    FAILED,
    Event,
    Handle,
    LifoQueue,
    Line,
    Lock,
    PriorityQueue,
    Queue,
    ThreadBound,
    Waiter,
    callback_depth,
    check_runs,
    get_ident,
    main_depth,
    may_wait,
    runs_tasks,
    sleep,
    wait_fd,
)
from gleenlet._core.blame import describe, user_frame
from gleenlet._core.contexts import check_descriptors
from gleenlet._core.doors import publish
from gleenlet._core.errors import Cancelled, GleenletError, QueueEmpty, QueueFull, QueueShutDown, UnsafeSwitchError
from gleenlet._core.forks import Limit
from gleenlet._core.green import callback, check_decorated, green
from gleenlet._core.hub import Hub, all_hubs, get_hub, in_its_thread, new_hubs
from gleenlet._core.libraries import loaded_library
from gleenlet._core.numbers import check_span, deadline_in, real_deadline, time_left, whole_number
from gleenlet._core.raw import schedule_switch, schedule_throw
from gleenlet._core.run import run
from gleenlet._core.shutdown import shutdown
from gleenlet._core.task import Parent, Task, current_task, spawn
from gleenlet._core.unpatched import unpatched
from gleenlet._core.waits import what_it_waits_for
from gleenlet._core.wakeup import SignalListener, signals_wake

__all__ = [
    "FAILED",
    "Cancelled",
    "Event",
    "GleenletError",
    "Handle",
    "Hub",
    "LifoQueue",
    "Limit",
    "Line",
    "Lock",
    "Parent",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "SignalListener",
    "Task",
    "ThreadBound",
    "UnsafeSwitchError",
    "Waiter",
    "_native",
    "all_hubs",
    "callback",
    "callback_depth",
    "check_decorated",
    "check_descriptors",
    "check_runs",
    "check_span",
    "current_task",
    "deadline_in",
    "describe",
    "forks",
    "get_hub",
    "get_ident",
    "green",
    "in_its_thread",
    "loaded_library",
    "main_depth",
    "may_wait",
    "new_hubs",
    "plain_loops",
    "publish",
    "real_deadline",
    "run",
    "runs_tasks",
    "schedule_switch",
    "schedule_throw",
    "shutdown",
    "signals_wake",
    "sleep",
    "spawn",
    "time_left",
    "unpatched",
    "user_frame",
    "wait_fd",
    "what_it_waits_for",
    "whole_number",
]
