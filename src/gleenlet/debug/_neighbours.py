"""Find what the neighbours run: asyncio's tasks in gleenlet's loops, and gevent's greenlets. Imports neither.

asyncio says itself what it runs. gevent does not: its greenlets are found among the collector's objects.
"""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType
from typing import Any

from greenlet import getcurrent, greenlet

from gleenlet import Task
from gleenlet._core import get_ident
from gleenlet.debug._record import Frame, TaskRecord, said
from gleenlet.debug._stacks import Stacks

__all__ = ["asyncio_tasks", "canceller", "gevent_greenlets"]

Found = Iterator[tuple[TaskRecord, Any, Any]]
"""A record, what it waits for if that is known, and the greenlet or task that it runs in."""


def asyncio_tasks(stacks: Stacks, threads: dict[int, FrameType]) -> Found:
    """Those of the loops that tasks run. What each runs in is the task that runs its loop."""
    ours = sys.modules.get("gleenlet.asyncio")
    if ours is None:
        return
    asyncio = sys.modules["asyncio"]
    for loop, host in copied(ours.loops_and_tasks):
        thread = host.hub.thread
        running = asyncio.current_task(loop)
        for task in copied(partial(asyncio.all_tasks, loop)):
            record = TaskRecord(
                weakref.ref(task), id(task), said(lambda it: str(it.get_name()), task), "ready", thread, None, "asyncio"
            )
            coroutine = task.get_coro()
            frames = coroutine_frames(coroutine)
            future = ours.awaited(task)
            if task is running:
                record.state = "running"
                here = thread == get_ident()
                record.stack = stacks.read(sys._getframe() if here else threads.get(thread), skip_ours=here)
            else:
                record.stack = [stacks.line(frame) for frame in frames]
                if future is not None:
                    record.state = "waiting"
                    record.waiting_on = asyncio_wait(future, record.stack)
                elif inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                    record.state = "new"
            if getattr(task, "cancelling", int)() and record.state != "running":
                record.state = "cancelling"
            yield record, getattr(future, "task", future), host


def asyncio_wait(future: Any, stack: list[Frame]) -> str:
    """In words: asyncio's own function that it stands in, or what it awaits."""
    for what in (future, getattr(future, "task", None)):  # the second: a task of ours, awaited
        if hasattr(type(what), "get_name") or hasattr(type(what), "name"):
            return said(lambda it: f"task {it.get_name() if hasattr(it, 'get_name') else it.name!r}", what)
    if stack and "/asyncio/" in stack[0].file:
        return f"asyncio {stack[0].function}"
    return f"asyncio {type(future).__name__}"


def coroutine_frames(coroutine: Any) -> list[FrameType]:
    """Of a suspended coroutine and those that it awaits, innermost first."""
    frames = []
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                frames.append(frame)
                coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
                break
        else:
            break
    return frames[::-1]


def gevent_greenlets(stacks: Stacks) -> Found:
    """Those whose parent is a hub of gevent's, and the hubs. What each runs in is its hub."""
    gevent = sys.modules.get("gevent.hub")
    if gevent is None:
        return
    current = getcurrent()
    for one in gc.get_objects():
        if not issubclass(type(one), greenlet):
            continue
        is_hub = issubclass(type(one), gevent.Hub)
        parent = None if is_hub else one.parent
        if one.dead or not (is_hub or issubclass(type(parent), gevent.Hub)):
            continue
        hub: Any = one if is_hub else parent
        name = "gevent hub" if is_hub else said(lambda it: str(getattr(it, "name", None) or repr(it)), one)
        record = TaskRecord(weakref.ref(one), id(one), name, "waiting", hub.thread_ident, None, "gevent")
        frame = one.gr_frame
        record.stack = stacks.read(sys._getframe() if one is current else frame, skip_ours=one is current)
        if one is current:
            record.state = "running"
        elif not greenlet.__bool__(one):  # gevent says otherwise as soon as it is scheduled
            record.state = "new"
        elif frame is None and hub.thread_ident != get_ident():
            record.state = "running"  # or it waits in C alone, which nobody can tell from here
        else:
            inner = record.stack[0] if record.stack else None
            record.waiting_on = (
                f"gevent {inner.function}" if inner is not None and "/gevent/" in inner.file else "gevent"
            )
        yield record, None, None if is_hub else hub


def copied(copy: Callable[[], Iterable[Any]]) -> list[Any]:
    """A copy of a set that other threads may change meanwhile, by name."""
    for _ in range(100):
        try:
            return sorted(copy(), key=lambda one: said(lambda it: str(it.get_name()), one))
        except RuntimeError:
            continue
    return []


def canceller(task: Any) -> Callable[[], object]:
    """What cancels it, whosever it is, and may be called in any thread."""
    if issubclass(type(task), Task):
        return lambda: task.hub.call_soon_threadsafe(task.cancel)
    if hasattr(task, "get_loop"):
        return lambda: task.get_loop().call_soon_threadsafe(task.cancel)
    killed = sys.modules["gevent"].GreenletExit
    return lambda: task.parent.loop.run_callback_threadsafe(task.throw, killed)
