"""Failures that nobody waits for: who is told, when, and what they leave."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import GLib

from child import in_child, run_script
from gleenlet import (
    Event,
    Hub,
    Task,
    TaskGroup,
    as_completed,
    callback,
    get_hub,
    green,
    run,
    sleep,
    spawn,
    to_thread,
    wait,
)
from gleenlet._core import failures
from gleenlet.asyncio import run as run_asyncio
from inside import crash, settle

pytestmark = pytest.mark.usefixtures("nothing_left")

Told = list[tuple[Any, BaseException]]


@pytest.fixture
def told() -> Iterator[Told]:
    """What on_error's function is called with."""
    calls: Told = []
    before = get_hub().on_error(lambda task, error: calls.append((task, error)))
    yield calls
    get_hub().on_error(before)


def failed(told: Told) -> Task[Any]:
    task = spawn(crash, name="lost")
    settle()
    assert task.done()
    assert told == []
    return task


# ---- when ----


def test_a_failure_of_a_task_that_nobody_holds_is_told_at_once(told: Told) -> None:
    spawn(crash, name="lost")
    settle()
    ((task, error),) = told
    assert (task.name, type(error)) == ("lost", ZeroDivisionError)
    assert error.__notes__ == ["(in <Task 'lost' failed>)"]


def test_a_failure_of_a_task_that_is_held_is_told_when_it_is_dropped(told: Told) -> None:
    task = failed(told)
    del task
    assert [(task.name, type(error)) for task, error in told] == [("lost", ZeroDivisionError)]
    told.clear()
    gc.collect()
    assert told == []


def test_a_failure_of_a_task_that_is_held_is_told_when_the_patience_is_over(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "PATIENCE", 0.001)
    task = failed_soon()
    run(sleep, 0.01)
    assert [one for one, _ in told] == [task]
    with pytest.raises(ZeroDivisionError):
        task.result()
    del task
    told.clear()
    assert told == []


def failed_soon() -> Task[Any]:
    task = spawn(crash)
    wait([spawn(int)])
    return task


def test_a_failure_that_is_asked_for_before_is_not_told(told: Told) -> None:
    task = failed(told)
    with pytest.raises(ZeroDivisionError):
        task.result()
    assert type(task) is Task
    del task
    gc.collect()
    assert told == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda task: task.join(),
        lambda task: task.exception(),
        lambda task: task.add_done_callback(lambda _: None),
        lambda task: wait([task]),
        lambda task: list(as_completed([task])),
        lambda task: run_asyncio(awaiting(task)),
    ],
    ids=["join", "exception", "add_done_callback", "wait", "as_completed", "await"],
)
def test_all_ways_to_wait_for_a_task_are_asking(told: Told, ask: Callable[[Task[Any]], object]) -> None:
    task = failed(told)
    ask(task)
    settle()
    del task
    gc.collect()
    assert told == []


async def awaiting(task: Task[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        await task


@pytest.mark.parametrize(
    "look", [repr, lambda task: task.name, lambda task: task.done(), lambda task: task.cancelled(), hash]
)
def test_looking_at_a_task_is_not_asking(told: Told, look: Callable[[Task[Any]], object]) -> None:
    task = failed(told)
    look(task)
    del task
    assert len(told) == 1


def test_tasks_asked_one_after_the_other_tell_nobody(told: Told) -> None:
    def main() -> list[str]:
        tasks = [spawn(sleep, 0.001), spawn(crash), spawn(sleep, 0.001), spawn(crash)]
        seen = []
        for task in tasks:
            try:
                task.result()
            except ZeroDivisionError:
                seen.append("failed")
        return seen

    assert run(main) == ["failed", "failed"]
    assert told == []


def test_a_task_in_a_cycle_is_told_of_when_it_is_collected(told: Told) -> None:
    cycle: list[object] = []
    cycle += [failed(told), cycle]
    del cycle
    gc.collect()
    assert len(told) == 1
    assert not failures._unasked


def test_a_failed_task_is_not_kept_alive(told: Told) -> None:
    task = failed(told)
    ref = weakref.ref(task)
    del task
    told.clear()
    assert ref() is None


def test_a_failed_task_that_is_kept_by_who_is_told_lives_on(told: Told) -> None:
    task = failed(told)
    del task
    (task, error), *_ = told
    assert task.exception() is error


def test_a_failed_task_that_another_thread_drops_is_told_of(told: Told) -> None:
    tasks = [failed(told)]
    threads: list[object] = []
    get_hub().on_error(lambda task, error: (threads.append(threading.current_thread()), told.append((task, error))))
    dropping = threading.Thread(target=tasks.clear)
    dropping.start()
    dropping.join()
    assert told == []
    settle()
    assert threads == [threading.current_thread()]


def test_another_thread_may_ask_for_a_failure(told: Told) -> None:
    task = failed(told)
    assert isinstance(to_thread(task.exception), ZeroDivisionError)
    del task
    settle()
    assert told == []


class Owned(Task[Any]):
    """A subclass with attributes of its own, as gleenlet.gtk has."""


def test_a_failure_of_a_subclass_of_task_is_told(told: Told) -> None:
    task = Owned(crash, (), {}, 0, "owned", True)
    task.attribute = 1  # type: ignore[attr-defined]
    settle()
    assert told == []
    assert isinstance(task, Owned)
    assert type(task).__name__ == "Owned"
    del task
    assert [type(task) for task, _ in told] == [Owned]


def test_a_callbacks_failure_is_told_before_it_returns(told: Told) -> None:
    assert callback(crash)() is False
    assert len(told) == 1


def test_a_child_of_a_fork_does_not_tell_what_its_parent_tells(told: Told) -> None:
    task = failed(told)
    pid = os.fork()
    if not pid:
        del task
        os._exit(len(told))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    del task
    assert len(told) == 1


def test_at_the_end_of_the_program_all_failures_are_told() -> None:
    outcome = run_script(
        "from gleenlet import run, sleep, spawn\n"
        "def load(): 1 / 0\n"
        "def main():\n"
        "    global task\n"
        "    task = spawn(load)\n"
        "    sleep(0.001)\n"
        "run(main)\n"
        "print('main is over')\n"
    )
    assert (outcome.status, outcome.stdout) == (0, "main is over\n")
    assert outcome.stderr.count("(in <Task 'load-") == 1


def test_system_exit_does_not_wait_for_anybody() -> None:
    def main() -> None:
        task = spawn(crash, SystemExit(3))
        sleep(1e6)
        task.join()

    with pytest.raises(SystemExit):
        run(main)
    for task in get_hub().tasks():
        task.join()


# ---- who ----


def test_sys_excepthook_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    spawn(crash, name="lost")
    settle()
    assert "ZeroDivisionError\n(in <Task 'lost' failed>)" in capsys.readouterr().err


def test_a_failure_of_what_is_no_task_is_told_without_one(told: Told) -> None:
    get_hub().call_soon(crash)
    get_hub().report(KeyError("x"), "in a library")
    settle()
    assert [(task, type(error)) for task, error in told] == [(None, KeyError), (None, ZeroDivisionError)]
    assert told[0][1].__notes__ == ["(in a library)"]


def test_on_error_takes_a_green_function_which_may_wait(told: Told) -> None:
    log = []

    def show(task: Any, error: BaseException) -> None:
        sleep(0.001)
        log.append((task.name, type(error)))

    get_hub().on_error(green(show))
    task = failed(told)
    del task
    spawn(crash, name="second").join()
    run(sleep, 0.01)
    assert log == [("lost", ZeroDivisionError)]


def test_on_error_gives_back_what_was_set_before() -> None:
    hub = get_hub()
    assert hub.on_error(print) is None
    assert hub.on_error(None) is print
    assert hub.on_error(None) is None
    with pytest.raises(TypeError, match=r"on_error\(\) needs a function, or None, not int"):
        hub.on_error(3)  # type: ignore[arg-type]


def test_each_hub_has_its_own_on_error(told: Told) -> None:
    hubs: list[Hub] = []

    def thread() -> None:
        hubs.append(get_hub())

    other = threading.Thread(target=thread)
    other.start()
    other.join()
    assert hubs[0]._on_error is None


def test_an_on_error_that_fails_itself_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(task: object, error: object) -> None:
        raise LookupError("in the handler")

    get_hub().on_error(broken)
    try:
        spawn(crash, name="lost")
        settle()
    finally:
        get_hub().on_error(None)
    err = capsys.readouterr().err
    assert "ZeroDivisionError\n(in <Task 'lost' failed>)" in err
    assert "LookupError: in the handler" in err


def test_an_on_error_may_end_the_program(told: Told) -> None:
    get_hub().on_error(lambda task, error: crash(SystemExit(4)))

    def main() -> None:
        spawn(crash)
        sleep(1e6)

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 4
    settle()


def test_failures_of_a_group_that_is_over_are_told_with_their_task(told: Told) -> None:
    def main() -> None:
        with TaskGroup() as group:
            group.spawn(crash, name="late")
            group._over = True

    run(main)
    settle()
    assert [task.name for task, _ in told] == ["late"]


@in_child(says="ValueError as it was dropped")
def test_failure_of_a_task_that_is_abandoned_with_its_thread_is_told() -> None:
    tasks: list[Task[None]] = []

    def work() -> None:
        try:
            Event().wait()
        finally:
            raise ValueError("as it was dropped")

    def thread() -> None:
        context = GLib.MainContext.new()
        context.push_thread_default()
        tasks.append(spawn(work))
        sleep(0.001)

    sys.excepthook = lambda kind, error, _: print(kind.__name__, error)
    one = threading.Thread(target=thread)
    one.start()
    one.join()
