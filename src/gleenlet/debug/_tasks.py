"""Make a record of each unfinished task of the process, and join them: parents, holders, cycles."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from greenlet import greenlet

from gleenlet import Hub, Task, TaskGroup, current_task
from gleenlet._core import Waiter, _native, all_hubs, get_ident, what_it_waits_for
from gleenlet.debug._cycles import mark_cycles
from gleenlet.debug._record import TaskRecord
from gleenlet.debug._recording import count_up
from gleenlet.debug._stacks import Stacks

__all__ = ["tasks"]


def tasks(hub: Hub | None = None) -> list[TaskRecord]:
    """Return a record of each unfinished task, oldest first, and of each other greenlet that waits in gleenlet.

    Args:
        hub: look at this one's tasks only; None: at those of all threads.

    Thread: any. In another one than the hub's the tasks go on meanwhile: each record is right for its own moment.

    >>> from gleenlet import run
    >>> run(lambda: [one.state for one in tasks() if one.state == "running"])
    ['running']
    """
    look = Look()
    for one in all_hubs() if hub is None else [hub]:
        look.at(one)
    return look.joined()


class Look:
    """One look at all tasks. What it holds on to, it gives back to each task's own thread to let go of."""

    def __init__(self) -> None:
        self.records: list[TaskRecord] = []
        self.of_task: dict[int, TaskRecord] = {}  # by the task's id, as long as it is held
        self.of_context: dict[int, TaskRecord] = {}
        self.held: list[tuple[Hub, list[Any]]] = []
        self.waits: list[tuple[TaskRecord, object]] = []
        self.groups: list[tuple[TaskRecord, TaskGroup]] = []
        self.stacks = Stacks()
        self.current = current_task()
        self.threads = sys._current_frames()

    def at(self, hub: Hub) -> None:
        tasks = hub.tasks()
        held: list[Any] = [tasks]
        self.held.append((hub, held))
        running = hub._running if hub.thread != get_ident() else None
        for task in tasks:
            self.look_at_task(hub, task, held, running)
        for other, waiter in list(hub._foreign.items()):
            held.append((other, waiter))
            record = TaskRecord(None, id(other), named(other), "ready", hub.thread, None)
            self.add_wait(record, waiter, held)
            frame = other.gr_frame
            if frame is None and hub.thread != get_ident() and running is None:
                frame = self.threads.get(hub.thread)  # it drives the loop
            record.stack = self.stacks.read(frame)
            self.records.append(record)

    def look_at_task(self, hub: Hub, task: Task[Any], held: list[Any], running: object) -> None:
        if task.done():  # meanwhile
            return
        record = TaskRecord(weakref.ref(task), id(task), named(task), "new", hub.thread, task.priority)
        runner = task.greenlet
        if runner is not None:
            record.state = "ready"
            if task is self.current:
                record.state = "running"
                record.stack = self.stacks.read(sys._getframe(), skip_ours=True)
            elif task is running:
                record.state = "running"
                record.stack = self.stacks.read(self.threads.get(hub.thread))
            else:
                record.stack = self.stacks.read(runner.gr_frame)
            waiter = task._waiter
            if waiter is not None and record.state != "running":
                self.add_wait(record, waiter, held)
        if task.cancelling() and record.state != "running":
            record.state = "cancelling"
        count_up(record, task)
        self.of_task[record.id] = record
        context = task._context
        if context is not None:
            held.append(context)
            self.of_context[id(context)] = record
        for callback in task._callbacks or ():
            if isinstance(callback, TaskGroup):
                self.groups.append((record, callback))
        self.records.append(record)

    def add_wait(self, record: TaskRecord, waiter: Waiter, held: list[Any]) -> None:
        if waiter.done:
            return
        record.state = "waiting"
        on = waiter.on
        held.append(on)
        record.waiting_on = said(what_it_waits_for, waiter)
        record.since = waiter.since
        record.deadline = waiter.deadline
        if on is not None:
            self.waits.append((record, on))

    def joined(self) -> list[TaskRecord]:
        """The records, each with those it has to do with."""
        for child, group in self.groups:
            strike = group._strike
            parent = self.of_task.get(id(strike.task)) if strike is not None else None
            if parent is not None and parent is not child:
                child.parent = parent
                parent.children.append(child)
        members: dict[int, list[TaskRecord]] = {}
        for child, group in self.groups:
            members.setdefault(id(group), []).append(child)
        for record, on in self.waits:
            if type(on) is TaskGroup:
                record.held_by = members.get(id(on), [])
            else:
                holder = self.holder(on)
                record.held_by = [] if holder is None else [holder]
        mark_cycles(self.records)
        self.let_go()
        return self.records

    def holder(self, on: object) -> TaskRecord | None:
        if isinstance_safely(on, Task):
            return self.of_task.get(id(on))
        if isinstance_safely(on, _native.Lock):
            context = on._holder  # type: ignore[attr-defined]  # it is a Lock
            return None if context is None else self.of_context.get(id(context))
        return None

    def let_go(self) -> None:
        """A task that has ended meanwhile may be held by us alone, and what it holds is of its own thread."""
        self.waits.clear()
        self.groups.clear()
        self.threads.clear()
        while self.held:
            hub, held = self.held.pop()
            if hub.thread == get_ident():
                continue
            try:
                hub.call_soon_threadsafe(held.clear)
            except Exception:  # the hub has ended, and with it all of its tasks
                pass


def isinstance_safely(what: object, kind: type) -> bool:
    return issubclass(type(what), kind)  # isinstance() asks what says it is something else


def named(what: Any) -> str:
    if isinstance_safely(what, Task):
        return said(lambda task: str(task.name), what)
    if isinstance_safely(what, greenlet) and what.parent is None:
        return "top level"
    return said(repr, what)


def said(say: Callable[[Any], str], what: object) -> str:
    """What this says of it; of what cannot be described, why."""
    try:
        return say(what)
    except Exception as error:
        return f"<{type(what).__name__}, whose description fails: {type(error).__name__}>"
