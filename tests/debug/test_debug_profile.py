"""debug.profile(): time is counted where it was spent, and nothing while a task waits."""

from __future__ import annotations

import time
from typing import Any

import pytest
from gi.repository import GLib

from gleenlet import Event, run, sleep, spawn
from gleenlet.debug import Profile, ProfileLine, profile


def works(found: Profile, task: str, seconds: float) -> None:
    """Until it was seen for so long."""
    while own(found, task, "works") < seconds:
        end = time.perf_counter() + 0.01
        while time.perf_counter() < end:
            pass


def own(found: Profile, task: str, function: str) -> float:
    return sum(line.own for line in found.lines() if (line.task, line.function) == (task, function))


def total(found: Profile, task: str, function: str) -> float:
    return sum(
        line.total for line in found.lines() if (line.task, line.function.rpartition(".")[2]) == (task, function)
    )


def test_a_task_that_waits_is_not_counted_for_what_others_do() -> None:
    event = Event()
    counted: list[float] = []

    def waits() -> None:
        event.wait()

    def calls() -> None:
        sleep(0)
        works(found, "works", 0.01)  # so that what was seen before is counted
        before = total(found, "waits", "waits")
        works(found, "works", 0.05)
        counted.append(total(found, "waits", "waits") - before)
        event.set()

    def main() -> None:
        tasks = [spawn(waits, name="waits"), spawn(calls, name="works")]
        for task in tasks:
            task.join()

    with profile(0.001) as found:
        run(main)
    assert own(found, "works", "works") >= 0.05
    assert total(found, "works", "calls") >= 0.05
    assert counted == [0.0]
    text = str(found)
    assert text.splitlines()[0].split() == ["own", "s", "total", "s", "task,", "function"]
    assert "works: works (" in text


def test_callbacks_are_counted_too_and_a_recursion_once() -> None:
    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            works(found, "", 0.05)

    loop = GLib.MainLoop()

    def callback(*_: Any) -> bool:
        deep(5)
        loop.quit()
        return False

    with profile(0.001) as found:
        run(sleep, 0)
        GLib.idle_add(callback)
        loop.run()
    assert total(found, "", "deep") >= 0.05
    assert total(found, "", "deep") <= total(found, "", "callback") + 1e-6
    assert "(callback): " in str(found)


def test_a_loop_that_sleeps_is_not_counted() -> None:
    with profile(0.001) as found:
        run(sleep, 0.05)
    assert own(found, "", "Hub._drive") == 0


def test_an_interval_has_to_be_above_0() -> None:
    with pytest.raises(ValueError, match="above 0"):
        profile(0)
    with pytest.raises(TypeError, match="interval must be a number of seconds, not str"):
        profile("1")  # type: ignore[arg-type]
    assert ProfileLine("a", "b", "c", 0.0, 0.0).task == "a"
