"""The core's three seams: who looks on, whose time it is, and who chooses. And what a wait says it is for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import Gio
from greenlet import greenlet

from child import in_child
from gleenlet import (
    Condition,
    Event,
    GleenletError,
    Lock,
    Queue,
    Semaphore,
    TaskGroup,
    UnsafeSwitchError,
    call,
    get_hub,
    run,
    schedule_switch,
    sleep,
    spawn,
    timeout,
    wait_property,
    wait_readable,
    wait_signal,
)
from gleenlet._core import Handle
from inside import in_task

SPAWNED, BEGINS, WAITS, WAKES, INTERRUPTED, ENDS = range(6)


@pytest.fixture
def observed() -> Iterator[list[tuple[int, str]]]:
    log: list[tuple[int, str]] = []

    def see(event: int, item: Any) -> None:
        name = getattr(item, "name", None) or getattr(getattr(item, "job", None), "name", None)
        log.append((event, name or type(item).__name__))

    get_hub().observe(see)
    yield log
    get_hub().unobserve(see)


def test_an_observer_sees_a_tasks_life(observed: list[tuple[int, str]]) -> None:
    def main() -> None:
        event = Event()
        task = spawn(event.wait, name="waiter")
        sleep(0)
        event.set()
        task.join()

    run(main)
    assert [event for event, name in observed if name == "waiter"] == [SPAWNED, BEGINS, WAITS, WAKES, BEGINS, ENDS]


def test_an_observer_is_told_of_interruptions(observed: list[tuple[int, str]]) -> None:
    def main() -> None:
        task = spawn(sleep, 1000, name="sleeper")
        sleep(0)
        task.cancel()
        task.join()

    run(main)
    mine = [event for event, name in observed if name == "sleeper"]
    assert mine == [SPAWNED, BEGINS, WAITS, INTERRUPTED, WAKES, BEGINS, ENDS]


def test_an_observer_must_not_wait_and_its_errors_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    errors: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: errors.append(what.exc_type))

    def waits(event: int, _item: Any) -> None:
        if event == BEGINS:
            sleep(0.001)

    hub = get_hub()
    hub.observe(waits)
    try:
        assert run(lambda: spawn(int).result()) == 0
    finally:
        hub.unobserve(waits)
    assert set(errors) == {UnsafeSwitchError}
    with pytest.raises(GleenletError, match="does not observe"):
        hub.unobserve(waits)
    with pytest.raises(TypeError, match="needs a function"):
        hub.observe(3)  # type: ignore[arg-type]


@in_child(says="refused: this function does not observe the hub, or it is called by it just now")
def test_an_observer_that_has_another_one_begin_is_not_taken_off_while_it_is_called() -> None:
    hub = get_hub()
    seen: list[int] = []

    def second(event: int, _item: Any) -> None:
        seen.append(event)

    def first(_event: int, _item: Any) -> None:
        if seen:
            return
        hub.observe(second)
        spawn(int)  # what it does itself is not observed
        assert seen == []
        try:
            hub.unobserve(first)
        except GleenletError as error:
            print("refused:", error)
        seen.append(-1)

    hub.observe(first)
    run(lambda: spawn(int).result())
    assert len(seen) > 1
    hub.unobserve(first)
    hub.unobserve(second)


@in_child(says="called\nend")
def test_an_observer_may_cancel_whatever_is_to_begin() -> None:
    hub = get_hub()

    def cancels(event: int, item: Any) -> None:
        if event == 1 and isinstance(item, Handle):  # it begins
            item.cancel()

    def begin() -> None:
        schedule_switch(greenlet(print), "resumed")
        hub.call_soon(print, "called")
        sleep(0)

    hub.observe(cancels)
    run(begin)
    hub.unobserve(cancels)
    hub.call_soon(print, "called")
    run(sleep, 0)
    print("end")


def test_under_another_clock_time_stands_until_it_is_moved() -> None:
    hub = get_hub()
    log: list[str] = []

    def limited() -> None:
        with pytest.raises(TimeoutError), timeout(50):
            sleep(1000)
        log.append("limit")

    def main() -> None:
        hub.set_clock(100)
        assert hub.time() == 100
        tasks = [spawn(lambda: sleep(60) or log.append("sleep")), spawn(limited)]
        for _ in range(100):
            sleep(0)
        assert log == []
        assert hub.next_deadline() == 150
        hub.set_clock(150)
        tasks[1].join()
        assert hub.next_deadline() == pytest.approx(160)
        hub.set_clock(161)
        tasks[0].join()

    try:
        run(main)
    finally:
        hub.set_clock(None)
    assert log == ["limit", "sleep"]
    assert hub.time() > 161 or hub.time() < 100  # as the machine has it
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError, match="0 or more"):
            hub.set_clock(bad)


@pytest.mark.parametrize("order", ["first", "last"])
def test_a_chooser_says_which_of_the_ready_is_next(order: str) -> None:
    hub = get_hub()
    log: list[int] = []

    def work(i: int) -> None:
        log.append(i)
        sleep(0.0)
        log.append(i)

    def main() -> None:
        tasks = [spawn(work, i) for i in range(3)]
        for task in tasks:
            task.join()

    hub.set_chooser((lambda ready: 0) if order == "first" else (lambda ready: len(ready) - 1))
    try:
        run(main)
    finally:
        hub.set_chooser(None)
    assert log == ([0, 1, 2, 0, 1, 2] if order == "first" else [2, 1, 0, 0, 1, 2])


@pytest.mark.parametrize("bad", [lambda ready: 7, lambda ready: "x", lambda ready: 1 // 0])
def test_a_chooser_that_errs_is_reported(bad: Callable[[list[Any]], Any], capsys: pytest.CaptureFixture[str]) -> None:
    hub = get_hub()
    hub.set_chooser(bad)
    try:
        run(lambda: [task.join() for task in [spawn(int), spawn(int)]])
    finally:
        hub.set_chooser(None)
    assert "Error" in capsys.readouterr().err


def waits() -> list[Any]:
    store = Gio.ListStore.new(Gio.SimpleAction)
    action = Gio.SimpleAction.new("a", None)
    lock, queue, semaphore, condition = Lock(), Queue[int](1), Semaphore(0), Condition()
    reader, _writer = os.pipe()
    task = spawn(sleep, 1000, name="load")

    def in_condition() -> None:
        with condition:
            condition.wait()

    def in_group() -> None:
        with TaskGroup() as group:
            group.spawn(sleep, 1000)

    def locked_twice() -> None:
        with lock, lock:
            pass

    return [
        (lambda: sleep(1000), "timer"),
        (Event().wait, "Event.wait"),
        (locked_twice, "Lock.acquire"),
        (queue.get, "Queue.get"),
        (lambda: [queue.put(1) for _ in range(3)], "Queue.put"),
        (semaphore.acquire, "Semaphore.acquire"),
        (in_condition, "Condition.wait"),
        (in_group, "TaskGroup"),
        (task.join, "task 'load'"),
        (lambda: wait_readable(reader), f"descriptor {reader} readable"),
        (lambda: wait_readable(File(reader)), f"descriptor {reader} readable"),
        (lambda: wait_signal(store, "items-changed"), "signal items-changed of <ListStore>"),
        (lambda: wait_property(action, "enabled", lambda value: not value), "property enabled of <SimpleAction>"),
        (lambda: call(Gio.InputStream.read_bytes_async, SLOW, 1, 0), "Gio read_bytes_async"),
        (get_hub().switch, "Hub.switch"),
    ]


class File:
    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        return self.fd


SLOW = Gio.UnixInputStream.new(os.pipe()[0], True)


@in_task
def test_a_task_says_what_it_waits_for() -> None:
    for wait, words in waits():
        task = spawn(wait, name="x")
        for _ in range(3):
            sleep(0)
        if words == "Queue.put":
            assert repr(task) in ("<Task 'x' done>", "<Task 'x' waiting for Queue.put>")
        else:
            assert repr(task) == f"<Task 'x' waiting for {words}>"
        task.cancel()
        task.join()
    for task in get_hub().tasks():
        if task.name == "load":
            task.cancel()


@in_child(says="[1, 2, None, 2, None]", env={"PYTHONMALLOC": "debug"})
def test_a_turns_function_may_take_itself_off() -> None:
    hub, heard = get_hub(), list[object]()

    def once(turn: object) -> None:
        heard.append(turn)
        hub.set_turn(None, None)

    for func, others in ((once, 1), (heard.append, 2)):
        hub.set_turn(func, others)
        for _ in range(2):
            run(sleep, 0)
    print(heard[:5])
