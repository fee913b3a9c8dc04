"""The tree of tasks: states, what each waits for and who holds that, cycles, and names that mean harm."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import GLib
from greenlet import getcurrent, greenlet

from gleenlet import (
    Event,
    Lock,
    RLock,
    Task,
    TaskGroup,
    as_completed,
    get_hub,
    move_on_after,
    run,
    schedule_switch,
    sleep,
    spawn,
    wait,
    wait_readable,
)
from gleenlet.debug import TaskRecord, format_tasks, print_tasks, tasks
from inside import FOREVER, in_task, me


@pytest.fixture(autouse=True)
def all_end() -> Iterator[None]:
    before = set(get_hub().tasks())
    yield
    mine = [task for task in get_hub().tasks() if task not in before]
    for task in mine:
        task.cancel()
    for task in mine:
        task.join()


def without_ages(text: str) -> str:
    """How long each has waited is the machine's affair."""
    return re.sub(r"waiting [\d.]+ s for", "waiting for", text)


def record_of(task: Task[Any]) -> TaskRecord:
    return next(record for record in tasks() if record.task is not None and record.task() is task)


def waiting(*functions: Callable[[], object]) -> list[Task[Any]]:
    """Tasks that have come to their waits, named a, b, c."""
    started = [spawn(func, name=name) for func, name in zip(functions, "abc", strict=False)]
    while any(task.waiter is None for task in started):
        sleep(0)
    return started


@in_task
def test_a_record_tells_the_state() -> None:
    event = Event()
    new = spawn(sleep, FOREVER)
    assert record_of(new).state == "new"
    assert record_of(me()).state == "running"
    (task,) = waiting(event.wait)
    record = record_of(task)
    assert (record.state, record.waiting_on, record.deadline) == ("waiting", "Event.wait", None)
    event.set()
    assert record_of(task).state == "ready"
    (task,) = waiting(lambda: sleep(FOREVER))
    task.cancel()
    assert record_of(task).state == "cancelling"
    task.join()
    assert not [record for record in tasks() if record.name == "a" and record.state != "waiting"]


@in_task
def test_a_record_tells_since_when_and_until_when() -> None:
    reader, writer = os.pipe()
    now = get_hub().time()
    (task,) = waiting(lambda: wait_readable(reader, timeout=FOREVER))
    record = record_of(task)
    assert record.since is not None
    assert record.deadline is not None
    assert now - 1 <= record.since <= get_hub().time()  # the clock of a slice may be a little behind
    assert record.deadline >= now + FOREVER
    assert record.priority == GLib.PRIORITY_DEFAULT
    assert record.thread == get_hub().thread
    text = format_tasks([record])
    assert re.fullmatch(
        rf"1 task\n'a' waiting (\d+\.\d s )?for descriptor {reader} readable, \d+\.\d s left; .*<lambda>.*\n", text
    )
    task.cancel()
    task.join()
    os.close(reader)
    os.close(writer)


@in_task
def test_a_record_tells_where_the_task_stands_in_the_users_code() -> None:
    test_name = "test_a_record_tells_where_the_task_stands_in_the_users_code"

    def inner() -> None:
        with move_on_after(FOREVER):
            Event().wait()

    def outer() -> None:
        inner()

    (task,) = waiting(outer)
    record = record_of(task)
    assert [frame.function.rpartition(".")[2] for frame in record.stack if not frame.ours] == ["inner", "outer"]
    assert record.where is not None
    assert record.where.file == __file__
    whole = format_tasks([record], stacks=True)
    assert whole.count(f"({__file__}:") == 2
    assert [frame.function for frame in record_of(me()).stack][:2] == ["record_of", test_name]


def holds(lock: Lock | RLock) -> Callable[[], None]:
    def hold() -> None:
        with lock:
            sleep(FOREVER)

    return hold


@in_task
@pytest.mark.parametrize("kind", [Lock, RLock])
def test_who_holds_a_lock_is_named(kind: type[Lock | RLock]) -> None:
    lock = kind()
    a, b, c = waiting(holds(lock), holds(lock), holds(lock))
    assert record_of(a).held_by == []
    records = {record.name: record for record in tasks()}
    assert records["b"].held_by == [records["a"]]
    assert records["c"].held_by == [records["a"]]
    assert "'b' waiting for Lock.acquire, held by task 'a'; " in without_ages(format_tasks())
    a.cancel()
    a.join()
    while b.waiter is None or b.waiter.verb == "Lock.acquire":
        sleep(0)
    assert [other.name for other in record_of(c).held_by] == ["b"]


@in_task
def test_a_lock_that_is_free_or_taken_outside_tasks_is_held_by_nobody() -> None:
    lock = Lock()
    lock.acquire()
    assert lock.holder is me().context
    lock.release()
    assert lock.holder is None
    taken = threading.Lock()
    get_hub().call_soon(lambda: (lock.acquire(), taken.acquire()))
    sleep(0)
    assert taken.locked()
    (task,) = waiting(lock.acquire)
    assert record_of(task).held_by == []


@in_task
def test_a_held_lock_keeps_no_task_alive() -> None:
    lock = Lock()
    task = spawn(lock.acquire)
    task.join()
    gone = weakref.ref(task)
    del task
    gc.collect()
    assert lock.locked()
    assert gone() is None


@in_task
def test_tasks_of_a_group_are_drawn_under_the_task_that_waits_for_them() -> None:
    def group() -> None:
        with TaskGroup() as tasks_of_it:
            tasks_of_it.spawn(sleep, FOREVER, name="one")
            tasks_of_it.spawn(sleep, FOREVER, name="two")

    (task,) = waiting(group)
    record = record_of(task)
    assert [child.name for child in record.children] == ["one", "two"]
    assert [child.name for child in record.held_by] == ["one", "two"]
    assert record.children[0].parent is record
    lines = format_tasks([record, *record.children]).splitlines()
    assert [line.partition(" new")[0].partition(" waiting")[0] for line in lines] == [
        "3 tasks",
        "'a'",
        "├─ 'one'",
        "└─ 'two'",
    ]


@in_task
def test_cycles_of_waiting_are_drawn() -> None:
    one, two = Lock(), Lock()
    started: list[Task[None]] = []

    def takes(first: Lock, second: Lock) -> None:
        with first:
            started[-1].done()
            sleep(0.001)
            second.acquire()

    started += [spawn(takes, one, two, name="a"), spawn(takes, two, one, name="b")]
    outside = spawn(started[0].join, name="c")
    while not all(task.waiter and task.waiter.verb == "Lock.acquire" for task in started):
        sleep(0.001)
    assert [record_of(task).cycle for task in (*started, outside)] == [1, 1, None]
    text = format_tasks()
    assert "cycle 1: 'a' waits for 'b' waits for 'a'\n" in text
    assert "'a' waiting for Lock.acquire, held by task 'b' [cycle 1]" in without_ages(text)


@in_task
def test_a_task_that_takes_a_lock_twice_waits_for_itself() -> None:
    lock = Lock()

    def twice() -> None:
        with lock, lock:
            pass

    waiting(twice)
    assert "cycle 1: 'a' waits for 'a'\n" in format_tasks()


@in_task
def test_greenlets_that_are_no_tasks_are_shown_too() -> None:
    raw = greenlet(lambda: get_hub().switch())
    schedule_switch(raw)
    while not get_hub().waiter_of(raw):
        sleep(0)
    record = next(record for record in tasks() if record.id == id(raw))
    assert (record.task, record.state, record.waiting_on) == (None, "waiting", "Hub.switch")
    assert f"{raw!r} waiting" in format_tasks()
    schedule_switch(raw)
    while raw:
        sleep(0)


def test_who_drives_the_loop_at_top_level_is_shown() -> None:
    assert getcurrent().parent is None
    text = without_ages(run(format_tasks))
    assert re.search(r"^top level waiting for task '", text, re.MULTILINE), text


class Liar:
    def __init__(self) -> None:
        self.__name__ = "x"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no")

    def __call__(self) -> None:
        sleep(FOREVER)


@in_task
def test_what_cannot_be_described_is_no_harm() -> None:
    from gleenlet._core import Waiter

    task = spawn(lambda: Waiter(None, Liar(), "look").wait(), name="\x1b[2Jred\n")
    while task.waiter is None:
        sleep(0)
    text = without_ages(format_tasks([record_of(task)]))
    assert text.startswith("1 task\n'\\x1b[2Jred\\n' waiting for <Waiter, whose description fails: RuntimeError>")
    assert "\x1b" not in text


@in_task
def test_limit_cuts_the_text() -> None:
    waiting(lambda: sleep(FOREVER), lambda: sleep(FOREVER), lambda: sleep(FOREVER))
    records = [record for record in tasks() if record.name in "abc"]
    lines = format_tasks(records, limit=2).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (4, "3 tasks", "... and 1 more")
    with pytest.raises(ValueError, match="0 or more"):
        format_tasks(records, limit=-1)
    file = io.StringIO()
    print_tasks(limit=0, file=file)
    assert "more" in file.getvalue()


def test_a_group_whose_parent_was_not_looked_at_is_shown() -> None:
    parent = TaskRecord(None, 1, "p", "waiting", 0, None, "greenlet")
    child = TaskRecord(None, 2, "c\x07", "ready", 0, None, "greenlet", parent=parent)
    assert format_tasks([child]) == "1 task\nc\\x07 ready\n"


@in_task
def test_records_become_json() -> None:
    (task,) = waiting(lambda: sleep(FOREVER))
    value = json.loads(json.dumps(record_of(task).as_json()))
    assert value["name"] == "a"
    assert value["since"] < 1e5
    assert value["deadline"] > 1e5
    assert value["stack"][0]["function"].endswith("<lambda>")
    assert set(value) == {
        *("id", "name", "state", "thread", "priority", "waiting_on", "held_by", "since", "deadline", "parent"),
        *("children", "stack", "cycle", "kind", "stuck"),
        *("number", "spawned_at", "switches", "time_running", "time_ready", "time_waiting"),
    }


@in_task
def test_another_thread_may_look_and_keeps_nothing() -> None:
    waiting(lambda: sleep(FOREVER))
    seen: list[TaskRecord] = []
    thread = threading.Thread(target=lambda: seen.extend(tasks(hub)))
    hub = get_hub()
    thread.start()
    while thread.is_alive():
        for task in [spawn(sleep, 0) for _ in range(10)]:
            task.join()
    names = {record.name: record for record in seen}
    assert names["a"].waiting_on == "timer"
    a = names["a"].task
    assert a is not None
    sleeper = a()
    assert sleeper is not None
    sleeper.cancel()
    sleeper.join()
    del sleeper
    sleep(0.01)  # what the other thread held is let go of in the loop's next pass
    gc.collect()
    assert a() is None


@in_task
def test_a_task_whose_waker_waits_for_itself_is_stuck() -> None:
    first, second, free = Lock(), Lock(), Lock()

    def takes(one: Lock, other: Lock) -> Callable[[], None]:
        def take() -> None:
            with one:
                sleep(0)
                with other:
                    pass

        return take

    def grouped() -> None:
        with TaskGroup() as group:
            group.spawn(a.join, name="member")

    a, b, c = waiting(takes(first, second), takes(second, first), holds(free))
    tasks_ = [spawn(b.join, name="d"), spawn(lambda: free.acquire(), name="e"), spawn(grouped, name="g")]
    tasks_.append(spawn(tasks_[1].join, name="f"))  # who waits for who can be woken
    while "waits for" not in format_tasks() or any(task.waiter is None for task in tasks_):
        sleep(0)
    found = {record.name: record.stuck for record in tasks()}
    assert {name: found[name] for name in ("a", "b", "c", "d", "e", "f", "g", "member")} == {
        "a": True,
        "b": True,
        "c": False,  # a clock wakes it
        "d": True,
        "e": False,
        "f": False,
        "g": True,
        "member": True,
    }
    assert re.search(r"'d' waiting .*for task 'b' \[stuck\]", format_tasks())
    c.cancel()


@in_task
def test_who_waits_for_several_is_stuck_once_all_that_are_left_are() -> None:
    lock, go = Lock(), Event()

    def twice() -> None:
        with lock, lock:
            pass

    stuck, free = waiting(twice, go.wait)
    found: list[Task[Any]] = []

    def group() -> None:
        with TaskGroup() as members:
            members.spawn(stuck.join)
            members.spawn(free.join)

    several = [
        spawn(group, name="group"),
        spawn(wait, [stuck, free], name="wait"),
        spawn(lambda: found.extend(as_completed([stuck, free])), name="each"),
    ]
    while any(task.waiter is None for task in several) or len(record_of(several[0]).children) < 2:
        sleep(0)

    def marked() -> list[bool]:
        return [record_of(task).stuck for task in several]

    assert marked() == [False, False, False]  # the other one may fail, which ends the group
    assert {one.name for one in record_of(several[1]).held_by} == {"a", "b"}

    go.set()
    while not free.done() or len(record_of(several[0]).children) > 1 or not found:
        sleep(0)
    assert marked() == [True, True, True]


@in_task
def test_who_is_in_a_timeout_is_not_stuck_and_the_limit_is_told() -> None:
    lock = Lock()

    def twice() -> None:
        with move_on_after(2 * FOREVER), move_on_after(FOREVER), lock, lock:
            pass

    now = get_hub().time()
    (task,) = waiting(twice)
    record = record_of(task)
    assert record.cycle is not None
    assert not record.stuck
    assert record.deadline is not None
    assert now + FOREVER <= record.deadline < now + 2 * FOREVER
    assert " s left" in format_tasks([record])


@in_task
def test_a_priority_that_is_not_the_default_is_told() -> None:
    task = spawn(sleep, FOREVER, name="a", priority=GLib.PRIORITY_LOW)
    while task.waiter is None:
        sleep(0)
    assert ", priority 300" in format_tasks([record_of(task)])
