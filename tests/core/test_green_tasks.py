"""`green` without GTK: who is busy, what the emitter gets, what is reported."""

from __future__ import annotations

from typing import Any

import pytest
from gi.repository import GLib, GObject

from gleenlet import (
    Cancelled,
    Event,
    current_task,
    green,
    sleep,
)
from inside import fail, settle, unfinished

pytestmark = pytest.mark.usefixtures("no_task_left")


class Counter(GObject.Object):
    __gsignals__ = {"close-request": (GObject.SignalFlags.RUN_LAST, bool, ())}  # noqa: RUF012


def test_green_handler_may_wait_and_answers_at_once() -> None:
    log: list[str] = []

    @green(returns=True, priority=GLib.PRIORITY_LOW)
    def on_close(_: Counter) -> None:
        sleep(0)
        log.append("closed")
        current = current_task()
        assert current
        log.append(str(current.priority))

    counter = Counter()
    counter.connect("close-request", on_close)
    assert counter.emit("close-request") is True
    assert log == []
    while unfinished():
        sleep(0)
    assert log == ["closed", "300"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("parallel", ["start 0", "start 1", "start 2", "end 0", "end 1", "end 2"]),
        ("drop", ["start 0", "end 0"]),
        ("queue", ["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]),
        ("restart", ["start 0", "cancelled 0", "start 2", "end 2"]),
    ],
)
def test_when_busy_says_what_a_call_does_while_the_last_one_runs(policy: Any, expected: list[str]) -> None:
    log: list[str] = []
    gate = Event()

    @green(when_busy=policy)
    def work(i: int) -> None:
        log.append(f"start {i}")
        try:
            gate.wait()
        except Cancelled:
            log.append(f"cancelled {i}")
            raise
        log.append(f"end {i}")

    work(0)
    settle()
    work(1)
    work(2)
    settle()
    gate.set()
    settle()
    assert log == expected


def test_methods_are_busy_for_each_object_apart() -> None:
    class Thing:
        def __init__(self) -> None:
            self.count = 0

        @green(when_busy="drop")
        def work(self) -> None:
            self.count += 1
            sleep(0.001)

    one, other = Thing(), Thing()
    for thing in (one, one, other):
        thing.work()
    while unfinished():
        sleep(0.001)
    assert (one.count, other.count) == (1, 1)


def test_failure_of_a_green_function_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    for policy in ("parallel", "queue"):
        green(when_busy=policy)(fail)(ValueError("green"))
        while unfinished():
            sleep(0)
        settle()
        assert "ValueError: green" in capsys.readouterr().err


def test_green_refuses_bad_use() -> None:
    with pytest.raises(ValueError, match="when_busy must be"):
        green(when_busy="sometimes")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="function"):
        green(3)  # type: ignore[call-overload]
