"""wait and as_completed: what they give, and that they leave the tasks alone."""

from __future__ import annotations

from typing import Any

import pytest

from gleenlet import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Event,
    Task,
    as_completed,
    get_hub,
    sleep,
    spawn,
    wait,
)
from inside import FOREVER, crash, settle

on_a_clock_that_jumps = pytest.mark.usefixtures("virtual_time")  # exact, on a busy machine too


def of(*tasks: Task[Any]) -> list[Task[Any]]:
    return list(tasks)


# ---- wait ----


def test_wait_for_all() -> None:
    good, bad = spawn(int), spawn(crash)
    assert wait(of(good, bad)) == ({good, bad}, set())
    assert wait(set(of(good, bad)), return_when=ALL_COMPLETED) == ({good, bad}, set())
    with pytest.raises(ZeroDivisionError):
        bad.result()


def test_wait_for_the_first() -> None:
    quick, slow = spawn(int), spawn(sleep, FOREVER)
    assert wait(of(quick, slow), return_when=FIRST_COMPLETED) == ({quick}, {slow})
    assert wait(of(quick, slow), return_when=FIRST_COMPLETED) == ({quick}, {slow})
    assert slow.callbacks == []
    slow.cancel()
    settle()


def test_wait_for_the_first_failure() -> None:
    good, bad, slow, gone = spawn(int), spawn(crash), spawn(sleep, FOREVER), spawn(sleep, FOREVER)
    gone.cancel()
    assert wait(of(good, gone, slow, bad), return_when=FIRST_EXCEPTION) == ({good, bad, gone}, {slow})
    slow.cancel()
    assert wait(of(good, slow), return_when=FIRST_EXCEPTION) == ({good, slow}, set())


@on_a_clock_that_jumps
@pytest.mark.parametrize("seconds", [0.001, 0.29, 1.1, 4.35])
def test_wait_lasts_as_long_as_its_timeout_to_the_nanosecond(seconds: float) -> None:
    task, begun = spawn(sleep, FOREVER), get_hub().time()
    assert wait(of(task), timeout=seconds) == (set(), {task})
    assert get_hub().time() - begun == pytest.approx(seconds, rel=0, abs=5e-10)
    task.cancel()
    settle()


@on_a_clock_that_jumps
def test_wait_whose_time_is_over_goes_on_in_its_turn_whatever_has_ended_meanwhile() -> None:
    log: list[str] = []
    quick, slow = spawn(sleep, 0.5), spawn(sleep, FOREVER)

    def waits() -> None:
        log.append(f"{len(wait(of(quick, slow), timeout=1)[0])} ended")

    tasks = [spawn(waits), spawn(lambda: sleep(1) or log.append("slept"))]
    for task in tasks:
        task.join()
    assert log == ["1 ended", "slept"]
    slow.cancel()
    settle()


def test_wait_gives_up_after_its_timeout() -> None:
    task = spawn(sleep, FOREVER)
    assert wait(of(task), timeout=0.001) == (set(), {task})
    assert wait(of(task), timeout=0) == (set(), {task})
    assert task.callbacks == []
    task.cancel()
    settle()


def test_cancelled_wait_leaves_the_tasks_alone() -> None:
    task = spawn(sleep, FOREVER)
    waiting = spawn(wait, of(task))
    settle()
    waiting.cancel()
    settle()
    assert waiting.cancelled()
    assert not task.done()
    assert task.callbacks == []
    task.cancel()
    settle()


def test_wait_refuses_what_is_no_set_of_tasks() -> None:
    with pytest.raises(ValueError, match="empty"):
        wait([])
    with pytest.raises(ValueError, match="return_when"):
        wait([spawn(int)], return_when="soon")
    with pytest.raises(ValueError, match="timeout"):
        wait([spawn(int)], timeout=-1)
    for wrong in (spawn(int), [int]):
        with pytest.raises(TypeError):
            wait(wrong)  # type: ignore[arg-type]


# ---- as_completed ----


def test_as_completed_gives_tasks_in_the_order_in_which_they_end() -> None:
    events = [Event() for _ in range(3)]
    tasks = [spawn(event.wait, name=str(number)) for number, event in enumerate(events)]
    order = []
    steps = iter([2, 0, 1])
    get_hub().call_soon(events[next(steps)].set)
    for task in as_completed(tasks):
        order.append(task.name)
        if (number := next(steps, None)) is not None:
            get_hub().call_soon(events[number].set)
    assert order == ["2", "0", "1"]


@on_a_clock_that_jumps
def test_as_completed_gives_each_task_once_and_those_first_that_have_ended() -> None:
    slow, quick = spawn(sleep, 0.001), spawn(int)
    quick.join()
    assert list(as_completed(of(slow, quick, quick))) == [quick, slow]
    assert list(as_completed([])) == []


def test_as_completed_gives_what_has_ended_between_two_steps() -> None:
    event = Event()
    slow, quick = spawn(event.wait), spawn(int)
    quick.join()
    steps = as_completed(of(slow, quick))
    assert next(steps) is quick
    event.set()
    settle()
    assert next(steps) is slow
    assert next(steps, None) is None


def test_as_completed_raises_when_time_is_up() -> None:
    quick, slow = spawn(int), spawn(sleep, FOREVER)
    quick.join()
    steps = as_completed(of(quick, slow), timeout=0.001)
    assert next(steps) is quick
    with pytest.raises(TimeoutError):
        next(steps)
    assert slow.callbacks == []
    slow.cancel()
    settle()
    with pytest.raises(ValueError, match="timeout"):
        as_completed(of(slow), timeout=-1)


def test_as_completed_left_early_unregisters() -> None:
    quick, slow = spawn(int), spawn(sleep, FOREVER)
    for task in as_completed(of(quick, slow)):
        assert task is quick
        break
    assert slow.callbacks == []
    slow.cancel()
    settle()


def test_a_timeout_error_thrown_in_from_outside_is_not_the_end_of_the_time() -> None:
    other = spawn(sleep, FOREVER)
    for waits in (lambda: other.join(FOREVER), lambda: wait(of(other), timeout=FOREVER)):
        task = spawn(waits)
        settle()
        assert task.greenlet
        task.greenlet.throw(TimeoutError("thrown"))
        with pytest.raises(TimeoutError, match="thrown"):
            task.result()
    assert other.callbacks == []
    other.cancel()
    settle()
