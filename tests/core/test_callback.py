"""`callback`: what GLib gets, what is reported, where it is queued."""

from __future__ import annotations

import pytest
from gi.repository import GObject

from gleenlet import (
    GleenletError,
    Task,
    callback,
    sleep,
    spawn,
)
from inside import unfinished

pytestmark = pytest.mark.usefixtures("no_task_left")


class Counter(GObject.Object):
    value = GObject.Property(type=int, default=0)


def test_callback_gives_a_bool_or_false() -> None:
    log: list[str] = []

    def waits() -> bool:
        log.append("at once")
        sleep(0)
        log.append("later")
        return True

    assert [callback(lambda v=v: v)() for v in ((), (1,), None, 1, "")] == [False, True, False, True, False]
    assert callback(waits)() is False
    assert log == ["at once"]
    while unfinished():
        sleep(0)
    assert log == ["at once", "later"]


def test_callback_reports_errors(capsys: pytest.CaptureFixture[str]) -> None:
    class NoBool:
        def __bool__(self) -> bool:
            raise ArithmeticError

    assert callback(lambda: 1 / 0)() is False
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert callback(NoBool)() is False
    assert "ArithmeticError" in capsys.readouterr().err
    with pytest.raises(TypeError):
        callback(3)  # type: ignore[arg-type]


def test_callback_inside_an_emission_and_inside_a_task() -> None:
    log: list[str] = []

    def on_notify(counter: Counter, _: object) -> None:
        log.append(f"start {counter.value}")
        sleep(0)
        log.append(f"end {counter.value}")

    counter = Counter()
    counter.connect("notify::value", callback(on_notify))
    counter.value = 1
    assert log == ["start 1"]
    while unfinished():
        sleep(0)
    seen = spawn(lambda: (setattr(counter, "value", 2), list(log))).result()[1]
    assert seen == ["start 1", "end 1"]  # on a task's stack: queued
    while unfinished():
        sleep(0)
    assert log == ["start 1", "end 1", "start 2", "end 2"]


def test_task_is_started_once() -> None:
    task: Task[None] = Task(print, (), {}, 0, None, False)
    task.start()
    with pytest.raises(GleenletError, match="started before"):
        task.start()
