"""Random programs of groups and timeouts against plain models; as in test_random_programs.py."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gleenlet import (
    Cancelled,
    Event,
    Queue,
    Task,
    TaskGroup,
    Timeout,
    current_task,
    get_hub,
    spawn,
    timeout,
)
from inside import FOREVER, LIMITS, picks, settle


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
            error = self.parent.value
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


TestGroup = GroupMachine.TestCase
TestTimeout = TimeoutMachine.TestCase
TestGroup.settings = TestTimeout.settings = LIMITS
