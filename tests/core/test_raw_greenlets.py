"""Raw greenlets: scheduled, switched to by hand, inside tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet

import gleenlet
from child import in_child
from gleenlet import (
    Cancelled,
    GleenletError,
    UnsafeSwitchError,
    current_task,
    get_hub,
    schedule_switch,
    schedule_throw,
    sleep,
    spawn,
)
from inside import settle, used_in_another_thread

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_schedule_switch_starts_and_resumes_from_the_loop() -> None:
    log: list[Any] = []

    def body(*args: object, **kwargs: object) -> None:
        log.append((args, kwargs))
        log.append(getcurrent().parent.switch())  # type: ignore[union-attr]

    target = greenlet(body)
    schedule_switch(target, 1, two=2)
    assert log == []
    settle()
    schedule_switch(target, "again")
    settle()
    assert log == [((1,), {"two": 2}), "again"]
    assert target.dead


def test_hub_switch_gets_what_was_scheduled() -> None:
    results: list[Any] = []

    def body() -> None:
        results.extend(get_hub().switch() for _ in range(3))

    target = greenlet(body)
    for args in ((), (), (1,), (1, 2)):
        schedule_switch(target, *args)
        settle()
    assert results == [None, 1, (1, 2)]
    task = spawn(get_hub().switch)
    settle()
    schedule_switch(task.greenlet, "task")  # type: ignore[arg-type]
    assert task.result() == "task"


def test_schedule_throw_raises_in_a_greenlet_wherever_it_waits() -> None:
    log: list[str] = []

    def body(wait: Any) -> None:
        try:
            wait()
        except ValueError as error:
            log.append(str(error))

    parent = getcurrent()
    for wait in (get_hub().switch, lambda: sleep(10), parent.switch):
        target = greenlet(body)
        schedule_switch(target, wait)
        settle()
        schedule_throw(target, ValueError("thrown"))
        settle()
        assert target.dead
    assert log == ["thrown"] * 3
    with pytest.raises(TypeError, match="exception"):
        schedule_throw(greenlet(print), "no")  # type: ignore[arg-type]


def test_schedule_switch_refuses() -> None:
    dead = greenlet(int)
    dead.switch()
    sleeper = greenlet(sleep)
    schedule_switch(sleeper, 0.01)
    task = spawn(sleep, 0.01)
    settle()
    others: list[Any] = []
    thread = threading.Thread(target=lambda: others.append(getcurrent()))
    thread.start()
    thread.join()
    assert task.greenlet
    for target, text in (
        (dead, "dead"),
        (sleeper, "waits for something"),
        (task.greenlet, "waits for something"),
    ):
        with pytest.raises(GleenletError, match=text):
            schedule_switch(target)
    with pytest.raises(GleenletError, match=r"Task\.cancel"):
        schedule_throw(spawn_fiber(), ValueError)
    with pytest.raises(TypeError, match=r"spawn\(\)"):
        schedule_switch(print)  # type: ignore[arg-type]
    with pytest.raises(GleenletError, match=r"sleep\(0\)"):
        schedule_switch(getcurrent())
    loop_greenlet = getcurrent()

    def inside() -> None:
        with pytest.raises(GleenletError, match=r"sleep\(0\)"):
            schedule_switch(loop_greenlet)

    spawn(inside).result()
    task.join()
    while not sleeper.dead:
        sleep(0.01)


def spawn_fiber() -> greenlet:
    """The greenlet of a task that runs but waits for nothing of ours."""
    return spawn(getcurrent).result()


def test_schedule_switch_of_another_thread_is_refused() -> None:
    target = greenlet(print)
    error = used_in_another_thread(lambda: schedule_switch(target))
    assert isinstance(error, GleenletError)
    assert "belongs to another thread" in str(error)


def test_schedule_switch_of_oneself_then_hub_switch_is_a_round_trip() -> None:
    log: list[Any] = []

    def body() -> None:
        schedule_switch(getcurrent(), "back")
        log.append(get_hub().switch())

    spawn(body).result()
    schedule_switch(greenlet(body))
    settle()
    settle()
    assert log == ["back", "back"]


def test_schedule_switch_of_oneself_then_a_switch_by_hand_is_a_round_trip() -> None:
    log: list[Any] = []

    def body() -> None:
        schedule_switch(getcurrent(), "back")
        log.append("away")
        log.append(getcurrent().parent.switch())  # type: ignore[union-attr]

    schedule_switch(greenlet(body))
    settle()
    assert log == ["away", "back"]


def test_who_schedules_oneself_and_ends_is_not_resumed() -> None:
    target = greenlet(lambda: schedule_switch(getcurrent()))
    schedule_switch(target)
    settle()
    assert target.dead


def test_error_of_a_raw_greenlet_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    schedule_switch(greenlet(lambda: 1 / 0))
    settle()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_raw_greenlet_started_by_hand_in_a_callback_may_wait() -> None:
    log: list[str] = []

    def body() -> None:
        sleep(0.001)
        log.append("resumed")
        sleep(0)
        loop.quit()

    loop = GLib.MainLoop()
    target = greenlet(body)
    GLib.idle_add(lambda: bool(target.switch()))
    loop.run()
    assert log == ["resumed"]


def starts_another(started: list[greenlet], log: list[Any]) -> None:
    """Once it is resumed; it runs on when that one has ended, and ends as well."""

    def last() -> None:
        get_hub().switch()
        log.append("last")

    get_hub().switch()
    started.append(greenlet(last))
    started[-1].switch()
    log.append("child")


def resume_the_children(child: Callable[[list[greenlet], list[Any]], None], number: int) -> list[Any]:
    """Resume a greenlet and those that it starts, `number` in all, whose parent waits; return who ended, in order."""
    log: list[Any] = []

    def body() -> None:
        greenlets.append(greenlet(child))
        greenlets[0].switch(greenlets, log)  # it waits, and so comes back at once
        log.append(get_hub().switch())

    def main() -> None:
        try:
            for i in range(number):
                schedule_switch(greenlets[i])
                sleep(0)
            log.append("between")
            schedule_switch(parent, "parent")
            sleep(0)
        finally:
            loop.quit()

    def begin() -> bool:
        parent.switch()
        spawn(main)
        return False

    greenlets: list[greenlet] = []
    parent = greenlet(body)
    loop = GLib.MainLoop()
    GLib.idle_add(begin)
    loop.run()
    assert all(one.dead for one in (*greenlets, parent))
    return log


def test_the_end_of_a_greenlet_ends_no_wait_of_its_parents() -> None:
    def child(_: list[greenlet], log: list[Any]) -> None:
        get_hub().switch()
        log.append("child")

    assert resume_the_children(child, 1) == ["child", "between", "parent"]


def test_the_end_of_who_has_started_a_greenlet_ends_no_wait_of_its_parents() -> None:
    assert resume_the_children(starts_another, 2) == ["last", "child", "between", "parent"]


@in_child()
def test_the_end_of_who_has_started_a_greenlet_leaves_no_loop_in_the_middle_of_its_dispatch() -> None:
    log: list[Any] = []

    def inner() -> None:
        def look() -> bool:
            if len(greenlets) == 2 and not scheduled:
                schedule_switch(greenlets[1])
                scheduled.append(True)
            if greenlets[0].dead:
                loop.quit()
            return True

        scheduled: list[bool] = []
        loop = GLib.MainLoop()
        schedule_switch(greenlets[0])
        source = GLib.idle_add(look)
        loop.run()
        GLib.source_remove(source)
        log.append("inner")
        outer.quit()

    outer = GLib.MainLoop()
    greenlets: list[greenlet] = [greenlet(starts_another)]
    # In the loop, and not by hand above its frames: a deeper one may resume it.
    schedule_switch(greenlets[0], greenlets, log)
    GLib.idle_add(lambda: bool(greenlet(inner).switch()))
    outer.run()
    assert log == ["last", "child", "inner"]


def test_child_greenlet_of_a_task_waits_for_it() -> None:
    def child() -> str:
        sleep(0.001)
        assert gleenlet.current_task() is task
        return "child"

    def main() -> str:
        return str(greenlet(child).switch())

    task = spawn(main)
    assert task.result() == "child"
    task = spawn(lambda: greenlet(lambda: sleep(10)).switch())
    settle()
    task.cancel()
    with pytest.raises(Cancelled):
        task.result()


def test_switching_by_hand_to_a_waiting_task_is_an_error_there() -> None:
    task = spawn(sleep, 10)
    settle()
    assert task.greenlet
    task.greenlet.switch()
    with pytest.raises(GleenletError, match="by hand"):
        task.result()


def test_throwing_by_hand_into_a_waiting_task_cleans_up() -> None:
    task = spawn(sleep, 10)
    settle()
    assert task.greenlet
    task.greenlet.throw(KeyError("x"))
    with pytest.raises(KeyError):
        task.result()


def test_task_that_switches_home_by_hand_yields() -> None:
    turns = 0
    seen: set[int] = set()
    home = getcurrent()

    def work() -> None:
        nonlocal turns
        while len(seen) < 3:  # an idle source has its turn between two of ours
            turns += 1
            home.switch()

    tag = GLib.idle_add(lambda: seen.add(turns) or True)
    spawn(work).result()
    GLib.source_remove(tag)
    assert turns >= 3


def test_pool_refuses_strangers() -> None:
    idle = spawn(getcurrent).result()
    idle.throw(ValueError)  # it leaves the pool; the next task gets another greenlet
    assert spawn(int).result() == 0


def test_task_whose_greenlet_gets_another_dict_goes_on_as_a_raw_greenlet() -> None:
    def work() -> object:
        getcurrent().__dict__ = {}  # where gleenlet keeps its own record of it
        sleep(0)
        return current_task()

    assert spawn(work).result() is None
    assert spawn(current_task).result() is not None  # on another greenlet


LOOPS: dict[str, Callable[[GLib.MainLoop], object]] = {
    "run": lambda nested: nested.run(),
    "iterations": lambda _: iterate(),
    "a run without PyGObject's": lambda nested: super(GLib.MainLoop, nested).run(),  # type: ignore[misc]  # no Python frame under it
}


def iterate() -> None:
    context = GLib.MainContext.default()
    while context.pending():
        context.iteration()


@in_child()
@pytest.mark.parametrize("way", LOOPS)
def test_callbacks_of_a_loop_that_a_raw_greenlet_runs_may_not_wait(way: str) -> None:
    """A raw greenlet runs a loop, and plain callbacks of that loop wait: leaving them would abort in GLib."""
    refused: list[int] = []
    ended: list[int] = []

    def inner(nested: GLib.MainLoop) -> None:
        try:
            sleep(0.01)
        except UnsafeSwitchError:
            refused.append(1)
        nested.quit()

    def body() -> None:
        nested = GLib.MainLoop()
        for _ in range(3):
            GLib.idle_add(inner, nested)
        LOOPS[way](nested)
        ended.append(1)
        if len(ended) == 3:
            GLib.idle_add(loop.quit)

    loop = GLib.MainLoop()
    for _ in range(3):
        GLib.idle_add(lambda: bool(greenlet(body).switch()))
    loop.run()
    assert (len(refused), len(ended)) == (9, 3)


@in_child(says="refused\nend")
def test_nor_those_of_a_loop_that_drives_a_raw_greenlets_wait() -> None:
    def idle() -> None:
        try:
            sleep(0)
        except UnsafeSwitchError:
            print("refused")

    GLib.idle_add(idle)
    greenlet(sleep).switch(0.01)
    print("end")
