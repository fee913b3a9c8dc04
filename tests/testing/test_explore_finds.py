"""The explorer finds real races of asyncio's: ported, as CPython's tracker describes them, and one in place."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable

import pytest

from gleenlet import Cancelled, Event, Lock, TaskGroup, run, sleep, spawn, timeout
from gleenlet._core import Waiter
from gleenlet.asyncio import await_
from gleenlet.testing import Deadlock, explore, may_happen, virtual_time


class OldLock:
    """asyncio.Lock of Python 3.6.1: who is cancelled when it has been woken takes the wake-up along (bpo-27585)."""

    def __init__(self) -> None:
        self.locked = False
        self.waiters: deque[Waiter] = deque()

    def acquire(self) -> None:
        while self.locked:
            waiter = Waiter()
            self.waiters.append(waiter)
            try:
                waiter.wait()
            finally:
                self.waiters.remove(waiter)
        self.locked = True

    def release(self) -> None:
        self.locked = False
        for waiter in self.waiters:
            if not waiter.done:
                waiter.wake()
                break


class OldQueue:
    """asyncio.Queue.get of before 3.4.4: the same with an item (bpo-26650)."""

    def __init__(self) -> None:
        self.items: deque[int] = deque()
        self.getters: deque[Waiter] = deque()

    def put(self, item: int) -> None:
        self.items.append(item)
        if self.getters:
            self.getters.popleft().wake()

    def get(self) -> int:
        while not self.items:
            waiter = Waiter()
            self.getters.append(waiter)
            try:
                waiter.wait()
            except Cancelled:
                if waiter in self.getters:
                    self.getters.remove(waiter)
                raise
        return self.items.popleft()


def old_wait_for(func: Callable[[], object], seconds: float) -> object:
    """asyncio.wait_for of 3.9 to 3.11: a cancellation that meets the result is forgotten (bpo-42130)."""
    task = spawn(func)
    try:
        if not task.join(seconds):
            task.cancel()
            raise TimeoutError
    except Cancelled:
        if task.done():
            return task.result()
        task.cancel()
        raise
    return task.result()


def lock_after_a_cancellation(lock: OldLock | Lock) -> None:
    def use() -> None:
        lock.acquire()
        try:
            sleep(1)
        finally:
            lock.release()

    with TaskGroup() as group:
        tasks = [group.spawn(use, name=name) for name in ("first", "second", "third")]
        with may_happen(tasks[1].cancel, name="cancel second"):
            tasks[2].join()


def queue_after_a_cancellation() -> None:
    queue, got = OldQueue(), list[int]()

    def take() -> None:
        got.append(queue.get())

    with TaskGroup() as group:
        first, second = group.spawn(take, name="first"), group.spawn(take, name="second")

        def put() -> None:
            sleep(1)
            queue.put(7)

        group.spawn(put, name="put")
        with may_happen(first.cancel, name="cancel first"):
            while not got:
                assert not queue.items or not second.done()
                sleep(1)
                if queue.items:
                    raise LookupError("an item lies there, and who could take it waits")
        second.cancel()
        first.cancel()


def cancellation_of(wait_for: Callable[[Callable[[], object], float], object]) -> None:
    """Whoever is cancelled while it waits has ended afterwards."""
    ready = Event()

    def wait() -> None:
        wait_for(ready.wait, 9)
        went_on.append(True)
        sleep(5)  # what a cancelled task should not begin

    went_on: list[bool] = []
    cancelled: list[bool] = []
    task = spawn(wait, name="waits")
    sleep(1)
    ready.set()
    with may_happen(lambda: went_on or (cancelled.append(True), task.cancel()), name="cancel"):
        task.join()
    assert not cancelled or task.cancelled()


def good_wait_for(func: Callable[[], object], seconds: float) -> object:
    with timeout(seconds):
        return func()


REAL: dict[str, tuple[Callable[[], None], type[Exception] | tuple[type[Exception], ...]]] = {
    "Lock": (lambda: lock_after_a_cancellation(OldLock()), Deadlock),
    "Queue": (queue_after_a_cancellation, (LookupError, Deadlock, ExceptionGroup)),
    "wait_for": (lambda: cancellation_of(old_wait_for), AssertionError),
}


@pytest.mark.parametrize("by", ["chance", "system"])
@pytest.mark.parametrize("name", REAL)
def test_a_race_that_asyncio_had_is_found(name: str, by: str) -> None:
    test, kind = REAL[name]
    with virtual_time(patience=0):
        for _ in range(50):
            run(test)  # as the loop takes it by itself: right each time
    with pytest.raises(kind) as caught:
        explore(runs=300, exhaustive=by == "system")(test)()
    assert "meanwhile: cancel" in caught.value.__notes__[0]


@explore(exhaustive=True, runs=500)
def test_our_lock_has_no_such_race() -> None:
    lock_after_a_cancellation(Lock())


@explore(exhaustive=True, runs=500)
def test_our_time_limit_has_no_such_race() -> None:
    cancellation_of(good_wait_for)


def in_asyncio() -> None:
    """The same with asyncio itself."""

    async def main() -> None:
        ready = asyncio.Event()

        async def wait() -> None:
            await asyncio.wait_for(ready.wait(), 9)
            await asyncio.sleep(5)

        task = asyncio.create_task(wait())
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_soon(task.cancel)
        asyncio.get_running_loop().call_soon(ready.set)
        await asyncio.wait([task])
        assert task.cancelled()

    run_in_task(main)


def run_in_task(main: Callable[[], object]) -> None:
    await_(main())  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 has another wait_for")
def test_the_race_is_found_in_asyncio_itself(no_background_loop: None) -> None:
    with virtual_time(patience=0):
        for _ in range(50):
            run(in_asyncio)
    with pytest.raises(AssertionError):
        explore(runs=300)(in_asyncio)()
