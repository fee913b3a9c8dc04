"""Make a record of each unfinished task of the process, and join them: parents, holders, cycles."""

from __future__ import annotations

import gc
import sys
import weakref
from types import MethodType
from typing import Any

from greenlet import greenlet

from gleenlet import Hub, MoveOn, Task, TaskGroup, Timeout, current_task
from gleenlet._core import Handle, Waiter, _native, all_hubs, get_ident, in_its_thread, what_it_waits_for
from gleenlet._sync import entered_by
from gleenlet.debug._cycles import mark_cycles
from gleenlet.debug._neighbours import Found, asyncio_tasks, gevent_greenlets
from gleenlet.debug._record import TaskRecord, said
from gleenlet.debug._recording import count_up
from gleenlet.debug._stacks import Stacks
from gleenlet.debug._stuck import mark_stuck

__all__ = ["tasks"]


def tasks(hub: Hub | None = None) -> list[TaskRecord]:
    """Return a record of each unfinished task, oldest first, and of each other greenlet that waits in gleenlet.

    Below them the neighbours': asyncio's tasks in loops that tasks run, and gevent's greenlets.

    Args:
        hub: look at this one's tasks only; None: at those of all threads.

    Thread: any. In another one than the hub's the tasks go on meanwhile: each record is right for its own moment.

    >>> from gleenlet import run
    >>> run(lambda: [one.state for one in tasks() if one.state == "running"])
    ['running']
    """
    collects = gc.isenabled()
    gc.disable()  # a hundred thousand new records would have it look at all of them again and again
    try:
        look = Look()
        for one in all_hubs() if hub is None else [hub]:
            look.at(one)
        if hub is None:
            look.at_neighbours()
        return look.joined()
    finally:
        if collects:
            gc.enable()


class Look:
    """One look at all tasks. What it holds on to, it gives back to each task's own thread to let go of."""

    def __init__(self) -> None:
        self.records: list[TaskRecord] = []
        self.of_task: dict[int, TaskRecord] = {}  # by the task's id, as long as it is held
        self.of_context: dict[int, TaskRecord] = {}
        self.held: list[tuple[Hub, list[Any]]] = []
        self.waits: list[tuple[TaskRecord, object]] = []
        self.groups: list[tuple[TaskRecord, TaskGroup]] = []
        self.limits: dict[int, float] = {}  # when a timeout ends the task's wait, by its id
        self.stacks = Stacks(neighbours=True)
        self.current = current_task()
        self.threads = sys._current_frames()

    def at(self, hub: Hub) -> None:
        tasks = hub.tasks()
        held: list[Any] = [tasks]
        self.held.append((hub, held))
        self.look_at_limits(hub, held)
        running = hub.running if hub.thread != get_ident() else None
        for task in tasks:
            self.look_at_task(hub, task, held, running)
        for other, waiter in list(hub.foreign.items()):
            held.append((other, waiter))
            record = TaskRecord(None, id(other), named(other), "ready", hub.thread, None, "greenlet")
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
            waiter = task.waiter
            if waiter is not None and record.state != "running":
                self.add_wait(record, waiter, held)
        if task.cancelling() and record.state != "running":
            record.state = "cancelling"
        count_up(record, task)
        self.of_task[record.id] = record
        context = task.context
        if context is not None:
            held.append(context)
            self.of_context[id(context)] = record
        for callback in task.callbacks or ():
            if isinstance(callback, TaskGroup):
                self.groups.append((record, callback))
        self.records.append(record)

    def look_at_limits(self, hub: Hub, held: list[Any]) -> None:
        """The blocks of `timeout` and `move_on_after` that are entered: the hub's timers hold them."""
        for item in gc.get_referents(hub):
            if type(item) is not Handle:
                continue
            held.append(item)
            methods = [one for one in gc.get_referents(item) if type(one) is MethodType]
            limit: Any = methods[0].__self__ if methods else None
            if isinstance_safely(limit, Timeout) or isinstance_safely(limit, MoveOn):
                held.append(methods)
                key, when = id(entered_by(limit)), limit.when()
                if when is not None:
                    self.limits[key] = min(when, self.limits.get(key, when))

    def at_neighbours(self) -> None:
        known = {record.id: record for record in self.records}
        found: Found = asyncio_tasks(self.stacks, self.threads)
        for record, on, host in found:
            self.held.append((host.hub, [record.task and record.task(), on]))
            self.records.append(record)
            self.add_parent(record, self.of_task.get(id(host)))
            self.of_task[record.id] = record
            if on is not None:
                self.waits.append((record, on))
        hubs: list[tuple[TaskRecord, Any]] = []
        for record, _, host in gevent_greenlets(self.stacks):
            if record.id in known:  # it waits in gleenlet
                name, record = record.name, known[record.id]
                record.name, record.kind = name, "gevent"
            else:
                known[record.id] = record
                self.records.append(record)
            hubs.append((record, host))
        for record, host in hubs:
            self.add_parent(record, known.get(id(host)))

    def add_parent(self, record: TaskRecord, parent: TaskRecord | None) -> None:
        if parent is not None and parent is not record:
            record.parent = parent
            parent.children.append(record)

    def add_wait(self, record: TaskRecord, waiter: Waiter, held: list[Any]) -> None:
        if waiter.done:
            return
        record.state = "waiting"
        on = waiter.on
        held.append(on)
        record.waiting_on = said(what_it_waits_for, waiter)
        record.since = waiter.since
        record.deadline = waiter.deadline
        limit = self.limits.get(record.id)
        if limit is not None:
            record.deadline = limit if record.deadline is None else min(limit, record.deadline)
        if on is not None:
            self.waits.append((record, on))

    def joined(self) -> list[TaskRecord]:
        """The records, each with those it has to do with."""
        members: dict[int, list[TaskRecord]] = {}
        for child, group in self.groups:
            self.add_parent(child, self.of_task.get(id(entered_by(group))))
            members.setdefault(id(group), []).append(child)
        for record, on in self.waits:
            if type(on) is TaskGroup:
                record.held_by = members.get(id(on), [])
            else:
                several = on if type(on) is list else [on]  # the tasks of wait() and as_completed()
                record.held_by = [holder for one in several if (holder := self.holder(one)) is not None]
        mark_cycles(self.records)
        mark_stuck([record for record, on in self.waits if record.kind == "task" and only_tasks_end(on)])
        self.let_go()
        return self.records

    def holder(self, on: object) -> TaskRecord | None:
        if isinstance_safely(on, _native.Lock):
            context = on.holder  # type: ignore[attr-defined]  # it is a Lock
            return None if context is None else self.of_context.get(id(context))
        return self.of_task.get(id(on))

    def let_go(self) -> None:
        """A task that has ended meanwhile may be held by us alone, and what it holds is of its own thread."""
        self.waits.clear()
        self.groups.clear()
        self.threads.clear()
        while self.held:
            hub, held = self.held.pop()
            in_its_thread(hub, held.clear)


def isinstance_safely(what: object, kind: type) -> bool:
    return issubclass(type(what), kind)  # isinstance() asks what says it is something else


def named(what: Any) -> str:
    if isinstance_safely(what, Task):
        return said(lambda task: str(task.name), what)
    if isinstance_safely(what, greenlet) and what.parent is None:
        return "top level"
    return said(repr, what)


def only_tasks_end(on: object) -> bool:
    """Is this a wait that those who hold it end, and nobody else? (Anybody could release a Lock, but who would?)"""
    if type(on) is list:
        return all(isinstance_safely(one, Task) for one in on)
    return isinstance_safely(on, Task) or isinstance_safely(on, _native.Lock) or type(on) is TaskGroup
