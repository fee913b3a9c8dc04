"""Greenlets that a task has made, and tasks that are switched by hand: whose wait, whose end, and who goes on."""

from __future__ import annotations

import gc
from typing import Any

import greenlet as greenlets
import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet

from child import in_child
from gleenlet import (
    Event,
    get_hub,
    run,
    schedule_switch,
    schedule_throw,
    sleep,
    spawn,
)


@in_child()
def test_cancel_reaches_a_task_after_another_greenlets_wait_on_its_account() -> None:
    """A raw greenlet works for the task that made it; here their waits overlap, and end in the order they began."""
    consumer: list[greenlet] = []

    def producer() -> None:
        waits[0].wait()
        consumer[0].switch("an item")

    def maker() -> None:
        raws.append(greenlet(producer))
        waits[1].wait()
        sleep(1000)

    def consume() -> object:
        consumer.append(getcurrent())
        return raws[0].switch()

    def main() -> None:
        task = spawn(maker)
        sleep(0)
        other = spawn(consume)
        sleep(0)
        waits[1].set()
        sleep(0)
        waits[0].set()
        assert other.result() == "an item"
        task.cancel()
        assert task.join()
        assert task.cancelled()

    raws: list[greenlet] = []
    waits = [Event(), Event()]
    run(main)


@in_child()
def test_a_raw_greenlets_wait_may_outlive_its_task() -> None:
    def main() -> None:
        raws: list[greenlet] = []
        event = Event()

        def work() -> None:
            raws.append(greenlet(event.wait))
            get_hub().call_soon(raws[0].switch)

        task = spawn(work)
        task.join()
        del task
        sleep(0.001)
        gc.collect()
        event.set()
        sleep(0.001)
        assert raws[0].dead

    run(main)


@in_child()
@pytest.mark.parametrize("children", [0, 1, 3])
def test_a_task_that_yields_by_hand_after_a_childs_wait_goes_on(children: int) -> None:
    def nested(depth: int) -> None:
        if depth:
            greenlet(nested).switch(depth - 1)
        else:
            sleep(0.001)

    def work() -> str:
        nested(children)
        getcurrent().parent.switch()  # type: ignore[union-attr]
        return "went on"

    assert run(lambda: spawn(work).result()) == "went on"


@in_child()
def test_a_task_that_yields_by_hand_goes_on_while_another_greenlet_of_its_waits() -> None:
    raws: list[greenlet] = []
    started = Event()

    def work() -> str:
        raws.append(greenlet(Event().wait))  # a greenlet of this task, as its parent says, whoever starts it
        started.wait()
        getcurrent().parent.switch()  # type: ignore[union-attr]
        return "went on"

    def main() -> str:
        task = spawn(work)
        sleep(0)
        spawn(lambda: raws[0].switch())
        sleep(0)
        started.set()
        return task.result()

    assert run(main) == "went on"


@in_child()
@pytest.mark.parametrize("born_in", ["outer", "inner"])
@pytest.mark.parametrize("ends_in", ["outer", "inner"])
def test_the_end_of_a_greenlet_goes_to_the_loop_that_resumed_it(born_in: str, ends_in: str) -> None:
    log: list[str] = []
    again = Event()

    def turn(*scheduled: greenlet) -> None:
        loop = GLib.MainLoop()
        for one in scheduled:
            schedule_switch(one)
        GLib.timeout_add(5, loop.quit)
        loop.run()

    def body() -> None:
        get_hub().switch()
        log.append("ends")

    def inner() -> None:
        for _ in range((born_in == "inner") + (ends_in == "inner")):
            turn(ends)
        log.append("inner loop ended")
        again.wait()
        log.append("inner waited")

    ends = greenlet(body)
    if born_in == "outer":
        turn(ends)
    raw = greenlet(inner)
    GLib.idle_add(lambda: bool(raw.switch()))
    turn()
    if ends_in == "outer":
        turn(ends)
    again.set()
    turn()
    assert sorted(log) == ["ends", "inner loop ended", "inner waited"]


@in_child()
@pytest.mark.parametrize("outcome", ["throw", "switch", "both"])
def test_a_held_greenlet_that_gets_an_outcome_takes_no_tasks_along(outcome: str) -> None:
    ran: list[int] = []
    got: list[object] = []

    def body() -> None:
        try:
            got.append(get_hub().switch())
        except ValueError as error:
            got.append(str(error))

    def start() -> None:
        raws.append(greenlet(body))
        raws[0].switch()  # in a plain callback, so it begins above a nested loop's frames

    def nested() -> None:
        loop = GLib.MainLoop()
        schedule_switch(raws[0], "at first")
        GLib.timeout_add(5, fill, loop)
        loop.run()

    def fill(loop: GLib.MainLoop) -> None:
        if outcome != "switch":
            schedule_throw(raws[0], ValueError("meanwhile"))
        if outcome == "both":
            schedule_throw(raws[0], ValueError("at last"))
        for i in range(20):
            spawn(ran.append, i)
        loop.quit()

    raws: list[greenlet] = []
    outer = GLib.MainLoop()
    get_hub().call_soon(start)
    get_hub().call_later(0.002, nested)

    def look() -> bool:
        if len(ran) < 20 or not got:
            return True
        outer.quit()
        return False

    GLib.timeout_add(1, look)
    outer.run()
    assert got == [{"throw": "meanwhile", "switch": "at first", "both": "at last"}[outcome]]
    assert ran == list(range(20))


@in_child()
@pytest.mark.parametrize("idle", [0, 3])
def test_a_trace_function_that_raises_at_a_tasks_start_loses_no_task(idle: int) -> None:
    known: set[object] = set()
    armed: list[int] = []

    def trace(_event: str, args: Any) -> None:
        if armed and args[1] not in exempt:
            armed.clear()
            raise ValueError("in the trace function")
        known.update(args)

    def main() -> None:
        exempt.extend([getcurrent(), get_hub().home])
        for task in [spawn(sleep, 0) for _ in range(idle)]:
            task.join()
        armed.append(1)
        greenlets.settrace(trace)
        failed = spawn(int)
        assert isinstance(failed.exception(), ValueError)
        assert spawn(int).result() == 0

    exempt: list[object] = []
    run(main)
    greenlets.settrace(None)
    assert not armed
    assert get_hub().tasks() == []
