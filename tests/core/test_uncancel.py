"""uncancel() takes back a cancellation until it has been raised in the task."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gleenlet import Cancelled, Event, Lock, Queue, Task, current_task, sleep, spawn
from gleenlet._core import Waiter
from inside import FOREVER, me, settle, start

pytestmark = pytest.mark.usefixtures("nothing_left")


def cancelled(task: Task[object]) -> None:
    """Cancelled, and not yet told."""
    task.cancel()
    assert task.cancelling() == 1


def take_back(task: Task[object]) -> None:
    cancelled(task)
    assert task.uncancel() == 0


def test_a_task_that_was_woken_already_gets_what_it_waited_for() -> None:
    queue: Queue[int] = Queue()
    task = spawn(queue.get)
    settle()
    queue.put(42)  # it may run
    take_back(task)
    assert task.result() == 42


def test_a_task_that_waits_waits_on() -> None:
    event = Event()
    task = spawn(event.wait)
    settle()
    take_back(task)
    settle()
    assert not task.done()
    event.set()
    assert task.result() is True


def test_a_task_that_sleeps_sleeps_to_the_end_and_has_its_timeout() -> None:
    asleep, short = spawn(sleep, 0.001), spawn(Waiter(0.001).wait)
    waiting = spawn(lambda: Waiter(0.001).wait())
    settle()
    for task in (asleep, waiting):
        take_back(task)
    assert asleep.result() is None
    with pytest.raises(TimeoutError):
        waiting.result()
    assert short.exception() is not None


def test_what_comes_while_a_task_is_being_cancelled_is_not_lost() -> None:
    event = Event()
    task = spawn(event.wait)
    settle()
    cancelled(task)
    event.set()
    assert task.uncancel() == 0
    assert task.result() is True


def test_the_time_that_is_over_while_a_task_is_being_cancelled_is_not_lost() -> None:
    task = spawn(sleep, 0.001)
    settle()

    def cancel() -> None:
        spawn(task.uncancel)  # before the task in the queue
        cancelled(task)
        time.sleep(0.002)  # its time is over: seen before the next step

    spawn(cancel).join()
    assert task.result() is None


def test_a_lock_handed_to_a_task_that_is_being_cancelled_goes_to_the_next() -> None:
    lock, log = Lock(), list[str]()
    lock.acquire()
    first, second = start(log, "first", lock.acquire), start(log, "second", lock.acquire)
    settle()
    first.cancel()
    lock.release()
    settle()
    assert (log, second.result()) == (["first Cancelled", "second"], None)


def test_one_of_two_cancellations_is_not_enough_to_take_back() -> None:
    task = spawn(sleep, FOREVER)
    settle()
    task.cancel()
    task.cancel("the second")
    assert task.uncancel() == 1
    with pytest.raises(Cancelled, match="the second"):
        task.result()


def test_a_task_that_has_not_begun_runs_after_all() -> None:
    task = spawn(int, "3")
    take_back(task)
    assert task.result() == 3


def test_a_task_that_runs_takes_its_own_back() -> None:
    def work() -> str:
        me().cancel()
        me().uncancel()
        sleep(0)
        return "went on"

    assert spawn(work).result() == "went on"


def test_a_cancellation_that_was_raised_is_only_counted_back() -> None:
    def work() -> int:
        try:
            sleep(FOREVER)
        except Cancelled:
            return me().uncancel()
        return -1

    task = spawn(work)
    settle()
    task.cancel()
    assert task.result() == 0


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_of_another_kind_is_nobodys_to_take_back(begun: bool) -> None:
    task = spawn(sleep, FOREVER)
    if begun:
        settle()
    task.interrupt(ValueError("Ctrl-C, say"))
    task.uncancel()
    with pytest.raises(ValueError, match="Ctrl-C"):
        task.result()


@pytest.mark.parametrize("wait", [lambda: sleep(0), lambda: sleep(0.001)])
def test_a_task_is_cancelled_and_uncancelled_again_and_again(wait: Callable[[], None]) -> None:
    def work() -> None:
        for _ in range(20):
            wait()

    task = spawn(work)
    while not task.done():
        take_back(task)
        sleep(0)
    assert task.result() is None
    assert current_task() is None
