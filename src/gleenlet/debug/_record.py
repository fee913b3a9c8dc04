"""What is known of one task at one moment. It keeps nothing alive, and knows nothing of how it was found out."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

__all__ = ["Frame", "TaskRecord", "said"]


class Frame(NamedTuple):
    """One line of a stack."""

    file: str
    line: int
    function: str
    ours: bool
    """It is gleenlet's or PyGObject's, in the tree also a neighbour's: not the user's."""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


@dataclass(slots=True, eq=False)
class TaskRecord:
    """A task as it was when `tasks()` looked; also a task of asyncio's, a greenlet of gevent's or one that waits here.

    >>> from gleenlet import run, sleep, spawn
    >>> def main():
    ...     task = spawn(sleep, 10, name="load")
    ...     sleep(0.001)
    ...     try:
    ...         return [(one.name, one.state, one.waiting_on) for one in tasks() if one.name == "load"]
    ...     finally:
    ...         task.cancel()
    >>> from gleenlet.debug import tasks
    >>> run(main)
    [('load', 'waiting', 'timer')]
    """

    task: weakref.ref[Any] | None
    """Refers to it weakly; None: it is a greenlet of somebody else's."""
    id: int
    """Tells it from the others of this moment."""
    name: str
    state: str
    """"new", "ready", "running", "waiting", or "cancelling": cancelled, and not ended yet."""
    thread: int
    """The identifier of its thread."""
    priority: int | None
    """The GLib priority of its wake-ups; None: it is no task of ours."""
    kind: str = "task"
    """"task", "asyncio", "gevent", or "greenlet": one that waits in gleenlet and is no task."""
    waiting_on: str | None = None
    """What it waits for, in words."""
    held_by: list[TaskRecord] = field(default_factory=list, repr=False)
    """Whose doing ends the wait, where that is known: the holder of the lock, the tasks that it waits for."""
    since: float | None = None
    """When the wait began, on the clock of `time.monotonic()`."""
    deadline: float | None = None
    """When the wait ends by itself, or a `timeout` around it ends it, on the same clock."""
    parent: TaskRecord | None = field(default=None, repr=False)
    """The task whose TaskGroup it is in, or that runs its asyncio loop; gevent's hub for its greenlets."""
    children: list[TaskRecord] = field(default_factory=list, repr=False)
    """Those whose parent it is."""
    stack: list[Frame] = field(default_factory=list, repr=False)
    """Where it stands, innermost line first."""
    cycle: int | None = None
    """The number of the cycle of waiting that it is in: all in it wait for each other."""
    stuck: bool = False
    """Nothing but a cancellation can wake it any more."""
    number: int | None = None
    """The task's number in `Event.task`; it and what follows are None where nobody records."""
    spawned_at: float | None = None
    """When it was spawned, on the clock of `time.monotonic()`; None: before somebody recorded."""
    switches: int | None = None
    """How often it was switched to while somebody recorded."""
    time_running: float | None = None
    """Seconds that it ran for meanwhile."""
    time_ready: float | None = None
    """Seconds that it waited for its turn, with nothing else to wait for."""
    time_waiting: float | None = None
    """Seconds that it waited for something."""

    @property
    def where(self) -> Frame | None:
        """The innermost line of the user's own code; None: it has not begun, or runs no Python of his."""
        return next((frame for frame in self.stack if not frame.ours), None)

    def as_json(self) -> dict[str, Any]:
        """The same as a dict for `json.dumps`: other tasks by `id`, points in time as seconds ago or left."""
        now = time.monotonic()
        return {name: getattr(self, name) for name in FIELDS} | {
            "held_by": [other.id for other in self.held_by],
            "since": None if self.since is None else round(now - self.since, 6),
            "deadline": None if self.deadline is None else round(self.deadline - now, 6),
            "parent": None if self.parent is None else self.parent.id,
            "children": [child.id for child in self.children],
            "stack": [{"file": frame.file, "line": frame.line, "function": frame.function} for frame in self.stack],
            "spawned_at": None if self.spawned_at is None else round(now - self.spawned_at, 6),
        }


FIELDS = [field.name for field in fields(TaskRecord) if field.name != "task"]


def said(say: Callable[[Any], str], what: object) -> str:
    """What this says of it; of what cannot be described, why."""
    try:
        return say(what)
    except Exception as error:
        return f"<{type(what).__name__}, whose description fails: {type(error).__name__}>"
