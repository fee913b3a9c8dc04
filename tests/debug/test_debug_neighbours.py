"""The tree shows what the neighbours run: asyncio's tasks and gevent's greenlets."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest

import gleenlet.asyncio
from child import in_child
from gleenlet import Task, current_task, get_hub, sleep, spawn
from gleenlet.asyncio import _loop
from gleenlet.asyncio._selector import Selector
from gleenlet.debug import TaskRecord, format_tasks, tasks
from gleenlet.debug._neighbours import canceller, copied
from inside import FOREVER, in_task


def by_name() -> dict[str, TaskRecord]:
    return {record.name: record for record in tasks()}


@in_task
def test_asyncios_tasks_stand_below_the_task_that_runs_their_loop() -> None:
    inner = spawn(sleep, FOREVER, name="inner")

    async def awaits(what: Task[Any] | asyncio.Task[Any]) -> None:
        await what

    async def sleeps() -> None:
        await asyncio.sleep(FOREVER)

    async def main() -> dict[str, TaskRecord]:
        started = [
            asyncio.create_task(asyncio.Event().wait(), name="event"),
            asyncio.create_task(sleeps(), name="sleeps"),
            asyncio.create_task(awaits(inner), name="awaits"),
        ]
        started.append(asyncio.create_task(awaits(started[-1]), name="outer"))
        await asyncio.sleep(0)
        asyncio.create_task(sleeps(), name="new").add_done_callback(lambda _: None)
        started[0].cancel()
        found = by_name()
        text = format_tasks()
        assert re.search(r"^[├└]─ 'sleeps' waiting for asyncio sleep; .*sleeps", text, re.MULTILINE), text
        return found

    found = gleenlet.asyncio.run(main())
    me = current_task()
    assert me is not None
    host = found[me.name]
    assert {child.name for child in host.children} >= {"event", "sleeps", "awaits", "outer", "new"}
    names = ("event", "sleeps", "awaits", "outer", "new", "inner")
    assert {name: (found[name].kind, found[name].state, found[name].waiting_on) for name in names} == {
        "event": ("asyncio", "cancelling", "asyncio Event.wait"),
        "sleeps": ("asyncio", "waiting", "asyncio sleep"),
        "awaits": ("asyncio", "waiting", "task 'inner'"),
        "outer": ("asyncio", "waiting", "task 'awaits'"),
        "new": ("asyncio", "new", None),
        "inner": ("task", "waiting", "timer"),
    }
    assert found["awaits"].held_by == [found["inner"]]
    assert found["outer"].held_by == [found["awaits"]]
    assert [child.state for child in host.children].count("running") == 1
    inner.cancel()
    inner.join()


@in_task
def test_asyncios_tasks_are_seen_and_cancelled_from_another_thread() -> None:
    async def waits() -> None:
        await asyncio.sleep(FOREVER)

    task = spawn(gleenlet.asyncio.run, waits(), name="host")
    seen: list[TaskRecord] = []

    def look() -> None:
        while True:
            seen[:] = [
                record for record in tasks() if record.kind == "asyncio" and record.waiting_on == "asyncio sleep"
            ]
            if seen and seen[0].task is not None and (found := seen[0].task()) is not None:
                canceller(found)()
                return

    thread = threading.Thread(target=look)
    thread.start()
    task.join()
    thread.join()
    assert isinstance(task.exception(), asyncio.CancelledError)
    assert [record.thread for record in seen] == [get_hub().thread]
    assert seen[0].parent is not None
    assert seen[0].parent.name == "host"


def test_a_loop_that_is_being_made_is_not_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[list[TaskRecord]] = []

    def selector() -> Selector:
        looks.append(tasks())  # as another thread may, at any moment
        return Selector()

    monkeypatch.setattr(_loop, "Selector", selector)
    _loop.EventLoop().close()
    assert len(looks) == 1


def test_a_set_that_never_stands_still_is_given_up() -> None:
    def changed() -> list[object]:
        raise RuntimeError("Set changed size during iteration")

    assert copied(changed) == []


@in_child(says="done")
def test_gevents_greenlets_stand_below_its_hub() -> None:
    try:
        import gleenlet.gevent
    except ImportError:
        print("done")
        return
    gleenlet.gevent.install()
    import gevent
    from gevent.event import Event

    from gleenlet import run, sleep
    from gleenlet.debug import format_tasks, tasks
    from gleenlet.debug._neighbours import canceller

    def sleeps() -> None:
        gevent.sleep(1e6)

    def main() -> None:
        first = gevent.spawn(sleeps)
        first.name = "sleeps"
        second = gevent.spawn(sleep, 1e6)
        second.name = "waits here"
        third = gevent.spawn(Event().wait)
        third.name = "event"
        while "'event' waiting" not in format_tasks():
            sleep(0.001)
        found = {record.name: record for record in tasks()}
        new = gevent.spawn(sleeps)
        new.name = "new"
        assert [record.state for record in tasks() if record.name == "new"] == ["new"]
        new.kill(block=False)
        assert (found["sleeps"].kind, found["sleeps"].waiting_on) == ("gevent", "gevent sleep")
        assert found["sleeps"].where is not None
        assert found["sleeps"].where.function.endswith("sleeps")
        assert found["event"].waiting_on == "gevent"
        hub = found["gevent hub"]
        assert {child.name for child in hub.children} >= {"sleeps", "event"}
        waiting_here = [record for record in hub.children if record.waiting_on == "timer"]
        assert [record.kind for record in waiting_here] == ["gevent"]
        canceller(first)()
        first.join()
        states: list[str] = []
        gevent.spawn(lambda: states.extend(one.state for one in tasks() if one.name.startswith("Greenlet"))).join()
        assert "running" in states
        print("done")

    run(main)
