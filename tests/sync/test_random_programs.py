"""Random programs against plain models, with cancellations between a wake-up and its effect.

A rule acts from outside any task and lets nothing run; the rule `settle` lets everything run, then compares.
So whatever rules come between two `settle` hit their targets in the same iteration, in any order.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gleenlet import (
    Condition,
    Queue,
    QueueEmpty,
    Semaphore,
    Task,
    spawn,
)
from inside import LIMITS, picks, settle


class SemaphoreMachine(RuleBasedStateMachine):
    """Who has not been cancelled gets in, in order of arrival, as far as there are units."""

    @initialize(value=st.integers(0, 2))
    def make(self, value: int) -> None:
        self.semaphore = Semaphore(value)
        self.units = value
        self.line: list[int] = []  # not cancelled, in order of arrival
        self.tasks: list[Task[Any]] = []
        self.log: list[int] = []
        self.settled_in = 0

    @rule(waits=st.booleans())
    def acquire(self, waits: bool) -> None:
        number = len(self.tasks)

        def acquires() -> None:
            self.semaphore.acquire()
            self.log.append(number)

        self.tasks.append(spawn(acquires))
        self.line.append(number)
        if waits:
            self.settle()

    @rule()
    def release(self) -> None:
        self.semaphore.release()
        self.units += 1

    @rule()
    def release_and_acquire(self) -> None:
        """A task that may have to queue behind those whom it wakes."""
        number = len(self.tasks)

        def acts() -> None:
            self.semaphore.release()
            self.semaphore.release()
            self.semaphore.acquire()
            self.log.append(number)

        self.settle()
        self.tasks.append(spawn(acts))
        self.units += 2
        self.line.append(number)
        self.settle()

    @precondition(lambda self: len(self.line) > self.settled_in)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        candidates = self.line[self.settled_in :]
        number = candidates[pick % len(candidates)]
        assert self.tasks[number].cancel()
        self.line.remove(number)

    @rule(turned=st.booleans(), behind=st.integers(1, 2))
    def race(self, turned: bool, behind: int) -> None:
        """Who is next in a line gets a unit and is cancelled, in either order."""
        self.settle()
        while len(self.line) < self.units + 1 + behind:
            self.acquire(waits=True)
        if turned:
            self.cancel(pick=0)
        self.release()
        if not turned:
            self.cancel(pick=0)
        self.settle()

    @rule()
    def settle(self) -> None:
        settle()
        assert self.log == self.line[: self.units]
        self.settled_in = len(self.log)
        assert self.semaphore.locked() == (self.units <= len(self.line))
        for number, task in enumerate(self.tasks):
            assert task.cancelled() == (number not in self.line)

    def teardown(self) -> None:
        if hasattr(self, "tasks"):
            self.settle()
            for task in self.tasks:
                task.cancel()
            settle()


class QueueMachine(RuleBasedStateMachine):
    """The model: what is stored, who waits to put, who waits to get."""

    @initialize(maxsize=st.integers(0, 2))
    def make(self, maxsize: int) -> None:
        self.queue: Queue[int] = Queue(maxsize)
        self.maxsize = maxsize
        self.stored: list[int] = []
        self.putters: list[tuple[Task[Any], int]] = []
        self.getters: list[Task[int]] = []
        self.expected: list[tuple[Task[int], int]] = []
        self.cancelled: list[Task[Any]] = []
        self.items = 0
        self.getters_waited = self.putters_waited = False

    def new_item(self) -> int:
        self.items += 1
        return self.items

    @rule(waits=st.booleans())
    def put(self, waits: bool) -> None:
        item = self.new_item()
        self.putters.append((spawn(self.queue.put, item), item))
        if waits:
            self.settle()

    @rule(waits=st.booleans())
    def get(self, waits: bool) -> None:
        self.getters.append(spawn(self.queue.get))
        if waits:
            self.settle()

    @rule(count=st.integers(1, 2), behind=st.integers(1, 2), turned=st.booleans(), pick=st.integers(0, 1))
    def race(self, count: int, behind: int, turned: bool, pick: int) -> None:
        """Items for the getters that are next in line, and one of these is cancelled."""
        count = min(count, self.maxsize or count)
        self.settle()
        while self.stored or self.putters or len(self.getters) < count + behind:
            self.get(waits=True)
        if turned:
            self.cancel_getter(pick % count)
        for _ in range(count):
            item = self.new_item()
            self.queue.put_nowait(item)
            self.stored.append(item)
        if not turned:
            self.cancel_getter(pick % count)
        self.settle()

    @precondition(lambda self: self.maxsize)
    @rule(count=st.integers(1, 2), behind=st.integers(1, 2), turned=st.booleans(), pick=st.integers(0, 1))
    def race_for_places(self, count: int, behind: int, turned: bool, pick: int) -> None:
        """Places for the putters that are next in line, and one of these is cancelled."""
        count = min(count, self.maxsize)
        self.settle()
        while self.getters or len(self.putters) < count + behind:
            self.put(waits=True)
        if turned:
            self.cancel_putter(pick % count)
        for _ in range(count):
            assert self.queue.get_nowait() == self.stored.pop(0)
        if not turned:
            self.cancel_putter(pick % count)
        self.settle()

    @precondition(lambda self: not self.putters_waited)
    @rule()
    def put_nowait(self) -> None:
        if not self.maxsize or len(self.stored) < self.maxsize:
            item = self.new_item()
            self.queue.put_nowait(item)
            self.stored.append(item)
        else:
            assert self.queue.full()

    @precondition(lambda self: not self.getters_waited)
    @rule()
    def get_nowait(self) -> None:
        if self.stored:
            assert self.queue.get_nowait() == self.stored.pop(0)
        else:
            try:
                self.queue.get_nowait()
            except QueueEmpty:
                return
            raise AssertionError("an item from nowhere")

    @rule()
    def put_and_get(self) -> None:
        """A task that may have to queue behind those whom it wakes."""
        items = [self.new_item(), self.new_item()]

        def acts() -> int:
            for item in items:
                self.queue.put_nowait(item)
            return self.queue.get()

        self.settle()
        if not self.putters and (not self.maxsize or len(self.stored) + 2 <= self.maxsize):
            self.stored += items
            self.getters.append(spawn(acts))
            self.settle()

    @rule()
    def get_and_put(self) -> None:
        """The same with places."""
        item = self.new_item()

        def acts() -> None:
            self.queue.get_nowait()
            self.queue.get_nowait()
            self.queue.put(item)

        self.settle()
        if len(self.stored) >= 2:
            del self.stored[:2]
            self.putters.append((spawn(acts), item))
            self.settle()

    @precondition(lambda self: self.putters)
    @rule(pick=picks)
    def cancel_putter(self, pick: int) -> None:
        task, _ = self.putters.pop(pick % len(self.putters))
        assert task.cancel()
        self.cancelled.append(task)

    @precondition(lambda self: self.getters)
    @rule(pick=picks)
    def cancel_getter(self, pick: int) -> None:
        task = self.getters.pop(pick % len(self.getters))
        assert task.cancel()
        self.cancelled.append(task)

    @rule()
    def settle(self) -> None:
        settle()
        done: list[Task[Any]] = []
        while True:
            if self.stored and self.getters:
                self.expected.append((self.getters.pop(0), self.stored.pop(0)))
            elif self.putters and (not self.maxsize or len(self.stored) < self.maxsize):
                task, item = self.putters.pop(0)
                self.stored.append(item)
                done.append(task)
            else:
                break
        assert all(task.done() and not task.cancelled() for task in done)
        assert [task.result() for task, _ in self.expected] == [item for _, item in self.expected]
        assert all(task.cancelled() for task in self.cancelled)
        assert not any(task.done() for task in [*self.getters, *(task for task, _ in self.putters)])
        assert self.queue.qsize() == len(self.stored)
        assert self.queue.full() == (0 < self.maxsize <= len(self.stored))
        self.expected.clear()
        self.getters_waited = bool(self.getters)
        self.putters_waited = bool(self.putters)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.settle()
            for task in [*self.getters, *(task for task, _ in self.putters)]:
                task.cancel()
            settle()


class ConditionMachine(RuleBasedStateMachine):
    """A notification goes to who has waited longest; of one cancelled on its way, to the next."""

    @initialize()
    def make(self) -> None:
        self.condition = Condition()
        self.waiting: list[int] = []
        self.notified: list[int] = []
        self.passed_on = 0
        self.tasks: list[Task[Any]] = []
        self.cancelled: set[int] = set()
        self.log: list[int] = []
        self.expected: list[int] = []

    @rule()
    def wait(self) -> None:
        number = len(self.tasks)

        def waits() -> None:
            with self.condition:
                self.condition.wait()
                self.log.append(number)

        self.settle()
        self.tasks.append(spawn(waits))
        self.waiting.append(number)
        settle()

    @rule(count=st.integers(1, 3), everybody=st.booleans())
    def notify(self, count: int, everybody: bool) -> None:
        if self.condition.locked():  # somebody is on his way with it
            self.settle()
        self.condition.acquire()
        if everybody:
            self.condition.notify_all()
            count = len(self.waiting)
        else:
            self.condition.notify(count)
        self.condition.release()
        self.notified += self.waiting[:count]
        del self.waiting[:count]

    @precondition(lambda self: self.waiting or self.notified)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        candidates = self.waiting + self.notified
        number = candidates[pick % len(candidates)]
        assert self.tasks[number].cancel()
        self.cancelled.add(number)
        if number in self.notified:
            self.notified.remove(number)
            self.passed_on += 1
        else:
            self.waiting.remove(number)

    @rule(turned=st.booleans(), behind=st.integers(1, 2))
    def race(self, turned: bool, behind: int) -> None:
        """Who is next is notified and cancelled, in either order."""
        self.settle()
        while len(self.waiting) < 1 + behind:
            self.wait()
        if turned:
            self.cancel(pick=0)
        self.notify(count=1, everybody=False)
        if not turned:
            self.cancel(pick=len(self.waiting))
        self.settle()

    @rule()
    def settle(self) -> None:
        settle()
        self.expected += self.notified + self.waiting[: self.passed_on]
        del self.waiting[: self.passed_on]
        self.notified.clear()
        self.passed_on = 0
        assert self.log == self.expected
        assert not self.condition.locked()
        for number, task in enumerate(self.tasks):
            assert task.cancelled() == (number in self.cancelled)
            assert task.done() == (number not in self.waiting)

    def teardown(self) -> None:
        if hasattr(self, "tasks"):
            self.settle()
            for task in self.tasks:
                task.cancel()
            settle()


TestSemaphore = SemaphoreMachine.TestCase
TestQueue = QueueMachine.TestCase
TestCondition = ConditionMachine.TestCase
TestSemaphore.settings = TestQueue.settings = TestCondition.settings = LIMITS
