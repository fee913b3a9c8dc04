"""The tasks of a hub as text: who started whom in a group, what each waits for, and the line where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

from gleenlet import Hub, Task, TaskGroup, get_hub

__all__ = ["task_tree"]


def task_tree(hub: Hub | None = None) -> str:
    """Return the unfinished tasks as lines of text, those of a `TaskGroup` below the task that is in its block.

    Args:
        hub: whose tasks; by default this thread's.

    Thread: the hub's.

    >>> from gleenlet import Event, spawn, sleep
    >>> task = spawn(Event().wait, name="stuck")
    >>> sleep(0)
    >>> print(task_tree())
    <Task 'stuck' waiting for Event.wait>...
    >>> task.cancel()
    True
    """
    tasks: list[Task[Any]] = (hub or get_hub()).tasks()
    children: dict[Task[Any], list[Task[Any]]] = {}
    below: set[Task[Any]] = set()
    for task in tasks:
        group = group_of(task)
        if group is not None:
            children[task] = sorted((child for child in group._tasks if not child.done()), key=lambda one: one.name)
            below.update(children[task])
    lines: list[str] = []
    shown: set[Task[Any]] = set()

    def show(task: Task[Any], indent: str) -> None:
        if task in shown:
            return
        shown.add(task)
        lines.append(f"{indent}{task!r}")
        frame = innermost(task)
        if frame is not None:
            lines.append(f"{indent}    at {frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}")
        for child in children.get(task, ()):
            show(child, indent + "    ")

    for task in tasks:
        if task not in below:
            show(task, "")
    for task in tasks:  # in a circle
        show(task, "")
    return "\n".join(lines) or "no task"


def group_of(task: Task[Any]) -> TaskGroup | None:
    """The group whose end the task waits for."""
    waiter = task._waiter
    on = waiter.on if waiter is not None else None
    return on if isinstance(on, TaskGroup) else None


def frames(task: Task[Any]) -> Iterator[FrameType]:
    frame: FrameType | None = task.greenlet.gr_frame if task.greenlet else None
    while frame is not None:
        yield frame
        frame = frame.f_back


def innermost(task: Task[Any]) -> FrameType | None:
    """Where the task stands, outside gleenlet's own files."""
    for frame in frames(task):
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != "gleenlet":
            return frame
    return None
