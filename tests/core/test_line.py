"""Line: who waits in order; and what belongs to the thread that uses it first."""

from __future__ import annotations

import threading

import pytest

from gleenlet import Cancelled, GleenletError, spawn
from gleenlet._core import Line, ThreadBound
from inside import settle


def test_wake_tells_how_many_and_each_his_place() -> None:
    line = Line("test")
    tasks = [spawn(line.wait, None) for _ in range(3)]
    settle()
    assert len(line) == 3
    assert line.wake(2) == 2
    assert line.wake() == 1
    assert [task.result() for task in tasks] == [0, 1, 0]
    assert (len(line), line.wake()) == (0, 0)


def test_who_was_woken_and_cancelled_passes_it_on() -> None:
    line = Line("test")
    first = spawn(line.wait, None, lambda: line.wake(1))
    second = spawn(line.wait, None)
    settle()
    line.wake(1)
    first.cancel()
    with pytest.raises(Cancelled):
        first.result()
    assert second.result() == 0


def test_who_was_cancelled_only_has_nothing_to_pass_on_and_is_out_of_the_line() -> None:
    line, passed = Line("test"), list[int]()
    task, other = spawn(line.wait, None, lambda: passed.append(1)), spawn(line.wait, None)
    settle()
    task.cancel()
    assert len(line) == 1
    assert not task.join() or passed == []
    assert line.wake() == 1
    assert other.result() == 0


def test_what_one_thread_has_used_another_may_not() -> None:
    class Thing(ThreadBound):
        pass

    thing, errors = Thing(), list[GleenletError]()
    thing.claim()

    def claims() -> None:
        for what in ((), ("a text",)):
            with pytest.raises(GleenletError) as caught:
                thing.claim(*what)
            errors.append(caught.value)

    thread = threading.Thread(target=claims)
    thread.start()
    thread.join()
    assert [str(error).partition(" belongs")[0] for error in errors] == ["this Thing", "this str"]
    thing.claim()
