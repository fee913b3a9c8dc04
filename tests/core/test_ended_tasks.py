"""What a task that has ended still tells, and what it lets go of."""

from __future__ import annotations

import functools
import gc
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from gleenlet import Cancelled, Event, Task, as_completed, current_task, sleep, spawn, wait
from gleenlet.asyncio import run as run_asyncio
from inside import FOREVER, settle

# ---- its name ----


class Worker:
    def work(self) -> None: ...

    def __call__(self) -> None: ...


def work() -> None: ...


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (work, "work"),
        (lambda: None, "<lambda>"),
        (Worker().work, "work"),
        (Event().is_set, "is_set"),
        (int, "int"),
        (Worker, "Worker"),
        (functools.lru_cache(work), "work"),
        (functools.update_wrapper(functools.partial(work), work), "work"),
        (functools.partial(work), "Task"),
        (Worker(), "Task"),
    ],
)
def test_a_task_has_its_functions_name_also_after_the_end(func: Callable[..., Any], name: str) -> None:
    asked_before, asked_after = spawn(func), spawn(func)
    assert asked_before.name.rpartition("-")[0] == name
    asked_after.join()
    assert asked_after.name.rpartition("-")[0] == name
    assert asked_after.name == asked_after.name
    assert asked_after.name != asked_before.name


def test_a_name_that_was_given_is_kept() -> None:
    task = spawn(work, name="me")
    task.join()
    assert task.name == "me"
    task.name = "you"
    assert repr(task) == "<Task 'you' done>"


def test_a_function_whose_name_cannot_be_asked_for() -> None:
    class Odd:
        def __call__(self) -> None: ...

        @property
        def __name__(self) -> str:
            raise RuntimeError("no name")

    task = spawn(Odd())
    task.join()
    assert task.name.startswith("Task-")


def test_a_failure_is_reported_with_the_functions_name(capsys: pytest.CaptureFixture[str]) -> None:
    def load_album() -> None:
        raise LookupError

    spawn(load_album)
    settle()
    assert "(in <Task 'load_album-" in capsys.readouterr().err


def test_an_ended_task_does_not_keep_its_function() -> None:
    def made() -> tuple[Task[None], weakref.ref[object]]:
        def inner() -> None: ...

        return spawn(inner), weakref.ref(inner)

    task, ref = made()
    assert ref() is not None
    task.join()
    assert ref() is None
    assert task.name.startswith("inner-")


# ---- what its name, and a subclass's slots, refer to ----


class Name(str):
    task: object


class SelfNaming(str):
    def __str__(self) -> str:
        return self


@pytest.mark.parametrize("kind", [Name, type("Both", (Name, SelfNaming), {})])
@pytest.mark.parametrize("late", [False, True])
def test_a_cycle_through_the_name_is_collected(kind: type[Name], late: bool) -> None:
    name = kind("me")
    task = spawn(int, name="other" if late else name)
    name.task = task
    ref = weakref.ref(name)
    task.join()
    if late:
        task.name = name
    assert (task.name, type(task.name)) == ("me", str)
    del task, name
    settle()
    gc.collect()
    assert ref() is None


def test_a_name_that_is_no_text_becomes_one() -> None:
    task = spawn(int, name=3)  # type: ignore[arg-type]
    assert task.name == "3"
    with pytest.raises(ZeroDivisionError):
        spawn(int, name=Unspeakable())  # type: ignore[arg-type]


class Unspeakable:
    def __str__(self) -> str:
        raise ZeroDivisionError


class Slotted(Task[Any]):
    __slots__ = ("me",)
    me: object


def test_a_cycle_through_a_subclass_is_collected() -> None:
    task = Slotted(int, (), {}, 0, None, True)
    task.me = task
    ref = weakref.ref(task)
    task.join()
    del task
    settle()
    gc.collect()
    assert ref() is None


# ---- its callbacks ----


class EqualToAll:
    def __init__(self) -> None:
        self.called: list[object] = []

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, task: Task[Any]) -> None:
        self.called.append(task)


def timed_out(ask: Callable[[], object]) -> None:
    with pytest.raises(TimeoutError):
        ask()


@pytest.mark.parametrize(
    "give_up",
    [
        lambda task: task.join(0),
        lambda task: wait([task], 0),
        lambda task: timed_out(lambda: next(as_completed([task], 0))),
        lambda task: timed_out(lambda: task.result(0)),
    ],
    ids=["join", "wait", "as_completed", "result"],
)
def test_who_gives_up_waiting_takes_back_his_own_entry_only(give_up: Callable[[Task[Any]], object]) -> None:
    go, callback = Event(), EqualToAll()
    task = spawn(go.wait)
    task.add_done_callback(callback)
    give_up(task)
    assert len(task.callbacks or ()) == 1
    go.set()
    task.join()
    settle()
    assert callback.called == [task]


# ---- its traceback ----


def bad() -> None:
    raise ZeroDivisionError


def lengths(ask: Callable[[], object], error: type[BaseException]) -> set[int]:
    found = set()
    for _ in range(4):
        with pytest.raises(error) as caught:
            ask()
        found.add(len(traceback.extract_tb(caught.value.__traceback__)))
    return found


def test_each_result_raises_with_the_traceback_of_the_end() -> None:
    task = spawn(bad)
    assert len(lengths(task.result, ZeroDivisionError)) == 1
    with pytest.raises(ZeroDivisionError) as caught:
        task.result()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "bad"


@pytest.mark.parametrize("ask", ["result", "exception"])
def test_a_cancelled_tasks_result_raises_with_the_traceback_of_the_end(ask: str) -> None:
    task = spawn(sleep, FOREVER)
    settle()
    task.cancel()
    assert len(lengths(getattr(task, ask), Cancelled)) == 1


def test_a_traceback_has_nothing_of_what_somebody_else_raises_meanwhile() -> None:
    task = spawn(bad)
    length = lengths(task.result, ZeroDivisionError)
    error = task.exception()
    assert error is not None
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            raise error
    assert lengths(task.result, ZeroDivisionError) == length


def test_await_raises_with_the_traceback_of_the_end() -> None:
    task = spawn(bad)
    task.join()

    async def ask() -> None:
        await task

    assert len(lengths(lambda: run_asyncio(ask()), ZeroDivisionError)) == 1


def test_a_traceback_has_no_frames_of_who_asked_before() -> None:
    task = spawn(bad)

    class Heavy: ...

    def ask() -> weakref.ref[object]:
        heavy = Heavy()
        with pytest.raises(ZeroDivisionError):
            task.result()
        return weakref.ref(heavy)

    ref = ask()
    with pytest.raises(ZeroDivisionError):
        task.result()
    gc.collect()
    assert ref() is None
    assert current_task() is None
