"""Between tasks: limits, groups, locks, queues and threads. This is its door."""

from gleenlet._sync.barrier import Barrier, BrokenBarrierError
from gleenlet._sync.futures import wait_future
from gleenlet._sync.groups import TaskGroup
from gleenlet._sync.locks import Condition, RLock
from gleenlet._sync.scopes import MoveOn, Timeout, move_on_after, shield, timeout, timeout_at
from gleenlet._sync.scopes import entered_by as entered_by  # for debug, no public name
from gleenlet._sync.semaphore import BoundedSemaphore, Semaphore
from gleenlet._sync.threads import from_thread, to_thread
from gleenlet._sync.wait import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, as_completed, wait

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "MoveOn",
    "RLock",
    "Semaphore",
    "TaskGroup",
    "Timeout",
    "as_completed",
    "from_thread",
    "move_on_after",
    "shield",
    "timeout",
    "timeout_at",
    "to_thread",
    "wait",
    "wait_future",
]
