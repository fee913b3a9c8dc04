"""Steps: waiting until all others wait, an order of blocks, what switches."""

from __future__ import annotations

import pytest
from gi.repository import GLib

from gleenlet import Event, sleep, spawn
from gleenlet.testing import (
    Sequencer,
    assert_no_switches,
    assert_switches,
    virtual_time,
    wait_all_tasks_blocked,
)
from inside import in_task


@in_task
def test_all_others_wait_when_it_returns() -> None:
    log: list[str] = []

    def busy() -> None:
        for _ in range(100):
            sleep(0)
        log.append("task")
        GLib.idle_add(lambda: log.append("idle"))

    spawn(busy)
    sleeper = spawn(sleep, 1000)
    wait_all_tasks_blocked()
    assert log == ["task", "idle"]
    assert not sleeper.done()
    sleeper.cancel()


@in_task
def test_all_others_wait_before_a_jump_of_the_clock() -> None:
    with virtual_time() as clock:
        task = spawn(sleep, 60)
        wait_all_tasks_blocked()
        assert clock.elapsed == 0
        task.join()
        assert clock.elapsed == 60


@in_task
def test_blocks_run_in_the_order_of_their_numbers() -> None:
    order, log = Sequencer(), list[int]()

    def block(number: int) -> None:
        with order(number):
            sleep(0)
            log.append(number)

    for task in [spawn(block, number) for number in (3, 1, 0, 2)]:
        task.join()
    assert log == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="used once"), order(2):
        pass


@in_task
def test_a_block_left_while_it_waits_breaks_those_behind() -> None:
    order = Sequencer()

    def block(number: int) -> None:
        with order(number):
            pass

    second, third = spawn(block, 1), spawn(block, 2)
    sleep(0)
    second.cancel()
    assert isinstance(third.exception(), RuntimeError)


@in_task
def test_blocks_that_must_and_must_not_switch() -> None:
    event = Event()
    event.set()
    with assert_switches():
        sleep(0)
    with assert_no_switches():
        event.wait()
    with pytest.raises(AssertionError, match="nothing else"), assert_switches():
        event.wait()
    with pytest.raises(AssertionError, match="other steps"), assert_no_switches():
        sleep(0)
