"""Random programs against plain models, with cancellations between a wake-up and its effect.

A rule acts from outside any task and lets nothing run; the rule `settle` lets everything run, then compares.
So whatever rules come between two `settle` hit their targets in the same iteration, in any order.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gleenlet import (
    Cancelled,
    Condition,
    Event,
    Queue,
    QueueEmpty,
    Semaphore,
    Task,
    TaskGroup,
    Timeout,
    current_task,
    get_hub,
    spawn,
    timeout,
)
from inside import settle

LIMITS = settings(max_examples=100, stateful_step_count=30, deadline=None, database=None, derandomize=True)
FOREVER = 1e6
picks = st.integers(0, 10)


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

    @precondition(lambda self: self.getters_waited and not self.putters)
    @rule(count=st.integers(1, 2), turned=st.booleans(), pick=picks)
    def race(self, count: int, turned: bool, pick: int) -> None:
        """Items for getters that wait, and one of these is cancelled."""
        self.settle()
        if not self.getters:
            return
        if turned:
            self.cancel_getter(pick)
        for _ in range(min(count, self.maxsize or count)):
            item = self.new_item()
            self.queue.put_nowait(item)
            self.stored.append(item)
        if not turned:
            self.cancel_getter(pick)
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


class Failure(Exception):
    pass


class GroupMachine(RuleBasedStateMachine):
    """The model: who was woken, in which order, and to what; a group that fails cancels who comes later."""

    @initialize()
    def make(self) -> None:
        self.group: TaskGroup | None = None
        self.body = Event()
        self.parent: Task[None] = spawn(self.main)
        self.children: list[Task[Any]] = []
        self.events: list[Event] = []
        self.fails: set[int] = set()
        self.live: set[int] = set()
        self.woken: dict[int | str, str] = {}
        self.failures: set[int] = set()
        self.aborted = self.parent_cancelled = self.ended = self.body_left = False
        settle()

    def main(self) -> None:
        with TaskGroup() as group:
            self.group = group
            self.body.wait()

    def child(self, number: int) -> None:
        self.events[number].wait()
        if number in self.fails:
            raise Failure(number)

    @precondition(lambda self: not self.ended and not self.woken and not self.aborted)
    @rule()
    def spawn(self) -> None:
        assert self.group is not None
        if self.body_left and not self.live:
            return
        number = len(self.children)
        self.events.append(Event())
        self.children.append(self.group.spawn(self.child, number))
        self.live.add(number)
        settle()

    @precondition(lambda self: self.live)
    @rule(pick=picks, outcome=st.sampled_from(["ends", "fails", "cancelled"]))
    def wake(self, pick: int, outcome: str) -> None:
        number = sorted(self.live)[pick % len(self.live)]
        if outcome == "cancelled":
            self.children[number].cancel()
            self.woken[number] = outcome  # in its place, whatever was to happen
            return
        if number not in self.woken:
            if outcome == "fails":
                self.fails.add(number)
            self.woken[number] = outcome
            self.events[number].set()

    @precondition(lambda self: not self.ended)
    @rule()
    def leave_the_body(self) -> None:
        if not self.body_left and not self.aborted and "parent" not in self.woken:
            self.body.set()
            self.woken["parent"] = "leaves"

    @precondition(lambda self: not self.ended)
    @rule()
    def cancel_the_parent(self) -> None:
        if not self.aborted and not self.parent_cancelled:
            self.parent.cancel()
            self.parent_cancelled = True
            self.woken["parent"] = "cancelled"

    @rule()
    def settle(self) -> None:
        settle()
        failed = False
        for who, outcome in self.woken.items():
            if who == "parent":
                self.body_left = True
                self.aborted |= outcome == "cancelled"
                continue
            assert isinstance(who, int)
            self.live.discard(who)
            if outcome == "fails" and not self.aborted:
                self.failures.add(who)
                failed = True
            assert self.children[who].done()
        self.woken.clear()
        self.aborted |= failed
        if self.aborted:
            self.live.clear()
            self.body_left = True
        self.ended |= self.body_left and not self.live
        assert self.parent.done() == self.ended
        for number, task in enumerate(self.children):
            assert task.done() == (number not in self.live)
        if self.ended:
            error = self.parent._value
            if self.failures:
                assert isinstance(error, ExceptionGroup)
                assert {failure.args[0] for failure in error.exceptions} == self.failures
            elif self.parent_cancelled:
                assert isinstance(error, Cancelled)
            else:
                assert error is None
            assert self.parent.cancelling() == self.parent_cancelled

    @precondition(lambda self: self.ended)
    @rule()
    def start_again(self) -> None:
        self.make()

    def teardown(self) -> None:
        if hasattr(self, "parent"):
            self.settle()
            self.parent.cancel()
            self.parent.join()


class TimeoutMachine(RuleBasedStateMachine):
    """Blocks in blocks: of those that expire at once the outermost raises, if the task was not cancelled."""

    @initialize()
    def make(self) -> None:
        self.commands: Queue[str] = Queue()
        self.blocks: list[Timeout] = []
        self.log: list[int] = []
        self.expected: list[int] = []
        self.depth = 0
        self.cancelled = False
        self.task = spawn(self.main)
        settle()

    def main(self) -> None:
        while True:
            self.commands.get()
            self.block(0)

    def block(self, level: int) -> None:
        try:
            with timeout(FOREVER) as limit:
                self.blocks.append(limit)
                while self.commands.get() == "enter":
                    self.block(level + 1)
        except TimeoutError:
            self.log.append(level)
        finally:
            self.blocks.pop()

    @precondition(lambda self: not self.cancelled and self.depth < 5)
    @rule()
    def enter(self) -> None:
        self.commands.put("enter")
        self.depth += 1
        settle()

    @precondition(lambda self: not self.cancelled and self.depth)
    @rule()
    def leave(self) -> None:
        self.commands.put("leave")
        self.depth -= 1
        settle()

    @precondition(lambda self: not self.cancelled and self.depth)
    @rule(
        levels=st.sets(st.integers(0, 4), min_size=1),
        cancel=st.sampled_from(["no", "no", "no", "first", "last"]),
        command=st.booleans(),
    )
    def expire(self, levels: set[int], cancel: str, command: bool) -> None:
        hub = get_hub()
        levels = {level for level in levels if level < self.depth}
        if not levels:
            return
        if cancel == "first":
            hub.call_soon(self.task.cancel)
        for level in levels:
            self.blocks[level].reschedule(0)
        if cancel == "last":
            hub.call_soon(self.task.cancel)
        if command:  # comes when the task is already cancelled: it must not be lost
            hub.call_soon(self.commands.put, "enter")
        limits = list(self.blocks)
        settle()
        assert {level for level, limit in enumerate(limits) if limit.expired()} == levels
        if cancel == "no":
            self.depth = min(levels) + command
            self.expected.append(min(levels))
        else:
            self.depth = 0
            self.cancelled = True

    @precondition(lambda self: self.cancelled)
    @rule()
    def start_again(self) -> None:
        self.make()

    @invariant()
    def agrees(self) -> None:
        assert self.log == self.expected
        assert len(self.blocks) == self.depth
        assert self.task.cancelled() == self.cancelled
        assert self.task.cancelling() == self.cancelled

    def teardown(self) -> None:
        if hasattr(self, "task"):
            self.task.cancel()
            self.task.join()
        assert current_task() is None


TestSemaphore = SemaphoreMachine.TestCase
TestQueue = QueueMachine.TestCase
TestCondition = ConditionMachine.TestCase
TestGroup = GroupMachine.TestCase
TestTimeout = TimeoutMachine.TestCase
TestSemaphore.settings = TestQueue.settings = TestCondition.settings = LIMITS
TestGroup.settings = TestTimeout.settings = LIMITS
