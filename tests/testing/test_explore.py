"""The explorer finds planted bugs in counted runs, where plain repetition finds none; and none in our own locks."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import pytest

from gleenlet import (
    Barrier,
    Condition,
    Event,
    GleenletError,
    Lock,
    Queue,
    RLock,
    Semaphore,
    TaskGroup,
    move_on_after,
    run,
    sleep,
    spawn,
    timeout,
)
from gleenlet.testing import Deadlock, explore, virtual_time
from gleenlet.testing._explore import Explorer
from gleenlet.testing._tape import from_token, shrink, to_token


def together(*funcs: Callable[[], object]) -> None:
    with TaskGroup() as group:
        for func in funcs:
            group.spawn(func)


# ---- planted bugs: each runs well in the order that a loop takes by itself ----


def lost_update() -> None:
    """A deposit reads the balance at the moment when the other one writes it."""
    balance = [0]

    def deposit(amount: int) -> None:
        read = balance[0]
        sleep(1)
        balance[0] = read + amount

    together(lambda: sleep(1) or deposit(10), lambda: sleep(1) or sleep(1) or deposit(5))
    assert balance[0] == 15


def missed_wakeup() -> None:
    """Who looks first and begins to wait later is told in between, and waits for ever."""
    ready, changed = [False], Condition()

    def consume() -> None:
        if not ready[0]:
            sleep(1)
            with changed:
                changed.wait()

    def produce() -> None:
        sleep(1)
        ready[0] = True
        with changed:
            changed.notify()

    together(consume, produce)


def lock_order() -> None:
    """Two locks are taken in two orders."""
    one, other = Lock(), Lock()

    def take(first: Lock, second: Lock, before: float, between: float) -> None:
        if before:
            sleep(before)
        with first:
            sleep(between)
            with second:
                pass

    together(lambda: take(one, other, 0, 1), lambda: take(other, one, 1, 1))


def double_close() -> None:
    """Two give up at one moment, and both see the file open if one of them has to wait to close it."""
    closed, mutex = [0], Lock()

    def close() -> None:
        sleep(1)
        if not closed[0]:
            with mutex:
                closed[0] += 1

    def work() -> None:
        sleep(1)
        with mutex:
            sleep(1)

    together(close, close, work)
    assert closed[0] == 1


BUGS = [lost_update, missed_wakeup, lock_order, double_close]


def explorer_of(test: Callable[[], None], by: str) -> Explorer:
    explorer = Explorer(test)
    with explorer.exploring():
        if by == "chance":
            explorer.by_chance(50, 0)
        else:
            explorer.systematically(50, 2)
    return explorer


@pytest.mark.parametrize("by", ["chance", "system"])
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found_where_repetition_finds_none(bug: Callable[[], None], by: str) -> None:
    with virtual_time(patience=0):
        for _ in range(50):
            run(bug)
    explorer = explorer_of(bug, by)
    assert explorer.failure is not None
    assert explorer.runs < 50


def test_the_same_seed_makes_the_same_runs() -> None:
    assert explorer_of(lost_update, "chance").runs == explorer_of(lost_update, "chance").runs


# ---- what a failure says ----


def test_a_failure_shows_its_schedule_and_a_token_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError) as caught:
        explore(runs=100)(lost_update)()
    notes = "\n".join(caught.value.__notes__)
    assert re.search(r"found in run \d+ \(seed 0\)", notes)
    assert re.search(r"1\.000 s +<lambda>-\d+ +waits for timer at test_explore\.py:\d+", notes)
    token = re.search(r"--gleenlet-replay (t\w+)", notes)
    assert token is not None

    runs: list[int] = []
    monkeypatch.setenv("GLEENLET_REPLAY", token[1])
    with pytest.raises(AssertionError):
        explore()(lambda: runs.append(1) or lost_update())()
    assert len(runs) < 20  # once, and what it takes to make it simpler
    monkeypatch.setenv("GLEENLET_REPLAY", "t")
    explore()(lost_update)()  # the order that the loop takes by itself
    monkeypatch.setenv("GLEENLET_REPLAY", "?")
    with pytest.raises(ValueError, match="a replay token"):
        explore()(lost_update)()


def test_a_deadlock_is_a_failure() -> None:
    with pytest.raises(Deadlock, match=r"Lock\.acquire") as caught:
        explore(exhaustive=True)(lock_order)()
    assert "at most 2 delays" in caught.value.__notes__[0]


def test_a_failure_that_nobody_waits_for_is_one() -> None:
    with pytest.raises(ZeroDivisionError):
        explore(runs=1)(lambda: (spawn(lambda: 1 // 0), sleep(1)))()


def test_a_failure_that_does_not_come_again_is_told_as_such() -> None:
    def flaky() -> None:
        runs.append(1)
        assert len(runs) > 1

    runs: list[int] = []
    with pytest.raises(AssertionError) as caught:
        explore(runs=3)(flaky)()
    assert "It did not fail again" in caught.value.__notes__[1]


def test_what_a_run_leaves_is_cancelled() -> None:
    ends: list[str] = []

    def leaves() -> None:
        def left() -> None:
            try:
                sleep(1000)
            finally:
                ends.append("cancelled")

        spawn(left)
        sleep(1)

    explore(runs=3)(leaves)()
    assert ends == ["cancelled"] * 3


def test_it_is_refused_in_a_task() -> None:
    with pytest.raises(GleenletError, match="outside any"):
        run(explore()(lost_update))


def test_arguments_are_passed_on() -> None:
    seen: list[int] = []

    @explore(runs=2)
    def test(number: int) -> None:
        seen.append(number)

    test(7)
    assert seen == [7, 7]


def test_every_schedule_with_so_many_delays_runs_once() -> None:
    seen: set[tuple[int, ...]] = set()

    def test() -> None:
        order: list[int] = []
        with TaskGroup() as group:
            for i in range(3):
                group.spawn(order.append, i)
        assert tuple(order) not in seen
        seen.add(tuple(order))

    explore(exhaustive=True, preemptions=3)(test)()
    assert len(seen) == 6  # all orders of three


def test_a_tape_is_made_simpler() -> None:
    assert shrink([3, 0, 2, 5, 1, 0, 4, 0, 0], lambda tape: sum(tape) >= 4) == [4]
    assert shrink([1, 2, 3], lambda tape: False) == [1, 2, 3]
    assert from_token(to_token([0, 11, 35, 2, 0, 0])) == [0, 11, 35, 2]


# ---- our own ----


explore_unusual = functools.partial(explore, runs=500, cancellations=2, nested_loops=1)


@explore_unusual()
def test_a_lock_lets_one_in_and_forgets_nobody_who_goes() -> None:
    lock, inside = Lock(), [0]

    def use(limit: float) -> None:
        with move_on_after(limit), lock:
            inside[0] += 1
            assert inside[0] == 1
            try:
                sleep(1)
            finally:
                inside[0] -= 1

    together(*(lambda limit=limit: use(limit) for limit in (1, 2, 2, 3, 9)))
    assert not lock.locked()


@explore_unusual()
def test_a_queue_loses_nothing_and_doubles_nothing() -> None:
    queue, got = Queue[int](1), list[int]()
    put: list[int] = []

    def produce(first: int) -> None:
        for item in range(first, first + 3):
            with move_on_after(2):
                queue.put(item)
                put.append(item)
            sleep(1)

    def consume() -> None:
        for _ in range(6):
            try:
                with timeout(2):
                    got.append(queue.get())
            except TimeoutError:
                pass

    together(lambda: produce(0), lambda: produce(10), consume, consume)
    while not queue.empty():
        got.append(queue.get_nowait())
    assert sorted(got) == sorted(put)


@explore_unusual()
def test_a_semaphore_lets_so_many_in() -> None:
    semaphore, inside = Semaphore(2), [0]

    def use(limit: float) -> None:
        with move_on_after(limit), semaphore:
            inside[0] += 1
            assert inside[0] <= 2
            try:
                sleep(1)
            finally:
                inside[0] -= 1

    together(*(lambda limit=limit: use(limit) for limit in (1, 1, 2, 2, 9)))
    assert not semaphore.locked()


@explore(runs=150)
def test_a_conditions_notification_reaches_somebody() -> None:
    condition, items, got = Condition(RLock()), list[int](), list[int]()

    def consume(limit: float) -> None:
        with move_on_after(limit), condition:
            condition.wait_for(lambda: bool(items))
            got.append(items.pop())

    def produce() -> None:
        sleep(1)
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify()

    together(lambda: consume(1), lambda: consume(9), lambda: consume(9), produce)
    assert sorted(got + items) == [0, 1]
    assert len(got) == 2


@explore_unusual()
def test_a_notification_is_not_lost_with_who_is_cancelled() -> None:
    condition, items = Condition(), list[int]()

    def consume() -> None:
        with move_on_after(9) as scope, condition:
            condition.wait_for(lambda: bool(items))
            items.pop()
        assert not scope.expired() or not items

    def produce() -> None:
        sleep(1)
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify()

    together(consume, consume, consume, produce)


@explore(exhaustive=True, preemptions=3, runs=300)
def test_events_and_barriers_work_in_every_order() -> None:
    barrier, event, over = Barrier(3), Event(), list[int]()

    def meet() -> None:
        event.wait()
        over.append(barrier.wait())

    together(meet, meet, meet, event.set)
    assert sorted(over) == [0, 1, 2]
